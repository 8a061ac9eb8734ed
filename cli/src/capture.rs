// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Capturing an event: from what happened to a committed outbox row.
//!
//! [`append`] takes the caller's own connection or transaction, so that a business change and its
//! event commit together or not at all.

use crate::{
    crypto,
    error::{Exit, Failure, Result},
    event_types::{self, EventTypes, Judges, Unknown, Verdict},
    outbox::State,
    parking,
};
use chrono::{SecondsFormat, Utc};
use codec::Encode;
use sqlx::SqliteConnection;
use ves_primitives::{
    AgentId, BoundedVec, CommandId, ConstU32, EncryptionPublicKey, Envelope, EventId, KeyId,
    Payload, PayloadCipherHash, PayloadKind, PayloadPlainHash, RecipientKid, Signature, StoreId,
    SubmittedEvent, TenantId, jcs, limits, payload_plain_hash,
};

/// The envelope version this tool signs: command id and base version are covered.
pub const VES_VERSION: u32 = 2;

/// Now, RFC 3339 with milliseconds and `Z`.
pub fn now_rfc3339() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What happened, as the caller states it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Owner of the stream.
    pub tenant_id: TenantId,
    /// Store of the stream.
    pub store_id: StoreId,
    /// The agent that will sign.
    pub agent_id: AgentId,
    /// Unique within the stream; a random UUIDv7 if absent.
    pub event_id: Option<EventId>,
    /// Kind of the entity.
    pub entity_type: String,
    /// Id of the entity.
    pub entity_id: String,
    /// What happened, by convention `noun.verb`.
    pub event_type: String,
    /// RFC 3339; now if absent.
    pub created_at: Option<String>,
    /// JSON text of the payload.
    pub payload: String,
    /// Intent that this event fulfils.
    pub command_id: Option<CommandId>,
    /// Entity version this event builds on.
    pub base_version: Option<u64>,
    /// Who may read the payload.
    pub audience: Audience,
}

/// Who may read a payload.
#[derive(Clone, Debug)]
pub enum Audience {
    /// Everyone.
    Public,
    /// The owners of these keys.
    Recipients {
        /// The signing key that will sign: it is bound into the ciphertext.
        key_id: KeyId,
        /// The recipients' keys.
        keys: Vec<(RecipientKid, EncryptionPublicKey)>,
    },
}

/// A captured event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Position in the outbox.
    pub local_seq: i64,
    /// The event's id.
    pub event_id: EventId,
    /// Where it stands: signed if somebody signed it before.
    pub state: State,
    /// Whether the payload is encrypted.
    pub encrypted: bool,
    /// Hash of the canonical payload.
    pub payload_plain_hash: PayloadPlainHash,
}

fn bounded<const N: u32>(text: &str, field: &str) -> Result<BoundedVec<u8, ConstU32<N>>> {
    text.as_bytes().to_vec().try_into().map_err(|_| {
        Failure::usage(
            "schema_validation",
            format!("{field} is longer than {N} bytes ({} bytes)", text.len()),
        )
    })
}

/// Turns JSON text into its canonical form.
///
/// # Errors
/// `payload_invalid` with what is wrong, or `payload_too_large`.
pub fn canonical_payload(text: &str) -> Result<String> {
    let canonical = jcs::canonicalize(text)
        .map_err(|e| Failure::usage("payload_invalid", format!("the payload: {e}")))?;
    let limit = limits::MAX_PAYLOAD_BYTES as usize;
    if canonical.len() > limit {
        return Err(Failure::usage(
            "payload_too_large",
            format!(
                "the payload has {} bytes, the limit is {limit}",
                canonical.len()
            ),
        )
        .hint("store the large part elsewhere and put its hash into the event"));
    }
    Ok(canonical)
}

/// Member that padding lives in. Readers drop it.
pub const PADDING: &str = "_pad";

