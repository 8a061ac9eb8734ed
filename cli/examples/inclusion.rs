// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How long it takes to verify that an event is in a batch, by [`InclusionProof::verify`], which pull, push,
//! bundles and the browser use: in the largest tree that a block commits to, and through the twenty levels of
//! a tree of a million leaves.
//!
//! No block has a million events, and the verifier refuses proofs of more than it may have. The million are
//! therefore proven in two steps of the same verifier, neither of which is over the limit: the leaf in its
//! subtree of 16,384, and the subtree's root among the 62 of them. That is every hash and every check of
//! twenty levels, and one comparison more than a proof in one piece has. The path is that of the tree of a
//! million, cut in two; its bytes are counted in one piece.
//!
//! `cargo run --release --example inclusion`

use codec::Encode;
use std::{hint::black_box, time::Instant};
use ves_primitives::{
    InclusionProof, LeafHash, events_root, limits::MAX_EVENTS_PER_BLOCK, path_of, root_of, sha256,
    tree_depth,
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

/// One line for each tree: as SCALE, which the database keeps, and as JSON, which bundles hold.
fn tell(leaves: u32, proof: &InclusionProof, each: f64) -> Result<(), serde_json::Error> {
    let json = serde_json::to_vec(proof)?;
    println!(
        "{leaves} leaves: {} levels, {} bytes of JSON, {} bytes, {each:.2} us",
        proof.path.len(),
        json.len(),
        proof.encoded_size(),
    );
    Ok(())
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
    tell(MAX_EVENTS_PER_BLOCK, &proof, each)?;

    let million: Vec<[u8; 32]> = leaves(MILLION).into_iter().map(|leaf| leaf.0).collect();
    let index = MILLION / 3;
    let leaf = *million.get(usize::try_from(index)?).ok_or("no such leaf")?;
    let path = path_of(million.clone(), index).ok_or("no such leaf")?;
    let depth = usize::try_from(tree_depth(MAX_EVENTS_PER_BLOCK))?;
    let (below, above) = path.split_at(depth);
    let lower = InclusionProof {
        leaf_index: index % MAX_EVENTS_PER_BLOCK,
        leaf_count: MAX_EVENTS_PER_BLOCK,
        path: below.to_vec(),
    };
    let upper = InclusionProof {
        leaf_index: index / MAX_EVENTS_PER_BLOCK,
        leaf_count: MILLION.div_ceil(MAX_EVENTS_PER_BLOCK),
        path: above.to_vec(),
    };
    let start = usize::try_from(index - index % MAX_EVENTS_PER_BLOCK)?;
    let end = start + usize::try_from(MAX_EVENTS_PER_BLOCK)?;
    let subtree = million.get(start..end).ok_or("no such subtree")?.to_vec();
    let between = root_of(subtree).ok_or("no leaves")?;
    let root = root_of(million).ok_or("no leaves")?;
    let each = timed(|| {
        black_box(&lower)
            .verify(black_box(&between), black_box(&leaf))
            .and_then(|()| black_box(&upper).verify(black_box(&root), black_box(&between)))
            .is_ok()
    })?;
    let whole = InclusionProof {
        leaf_index: index,
        leaf_count: MILLION,
        path,
    };
    if whole.verify(&root, &leaf).is_ok() {
        return Err("the verifier takes a batch that no block can have".into());
    }
    tell(MILLION, &whole, each)?;
    Ok(())
}
