// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The pool's judgement of a submission: cheap, bounded, and decided by one event.

use crate::{
    Config, EventsInBlock, OpenStreams, Pallet, Submission,
    frame_support::{
        pallet_prelude::{
            InvalidTransaction, TransactionSource, TransactionValidityWithRefund, ValidTransaction,
        },
        weights::Weight,
    },
    sequence::{AuthorCache, Judgement, SignatureCheck},
    weights::WeightInfo,
};
use alloc::{collections::BTreeSet, vec::Vec};
use codec::Encode;
use ves_primitives::{SubmittedEvent, limits, sequencer::EMPTY_SUBMISSION_CODE};

/// Blocks that a submission may wait in the pool.
const LONGEVITY: u64 = 64;
/// Leads every tag of this pallet in the pool.
const TAG_PREFIX: &[u8] = b"ves/event";

impl<T: Config> Pallet<T> {
    /// Upper bound on the streams a submission touches: it need not look further than neighbours,
    /// because events of one stream usually stand together.
    fn stream_changes(events: &[SubmittedEvent]) -> u32 {
        let changes = events
            .windows(2)
            .filter(|pair| match pair {
                [a, b] => {
                    (a.envelope.tenant_id, a.envelope.store_id)
                        != (b.envelope.tenant_id, b.envelope.store_id)
                }
                _ => false,
            })
            .count();
        u32::try_from(changes).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Weight of the call and of the end-of-block work its events cause.
    pub(crate) fn submission_weight(events: &Submission) -> Weight {
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let payload: usize = events
            .iter()
            .map(|event| event.payload.len())
            .fold(0, usize::saturating_add);
        let payload = u32::try_from(payload).unwrap_or(u32::MAX);
        let streams = Self::stream_changes(events);
        T::WeightInfo::submit_events(count, payload)
            .saturating_add(T::WeightInfo::commit_leaves(count))
            .saturating_add(T::WeightInfo::commit_streams(streams))
    }

    pub(crate) fn authorization_weight(events: &Submission) -> Weight {
        T::WeightInfo::authorize_submission(u32::try_from(events.len()).unwrap_or(u32::MAX))
    }

    /// Admits a submission whose first event that is not an exact replay would be sequenced now.
    ///
    /// One signature check per validation, whatever the size of the submission, so that junk costs
    /// the pool no more than it costs its sender. In the block that check is left to the dispatch,
    /// which makes it anyway.
    pub(crate) fn authorize_submission(
        source: TransactionSource,
        events: &Submission,
    ) -> TransactionValidityWithRefund {
        if events.is_empty() {
            return Err(InvalidTransaction::Custom(EMPTY_SUBMISSION_CODE).into());
        }
        if !Self::block_has_room_for(events) {
            return Err(InvalidTransaction::ExhaustsResources.into());
        }
        let signature_check = match source {
            TransactionSource::InBlock => SignatureCheck::LeftToDispatch,
            TransactionSource::Local | TransactionSource::External => SignatureCheck::Now,
        };
        let mut authors = AuthorCache::default();
        let decisive = events
            .iter()
            .map(|event| Self::judge(event, &mut authors, signature_check))
            .find(|judgement| !matches!(judgement, Judgement::Replay(_)));
        match decisive {
            None => return Err(InvalidTransaction::Stale.into()),
            Some(Judgement::Rejected(reason)) => {
                return Err(InvalidTransaction::Custom(reason.pool_code()).into());
            }
            Some(Judgement::Acceptable(_) | Judgement::Replay(_)) => {}
        }
        // Each tag once: the pool panics, and the node with it, when it removes a transaction that
        // provides a tag twice. Two events of one id may well stand behind the decisive one.
        let mut seen = BTreeSet::new();
        let provides = events
            .iter()
            .map(|event| (event.envelope.stream_id(), event.envelope.event_id))
            .filter(|event| seen.insert(*event))
            .map(|event| (TAG_PREFIX, event).encode())
            .collect::<Vec<_>>();
        let valid = ValidTransaction {
            priority: 0,
            requires: Vec::new(),
            provides,
            longevity: LONGEVITY,
            propagate: true,
        };
        Ok((valid, Weight::zero()))
    }

    fn block_has_room_for(events: &Submission) -> bool {
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let open = OpenStreams::<T>::decode_len().unwrap_or(0);
        let streams = u32::try_from(open)
            .unwrap_or(u32::MAX)
            .saturating_add(Self::stream_changes(events));
        EventsInBlock::<T>::get().saturating_add(count) <= limits::MAX_EVENTS_PER_BLOCK
            && (streams <= limits::MAX_STREAMS_PER_BLOCK || Self::touches_only_open_streams(events))
    }

    /// The bound above counts a stream that is already open once more; before a submission is put
    /// off for that, the open streams are looked up.
    fn touches_only_open_streams(events: &Submission) -> bool {
        let mut previous = None;
        events.iter().all(|event| {
            let stream = event.envelope.stream_id();
            let known = previous == Some(stream) || crate::OpenLeaves::<T>::contains_key(stream);
            previous = Some(stream);
            known
        })
    }
}
