// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Judging events and giving them their place.

use crate::{
    Commands, Config, EntityVersions, Event, Events, Pallet,
    frame_support::{
        storage::{TransactionOutcome, transactional::with_transaction_opaque_err},
        traits::UnixTime,
    },
    quota::Ledger,
    run::Placement,
    sp_io,
    sp_runtime::SaturatedConversion,
};
use alloc::vec::Vec;
use codec::Encode;
use ves_primitives::{
    AgentId, EventSigningHash, KeyId, StoreId, StreamId, SubmittedEvent, TenantId, limits,
    registry::{Author, AuthorDirectory, AuthorProblem},
    sequencer::{Admission, EventRecord, Rejection},
    stream_id,
};

type AuthorName = (TenantId, StoreId, AgentId, KeyId);

/// What is the same for many events of a submission, asked for once while they stand together.
pub(crate) struct Context {
    now_ms: u64,
    author: Option<(AuthorName, Result<Author, AuthorProblem>)>,
    stream: Option<((TenantId, StoreId), StreamId)>,
    pub(crate) ledger: Ledger,
}

impl Context {
    pub(crate) fn of<T: Config>() -> Self {
        Self {
            now_ms: T::Clock::now().as_millis().saturated_into(),
            author: None,
            stream: None,
            ledger: Ledger::open::<T>(),
        }
    }

    /// Looks the author up, unless it is the one before.
    fn find_author<D: AuthorDirectory>(&mut self, name: AuthorName) {
        if self.author.as_ref().is_none_or(|(known, _)| *known != name) {
            let (tenant, store, agent, key) = name;
            self.author = Some((name, D::author(tenant, store, agent, key)));
        }
    }

    /// How much of its quotas the author of the event judged last has left, in thousandths.
    pub(crate) fn quota_left<T: Config>(&mut self) -> u64 {
        match &self.author {
            Some(((tenant, _, agent, _), Ok(author))) => {
                self.ledger.left::<T>((*tenant, *agent), author)
            }
            _ => 0,
        }
    }

    pub(crate) fn stream_id(&mut self, event: &SubmittedEvent) -> StreamId {
        let names = (event.envelope.tenant_id, event.envelope.store_id);
        match self.stream {
            Some((known, id)) if known == names => id,
            _ => {
                let id = stream_id(names.0, names.1);
                self.stream = Some((names, id));
                id
            }
        }
    }
}

/// What the rest of the way needs of an acceptable event.
pub(crate) struct Accepted {
    pub(crate) stream_id: StreamId,
    pub(crate) signing_hash: EventSigningHash,
    pub(crate) entity: [u8; 16],
    pub(crate) entity_version: u64,
}

/// What the chain thinks of an event now.
pub(crate) enum Judgement {
    Acceptable(Accepted),
    Replay(EventRecord),
    Rejected(Rejection),
}

/// Storage key of an entity. The lengths in the SCALE encoding keep ("a", "bc") and ("ab", "c")
/// apart.
pub(crate) fn entity_key(stream: StreamId, entity_type: &[u8], entity_id: &[u8]) -> [u8; 16] {
    (stream, entity_type, entity_id).using_encoded(sp_io::hashing::blake2_128)
}

impl<T: Config> Pallet<T> {
    /// Judges one event against the state as it is: replay first, then what costs little, then
    /// hashes, then the signature, then the state of the entity (VES v1 §3.2, cheap before dear).
    pub(crate) fn judge(event: &SubmittedEvent, context: &mut Context) -> Judgement {
        let stream_id = context.stream_id(event);
        if let Some(record) = Events::<T>::get(stream_id, event.envelope.event_id) {
            return if record.is_of(&event.envelope) && event.check_payload_hashes().is_ok() {
                Judgement::Replay(record)
            } else {
                Judgement::Rejected(Rejection::DuplicateEventId)
            };
        }
        match Self::judge_new(event, stream_id, context) {
            Ok(accepted) => Judgement::Acceptable(accepted),
            Err(reason) => Judgement::Rejected(reason),
        }
    }

