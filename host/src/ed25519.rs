// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The node's side: `ed25519-zebra`, as the SDK's own host function.

use crate::ITEM_BYTES;
use ed25519_zebra::{Signature, VerificationKeyBytes, batch};

/// Below this many signatures a batch saves nothing.
const SMALLEST_BATCH: usize = 3;

fn item(bytes: &[u8]) -> Option<batch::Item> {
    let (key, rest) = bytes.split_first_chunk::<32>()?;
    let (signature, message) = rest.split_first_chunk::<64>()?;
    Some(batch::Item::from((
        VerificationKeyBytes::from(*key),
        Signature::from(*signature),
        message,
    )))
}

pub(crate) fn verify_each(items: &[u8]) -> Vec<bool> {
    let items: Vec<_> = items.chunks_exact(ITEM_BYTES).filter_map(item).collect();
    if items.len() >= SMALLEST_BATCH && all_hold(&items) {
        return vec![true; items.len()];
    }
    items
        .into_iter()
        .map(|item| item.verify_single().is_ok())
        .collect()
}

/// A batch holds if a random combination of its equations does: wrongly with probability 2^-128 at
/// most, whatever its author tries, since the coefficients are drawn after the signatures are known.
fn all_hold(items: &[batch::Item]) -> bool {
    let mut verifier = batch::Verifier::new();
    for item in items {
        verifier.queue(item.clone());
    }
    verifier.verify(rand::thread_rng()).is_ok()
}
