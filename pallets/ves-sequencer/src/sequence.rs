// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Judging events and giving them their place.
//!
//! An event is first *examined*: by its own bytes, the registry and the memory, none of which another
//! event of the submission can change. Then the signatures of all that passed are checked at once. At
//! last each is *settled*, in order, against the quotas and the state that its predecessors left.

use crate::{
    Commands, Config, EntityVersions, Event, Pallet,
    dedupe::{EntityKey, IdKey, Recollection, command_key, entity_key, event_key},
    frame_support::{
        storage::{TransactionOutcome, transactional::with_transaction_opaque_err},
        traits::UnixTime,
    },
    quota::Ledger,
    run::Placement,
    sp_io,
    sp_runtime::SaturatedConversion,
};
use alloc::{rc::Rc, vec::Vec};
use ves_host::SignedHash;
use ves_primitives::{
    AgentId, Envelope, EventSigningHash, KeyId, StoreId, StreamId, SubmittedEvent, TenantId,
    limits,
    registry::{Author, AuthorDirectory, AuthorProblem},
    sequencer::{Admission, EventRecord, Rejection},
    stream_id,
};

type AuthorName = (TenantId, StoreId, AgentId, KeyId);

/// What is the same for many events of a submission, asked for once while they stand together.
pub(crate) struct Context {
    now_ms: u64,
    author: Option<(AuthorName, Result<Rc<Author>, AuthorProblem>)>,
    stream: Option<((TenantId, StoreId), StreamId)>,
    recollection: Recollection,
    pub(crate) ledger: Ledger,
}

impl Context {
    pub(crate) fn of<T: Config>() -> Self {
        Self {
            now_ms: T::Clock::now().as_millis().saturated_into(),
            author: None,
            stream: None,
            recollection: Recollection::default(),
            ledger: Ledger::open::<T>(),
        }
    }

    /// Looks the author up, unless it is the one before.
    fn author<D: AuthorDirectory>(
        &mut self,
        name: AuthorName,
    ) -> Result<Rc<Author>, AuthorProblem> {
        if let Some((known, author)) = &self.author
            && *known == name
        {
            return author.clone();
        }
        let (tenant, store, agent, key) = name;
        let author = D::author(tenant, store, agent, key).map(Rc::new);
        self.author.insert((name, author)).1.clone()
    }