    fn judge_new(
        event: &SubmittedEvent,
        stream_id: StreamId,
        context: &mut Context,
    ) -> Result<Accepted, Rejection> {
        let envelope = &event.envelope;
        event.check_structure()?;
        // Before anything is remembered by: whoever is forgotten is too old from here on.
        envelope.check_freshness(context.now_ms)?;
        context.find_author::<T::Authors>((
            envelope.tenant_id,
            envelope.store_id,
            envelope.source_agent_id,
            envelope.agent_key_id,
        ));
        let Context { author, ledger, .. } = context;
        let author = match author {
            Some((_, Ok(author))) => author,
            Some((_, Err(problem))) => return Err((*problem).into()),
            None => return Err(AuthorProblem::UnknownAgent.into()),
        };
        if let Some(policy) = &author.policy {
            policy.check(envelope, event.payload.len())?;
        }
        let names = (envelope.tenant_id, envelope.source_agent_id);
        ledger.check::<T>(names, author, event.payload.len())?;
        event.check_payload_hashes()?;
        let signing_hash = envelope.signing_hash()?;
        if !sp_io::crypto::ed25519_verify(
            &envelope.agent_signature.0.into(),
            &signing_hash.0,
            &author.key.0.into(),
        ) {
            return Err(Rejection::InvalidSignature);
        }
        if envelope
            .command_id
            .is_some_and(|id| Commands::<T>::contains_key(stream_id, id))
        {
            return Err(Rejection::DuplicateCommandId);
        }
        let entity = entity_key(stream_id, &envelope.entity_type, &envelope.entity_id);
        let actual = EntityVersions::<T>::get(entity).map_or(0, |version| version.0);
        if let Some(expected) = envelope.base_version.filter(|expected| *expected != actual) {
            return Err(Rejection::VersionConflict { expected, actual });
        }
        Ok(Accepted {
            stream_id,
            signing_hash,
            entity,
            entity_version: actual,
        })
    }

    /// Judges and sequences each event in order.
    pub(crate) fn sequence_submission(events: &[SubmittedEvent]) -> Vec<Admission> {
        let mut context = Context::of::<T>();
        let mut placement = Placement::<T>::begin();
        let admissions: Vec<_> = events
            .iter()
            .map(|event| Self::sequence_one(event, &mut context, &mut placement))
            .collect();
        placement.end();
        // Junk behind a good event is at the expense of the good event's author.
        let sponsor = events
            .iter()
            .zip(&admissions)
            .find(|(_, admission)| matches!(admission, Admission::Acceptable))
            .map(|(event, _)| (event.envelope.tenant_id, event.envelope.source_agent_id));
        let rejected = admissions
            .iter()
            .filter(|admission| matches!(admission, Admission::Rejected(_)))
            .count();
        if let Some(names) = sponsor.filter(|_| rejected > 0) {
            context.ledger.debit::<T>(names, rejected, 0);
        }
        context.ledger.close::<T>();
        admissions
    }

    fn sequence_one(
        event: &SubmittedEvent,
        context: &mut Context,
        placement: &mut Placement<T>,
    ) -> Admission {
        let event_id = event.envelope.event_id;
        let outcome = match Self::judge(event, context) {
            Judgement::Acceptable(accepted) => placement.place(&event.envelope, &accepted),
            Judgement::Rejected(reason) => Err(reason),
            Judgement::Replay(EventRecord { sequence, .. }) => {
                placement.tell();
                Self::deposit_event(Event::EventReplayed {
                    stream_id: context.stream_id(event),
                    sequence,
                    event_id,
                });
                return Admission::AlreadySequenced { sequence };
            }
        };
        match outcome {
            Ok(_) => {
                let names = (event.envelope.tenant_id, event.envelope.source_agent_id);
                context.ledger.debit::<T>(names, 1, event.payload.len());
                Admission::Acceptable
            }
            Err(reason) => {
                placement.tell();
                Self::deposit_event(Event::EventRejected {
                    stream_id: context.stream_id(event),
                    event_id,
                    reason,
                });
                Admission::Rejected(reason)
            }
        }
    }

    /// What would become of each event if the list were submitted now. Leaves no trace.
    pub fn can_submit(events: &[SubmittedEvent]) -> Vec<Admission> {
        let within = events
            .get(..limits::MAX_EVENTS_PER_SUBMISSION as usize)
            .unwrap_or(events);
        with_transaction_opaque_err::<Vec<Admission>, (), _>(|| {
            TransactionOutcome::Rollback(Ok(Self::sequence_submission(within)))
        })
        // The only error is too many nested storage layers; an empty answer is the honest one.
        .map(|result| result.unwrap_or_default())
        .unwrap_or_default()
    }

    /// The version an entity has; 0 without events.
    pub fn entity_version(stream: StreamId, entity_type: &[u8], entity_id: &[u8]) -> u64 {
        EntityVersions::<T>::get(entity_key(stream, entity_type, entity_id))
            .map_or(0, |version| version.0)
    }
}
