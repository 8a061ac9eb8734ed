// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Judging events and giving them their place.

use crate::{
    Commands, Config, EntityVersions, Event, Events, EventsInBlock, OpenLeaves, OpenStream,
    OpenStreams, Pallet, Tips,
    frame_support::{
        defensive,
        storage::{TransactionOutcome, transactional::with_transaction_opaque_err},
    },
    frame_system, sp_io,
    sp_runtime::SaturatedConversion,
};
use alloc::vec::Vec;
use codec::Encode;
use ves_primitives::{
    AgentId, Envelope, EventSigningHash, KeyId, ReceiptHash, StoreId, StreamId, StreamTip,
    SubmittedEvent, TenantId, limits,
    registry::{Author, AuthorDirectory, AuthorProblem},
    sequencer::{Admission, EventRecord, Rejection},
};

type AuthorName = (TenantId, StoreId, AgentId, KeyId);

/// The author asked for last: events of one submission mostly share theirs.
#[derive(Default)]
pub(crate) struct AuthorCache(Option<(AuthorName, Result<Author, AuthorProblem>)>);

impl AuthorCache {
    fn author<D: AuthorDirectory>(&mut self, name: AuthorName) -> Result<&Author, AuthorProblem> {
        if self.0.as_ref().is_some_and(|(known, _)| *known != name) {
            self.0 = None;
        }
        let (_, answer) = self.0.get_or_insert_with(|| {
            let (tenant, store, agent, key) = name;
            (name, D::author(tenant, store, agent, key))
        });
        answer.as_ref().map_err(|problem| *problem)
    }
}

/// Whether the signature is checked by this judgement or by a later one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureCheck {
    Now,
    LeftToDispatch,
}

/// What the rest of the way needs of an acceptable event.
pub(crate) struct Accepted {
    stream_id: StreamId,
    signing_hash: EventSigningHash,
    fingerprint: [u8; 32],
    entity: [u8; 32],
    entity_version: u64,
}

/// What the chain thinks of an event now.
pub(crate) enum Judgement {
    Acceptable(Accepted),
    Replay(EventRecord),
    Rejected(Rejection),
}

/// Hash of the whole envelope, unsigned parts of V1 included: what "exactly the same event" means.
/// The payload is covered by its hashes.
pub(crate) fn fingerprint(envelope: &Envelope) -> [u8; 32] {
    envelope.using_encoded(sp_io::hashing::blake2_256)
}

/// Storage key of an entity. The lengths in the SCALE encoding keep ("a", "bc") and ("ab", "c")
/// apart.
pub(crate) fn entity_key(entity_type: &[u8], entity_id: &[u8]) -> [u8; 32] {
    (entity_type, entity_id).using_encoded(sp_io::hashing::blake2_256)
}

impl<T: Config> Pallet<T> {
    /// Judges one event against the state as it is: replay first, then what costs little, then
    /// hashes, then the signature, then the state of the entity (VES v1 §3.2, cheap before dear).
    pub(crate) fn judge(
        event: &SubmittedEvent,
        authors: &mut AuthorCache,
        signature_check: SignatureCheck,
    ) -> Judgement {
        let envelope = &event.envelope;
        let stream_id = envelope.stream_id();
        let fingerprint = fingerprint(envelope);
        if let Some(record) = Events::<T>::get(stream_id, envelope.event_id) {
            return if record.fingerprint == fingerprint && event.check_payload_hashes().is_ok() {
                Judgement::Replay(record)
            } else {
                Judgement::Rejected(Rejection::DuplicateEventId)
            };
        }
        match Self::judge_new(event, stream_id, fingerprint, authors, signature_check) {
            Ok(accepted) => Judgement::Acceptable(accepted),
            Err(reason) => Judgement::Rejected(reason),
        }
    }

    fn judge_new(
        event: &SubmittedEvent,
        stream_id: StreamId,
        fingerprint: [u8; 32],
        authors: &mut AuthorCache,
        signature_check: SignatureCheck,
    ) -> Result<Accepted, Rejection> {
        let envelope = &event.envelope;
        event.check_structure()?;
        let author = authors.author::<T::Authors>((
            envelope.tenant_id,
            envelope.store_id,
            envelope.source_agent_id,
            envelope.agent_key_id,
        ))?;
        if let Some(policy) = &author.policy {
            policy.check(envelope, event.payload.len())?;
        }
        event.check_payload_hashes()?;
        let signing_hash = envelope.signing_hash()?;
        if signature_check == SignatureCheck::Now
            && !sp_io::crypto::ed25519_verify(
                &envelope.agent_signature.0.into(),
                &signing_hash.0,
                &author.key.0.into(),
            )
        {
            return Err(Rejection::InvalidSignature);
        }
        if envelope
            .command_id
            .is_some_and(|id| Commands::<T>::contains_key(stream_id, id))
        {
            return Err(Rejection::DuplicateCommandId);
        }
        let entity = entity_key(&envelope.entity_type, &envelope.entity_id);
        let actual = EntityVersions::<T>::get(stream_id, entity);
        if let Some(expected) = envelope.base_version.filter(|expected| *expected != actual) {
            return Err(Rejection::VersionConflict { expected, actual });
        }
        Ok(Accepted {
            stream_id,
            signing_hash,
            fingerprint,
            entity,
            entity_version: actual,
        })
    }

