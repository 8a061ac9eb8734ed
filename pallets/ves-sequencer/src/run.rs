// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Giving events their places. What a submission adds to a stream is kept in memory while its events
//! stand together, and written once.

use crate::{
    Commands, Config, EntityVersions, Event, Events, Load, Memory, MemoryIndex, OpenBatch,
    OpenBatches, OpenStreams, Pallet, Remembered, RememberedEvent, Run, Tips,
    dedupe::IdKey,
    frame_support::defensive,
    frame_system,
    sequence::{Accepted, Examined},
    sp_runtime::SaturatedConversion,
};
use alloc::collections::BTreeMap;
use codec::Compact;
use ves_primitives::{
    Envelope, EventId, StreamId, StreamTip, limits,
    sequencer::{EventRecord, Rejection},
};

/// The events of one stream that a submission places one after another.
struct OpenRun {
    batch: OpenBatch,
    /// Whether the block had no event of the stream before.
    joins: bool,
    remembered: Remembered,
    /// Ids not yet told of in a pallet event.
    untold: Run<EventId>,
}

/// Places the events of one submission.
pub(crate) struct Placement<T> {
    block: u32,
    run: Option<OpenRun>,
    runs: u16,
    /// What this submission has placed.
    placed: BTreeMap<IdKey, EventRecord>,
    config: core::marker::PhantomData<T>,
}

impl<T: Config> Placement<T> {
    pub(crate) fn begin() -> Self {
        Self {
            block: frame_system::Pallet::<T>::block_number().saturated_into(),
            run: None,
            runs: Load::<T>::get().runs,
            placed: BTreeMap::new(),
            config: core::marker::PhantomData,
        }
    }

    /// The event of this submission with this key, if it has a place.
    pub(crate) fn placed(&self, event: &IdKey) -> Option<EventRecord> {
        self.placed.get(event).copied()
    }

    /// Gives the event the next sequence of its stream.
    pub(crate) fn place(
        &mut self,
        envelope: &Envelope,
        examined: &Examined,
        accepted: &Accepted,
    ) -> Result<(), Rejection> {
        let stream_id = examined.stream_id;
        if self
            .run
            .as_ref()
            .is_none_or(|run| run.remembered.stream_id != stream_id)
        {
            self.close_run();
            self.run = Some(open_run::<T>(stream_id, envelope));
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
        let index = MemoryIndex {
            block: self.block,
            run: self.runs,
            position: run.remembered.events.len().saturated_into(),
        };
        let remembered = RememberedEvent {
            event_id: envelope.event_id,
            command_id: envelope.command_id,
            leaf,
        };
        // A submission has no more events than a run has room for.
        if run.remembered.events.try_push(remembered).is_err()
            || run.untold.try_push(envelope.event_id).is_err()
        {
            defensive!("run is longer than a submission");
            return Err(Rejection::SequenceExhausted);
        }
        run.batch.sequence = sequence;
        let record = EventRecord {
            sequence,
            block_number: self.block,
            leaf,
        };
        self.placed.insert(examined.event_key, record);
        Events::<T>::insert(examined.event_key, index);
        if let Some(command) = accepted.command_key {
            Commands::<T>::insert(command, index);
        }
        // One more event of an entity never reaches 2^64: the stream's sequence is bounded below it.
        let version = accepted.entity_version.saturating_add(1);
        EntityVersions::<T>::insert(accepted.entity, Compact(version));
        Ok(())
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
            stream_id: run.remembered.stream_id,
            first_sequence: run.batch.sequence.saturating_sub(told).saturating_add(1),
            event_ids,
        });
    }

    fn close_run(&mut self) {
        self.tell();
        let Some(run) = self.run.take() else {
            return;
        };
        if run.remembered.events.is_empty() {
            return;
        }
        let stream_id = run.remembered.stream_id;
        // `authorize` lets no submission into a block that has no room for its streams.
        if run.joins && OpenStreams::<T>::try_append(stream_id).is_err() {
            defensive!("block has more streams than its limit");
        }
        OpenBatches::<T>::insert(stream_id, run.batch);
        Memory::<T>::insert(self.block, self.runs, run.remembered);
        self.runs = self.runs.saturating_add(1);
    }

    /// Writes what is left.
    pub(crate) fn end(mut self) {
        self.close_run();
        let placed: u32 = self.placed.len().saturated_into();
        if placed > 0 {
            Load::<T>::mutate(|load| {
                load.events = load.events.saturating_add(placed);
                load.runs = self.runs;
            });
        }
    }
}

/// The stream as this block has left it so far.
fn open_run<T: Config>(stream_id: StreamId, envelope: &Envelope) -> OpenRun {
    let open = OpenBatches::<T>::get(stream_id);
    let batch = open.unwrap_or_else(|| OpenBatch {
        tenant_id: envelope.tenant_id,
        store_id: envelope.store_id,
        sequence: Tips::<T>::get(stream_id)
            .unwrap_or(StreamTip::EMPTY)
            .sequence,
    });
    OpenRun {
        batch,
        joins: open.is_none(),
        remembered: Remembered {
            stream_id,
            first_sequence: batch.sequence.saturating_add(1),
            events: Run::default(),
        },
        untold: Run::default(),
    }
}
