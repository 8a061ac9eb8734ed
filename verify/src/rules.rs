// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What must hold of an event, its batch and its block, one function for each rule.
//!
//! Whoever pulls, verifies a bundle or looks at one in a browser judges by these. Nothing a server states is believed: it is recomputed
//! and compared. Each rule returns its evidence or a [`Problem`] that names what is broken.

use serde::Serialize;
use std::fmt;
use ves_finality::{FinalityError, Header, blake2_256};
use ves_primitives::{
    BatchCommitment, BlockCommitment, EnvelopeError, EventSigningHash, InclusionProof, LeafHash,
    Payload, SigningPublicKey, StreamId, SubmittedEvent, jcs,
    registry::{KeyProblem, RecordedAt, SigningKeyRecord},
    verify_ed25519,
    wire::{InclusionJson, SequencedEventJson},
};

/// What is broken. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not a bundle of a known form.
    BundleInvalid,
    /// The record is not an event.
    EventMalformed,
    /// The event belongs to another stream.
    StreamMismatch,
    /// The node that showed the record has thrown the payload away, as its operator told it to. No attack:
    /// everything but the payload can be judged, and a node that keeps payloads has it.
    PayloadPruned,
    /// The plaintext does not match its hash.
    PayloadHashInvalid,
    /// The encrypted bundle does not match its hash.
    CipherHashInvalid,
    /// The plaintext is not canonical JSON.
    PayloadNotCanonical,
    /// The stated signing hash is not the event's.
    SigningHashMismatch,
    /// The author's signature does not verify.
    SignatureInvalid,
    /// The registry does not know the key.
    KeyUnresolved,
    /// The key was revoked before the block that holds the event.
    KeyRevoked,
    /// The key was not valid at that block.
    KeyOutsideValidityWindow,
    /// The registry shows another key under a number seen before.
    PeerKeyConflict,
    /// The stated leaf is not the event's.
    LeafMismatch,
    /// The stated receipt is not the event's.
    ReceiptInvalid,
    /// Sequence, index and batch range do not agree.
    PositionMismatch,
    /// The path does not lead from the event to the batch's root.
    InclusionInvalid,
    /// The batch's fields do not follow from each other.
    BatchInvalid,
    /// The batch does not continue the one before: a gap, or rewritten history.
    BatchDiscontinuous,
    /// The header bytes do not hash to the block hash.
    HeaderHashMismatch,
    /// The header bytes are no header, or of another height.
    HeaderMalformed,
    /// The header does not commit to the batch.
    BlockCommitmentInvalid,
    /// The block is not the chain's block at its height.
    NotCanonical,
    /// The block is not final.
    NotFinal,
    /// The justification does not make the block final.
    JustificationInvalid,
    /// No evidence of finality where some was demanded.
    FinalityMissing,
    /// The authorities are not the trusted ones.
    AuthoritiesMismatch,
    /// Another event with this id was verified before.
    EventIdentityConflict,
    /// The anchored roots are not the batch's.
    AnchorMismatch,
    /// There is no anchor where one was demanded.
    AnchorMissing,
    /// The evidence is about another chain than the trusted one.
    GenesisMismatch,
    /// The evidence names another key than the trusted one.
    AgentKeyMismatch,
    /// The evidence names another root than the trusted one.
    EventsRootMismatch,
    /// The evidence names another block than the trusted one.
    BlockHashMismatch,
    /// More proofs than an event can have.
    TooManyProofs,
    /// The bytes are no submission of a proof.
    ProofMalformed,
    /// The proof is about another event.
    ProofEventMismatch,
    /// The event's agent did not endorse the amount.
    EndorsementInvalid,
    /// The compliance proof does not hold.
    ProofInvalid,
}

impl Reason {
    /// The name, as in JSON.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which rule.
    pub reason: Reason,
    /// What exactly.
    pub detail: String,
}

