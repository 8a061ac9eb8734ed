// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The pool's judgement of a submission: cheap, bounded, and decided by one event.

use crate::{
    Config, Load, OpenBatches, OpenStreams, Pallet, Submission,
    frame_support::{
        pallet_prelude::{
            InvalidTransaction, TransactionSource, TransactionValidityWithRefund, ValidTransaction,
        },
        traits::Get,
        weights::Weight,
    },
    sequence::{Context, Examined, Finding, names},
    sp_io,
    weights::WeightInfo,
};
use alloc::{collections::BTreeSet, vec::Vec};
use codec::Encode;
use ves_primitives::{
    SubmittedEvent, limits,
    sequencer::{EMPTY_SUBMISSION_CODE, Rejection},
};

/// Blocks that a submission may wait in the pool.
const LONGEVITY: u64 = 64;
/// Leads every tag of this pallet in the pool.
const TAG_PREFIX: &[u8] = b"ves/event";

/// What the weight of a submission depends on.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) events: u32,
    pub(crate) bytes: u32,
    /// Events with a command.
    pub(crate) commands: u32,
    /// As [`Pallet::changes`] counts them.
    pub(crate) changes: u32,
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Size {
    fn of<T: Config>(events: &[SubmittedEvent]) -> Self {
        let bytes = events
            .iter()
            .map(SubmittedEvent::variable_len)
            .fold(0, usize::saturating_add);
        let commands = events
            .iter()
            .filter(|event| event.envelope.command_id.is_some())
            .count();
        Self {
            events: count(events.len()),
            bytes: count(bytes),
            commands: count(commands),
            changes: Pallet::<T>::changes(events),
        }
    }
}

impl<T: Config> Pallet<T> {
    /// How often author or store change from one event to the next, and one: upper bound on the
    /// streams a submission touches, and on how often an author is looked up.
    fn changes(events: &[SubmittedEvent]) -> u32 {
        let changes = events
            .windows(2)
            .filter(|pair| match pair {
                [a, b] => {
                    let (a, b) = (&a.envelope, &b.envelope);
                    (a.tenant_id, a.store_id, a.source_agent_id, a.agent_key_id)
                        != (b.tenant_id, b.store_id, b.source_agent_id, b.agent_key_id)
                }
                _ => false,
            })
            .count();
        count(changes).saturating_add(1)
    }

    /// Weight of the call and of the end-of-block work its events cause.
    pub(crate) fn submission_weight(events: &Submission) -> Weight {
        Self::weight_of_size(Size::of::<T>(events))
    }

    /// The same if all signatures hold.
    pub(crate) fn honest_weight(events: &Submission) -> Weight {
        Self::honest_weight_of_size(Size::of::<T>(events))
    }

    pub(crate) fn weight_of_size(size: Size) -> Weight {
        Self::honest_weight_of_size(size).saturating_add(T::WeightInfo::check_singly(size.events))
    }

    pub(crate) fn honest_weight_of_size(size: Size) -> Weight {
        let Size {
            events,
            bytes,
            commands,
            changes,
        } = size;
        let slope = |weight: fn(u32) -> Weight, of: u32| weight(of).saturating_sub(weight(0));
        // An event with a command costs more than one without, one after another author's more than
        // one after its own author's.
        T::WeightInfo::submit_events(events)
            .saturating_add(
                T::WeightInfo::submit_commands(commands)
                    .saturating_sub(T::WeightInfo::submit_events(commands)),
            )
            .saturating_add(
                T::WeightInfo::submit_events_of_authors(changes)
                    .saturating_sub(T::WeightInfo::submit_events(changes)),
            )
            .saturating_add(slope(T::WeightInfo::submit_payload, bytes))
            .saturating_add(T::ByteWeight::get().saturating_mul(bytes.into()))
            .saturating_add(slope(T::WeightInfo::commit_leaves, events))
            .saturating_add(slope(T::WeightInfo::commit_streams, changes))
    }

    pub(crate) fn authorization_weight(events: &Submission) -> Weight {
        T::WeightInfo::authorize_submission(Self::changes(events))
    }

    /// Admits a submission whose first event that is not an exact replay would be sequenced now.
    ///
    /// One signature check per validation, whatever the size of the submission, so that junk costs
    /// the pool no more than it costs its sender. In a block, events are left to the dispatch, which
    /// judges each of them anyway.
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
        match source {
            TransactionSource::InBlock => Ok((ValidTransaction::default(), Weight::zero())),
            TransactionSource::Local | TransactionSource::External => Self::admit(events),
        }
    }

    fn admit(events: &Submission) -> TransactionValidityWithRefund {
        let mut context = Context::of::<T>();
        let decisive = events
            .iter()
            .map(|event| (event, Self::examine(event, &mut context)))
            .find(|(_, examined)| !matches!(examined.finding, Finding::Replay(_)));
        let refused = |reason: Rejection| InvalidTransaction::Custom(reason.pool_code());
        let Some((event, examined)) = decisive else {
            return Err(InvalidTransaction::Stale.into());
        };
        let Examined {
            stream_id, finding, ..
        } = examined;
        let priority = match finding {
            Finding::Rejected(reason) => return Err(refused(reason).into()),
            Finding::Replay(_) => return Err(InvalidTransaction::Stale.into()),
            Finding::Candidate(candidate) => {
                let ledger = &mut context.ledger;
                // Who has asked for less goes first.
                let left = ledger.left::<T>(names(&event.envelope), candidate.author());
                Self::check_alone(event, stream_id, &candidate, ledger).map_err(refused)?;
                left
            }
        };
        // Each tag once: the pool panics, and the node with it, when it removes a transaction that
        // provides a tag twice. The tag is of the event with its signature and payload: by less,
        // junk behind somebody's good event could keep another's event of the same id out.
        let mut seen = BTreeSet::new();
        let provides = events
            .iter()
            .map(|event| event.using_encoded(sp_io::hashing::blake2_256))
            .filter(|event| seen.insert(*event))
            .map(|event| (TAG_PREFIX, event).encode())
            .collect::<Vec<_>>();
        let valid = ValidTransaction {
            priority,
            requires: Vec::new(),
            provides,
            longevity: LONGEVITY,
            propagate: true,
        };
        Ok((valid, Weight::zero()))
    }

    fn block_has_room_for(events: &Submission) -> bool {
        let open = OpenStreams::<T>::decode_len().unwrap_or(0);
        let streams = count(open).saturating_add(Self::changes(events));
        Load::<T>::get().events.saturating_add(count(events.len())) <= limits::MAX_EVENTS_PER_BLOCK
            && (streams <= limits::MAX_STREAMS_PER_BLOCK || Self::touches_only_open_streams(events))
    }

    /// The bound above counts a stream that is already open once more; before a submission is put
    /// off for that, the open streams are looked up.
    fn touches_only_open_streams(events: &Submission) -> bool {
        let mut previous = None;
        events.iter().all(|event| {
            let names = (event.envelope.tenant_id, event.envelope.store_id);
            let known = previous == Some(names)
                || OpenBatches::<T>::contains_key(event.envelope.stream_id());
            previous = Some(names);
            known
        })
    }
}