/// Lengthens an object's canonical form to the next of these sizes, or to the next multiple of the
/// largest. Encryption hides what a payload says, not how long it is; this makes many lengths one.
///
/// # Errors
/// `padding_invalid` for a size that is none, `padding_impossible` for a payload that is no object or
/// has a member of that name.
pub fn pad(text: &str, sizes: &[u32]) -> Result<String> {
    let limit = limits::MAX_PAYLOAD_BYTES as usize;
    let mut sizes: Vec<usize> = sizes
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(usize::MAX))
        .collect();
    sizes.sort_unstable();
    let Some(largest) = sizes.last().copied() else {
        return Ok(text.to_owned());
    };
    if sizes.first() == Some(&0) || largest > limit {
        return Err(Failure::usage(
            "padding_invalid",
            format!("padding goes to sizes from 1 to {limit} bytes"),
        ));
    }
    let impossible = |why: &str| {
        Failure::usage("padding_impossible", format!("the payload {why}"))
            .hint("give an object without that member, or an empty list of sizes")
    };
    let canonical = canonical_payload(text)?;
    let value: serde_json::Value = serde_json::from_str(&canonical).map_err(Failure::unexpected)?;
    let serde_json::Value::Object(mut members) = value else {
        return Err(impossible("is no object, so there is no place for padding"));
    };
    if members.insert(PADDING.to_owned(), "".into()).is_some() {
        return Err(impossible("has a member `_pad` already"));
    }
    let bare = jcs::canonicalize_value(&serde_json::Value::Object(members.clone()))
        .map_err(Failure::unexpected)?
        .len();
    let target = sizes
        .iter()
        .copied()
        .find(|size| *size >= bare)
        .unwrap_or_else(|| bare.div_ceil(largest).saturating_mul(largest))
        // What is longer than the limit is refused as it is, not because of its padding.
        .min(limit.max(bare));
    let fill = "0".repeat(target.saturating_sub(bare));
    members.insert(PADDING.to_owned(), fill.into());
    jcs::canonicalize_value(&serde_json::Value::Object(members)).map_err(Failure::unexpected)
}

impl Draft {
    /// Builds the unsigned event and checks everything that needs no chain.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn build(&self) -> Result<SubmittedEvent> {
        let canonical = canonical_payload(&self.payload)?;
        let created_at = self.created_at.clone().unwrap_or_else(now_rfc3339);
        let event_id = self
            .event_id
            .unwrap_or_else(|| EventId(uuid::Uuid::now_v7().into_bytes()));
        let mut envelope = Envelope {
            ves_version: VES_VERSION,
            event_id,
            tenant_id: self.tenant_id,
            store_id: self.store_id,
            source_agent_id: self.agent_id,
            agent_key_id: KeyId(0),
            entity_type: bounded(&self.entity_type, "entity_type")?,
            entity_id: bounded(&self.entity_id, "entity_id")?,
            event_type: bounded(&self.event_type, "event_type")?,
            created_at: bounded(&created_at, "created_at")?,
            payload_kind: PayloadKind::Plaintext,
            payload_plain_hash: PayloadPlainHash([0; 32]),
            payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
            command_id: self.command_id,
            base_version: self.base_version,
            agent_signature: Signature([0; 64]),
        };
        let payload = match &self.audience {
            Audience::Public => {
                envelope.payload_plain_hash = payload_plain_hash(None, canonical.as_bytes());
                let bytes = canonical
                    .into_bytes()
                    .try_into()
                    .map_err(|_| Failure::usage("payload_too_large", "the payload is too large"))?;
                Payload::Plain(bytes)
            }
            Audience::Recipients { key_id, keys } => {
                envelope.agent_key_id = *key_id;
                let bundle = crypto::encrypt(&mut envelope, canonical.as_bytes(), keys)
                    .map_err(|e| Failure::usage("encryption_failed", e.to_string()))?;
                Payload::Encrypted(bundle)
            }
        };
        let event = SubmittedEvent { envelope, payload };
        event
            .check()
            .map_err(|e| Failure::usage("schema_validation", e.to_string()))?;
        Ok(event)
    }
}

/// Captures an event in the caller's transaction. The tables must exist: they do in the tool's own
/// database, and [`crate::db::install`] puts them into another one.
///
/// # Errors
/// What is wrong with the draft, `duplicate_event_id`, `duplicate_command_id`, or the database's
/// refusal.
pub async fn append(db: &mut SqliteConnection, draft: &Draft) -> Result<Captured> {
    let event = draft.build()?;
    insert(db, &event, false).await
}

/// What became of an event that was judged first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in the outbox.
    Captured(Captured),
    /// It waits for a schema of its type.
    Parked(EventId),
}

/// Judges a payload by the schema of its type, and captures or parks the event as [`append`] does.
///
/// # Errors
/// `payload_schema_mismatch`, `event_type_unknown` where unknown types are refused, otherwise as
/// [`append`].
pub async fn append_judged(
    db: &mut SqliteConnection,
    draft: &Draft,
    types: &EventTypes,
    judges: &mut Judges,
) -> Result<Taken> {
    let event = draft.build()?;
    let verdict = types.judge(judges, &draft.event_type, &draft.payload)?;
    match (verdict, types.unknown()) {
        (Verdict::Misfits(found), _) => Err(event_types::refusal(&draft.event_type, &found)),
        (Verdict::Unknown, Unknown::Refuse) => {
            Err(event_types::unknown_type(&draft.event_type, ""))
        }
        (Verdict::Unknown, Unknown::Park) => {
            parking::park(db, &event, parking::TYPE_UNKNOWN).await?;
            Ok(Taken::Parked(event.envelope.event_id))
        }
        (Verdict::Fits, _) | (Verdict::Unknown, Unknown::Accept) => {
            insert(db, &event, false).await.map(Taken::Captured)
        }
    }
}

