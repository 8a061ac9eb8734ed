// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How events are cut into submissions.

use crate::outbox::Entry;
use ves_primitives::sequencer::SequencerLimits;

/// Bytes kept free in a submission for the extrinsic around the events.
const EXTRINSIC_OVERHEAD: usize = 256;

/// Splits entries into submissions: one stream each, within the chain's count and byte limits.
pub(super) fn chunks<'a>(
    entries: &'a [Entry],
    limits: &SequencerLimits,
    batch_size: usize,
) -> impl Iterator<Item = &'a [Entry]> + use<'a> {
    let max_events = usize::try_from(limits.events_per_submission)
        .unwrap_or(usize::MAX)
        .min(batch_size)
        .max(1);
    let max_bytes = usize::try_from(limits.submission_bytes)
        .unwrap_or(usize::MAX)
        .saturating_sub(EXTRINSIC_OVERHEAD);
    let mut rest = entries;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let stream = first.event.envelope.stream_id();
        let mut bytes = 0usize;
        let fitting = rest
            .iter()
            .take(max_events)
            .take_while(|entry| {
                bytes = bytes.saturating_add(codec::Encode::encoded_size(&entry.event));
                bytes <= max_bytes && entry.event.envelope.stream_id() == stream
            })
            .count();
        // A single event always goes, whatever its size: the chain has the last word.
        let (chunk, tail) = rest.split_at(fitting.max(1));
        rest = tail;
        Some(chunk)
    })
}
