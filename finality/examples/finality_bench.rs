// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bytes of evidence and time to verify it, for sets of 1, 4 and 64 validators who all vote.
//!
//! `cargo run --release -p ves-finality --features testing --example finality_bench`

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::time::{Duration, Instant};
use ves_finality::{
    BlockHash, DigestItem, Header, TrackedSets,
    testing::{self, Validator, change, justify, proof},
};
use ves_primitives::{FinalityProof, limits::JUSTIFICATION_PERIOD_BLOCKS};

const RUNS: u32 = 201;

/// As long as a real one of a block with events.
fn digest() -> Vec<DigestItem> {
    vec![
        DigestItem::PreRuntime(*b"aura", vec![0; 8]),
        DigestItem::Consensus(*b"VESB", vec![0; 37]),
        DigestItem::Seal(*b"aura", vec![0; 64]),
    ]
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let chain = testing::chain(BlockHash([1; 32]), JUSTIFICATION_PERIOD_BLOCKS, |_| {
        digest()
    });
    println!("a header has {} bytes", chain[0].bytes().len());
    for count in [1, 4, 64] {
        let validators: Vec<Validator> = (0..count).map(Validator).collect();
        let set = testing::set(0, &validators);
        let sets = TrackedSets::new(set.clone(), 0).unwrap();
        for headers in [0, 2, JUSTIFICATION_PERIOD_BLOCKS - 1] {
            let target = &chain[headers as usize];
            let evidence = proof(
                &chain[1..=headers as usize],
                &justify(target, 1, 0, &validators),
            );
            report(&sets, &chain[0], &evidence, count);
        }
        let members = serde_json::to_string(&set).unwrap();
        println!(
            "{count:>3} validators, the set in JSON: {} bytes",
            members.len()
        );
        let next: Vec<Validator> = (1_000..1_000 + count).map(Validator).collect();
        let header = testing::header(BlockHash([1; 32]), 1, vec![change(&next, 0)]);
        let evidence = proof(
            std::slice::from_ref(&header),
            &justify(&header, 1, 0, &validators),
        );
        let time = median(|| sets.clone().follow(&evidence).unwrap());
        println!(
            "{count:>3} validators, change of the set: {} bytes, {time:?}",
            bytes(&evidence)
        );
    }
}

fn bytes(evidence: &FinalityProof) -> usize {
    evidence.headers.iter().map(Vec::len).sum::<usize>() + evidence.justification.len()
}

fn report(sets: &TrackedSets, block: &Header, evidence: &FinalityProof, count: u32) {
    let json = serde_json::to_string(evidence).unwrap();
    let time = median(|| {
        sets.prove(block, evidence).unwrap();
    });
    println!(
        "{count:>3} validators, {:>2} headers: justification {} bytes, proof {} bytes, JSON {}, {time:?}",
        evidence.headers.len(),
        evidence.justification.len(),
        bytes(evidence),
        json.len(),
    );
}
