// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How long batches stay in state, and who says that they are anchored.

use crate::{
    Batches, BlockBatches, Config, Error, Event, Kept, Pallet, RelayList, Relays, Tips,
    frame_support::{defensive, dispatch::DispatchResult, ensure, weights::Weight},
    frame_system::{self, pallet_prelude::BlockNumberFor},
    sp_runtime::{DispatchError, SaturatedConversion},
    weights::WeightInfo,
};
use alloc::collections::BTreeSet;
use ves_primitives::{StreamId, limits, sequencer::KeptBatches};

type System<T> = frame_system::Pallet<T>;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_relays(relays: RelayList<T>) -> DispatchResult {
        let distinct: BTreeSet<_> = relays.iter().collect();
        ensure!(distinct.len() == relays.len(), Error::<T>::RelayNamedTwice);
        // First the new references, so that an account which stays never goes without one.
        for relay in &relays {
            System::<T>::inc_providers(relay);
        }
        for former in Relays::<T>::get() {
            System::<T>::dec_providers(&former)?;
        }
        Relays::<T>::put(&relays);
        Self::deposit_event(Event::RelaysChanged { relays });
        Ok(())
    }

    /// Answers how many batches were pruned.
    pub(crate) fn do_note_anchored(
        relay: T::AccountId,
        stream_id: StreamId,
        batch_count: u64,
    ) -> Result<u32, DispatchError> {
        ensure!(Relays::<T>::get().contains(&relay), Error::<T>::NotARelay);
        let tip = Tips::<T>::get(stream_id).ok_or(Error::<T>::StreamNotFound)?;
        ensure!(
            batch_count <= tip.batch_count,
            Error::<T>::AnchoredBeyondTip
        );
        let mut kept = Kept::<T>::get(stream_id);
        ensure!(batch_count >= kept.anchored, Error::<T>::AnchoredBefore);
        let news = batch_count > kept.anchored;
        kept.anchored = batch_count;
        let now = System::<T>::block_number().saturated_into();
        let most = limits::MAX_PRUNED_PER_REPORT;
        let pruned = prune::<T>(stream_id, &mut kept, tip.batch_count, now, most);
        Kept::<T>::insert(stream_id, kept);
        if news {
            Self::deposit_event(Event::BatchesAnchored {
                stream_id,
                batch_count,
                relay,
            });
        }
        Ok(pruned)
    }

    /// Prunes a stream that has just committed a batch: no stream grows for ever, whether anybody
    /// reports or not.
    pub(crate) fn prune_after_commit(stream: StreamId, batch_count: u64, now: u32) {
        let mut kept = Kept::<T>::get(stream);
        let most = limits::MAX_PRUNED_PER_COMMIT;
        if prune::<T>(stream, &mut kept, batch_count, now, most) > 0 {
            Kept::<T>::insert(stream, kept);
        }
    }

    /// Drops the list of the block whose retention ends with this one. Every block does, so that no
    /// list is left.
    pub(crate) fn unlist_old_batches(now: BlockNumberFor<T>) -> Weight {
        let now: u32 = now.saturated_into();
        match now.checked_sub(limits::ANCHORED_RETENTION_BLOCKS) {
            Some(block) => {
                BlockBatches::<T>::remove(block);
                T::WeightInfo::unlist_batches()
            }
            None => Weight::zero(),
        }
    }
}

/// Removes the stream's oldest batches as far as they have been kept long enough, at most `most`;
/// answers how many.
fn prune<T: Config>(
    stream: StreamId,
    kept: &mut KeptBatches,
    batch_count: u64,
    now: u32,
    most: u32,
) -> u32 {
    let mut pruned = 0;
    while pruned < most && kept.oldest < batch_count {
        match Batches::<T>::get(stream, kept.oldest) {
            Some(batch) if kept.may_drop_oldest(batch.block_number, now) => {
                Batches::<T>::remove(stream, kept.oldest);
            }
            Some(_) => break,
            None => {
                defensive!("a kept batch is missing");
            }
        }
        kept.oldest = kept.oldest.saturating_add(1);
        pruned = pruned.saturating_add(1);
    }
    pruned
}
