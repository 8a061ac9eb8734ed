// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The end of a block: one batch per touched stream, one commitment in the header.

use crate::{
    Batches, BlockBatches, Config, Event, Kept, Load, Memory, OpenBatches, OpenStreams, Pallet,
    Tips,
    frame_support::{BoundedVec, defensive, weights::Weight},
    frame_system::{self, pallet_prelude::BlockNumberFor},
    sp_runtime::{SaturatedConversion, generic::DigestItem},
    weights::WeightInfo,
};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::Encode;
use ves_primitives::{
    BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, LeafHash, StreamId, StreamTip,
};

impl<T: Config> Pallet<T> {
    /// What the end of a block costs whatever was submitted.
    pub(crate) fn weight_of_empty_commit() -> Weight {
        T::WeightInfo::commit_block_base()
            .saturating_add(T::WeightInfo::commit_leaves(0))
            .saturating_add(T::WeightInfo::commit_streams(0))
    }

    /// Turns the block's runs into batches, in order of stream id.
    ///
    /// Mandatory and unmetered, so bounded by construction: `authorize` admits no more events and
    /// streams than the limits, and each submission has paid for its own share.
    pub(crate) fn commit_batches(block: BlockNumberFor<T>) {
        OpenStreams::<T>::kill();
        let load = Load::<T>::take();
        if load.runs == 0 {
            return;
        }
        let block_number: u32 = block.saturated_into();
        let mut streams = BTreeMap::<StreamId, Vec<LeafHash>>::new();
        for number in 0..load.runs {
            let Some(run) = Memory::<T>::get(block_number, number) else {
                defensive!("a run of the block is missing");
                continue;
            };
            streams
                .entry(run.stream_id)
                .or_default()
                .extend(run.events.iter().map(|event| event.leaf));
        }
        let mut batches = Vec::with_capacity(streams.len());
        let mut listed = BoundedVec::default();
        for (id, leaves) in streams {
            let Some(stream) = OpenBatches::<T>::take(id) else {
                defensive!("open stream has no batch");
                continue;
            };
            let tip = Tips::<T>::get(id).unwrap_or(StreamTip::EMPTY);
            let batch = BatchCommitment::commit(
                stream.tenant_id,
                stream.store_id,
                block_number,
                &tip,
                &leaves,
            );
            // An open batch has between one and `MAX_EVENTS_PER_BLOCK` leaves and enough sequence
            // numbers for them; `place` sees to both.
            let Ok(batch) = batch else {
                defensive!("open leaves do not form a batch");
                continue;
            };
            Tips::<T>::insert(id, batch.tip());
            Batches::<T>::insert(id, batch.batch_index, &batch);
            Self::prune_after_commit(id, batch.tip().batch_count, block_number);
            // As many streams at most as a block admits.
            if listed.try_push((id, batch.batch_index)).is_err() {
                defensive!("block has more batches than its limit");
            }
            batches.push(batch);
        }
        if !listed.is_empty() {
            BlockBatches::<T>::insert(block_number, listed);
        }
        if let Some(commitment) = BlockCommitment::commit(&batches) {
            frame_system::Pallet::<T>::deposit_log(DigestItem::Consensus(
                BLOCK_COMMITMENT_ENGINE,
                commitment.encode(),
            ));
        }
        for batch in batches {
            Self::deposit_event(Event::BatchCommitted {
                stream_id: batch.stream_id(),
                batch,
            });
        }
    }

    /// The batch that holds a sequence, unless it is pruned; found by bisection, since ranges ascend
    /// without gaps.
    pub fn batch_of_sequence(stream: StreamId, sequence: u64) -> Option<BatchCommitment> {
        let tip = Tips::<T>::get(stream)?;
        if sequence == 0 || sequence > tip.sequence {
            return None;
        }
        let (mut low, mut high) = (
            Kept::<T>::get(stream).oldest,
            tip.batch_count.checked_sub(1)?,
        );
        while low <= high {
            let middle = low.saturating_add(high.saturating_sub(low) / 2);
            let batch = Batches::<T>::get(stream, middle)?;
            if sequence < batch.sequence_start {
                high = middle.checked_sub(1)?;
            } else if sequence > batch.sequence_end {
                low = middle.saturating_add(1);
            } else {
                return Some(batch);
            }
        }
        None
    }

    /// The batches that a block of the last `ANCHORED_RETENTION_BLOCKS` committed, in stream-id
    /// order.
    pub fn batches_in_block(number: u32) -> Vec<BatchCommitment> {
        BlockBatches::<T>::get(number)
            .into_iter()
            .filter_map(|(stream, index)| Batches::<T>::get(stream, index))
            .collect()
    }
}
