// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The pallet's invariants, each a named check.

use crate::{
    BatchProofs, BudgetTotals, Config, Pallet, Proofs, ProofsInBlock, ProofsOfEvent, QuotaSpent,
    single::proof_key, sp_runtime::TryRuntimeError,
};
use ves_primitives::{limits, sequencer::SequencedEvents};

impl<T: Config> Pallet<T> {
    /// Runs every check; ask between blocks.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        if ProofsInBlock::<T>::get() != 0 {
            return Err("the count of a block outlives it".into());
        }
        Self::every_proof_is_of_a_sequenced_event_and_listed_by_it()?;
        Self::every_batch_proof_is_of_its_batch()?;
        Self::every_total_is_the_end_of_a_verified_step()?;
        Self::nobody_has_spent_more_than_a_window_allows()
    }

    fn every_proof_is_of_a_sequenced_event_and_listed_by_it() -> Result<(), TryRuntimeError> {
        for (stream, key, record) in Proofs::<T>::iter() {
            if key != proof_key(record.event_id, record.policy.hash(), record.commitment) {
                return Err("a proof has another's key".into());
            }
            // The sequencer forgets events; what is proven of them stays.
            let event = T::Events::event_record(stream, record.event_id);
            if event.is_some_and(|event| event.sequence != record.sequence) {
                return Err("a proof names another sequence than its event's".into());
            }
            if !ProofsOfEvent::<T>::get(stream, record.event_id).contains(&key) {
                return Err("a proof is not listed by its event".into());
            }
        }
        let listed: usize = ProofsOfEvent::<T>::iter_values()
            .map(|keys| keys.len())
            .sum();
        if listed != Proofs::<T>::iter_keys().count() {
            return Err("an event lists a proof that is not kept, or one twice".into());
        }
        Ok(())
    }

    fn every_batch_proof_is_of_its_batch() -> Result<(), TryRuntimeError> {
        for (stream, index, record) in BatchProofs::<T>::iter() {
            // The sequencer prunes batches; what is proven of them stays.
            let Some(batch) = T::Events::batch(stream, index) else {
                continue;
            };
            if (batch.batch_id, batch.batch_index, batch.leaf_count)
                != (record.batch_id, record.batch_index, record.events)
                || batch.new_state_root != record.new_state_root
                || batch.prev_state_root != record.prev_state_root
            {
                return Err("a batch proof contradicts its batch".into());
            }
        }
        Ok(())
    }

    fn every_total_is_the_end_of_a_verified_step() -> Result<(), TryRuntimeError> {
        for ((stream, agent, policy), total) in BudgetTotals::<T>::iter() {
            let proven = Proofs::<T>::iter_prefix_values(stream).any(|record| {
                record.agent_id == agent
                    && record.policy.hash() == policy
                    && record.budget.is_some_and(|step| step.new == total)
            });
            if !proven {
                return Err("a total is not the end of a verified step".into());
            }
        }
        Ok(())
    }

    fn nobody_has_spent_more_than_a_window_allows() -> Result<(), TryRuntimeError> {
        let window = Self::now() / limits::PROOF_QUOTA_WINDOW_BLOCKS;
        // The last submission of a window may overdraw.
        let most = limits::PROOF_QUOTA_UNITS.saturating_add(limits::PROOF_REJECTED_UNITS);
        if QuotaSpent::<T>::iter_values()
            .any(|spending| spending.window > window || spending.units >= most)
        {
            return Err("an agent has spent what it did not have".into());
        }
        Ok(())
    }
}