/// Captures an event that is built already and not signed yet, in the caller's transaction.
///
/// # Errors
/// `duplicate_event_id`, `duplicate_command_id`, or the database's refusal.
pub async fn append_built(db: &mut SqliteConnection, event: &SubmittedEvent) -> Result<Captured> {
    insert(db, event, false).await
}

/// Captures an event that somebody signed already, in the caller's transaction. Its signature is for the
/// chain to judge: only the registry knows the key.
///
/// # Errors
/// What is wrong with the event, otherwise as [`append`].
pub async fn append_signed(db: &mut SqliteConnection, event: &SubmittedEvent) -> Result<Captured> {
    event
        .check()
        .map_err(|e| Failure::usage("schema_validation", e.to_string()))?;
    if event.envelope.ves_version != VES_VERSION {
        return Err(Failure::usage(
            "version_unsupported",
            format!(
                "the outbox holds events of version {VES_VERSION}, this one has {}",
                event.envelope.ves_version
            ),
        )
        .hint("the chain takes it all the same: hand it over with the program that signed it"));
    }
    if event.envelope.agent_signature == Signature([0; 64]) {
        return Err(
            Failure::usage("signature_missing", "the event is not signed")
                .hint("capture its payload instead; this machine then signs it"),
        );
    }
    insert(db, event, true).await
}

async fn insert(
    db: &mut SqliteConnection,
    event: &SubmittedEvent,
    signed: bool,
) -> Result<Captured> {
    let e = &event.envelope;
    let payload = match &event.payload {
        Payload::Plain(json) => json.to_vec(),
        Payload::Encrypted(bundle) => bundle.encode(),
    };
    // The key of an encrypted event is bound into the ciphertext.
    let key_id = (signed || e.payload_kind == PayloadKind::Encrypted).then_some(e.agent_key_id.0);
    let signature = signed.then(|| e.agent_signature.0.to_vec());
    let state = if signed { State::Signed } else { State::Queued };
    let base_version = e
        .base_version
        .map(i64::try_from)
        .transpose()
        .map_err(|_| Failure::usage("schema_validation", "schema_validation: base_version"))?;
    let now = now_rfc3339();
    let inserted = sqlx::query(
        "INSERT INTO ves_outbox (tenant_id, store_id, event_id, agent_id, entity_type, entity_id, \
         event_type, created_at, command_id, base_version, payload_kind, payload, \
         payload_plain_hash, payload_cipher_hash, key_id, captured_at, updated_at, signature, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16, ?17, \
         ?18)",
    )
    .bind(e.tenant_id.0.as_slice())
    .bind(e.store_id.0.as_slice())
    .bind(e.event_id.0.as_slice())
    .bind(e.source_agent_id.0.as_slice())
    .bind(utf8(&e.entity_type))
    .bind(utf8(&e.entity_id))
    .bind(utf8(&e.event_type))
    .bind(utf8(&e.created_at))
    .bind(e.command_id.map(|id| id.0.to_vec()))
    .bind(base_version)
    .bind(i64::from(e.payload_kind.code()))
    .bind(payload)
    .bind(e.payload_plain_hash.0.as_slice())
    .bind(e.payload_cipher_hash.0.as_slice())
    .bind(key_id.map(i64::from))
    .bind(now)
    .bind(signature)
    .bind(state.name())
    .execute(db)
    .await
    .map_err(|error| duplicate(error, e))?;
    Ok(Captured {
        local_seq: inserted.last_insert_rowid(),
        event_id: e.event_id,
        state,
        encrypted: e.payload_kind == PayloadKind::Encrypted,
        payload_plain_hash: e.payload_plain_hash,
    })
}

/// The envelope's texts were checked to be UTF-8 when it was built.
fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn duplicate(error: sqlx::Error, envelope: &Envelope) -> Failure {
    let is_unique = error
        .as_database_error()
        .is_some_and(|e| e.is_unique_violation());
    if !is_unique {
        return error.into();
    }
    if error.to_string().contains("command_id") {
        let command = envelope
            .command_id
            .map(|id| id.to_string())
            .unwrap_or_default();
        return Failure::new(
            Exit::Refused,
            "duplicate_command_id",
            format!("command {command} is already fulfilled by another event of the outbox"),
        )
        .hint("a command is fulfilled once; use a new command id for a new intent");
    }
    Failure::new(
        Exit::Refused,
        "duplicate_event_id",
        format!("event {} is in the outbox already", envelope.event_id),
    )
    .hint("leave --event-id out to get a fresh one")
}

#[cfg(test)]
mod tests;