impl Problem {
    /// A broken rule with its detail.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self {
            reason,
            detail: detail.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// Outcome of a rule.
pub type Ruling<T> = Result<T, Problem>;

fn differs(reason: Reason, stated: impl fmt::Display, computed: impl fmt::Display) -> Problem {
    Problem::new(reason, format!("stated {stated}, computed {computed}"))
}

/// The record holds an event in the protocol's form.
pub fn event_form(record: &SequencedEventJson) -> Ruling<SubmittedEvent> {
    if is_pruned(record) {
        return Err(payload_pruned());
    }
    SubmittedEvent::try_from(&record.event).map_err(|e| Problem::new(Reason::EventMalformed, e))
}

/// Whether the record comes without any payload, as nodes show events whose payloads they pruned.
pub const fn is_pruned(record: &SequencedEventJson) -> bool {
    let event = &record.event;
    event.payload.is_none() && event.payload_raw_b64u.is_none() && event.payload_encrypted.is_none()
}

/// What there is to say of a pruned payload.
pub fn payload_pruned() -> Problem {
    Problem::new(
        Reason::PayloadPruned,
        "the payload was pruned by this node; ask a node that keeps payloads",
    )
}

/// The event of a record whose payload was pruned. In place of the payload stands an empty one, so that
/// only what the envelope alone decides may be judged: stream, signature, signing hash, leaf, receipt.
pub fn pruned_form(record: &SequencedEventJson) -> Ruling<SubmittedEvent> {
    let mut event = record.event.clone();
    event.payload_raw_b64u = Some(String::new());
    SubmittedEvent::try_from(&event).map_err(|e| Problem::new(Reason::EventMalformed, e))
}

/// Event, record and (if given) the batch are of one stream.
pub fn scope(
    record: &SequencedEventJson,
    event: &SubmittedEvent,
    batch: Option<&BatchCommitment>,
) -> Ruling<StreamId> {
    let stream = event.envelope.stream_id();
    if record.stream_id != stream {
        return Err(differs(Reason::StreamMismatch, record.stream_id, stream));
    }
    match batch {
        Some(batch) if batch.stream_id() != stream => {
            Err(differs(Reason::StreamMismatch, batch.stream_id(), stream))
        }
        _ => Ok(stream),
    }
}

/// Structure, payload hash and cipher hash.
pub fn payload_hash(event: &SubmittedEvent) -> Ruling<()> {
    event.check().map_err(|e| {
        let reason = match e {
            EnvelopeError::PayloadHash => Reason::PayloadHashInvalid,
            EnvelopeError::CipherHash => Reason::CipherHashInvalid,
            EnvelopeError::UnsupportedVersion | EnvelopeError::Schema(_) => Reason::EventMalformed,
        };
        Problem::new(reason, e)
    })
}

/// Plaintext is canonical JSON. The chain cannot check this; a reader must.
pub fn payload_canonical(event: &SubmittedEvent) -> Ruling<()> {
    match &event.payload {
        Payload::Plain(json) if !jcs::is_canonical(json) => Err(Problem::new(
            Reason::PayloadNotCanonical,
            "the plaintext is not in canonical form (RFC 8785)",
        )),
        _ => Ok(()),
    }
}

/// The stated signing hash is the event's.
pub fn signing_hash(
    record: &SequencedEventJson,
    event: &SubmittedEvent,
) -> Ruling<EventSigningHash> {
    let hash = event
        .envelope
        .signing_hash()
        .map_err(|e| Problem::new(Reason::EventMalformed, e))?;
    if record.event_signing_hash != hash {
        return Err(differs(
            Reason::SigningHashMismatch,
            record.event_signing_hash,
            hash,
        ));
    }
    Ok(hash)
}

/// The signature verifies with the key. The hash is recomputed, not taken from the record.
pub fn author_signature(event: &SubmittedEvent, key: &SigningPublicKey) -> Ruling<()> {
    let hash = event
        .envelope
        .signing_hash()
        .map_err(|e| Problem::new(Reason::EventMalformed, e))?;
    if verify_ed25519(key, &hash.0, &event.envelope.agent_signature) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::SignatureInvalid,
        format!("the signature over {hash} does not verify with key {key}"),
    ))
}

/// The key could sign at the block that holds the event.
pub fn author_key(key: &SigningKeyRecord, at: &RecordedAt) -> Ruling<()> {
    key.check_at(at).map_err(|problem| {
        let reason = match problem {
            KeyProblem::NotFound => Reason::KeyUnresolved,
            KeyProblem::Revoked => Reason::KeyRevoked,
            KeyProblem::Expired | KeyProblem::NotYetValid => Reason::KeyOutsideValidityWindow,
        };
        Problem::new(reason, format!("{} at block {}", problem.name(), at.block))
    })
}

/// When the record claims to have been sequenced.
pub const fn recorded_at(record: &SequencedEventJson) -> RecordedAt {
    RecordedAt {
        block: record.block_number,
        time_ms: record.block_time_ms,
    }
}

/// The stated leaf is the event's at its sequence.
pub fn leaf(
    record: &SequencedEventJson,
    event: &SubmittedEvent,
    hash: &EventSigningHash,
) -> Ruling<LeafHash> {
    let leaf = event.envelope.leaf_hash(record.sequence, hash);
    if record.leaf_hash != leaf {
        return Err(differs(Reason::LeafMismatch, record.leaf_hash, leaf));
    }
    Ok(leaf)
}