    /// Judges and sequences each event in order.
    pub(crate) fn sequence_submission(events: &[SubmittedEvent]) -> Vec<Admission> {
        let mut authors = AuthorCache::default();
        events
            .iter()
            .map(|event| Self::sequence_one(event, &mut authors))
            .collect()
    }

    fn sequence_one(event: &SubmittedEvent, authors: &mut AuthorCache) -> Admission {
        let stream_id = event.envelope.stream_id();
        let event_id = event.envelope.event_id;
        let outcome = match Self::judge(event, authors, SignatureCheck::Now) {
            Judgement::Acceptable(accepted) => Self::append(event, accepted),
            Judgement::Rejected(reason) => Err(reason),
            Judgement::Replay(record) => {
                let sequence = record.sequence;
                // The record exists, so the version was acceptable when the event was.
                let receipt = event
                    .envelope
                    .signing_hash()
                    .map(|hash| event.envelope.receipt_hash(sequence, &hash))
                    .unwrap_or(ReceiptHash([0; 32]));
                Self::deposit_event(Event::EventReplayed {
                    stream_id,
                    sequence,
                    event_id,
                    receipt,
                });
                return Admission::AlreadySequenced { sequence };
            }
        };
        match outcome {
            Ok((sequence, receipt)) => {
                Self::deposit_event(Event::EventSequenced {
                    stream_id,
                    sequence,
                    event_id,
                    receipt,
                });
                Admission::Acceptable
            }
            Err(reason) => {
                Self::deposit_event(Event::EventRejected {
                    stream_id,
                    event_id,
                    reason,
                });
                Admission::Rejected(reason)
            }
        }
    }

    /// Gives the event the next sequence of its stream.
    fn append(event: &SubmittedEvent, accepted: Accepted) -> Result<(u64, ReceiptHash), Rejection> {
        let envelope = &event.envelope;
        let Accepted {
            stream_id,
            signing_hash,
            fingerprint,
            entity,
            entity_version,
        } = accepted;
        let tip = Tips::<T>::get(stream_id).unwrap_or(StreamTip::EMPTY);
        let open = OpenLeaves::<T>::decode_len(stream_id).unwrap_or(0);
        let sequence = u64::try_from(open)
            .ok()
            .and_then(|open| tip.sequence.checked_add(open)?.checked_add(1))
            .filter(|sequence| *sequence <= limits::MAX_SEQUENCE)
            .ok_or(Rejection::SequenceExhausted)?;
        if open == 0 {
            let entry = OpenStream {
                stream_id,
                tenant_id: envelope.tenant_id,
                store_id: envelope.store_id,
            };
            // `authorize` lets no submission into a block that has no room for its streams and
            // events, so neither append can fail; if one did, the event would be refused whole.
            if OpenStreams::<T>::try_append(entry).is_err() {
                defensive!("block has more streams than its limit");
                return Err(Rejection::SequenceExhausted);
            }
        }
        let leaf = envelope.leaf_hash(sequence, &signing_hash);
        if OpenLeaves::<T>::try_append(stream_id, leaf).is_err() {
            defensive!("block has more events than its limit");
            return Err(Rejection::SequenceExhausted);
        }
        EventsInBlock::<T>::mutate(|count| *count = count.saturating_add(1));
        let block_number = frame_system::Pallet::<T>::block_number().saturated_into();
        let record = EventRecord {
            sequence,
            block_number,
            fingerprint,
        };
        Events::<T>::insert(stream_id, envelope.event_id, record);
        if let Some(command) = envelope.command_id {
            Commands::<T>::insert(stream_id, command, envelope.event_id);
        }
        // One more event of an entity never reaches 2^64: the stream's sequence is bounded below it.
        EntityVersions::<T>::insert(stream_id, entity, entity_version.saturating_add(1));
        Ok((sequence, envelope.receipt_hash(sequence, &signing_hash)))
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
        EntityVersions::<T>::get(stream, entity_key(entity_type, entity_id))
    }
}
