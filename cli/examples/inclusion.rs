// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How long it takes to verify that an event is in a batch, for the largest tree that a block commits to.
//!
//! `cargo run --release --example inclusion`

use std::{hint::black_box, time::Instant};
use ves_primitives::{InclusionProof, LeafHash, events_root, limits::MAX_EVENTS_PER_BLOCK, sha256};

const RUNS: u32 = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let leaves: Vec<LeafHash> = (0..MAX_EVENTS_PER_BLOCK)
        .map(|n| LeafHash(sha256(&n.to_be_bytes())))
        .collect();
    let root = events_root(&leaves).ok_or("no leaves")?;
    let index = MAX_EVENTS_PER_BLOCK / 3;
    let proof = InclusionProof::build(&leaves, index).ok_or("no such leaf")?;
    let leaf = leaves
        .get(usize::try_from(index)?)
        .copied()
        .ok_or("no such leaf")?;
    let began = Instant::now();
    for _ in 0..RUNS {
        black_box(&proof).verify(black_box(&root.0), black_box(&leaf.0))?;
    }
    let each = began.elapsed() / RUNS;
    let levels = u32::try_from(proof.path.len())?;
    // A path has one sibling of 32 bytes for each level, and a million leaves have 20 levels.
    println!(
        "{MAX_EVENTS_PER_BLOCK} leaves: {levels} levels, {} bytes, {:.2} us; at 20 levels {} bytes, {:.2} us",
        levels * 32,
        each.as_secs_f64() * 1e6,
        20 * 32,
        each.as_secs_f64() * 1e6 / f64::from(levels) * 20.0,
    );
    Ok(())
}