/// The stated receipt is the event's at its sequence.
pub fn receipt(
    record: &SequencedEventJson,
    event: &SubmittedEvent,
    hash: &EventSigningHash,
) -> Ruling<()> {
    let receipt = event.envelope.receipt_hash(record.sequence, hash);
    if record.receipt_hash != receipt {
        return Err(differs(
            Reason::ReceiptInvalid,
            record.receipt_hash,
            receipt,
        ));
    }
    Ok(())
}

/// The event's sequence lies in the batch, and its block is the batch's.
pub fn position(record: &SequencedEventJson, batch: &BatchCommitment) -> Ruling<u32> {
    let in_range = (batch.sequence_start..=batch.sequence_end).contains(&record.sequence);
    if !in_range {
        return Err(Problem::new(
            Reason::PositionMismatch,
            format!(
                "sequence {} is outside the batch's {}..{}",
                record.sequence, batch.sequence_start, batch.sequence_end
            ),
        ));
    }
    if record.block_number != batch.block_number {
        return Err(Problem::new(
            Reason::PositionMismatch,
            format!(
                "event of block {}, batch of {}",
                record.block_number, batch.block_number
            ),
        ));
    }
    let index = record
        .sequence
        .checked_sub(batch.sequence_start)
        .and_then(|i| i.try_into().ok());
    index.ok_or_else(|| Problem::new(Reason::PositionMismatch, "index out of range"))
}

/// The path leads from the leaf to the batch's root, at the position the sequence demands.
pub fn inclusion(
    proof: &InclusionProof,
    batch: &BatchCommitment,
    index: u32,
    leaf: &LeafHash,
) -> Ruling<()> {
    if proof.leaf_index != index || proof.leaf_count != batch.leaf_count {
        return Err(Problem::new(
            Reason::PositionMismatch,
            format!(
                "the path is for leaf {} of {}, the event is leaf {index} of {}",
                proof.leaf_index, proof.leaf_count, batch.leaf_count
            ),
        ));
    }
    proof
        .verify(&batch.events_root.0, &leaf.0)
        .map_err(|e| Problem::new(Reason::InclusionInvalid, e))
}

/// The batch's range, state root and id follow from each other.
pub fn batch(batch: &BatchCommitment) -> Ruling<()> {
    batch
        .check()
        .map_err(|e| Problem::new(Reason::BatchInvalid, e))
}

/// The header bytes hash to the block hash and are the header of the batch's block.
pub fn header(inclusion: &InclusionJson) -> Ruling<Header> {
    let stated = format!("0x{}", hex::encode(inclusion.batch.block_hash));
    let computed = blake2_256(&inclusion.header);
    if computed != inclusion.batch.block_hash {
        let computed = format!("0x{}", hex::encode(computed));
        return Err(differs(Reason::HeaderHashMismatch, stated, computed));
    }
    let header =
        Header::decode(&inclusion.header).map_err(|e| Problem::new(Reason::HeaderMalformed, e))?;
    let number = inclusion.batch.batch.block_number;
    if header.number != number {
        return Err(differs(Reason::HeaderMalformed, number, header.number));
    }
    Ok(header)
}

/// What a refused proof of finality says about the block it should be about.
pub fn not_final(error: &FinalityError) -> Problem {
    let reason = match error {
        FinalityError::OtherBlock { .. } | FinalityError::HeadersBroken { .. } => {
            Reason::NotCanonical
        }
        _ => Reason::JustificationInvalid,
    };
    Problem::new(reason, error)
}

/// The header's digest commits to the batch.
pub fn block_commitment(
    header: &Header,
    batch: &BatchCommitment,
    proof: &InclusionProof,
) -> Ruling<BlockCommitment> {
    let invalid = |why: String| Problem::new(Reason::BlockCommitmentInvalid, why);
    let commitment = header
        .block_commitment()
        .map_err(|unreadable| invalid(unreadable.to_string()))?
        .ok_or_else(|| invalid("the header says that its block has no batches".into()))?;
    if commitment.version != BlockCommitment::VERSION {
        return Err(invalid(format!(
            "the header's block commitment has format {}, this program knows {}",
            commitment.version,
            BlockCommitment::VERSION
        )));
    }
    if proof.leaf_count != commitment.batch_count {
        return Err(invalid(format!(
            "the path is in a tree of {}, the header commits to {} batches",
            proof.leaf_count, commitment.batch_count
        )));
    }
    proof
        .verify(&commitment.root.0, &batch.block_leaf())
        .map_err(|e| invalid(e.to_string()))?;
    Ok(commitment)
}