    fn stream_id(&mut self, event: &SubmittedEvent) -> StreamId {
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

/// An event whose author may write and whose bytes are in order.
pub(crate) struct Candidate {
    author: Rc<Author>,
    /// What is signed, unless the payload is another than the envelope says.
    hash: Result<EventSigningHash, Rejection>,
    signature_holds: bool,
}

impl Candidate {
    pub(crate) fn author(&self) -> &Author {
        &self.author
    }
}

/// What the event's own bytes, the registry and the memory say.
pub(crate) enum Finding {
    Candidate(Candidate),
    Replay(EventRecord),
    Rejected(Rejection),
}

/// An event that was examined.
pub(crate) struct Examined {
    pub(crate) stream_id: StreamId,
    pub(crate) event_key: IdKey,
    pub(crate) finding: Finding,
}

/// What the rest of the way needs of an acceptable event.
pub(crate) struct Accepted {
    pub(crate) signing_hash: EventSigningHash,
    pub(crate) command_key: Option<IdKey>,
    pub(crate) entity: EntityKey,
    pub(crate) entity_version: u64,
}

/// What became of a submission.
pub(crate) struct Settled {
    pub(crate) admissions: Vec<Admission>,
    /// Whether each signature that was checked held: otherwise each was checked once more, alone.
    pub(crate) all_signatures_hold: bool,
}

/// Names by which quotas are kept.
pub(crate) const fn names(envelope: &Envelope) -> (TenantId, AgentId) {
    (envelope.tenant_id, envelope.source_agent_id)
}

/// What an event is whose id is known: the same again, or another.
fn replay_or_duplicate(event: &SubmittedEvent, record: EventRecord) -> Finding {
    if record.is_of(&event.envelope) && event.check_payload_hashes().is_ok() {
        Finding::Replay(record)
    } else {
        Finding::Rejected(Rejection::DuplicateEventId)
    }
}

/// Checks the candidates' signatures together; answers whether all hold.
fn check_signatures(events: &[SubmittedEvent], examined: &mut [Examined]) -> bool {
    let mut signed = Vec::with_capacity(events.len());
    let mut candidates = Vec::with_capacity(events.len());
    for (event, examined) in events.iter().zip(examined) {
        if let Finding::Candidate(candidate) = &mut examined.finding
            && let Ok(hash) = candidate.hash
        {
            signed.push(SignedHash {
                key: candidate.author.key.0,
                signature: event.envelope.agent_signature.0,
                message: hash.0,
            });
            candidates.push(candidate);
        }
    }
    let verdicts = ves_host::verify_each(&signed);
    let mut all = true;
    for (candidate, holds) in candidates.into_iter().zip(verdicts) {
        candidate.signature_holds = holds;
        all &= holds;
    }
    all
}

impl<T: Config> Pallet<T> {
    /// Replay first, then what costs little, then hashes (VES v1 §3.2, cheap before dear).
    pub(crate) fn examine(event: &SubmittedEvent, context: &mut Context) -> Examined {
        let stream_id = context.stream_id(event);
        let event_key = event_key(stream_id, event.envelope.event_id);
        let finding = match context.recollection.recall::<T>(event_key) {
            Some(record) => replay_or_duplicate(event, record),
            None => match Self::examine_new(event, context) {
                Ok(candidate) => Finding::Candidate(candidate),
                Err(reason) => Finding::Rejected(reason),
            },
        };
        Examined {
            stream_id,
            event_key,
            finding,
        }
    }

    fn examine_new(event: &SubmittedEvent, context: &mut Context) -> Result<Candidate, Rejection> {
        let envelope = &event.envelope;
        event.check_structure()?;
        // Before anything is remembered by: whoever is forgotten is too old from here on.
        envelope.check_freshness(context.now_ms)?;
        let author = context.author::<T::Authors>((
            envelope.tenant_id,
            envelope.store_id,
            envelope.source_agent_id,
            envelope.agent_key_id,
        ))?;
        if let Some(policy) = &author.policy {
            policy.check(envelope, event.payload.len())?;
        }
        let hash = event
            .check_payload_hashes()
            .and_then(|()| envelope.signing_hash())
            .map_err(Rejection::from);
        Ok(Candidate {
            author,
            hash,
            signature_holds: false,
        })
    }

    /// The quota, what was found of hashes and signature, and the state that events before this one
    /// left.
    fn settle(
        event: &SubmittedEvent,
        stream_id: StreamId,
        candidate: &Candidate,
        ledger: &mut Ledger,
    ) -> Result<Accepted, Rejection> {
        Self::check_quota(event, candidate, ledger)?;
        let signing_hash = candidate.hash?;
        if !candidate.signature_holds {
            return Err(Rejection::InvalidSignature);
        }
        Self::check_state(&event.envelope, stream_id, signing_hash)
    }

    /// Whether an event that stands alone would be sequenced now; dear checks last.
    pub(crate) fn check_alone(
        event: &SubmittedEvent,
        stream_id: StreamId,
        candidate: &Candidate,
        ledger: &mut Ledger,
    ) -> Result<(), Rejection> {
        // The quota first, so that whoever has used it up buys no signature check.
        Self::check_quota(event, candidate, ledger)?;
        let hash = candidate.hash?;
        let signature = event.envelope.agent_signature.0.into();
        let key = candidate.author.key.0.into();
        if !sp_io::crypto::ed25519_verify(&signature, &hash.0, &key) {
            return Err(Rejection::InvalidSignature);
        }
        Self::check_state(&event.envelope, stream_id, hash).map(drop)
    }

    fn check_quota(
        event: &SubmittedEvent,
        candidate: &Candidate,
        ledger: &mut Ledger,
    ) -> Result<(), Rejection> {
        ledger.check::<T>(
            names(&event.envelope),
            &candidate.author,
            event.payload.len(),
        )
    }

    fn check_state(
        envelope: &Envelope,
        stream_id: StreamId,
        signing_hash: EventSigningHash,
    ) -> Result<Accepted, Rejection> {
        let command_key = envelope.command_id.map(|id| command_key(stream_id, id));
        if command_key.is_some_and(Commands::<T>::contains_key) {
            return Err(Rejection::DuplicateCommandId);
        }
        let entity = entity_key(stream_id, &envelope.entity_type, &envelope.entity_id);
        let actual = EntityVersions::<T>::get(entity).map_or(0, |version| version.0);
        if let Some(expected) = envelope.base_version.filter(|expected| *expected != actual) {
            return Err(Rejection::VersionConflict { expected, actual });
        }
        Ok(Accepted {
            signing_hash,
            command_key,
            entity,
            entity_version: actual,
        })
    }

    /// Judges and sequences each event in order.
    pub(crate) fn sequence_submission(events: &[SubmittedEvent]) -> Settled {
        let mut context = Context::of::<T>();
        let mut examined: Vec<_> = events
            .iter()
            .map(|event| Self::examine(event, &mut context))
            .collect();
        let all_signatures_hold = check_signatures(events, &mut examined);
        let mut ledger = context.ledger;
        let mut placement = Placement::<T>::begin();
        let admissions: Vec<_> = events
            .iter()
            .zip(&examined)
            .map(|(event, examined)| {
                Self::sequence_one(event, examined, &mut ledger, &mut placement)
            })
            .collect();
        placement.end();
        // Junk behind a good event is at the expense of the good event's author.
        let sponsor = events
            .iter()
            .zip(&admissions)
            .find(|(_, admission)| matches!(admission, Admission::Acceptable))
            .map(|(event, _)| names(&event.envelope));
        let rejected = admissions
            .iter()
            .filter(|admission| matches!(admission, Admission::Rejected(_)))
            .count();
        if let Some(names) = sponsor.filter(|_| rejected > 0) {
            ledger.debit::<T>(names, rejected, 0);
        }
        ledger.close::<T>();
        Settled {
            admissions,
            all_signatures_hold,
        }
    }

    fn sequence_one(
        event: &SubmittedEvent,
        examined: &Examined,
        ledger: &mut Ledger,
        placement: &mut Placement<T>,
    ) -> Admission {
        let event_id = event.envelope.event_id;
        let stream_id = examined.stream_id;
        // An event before this one may have taken its id.
        let known = placement
            .placed(&examined.event_key)
            .map(|record| replay_or_duplicate(event, record));
        let outcome = match known.as_ref().unwrap_or(&examined.finding) {
            Finding::Candidate(candidate) => Self::settle(event, stream_id, candidate, ledger)
                .and_then(|accepted| placement.place(&event.envelope, examined, &accepted)),
            Finding::Rejected(reason) => Err(*reason),
            Finding::Replay(EventRecord { sequence, .. }) => {
                placement.tell();
                Self::deposit_event(Event::EventReplayed {
                    stream_id,
                    sequence: *sequence,
                    event_id,
                });
                return Admission::AlreadySequenced {
                    sequence: *sequence,
                };
            }
        };
        match outcome {
            Ok(()) => {
                ledger.debit::<T>(names(&event.envelope), 1, event.payload.len());
                Admission::Acceptable
            }
            Err(reason) => {
                placement.tell();
                Self::deposit_event(Event::EventRejected {
                    stream_id,
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
            TransactionOutcome::Rollback(Ok(Self::sequence_submission(within).admissions))
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
