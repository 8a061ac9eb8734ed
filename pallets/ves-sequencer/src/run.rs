// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Giving events their places. What a submission adds to a stream is kept in memory while its events
//! stand together, and written once.

use crate::{
    Commands, Config, EntityVersions, Event, Events, Load, Memory, OpenBatch, OpenBatches,
    OpenLeaves, OpenStreams, Pallet, Remembered, Run, Tips, frame_support::defensive, frame_system,
    sequence::Accepted, sp_runtime::SaturatedConversion,
};
use codec::Compact;
use ves_primitives::{
    CommandId, Envelope, EventId, LeafHash, StreamId, StreamTip, limits,
    sequencer::{EventRecord, Rejection},
};

/// The events of one stream that a submission places one after another.
struct OpenRun {
    stream_id: StreamId,
    batch: OpenBatch,
    leaves: Run<LeafHash>,
    remembered: Run<(EventId, Option<CommandId>)>,
    /// Ids not yet told of in a pallet event.
    untold: Run<EventId>,
}

/// Places the events of one submission.
pub(crate) struct Placement<T> {
    block: u32,
    run: Option<OpenRun>,
    placed: u32,
    runs: u32,
    config: core::marker::PhantomData<T>,
}

impl<T: Config> Placement<T> {
    pub(crate) fn begin() -> Self {
        Self {
            block: frame_system::Pallet::<T>::block_number().saturated_into(),
            run: None,
            placed: 0,
            runs: Load::<T>::get().runs,
            config: core::marker::PhantomData,
        }
    }

    /// Gives the event the next sequence of its stream.
    pub(crate) fn place(
        &mut self,
        envelope: &Envelope,
        accepted: &Accepted,
    ) -> Result<u64, Rejection> {
        let stream_id = accepted.stream_id;
        if self
            .run
            .as_ref()
            .is_none_or(|run| run.stream_id != stream_id)
        {
            self.close_run();
            self.run = Some(open_run::<T>(stream_id, envelope)?);
        }
        let Some(run) = self.run.as_mut() else {
            return Err(Rejection::SequenceExhausted);
        };
        let sequence = run
            .batch
            .sequence
            .checked_add(1)
            .filter(|sequence| *sequence <= limits::MAX_SEQUENCE)
            .ok_or(Rejection::SequenceExhausted)?;
        let leaf = envelope.leaf_hash(sequence, &accepted.signing_hash);
        // A submission has no more events than a run has room for.
        if run.leaves.try_push(leaf).is_err()
            || run.untold.try_push(envelope.event_id).is_err()
            || run
                .remembered
                .try_push((envelope.event_id, envelope.command_id))
                .is_err()
        {
            defensive!("run is longer than a submission");
            return Err(Rejection::SequenceExhausted);
        }
        run.batch.sequence = sequence;
        self.placed = self.placed.saturating_add(1);
        let record = EventRecord {
            sequence,
            block_number: self.block,
            leaf,
        };
        Events::<T>::insert(stream_id, envelope.event_id, record);
        if let Some(command) = envelope.command_id {
            Commands::<T>::insert(stream_id, command, envelope.event_id);
        }
        // One more event of an entity never reaches 2^64: the stream's sequence is bounded below it.
        let version = accepted.entity_version.saturating_add(1);
        EntityVersions::<T>::insert(accepted.entity, Compact(version));
        Ok(sequence)
    }

    /// Tells of the events placed since the last telling, so that the pallet's events stand in the
    /// order of the submission's.
    pub(crate) fn tell(&mut self) {
        let Some(run) = self.run.as_mut() else {
            return;
        };
        let event_ids = core::mem::take(&mut run.untold);
        let told = event_ids.len().saturated_into::<u64>();
        if told == 0 {
            return;
        }
        Pallet::<T>::deposit_event(Event::EventsSequenced {
            stream_id: run.stream_id,
            first_sequence: run.batch.sequence.saturating_sub(told).saturating_add(1),
            event_ids,
        });
    }

    fn close_run(&mut self) {
        self.tell();
        let Some(mut run) = self.run.take() else {
            return;
        };
        if run.leaves.is_empty() {
            return;
        }
        OpenLeaves::<T>::insert(run.stream_id, run.batch.runs, run.leaves);
        run.batch.runs = run.batch.runs.saturating_add(1);
        OpenBatches::<T>::insert(run.stream_id, run.batch);
        let remembered = Remembered {
            stream_id: run.stream_id,
            events: run.remembered,
        };
        Memory::<T>::insert(self.block, self.runs, remembered);
        self.runs = self.runs.saturating_add(1);
    }

    /// Writes what is left.
    pub(crate) fn end(mut self) {
        self.close_run();
        if self.placed > 0 {
            Load::<T>::mutate(|load| {
                load.events = load.events.saturating_add(self.placed);
                load.runs = self.runs;
            });
        }
    }
}

/// The stream as this block has left it so far; a new one joins the block.
fn open_run<T: Config>(stream_id: StreamId, envelope: &Envelope) -> Result<OpenRun, Rejection> {
    let batch = match OpenBatches::<T>::get(stream_id) {
        Some(batch) => batch,
        None => {
            // `authorize` lets no submission into a block that has no room for its streams.
            if OpenStreams::<T>::try_append(stream_id).is_err() {
                defensive!("block has more streams than its limit");
                return Err(Rejection::SequenceExhausted);
            }
            let tip = Tips::<T>::get(stream_id).unwrap_or(StreamTip::EMPTY);
            let batch = OpenBatch {
                tenant_id: envelope.tenant_id,
                store_id: envelope.store_id,
                sequence: tip.sequence,
                runs: 0,
            };
            OpenBatches::<T>::insert(stream_id, batch);
            batch
        }
    };
    Ok(OpenRun {
        stream_id,
        batch,
        leaves: Run::default(),
        remembered: Run::default(),
        untold: Run::default(),
    })
}
