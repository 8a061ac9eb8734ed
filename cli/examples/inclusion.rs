// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How long it takes to verify that an event is in a batch: of the largest tree that a block commits to, and of
//! a tree of a million leaves, which is more than a block takes.
//!
//! `cargo run --release --example inclusion`

use codec::Encode;
use std::{hint::black_box, time::Instant};
use ves_primitives::{
    InclusionProof, LeafHash, events_root, limits::MAX_EVENTS_PER_BLOCK, node_hash, path_of,
    root_of, sha256,
};

const RUNS: u32 = 20_000;
const MILLION: u32 = 1_000_000;

fn leaves(count: u32) -> Vec<LeafHash> {
    (0..count)
        .map(|n| LeafHash(sha256(&n.to_be_bytes())))
        .collect()
}

/// Microseconds each.
fn timed(mut verify: impl FnMut() -> bool) -> Result<f64, &'static str> {
    let began = Instant::now();
    for _ in 0..RUNS {
        if !verify() {
            return Err("a good proof does not verify");
        }
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let block = leaves(MAX_EVENTS_PER_BLOCK);
    let index = MAX_EVENTS_PER_BLOCK / 3;
    let root = events_root(&block).ok_or("no leaves")?;
    let proof = InclusionProof::build(&block, index).ok_or("no such leaf")?;
    let leaf = *block.get(usize::try_from(index)?).ok_or("no such leaf")?;
    let each = timed(|| {
        black_box(&proof)
            .verify(black_box(&root.0), black_box(&leaf.0))
            .is_ok()
    })?;
    println!(
        "{MAX_EVENTS_PER_BLOCK} leaves: {} levels, {} bytes, {each:.2} us",
        proof.path.len(),
        proof.encoded_size(),
    );

    // No block has so many: the proof is folded as `InclusionProof::verify` does, without its limit.
    let million: Vec<[u8; 32]> = leaves(MILLION).into_iter().map(|leaf| leaf.0).collect();
    let index = MILLION / 3;
    let leaf = *million.get(usize::try_from(index)?).ok_or("no such leaf")?;
    let path = path_of(million.clone(), index).ok_or("no such leaf")?;
    let root = root_of(million).ok_or("no leaves")?;
    let each = timed(|| {
        let mut at = index;
        let mut node = black_box(leaf);
        for sibling in black_box(&path) {
            node = match at & 1 {
                0 => node_hash(&node, sibling),
                _ => node_hash(sibling, &node),
            };
            at >>= 1;
        }
        node == root
    })?;
    let proof = InclusionProof {
        leaf_index: index,
        leaf_count: MILLION,
        path,
    };
    println!(
        "{MILLION} leaves: {} levels, {} bytes, {each:.2} us",
        proof.path.len(),
        proof.encoded_size(),
    );
    Ok(())
}
