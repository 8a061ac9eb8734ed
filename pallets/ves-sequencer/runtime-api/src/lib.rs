// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runtime API of the sequencer: tips, batches, event statuses, pre-flight checks, block index.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use polkadot_sdk::{sp_api, sp_runtime::traits::Block as BlockT};
use ves_primitives::{
    BatchCommitment, EventId, StreamId, StreamTip, SubmittedEvent,
    sequencer::{Admission, BlockIndex, EventRecord, KeptBatches, SequencerLimits},
};

sp_api::decl_runtime_apis! {
    /// Questions about streams at a block's state.
    pub trait VesSequencerApi {
        /// Where the stream stands; empty if it has no batch.
        fn tip(stream: StreamId) -> StreamTip;
        /// A batch by its number within the stream, from 0, unless it is pruned.
        fn batch(stream: StreamId, index: u64) -> Option<BatchCommitment>;
        /// The batch that holds a sequence, unless it is pruned.
        fn batch_of_sequence(stream: StreamId, sequence: u64) -> Option<BatchCommitment>;
        /// Which of the stream's batches are not pruned, and how many are reported as anchored.
        fn kept_batches(stream: StreamId) -> KeptBatches;
        /// The batches that a block committed, in stream-id order; none of a block more than
        /// `ANCHORED_RETENTION_BLOCKS` before the state that is asked.
        fn batches_in_block(number: u32) -> Vec<BatchCommitment>;
        /// What became of an event.
        fn event_status(stream: StreamId, event: EventId) -> Option<EventRecord>;
        /// The version an entity has, 0 if it has no events.
        fn entity_version(stream: StreamId, entity_type: Vec<u8>, entity_id: Vec<u8>) -> u64;
        /// What would happen to each event if the list stood in the next block, in order.
        fn can_submit(events: Vec<SubmittedEvent>) -> Vec<Admission>;
        /// The limits a client must keep.
        fn limits() -> SequencerLimits;
        /// What the block with these extrinsics did; ask at the state of that very block.
        fn index_block(extrinsics: Vec<<Block as BlockT>::Extrinsic>) -> BlockIndex;
    }
}
