// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Capturing an event: from what happened to a committed outbox row.
//!
//! [`append`] takes the caller's own connection or transaction, so that a business change and its
//! event commit together or not at all.

use crate::{
    crypto,
    error::{Exit, Failure, Result},
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
    insert(db, &event).await
}

async fn insert(db: &mut SqliteConnection, event: &SubmittedEvent) -> Result<Captured> {
    let e = &event.envelope;
    let (payload, key_id) = match &event.payload {
        Payload::Plain(json) => (json.to_vec(), None),
        Payload::Encrypted(bundle) => (bundle.encode(), Some(e.agent_key_id.0)),
    };
    let base_version = e
        .base_version
        .map(i64::try_from)
        .transpose()
        .map_err(|_| Failure::usage("schema_validation", "schema_validation: base_version"))?;
    let now = now_rfc3339();
    let inserted = sqlx::query(
        "INSERT INTO ves_outbox (tenant_id, store_id, event_id, agent_id, entity_type, entity_id, \
         event_type, created_at, command_id, base_version, payload_kind, payload, \
         payload_plain_hash, payload_cipher_hash, key_id, captured_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16)",
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
    .execute(db)
    .await
    .map_err(|error| duplicate(error, e))?;
    Ok(Captured {
        local_seq: inserted.last_insert_rowid(),
        event_id: e.event_id,
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
mod tests {
    use super::*;
    use crate::{db, testing::draft};
    use sqlx::{Connection, Executor, Row};

    async fn memory() -> SqliteConnection {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        db::install(&mut connection).await.unwrap();
        connection
    }

    #[tokio::test]
    async fn an_event_and_a_business_change_commit_together_or_not_at_all() {
        let mut connection = memory().await;
        connection
            .execute("CREATE TABLE orders (id TEXT)")
            .await
            .unwrap();
        let mut tx = connection.begin().await.unwrap();
        tx.execute("INSERT INTO orders VALUES ('A')").await.unwrap();
        append(&mut tx, &draft()).await.unwrap();
        tx.rollback().await.unwrap();

        let mut tx = connection.begin().await.unwrap();
        tx.execute("INSERT INTO orders VALUES ('B')").await.unwrap();
        append(&mut tx, &draft()).await.unwrap();
        tx.commit().await.unwrap();

        for table in ["orders", "ves_outbox"] {
            let count: i64 = connection
                .fetch_one(format!("SELECT count(*) FROM {table}").as_str())
                .await
                .unwrap()
                .get(0);
            assert_eq!(count, 1, "{table}");
        }
    }

    #[tokio::test]
    async fn event_and_command_ids_are_taken_once() {
        let mut db = memory().await;
        let first = Draft {
            event_id: Some(EventId([1; 16])),
            command_id: Some(CommandId([2; 16])),
            ..draft()
        };
        append(&mut db, &first).await.unwrap();
        let same_event = Draft {
            command_id: None,
            ..first.clone()
        };
        assert_eq!(
            append(&mut db, &same_event).await.unwrap_err().code,
            "duplicate_event_id"
        );
        let same_command = Draft {
            event_id: None,
            ..first.clone()
        };
        let failure = append(&mut db, &same_command).await.unwrap_err();
        assert_eq!(failure.code, "duplicate_command_id");
        // Ids are unique per stream, not across streams.
        let elsewhere = Draft {
            store_id: StoreId([9; 16]),
            ..first
        };
        append(&mut db, &elsewhere).await.unwrap();
    }

    #[test]
    fn bad_payloads_are_refused_by_name() {
        let code = |payload: &str| {
            Draft {
                payload: payload.into(),
                ..draft()
            }
            .build()
            .map(|_| ())
            .unwrap_err()
            .code
        };
        for payload in [
            "",
            "{",
            "null",
            r#"{"a":1,"a":2}"#,
            r#"{"n":9007199254740993}"#,
            r#"{"s":"\ud800"}"#,
            "\u{0}",
        ] {
            assert_eq!(code(payload), "payload_invalid", "{payload:?}");
        }
        let large = format!("\"{}\"", "x".repeat(70_000));
        assert_eq!(code(&large), "payload_too_large");
    }

    #[test]
    fn bad_fields_are_refused_by_name() {
        let message = |draft: Draft| draft.build().map(|_| ()).unwrap_err().message;
        assert!(
            message(Draft {
                entity_type: String::new(),
                ..draft()
            })
            .contains("entity_type")
        );
        assert!(
            message(Draft {
                entity_id: "x".repeat(513),
                ..draft()
            })
            .contains("entity_id")
        );
        assert!(
            message(Draft {
                event_type: String::new(),
                ..draft()
            })
            .contains("event_type")
        );
        let when = Some("yesterday".to_owned());
        assert!(
            message(Draft {
                created_at: when,
                ..draft()
            })
            .contains("created_at")
        );
        let version = Some(u64::MAX);
        assert!(
            message(Draft {
                base_version: version,
                ..draft()
            })
            .contains("base_version")
        );
    }
}
