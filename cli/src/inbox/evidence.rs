// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a pull keeps so that an event can be proven later without asking a node. What a push keeps about
//! its own is beside it.

use super::{
    Stream,
    batches::{parse_batch, records_of},
    damaged,
    receipts::receipt_of,
    signed,
};
use crate::error::{Failure, Result};
use sqlx::{SqliteConnection, SqlitePool};
use ves_primitives::{
    AgentId, EventId, FinalityProof, GenesisHash, InclusionProof, KeyId, LeafHash, TenantId,
    registry::SigningKeyRecord,
    wire::{BatchJson, BundleJson, InclusionJson, SequencedEventJson},
};

/// Keeps how a batch leads to its block's header and why that block is final.
///
/// # Errors
/// The database's refusal.
pub async fn store_evidence(
    db: &mut SqliteConnection,
    stream: Stream,
    inclusion: &InclusionJson,
    finality: &FinalityProof,
) -> Result<()> {
    sqlx::query(
        "INSERT OR IGNORE INTO ves_batch_evidence (tenant_id, store_id, batch_index, block_proof, \
         finality) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(inclusion.batch.batch.batch_index)?)
    .bind(serde_json::to_string(&inclusion.block_proof).map_err(Failure::unexpected)?)
    .bind(serde_json::to_string(finality).map_err(Failure::unexpected)?)
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps what the registry said about a key.
///
/// # Errors
/// The database's refusal.
pub(super) async fn store_key_record(
    db: &mut SqliteConnection,
    genesis: GenesisHash,
    tenant: TenantId,
    (agent, key): (AgentId, KeyId),
    record: &SigningKeyRecord,
) -> Result<()> {
    let text = serde_json::to_string(record).map_err(Failure::unexpected)?;
    sqlx::query(
        "INSERT OR REPLACE INTO ves_key_records (genesis_hash, tenant_id, agent_id, key_id, record) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(genesis.0.as_slice())
    .bind(tenant.0.as_slice())
    .bind(agent.0.as_slice())
    .bind(i64::from(key.0))
    .bind(text)
    .execute(db)
    .await?;
    Ok(())
}

/// What the registry said about a key when an event was last verified with it.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn key_record(
    pool: &SqlitePool,
    genesis: GenesisHash,
    tenant: TenantId,
    (agent, key): (AgentId, KeyId),
) -> Result<Option<SigningKeyRecord>> {
    let text: Option<String> = sqlx::query_scalar(
        "SELECT record FROM ves_key_records WHERE genesis_hash = ?1 AND tenant_id = ?2 \
         AND agent_id = ?3 AND key_id = ?4",
    )
    .bind(genesis.0.as_slice())
    .bind(tenant.0.as_slice())
    .bind(agent.0.as_slice())
    .bind(i64::from(key.0))
    .fetch_optional(pool)
    .await?;
    text.map(|text| serde_json::from_str(&text).map_err(|e| damaged(&e.to_string())))
        .transpose()
}

/// Commitment, header, block hash, path to the header, proof of finality.
type KeptBatch = (Vec<u8>, Vec<u8>, Vec<u8>, String, String);

/// What is kept about one verified event.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The record as verified.
    pub record: SequencedEventJson,
    /// Its way to the header.
    pub inclusion: InclusionJson,
    /// Why the block is final.
    pub finality: FinalityProof,
}

impl Evidence {
    /// The bundle that a node would give.
    pub fn bundle(self, genesis: GenesisHash, signing_key: SigningKeyRecord) -> BundleJson {
        BundleJson {
            schema: BundleJson::SCHEMA.into(),
            version: BundleJson::VERSION,
            genesis_hash: genesis,
            event: self.record,
            inclusion: self.inclusion,
            signing_key,
            finality: Some(self.finality.into()),
            anchor: None,
            proofs: Vec::new(),
        }
    }
}

/// What was kept about an event by a pull, or by the push that brought it into a final block.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn evidence_of(
    pool: &SqlitePool,
    stream: Stream,
    event: EventId,
) -> Result<Option<Evidence>> {
    match pulled(pool, stream, event).await? {
        Some(evidence) => Ok(Some(evidence)),
        None => receipt_of(pool, stream, event).await,
    }
}

/// What a pull kept; nothing if an event of the batch is in quarantine (its leaf is then missing for the
/// path), or if it was pulled by a version that kept less.
async fn pulled(pool: &SqlitePool, stream: Stream, event: EventId) -> Result<Option<Evidence>> {
    let Some(index) = super::batch_of(pool, stream, event).await? else {
        return Ok(None);
    };
    let row: Option<KeptBatch> = sqlx::query_as(
        "SELECT b.commitment, b.header, b.block_hash, e.block_proof, e.finality \
         FROM ves_batches b JOIN ves_batch_evidence e USING (tenant_id, store_id, batch_index) \
         WHERE b.tenant_id = ?1 AND b.store_id = ?2 AND b.batch_index = ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(index)?)
    .fetch_optional(pool)
    .await?;
    let Some((commitment, header, block_hash, block_proof, finality)) = row else {
        return Ok(None);
    };
    let batch = parse_batch(&commitment)?;
    let records = records_of(pool, stream, &batch).await?;
    let leaves: Vec<LeafHash> = records.iter().map(|record| record.leaf_hash).collect();
    let position = records
        .iter()
        .position(|record| record.event.event_id == event);
    if u32::try_from(leaves.len()).ok() != Some(batch.leaf_count) {
        return Ok(None);
    }
    let Some((at, record)) = position.and_then(|at| Some((at, records.get(at)?.clone()))) else {
        return Ok(None);
    };
    let proof = u32::try_from(at)
        .ok()
        .and_then(|at| InclusionProof::build(&leaves, at))
        .ok_or_else(|| damaged("the leaves of a batch"))?;
    let parsed = |text: &str| serde_json::from_str(text).map_err(|e| damaged(&e.to_string()));
    Ok(Some(Evidence {
        inclusion: InclusionJson {
            leaf_hash: record.leaf_hash,
            proof,
            batch: BatchJson {
                stream_id: batch.stream_id(),
                block_hash: block_hash.try_into().map_err(|_| damaged("block hash"))?,
                batch,
            },
            block_proof: parsed(&block_proof)?,
            header,
        },
        finality: serde_json::from_str(&finality).map_err(|e| damaged(&e.to_string()))?,
        record,
    }))
}
