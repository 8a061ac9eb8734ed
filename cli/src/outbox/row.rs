// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From the database's columns to an entry.

use super::{Entry, State};
use crate::{
    capture::VES_VERSION,
    error::{Exit, Failure, Result},
};
use codec::DecodeAll;
use sqlx::FromRow;
use ves_primitives::{
    AgentId, CommandId, EncryptedPayload, Envelope, EventId, KeyId, Payload, PayloadCipherHash,
    PayloadKind, PayloadPlainHash, Signature, StoreId, SubmittedEvent, TenantId,
};

#[derive(FromRow)]
pub(super) struct RawRow {
    pub(super) local_seq: i64,
    tenant_id: Vec<u8>,
    store_id: Vec<u8>,
    event_id: Vec<u8>,
    agent_id: Vec<u8>,
    entity_type: String,
    entity_id: String,
    event_type: String,
    created_at: String,
    command_id: Option<Vec<u8>>,
    base_version: Option<i64>,
    payload_kind: i64,
    payload: Vec<u8>,
    payload_plain_hash: Vec<u8>,
    payload_cipher_hash: Vec<u8>,
    key_id: Option<i64>,
    signature: Option<Vec<u8>>,
    state: String,
    attempts: i64,
    extrinsic_hash: Option<Vec<u8>>,
    submitted_block: Option<i64>,
    block_number: Option<i64>,
    sequence: Option<i64>,
    reason: Option<String>,
    last_error: Option<String>,
    captured_at: String,
    updated_at: String,
}

pub(super) fn damaged(why: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("an outbox row is damaged: {why}"),
    )
    .hint("restore the database from a backup")
}

fn fixed<const N: usize>(bytes: Vec<u8>, column: &str) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| damaged(column))
}

impl TryFrom<RawRow> for Entry {
    type Error = Failure;

    fn try_from(row: RawRow) -> Result<Self> {
        let bytes = |text: String| text.into_bytes();
        let (payload_kind, payload) = match row.payload_kind {
            0 => {
                let json = row.payload.try_into().map_err(|_| damaged("payload"))?;
                (PayloadKind::Plaintext, Payload::Plain(json))
            }
            _ => {
                let bundle = EncryptedPayload::decode_all(&mut row.payload.as_slice())
                    .map_err(|_| damaged("payload"))?;
                (PayloadKind::Encrypted, Payload::Encrypted(bundle))
            }
        };
        let key_id = row
            .key_id
            .map(|id| u32::try_from(id).map(KeyId).map_err(|_| damaged("key_id")))
            .transpose()?;
        let number = |value: Option<i64>, column: &str| {
            value
                .map(|n| u32::try_from(n).map_err(|_| damaged(column)))
                .transpose()
        };
        let signature: Option<[u8; 64]> = row
            .signature
            .map(|bytes| fixed(bytes, "signature"))
            .transpose()?;
        let envelope = Envelope {
            ves_version: VES_VERSION,
            event_id: EventId(fixed(row.event_id, "event_id")?),
            tenant_id: TenantId(fixed(row.tenant_id, "tenant_id")?),
            store_id: StoreId(fixed(row.store_id, "store_id")?),
            source_agent_id: AgentId(fixed(row.agent_id, "agent_id")?),
            agent_key_id: key_id.unwrap_or(KeyId(0)),
            entity_type: bytes(row.entity_type)
                .try_into()
                .map_err(|_| damaged("entity_type"))?,
            entity_id: bytes(row.entity_id)
                .try_into()
                .map_err(|_| damaged("entity_id"))?,
            event_type: bytes(row.event_type)
                .try_into()
                .map_err(|_| damaged("event_type"))?,
            created_at: bytes(row.created_at)
                .try_into()
                .map_err(|_| damaged("created_at"))?,
            payload_kind,
            payload_plain_hash: PayloadPlainHash(fixed(row.payload_plain_hash, "plain hash")?),
            payload_cipher_hash: PayloadCipherHash(fixed(row.payload_cipher_hash, "cipher hash")?),
            command_id: row
                .command_id
                .map(|id| fixed(id, "command_id").map(CommandId))
                .transpose()?,
            base_version: row
                .base_version
                .map(|v| u64::try_from(v).map_err(|_| damaged("base_version")))
                .transpose()?,
            agent_signature: Signature(signature.unwrap_or([0; 64])),
        };
        Ok(Self {
            local_seq: row.local_seq,
            state: State::parse(&row.state)?,
            event: SubmittedEvent { envelope, payload },
            key_id,
            signed: signature.is_some(),
            attempts: row.attempts,
            extrinsic_hash: row
                .extrinsic_hash
                .map(|hash| fixed(hash, "extrinsic_hash"))
                .transpose()?,
            submitted_block: number(row.submitted_block, "submitted_block")?,
            block_number: number(row.block_number, "block_number")?,
            sequence: row
                .sequence
                .map(|n| u64::try_from(n).map_err(|_| damaged("sequence")))
                .transpose()?,
            reason: row.reason,
            last_error: row.last_error,
            captured_at: row.captured_at,
            updated_at: row.updated_at,
        })
    }
}
