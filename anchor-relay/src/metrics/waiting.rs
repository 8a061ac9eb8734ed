// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What waits for the destination: while something does, `/ready` wants to see it taken.

use super::StreamLag;
use crate::{
    journal::ProofKey,
    plan::{Head, StreamView},
};
use std::{collections::BTreeSet, fmt};
use ves_primitives::StreamId;

/// What the contract did not hold at the latest look although it could. What it holds and what only
/// waits for its block to be final, half an hour on some chains, is not part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Absent {
    /// Streams with such batches.
    pub(super) streams: BTreeSet<StreamId>,
    /// Such proofs of batches that are there.
    pub(super) proofs: BTreeSet<ProofKey>,
}

impl Absent {
    /// From a look at the contract. A batch taken over after `taken_by`, Unix milliseconds, may still
    /// be kept back for its proof.
    pub(crate) fn of(
        views: &[StreamView],
        strict_genesis: bool,
        taken_by: u64,
        proofs: BTreeSet<ProofKey>,
    ) -> Self {
        let waits = |view: &&StreamView| {
            // The plan lets nothing follow a stream's first batch until that one is confirmed.
            let kept_back =
                !strict_genesis && view.confirmed == Head::EMPTY && view.head != Head::EMPTY;
            let mut batches = view.batches.iter();
            !kept_back
                && batches.any(|item| {
                    item.batch.sequence_end > view.head.sequence
                        && (item.in_flight || item.taken_ms <= taken_by)
                })
        };
        Self {
            streams: views.iter().filter(waits).map(|view| view.stream).collect(),
            proofs,
        }
    }
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    streams: usize,
    proofs: usize,
    in_flight: u64,
}

impl Waiting {
    /// Without the streams that are set aside: they have their own alarm and do not take the relay
    /// out. `lags` are all streams.
    pub(super) fn of(absent: &Absent, lags: &[(StreamId, StreamLag)], in_flight: u64) -> Self {
        let aside: BTreeSet<StreamId> = lags
            .iter()
            .filter(|(_, lag)| lag.quarantine.is_some())
            .map(|(stream, _)| *stream)
            .collect();
        let streams = absent.streams.iter();
        let proofs = absent.proofs.iter();
        Self {
            streams: streams.filter(|stream| !aside.contains(*stream)).count(),
            proofs: proofs.filter(|(stream, _)| !aside.contains(stream)).count(),
            in_flight,
        }
    }

    pub(super) const fn is_empty(self) -> bool {
        self.streams == 0 && self.proofs == 0 && self.in_flight == 0
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "batches of {} streams, {} proofs and {} transactions wait",
            self.streams, self.proofs, self.in_flight
        )
    }
}
