// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Where the chain's state holds what the relay has proven to it.

use ves_client::state::StorageKey;
pub use ves_client::state::{ReadProof, ReadProofError};
use ves_primitives::StreamId;

/// Where the batches that a block committed are listed.
pub fn block_batches_key(number: u32) -> Vec<u8> {
    StorageKey::item("VesSequencer", "BlockBatches")
        .twox(&number.to_le_bytes())
        .into_bytes()
}

/// Where a batch is.
pub fn batch_key(stream: StreamId, index: u64) -> Vec<u8> {
    of_stream("VesSequencer", "Batches", stream, index)
}

/// Where the verdict about the proof of a batch is.
pub fn batch_proof_key(stream: StreamId, index: u64) -> Vec<u8> {
    of_stream("StarkVerifier", "BatchProofs", stream, index)
}

fn of_stream(pallet: &str, item: &str, stream: StreamId, index: u64) -> Vec<u8> {
    StorageKey::item(pallet, item)
        .identity(&stream.0)
        .twox(&index.to_le_bytes())
        .into_bytes()
}
