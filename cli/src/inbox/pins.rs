// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Authors' public keys: the chain never changes the one under a number, so a pin is never replaced.
//!
//! What a node's registry shows is only its word. A key becomes a pin when an event of a verified batch
//! verified with it, in the transaction that stores the event, or when a person imports it. A pin for
//! less than that would let one lie stand for good.

use super::{damaged, evidence::store_key_record};
use crate::{
    capture::now_rfc3339,
    error::{Exit, Failure, Result},
};
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};
use std::collections::BTreeMap;
use ves_primitives::{
    AgentId, GenesisHash, KeyId, SigningPublicKey, TenantId, registry::SigningKeyRecord,
};

/// Keys under which included events verified, as the registry shows them.
pub type VerifiedKeys = BTreeMap<(AgentId, KeyId), SigningKeyRecord>;

/// The key that is pinned under a number, if one is.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn pinned_key(
    db: impl SqliteExecutor<'_>,
    genesis: GenesisHash,
    tenant: TenantId,
    (agent, key): (AgentId, KeyId),
) -> Result<Option<SigningPublicKey>> {
    let pinned: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT public_key FROM ves_key_pins WHERE genesis_hash = ?1 AND tenant_id = ?2 \
         AND agent_id = ?3 AND key_id = ?4",
    )
    .bind(genesis.0.as_slice())
    .bind(tenant.0.as_slice())
    .bind(agent.0.as_slice())
    .bind(i64::from(key.0))
    .fetch_optional(db)
    .await?;
    pinned
        .map(|bytes| {
            let bytes = bytes.try_into().map_err(|_| damaged("pinned key"))?;
            Ok(SigningPublicKey(bytes))
        })
        .transpose()
}

/// Pins a key that somebody vouches for, unless the number has one already, and returns the pinned one.
///
/// # Errors
/// The database's refusal.
pub async fn pin_key(
    pool: &SqlitePool,
    genesis: GenesisHash,
    tenant: TenantId,
    agent: AgentId,
    key: KeyId,
    public_key: SigningPublicKey,
) -> Result<SigningPublicKey> {
    let mut db = pool.acquire().await?;
    pin(&mut db, genesis, tenant, (agent, key), public_key).await
}

async fn pin(
    db: &mut SqliteConnection,
    genesis: GenesisHash,
    tenant: TenantId,
    (agent, key): (AgentId, KeyId),
    public_key: SigningPublicKey,
) -> Result<SigningPublicKey> {
    sqlx::query(
        "INSERT INTO ves_key_pins (genesis_hash, tenant_id, agent_id, key_id, public_key, \
         pinned_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )
    .bind(genesis.0.as_slice())
    .bind(tenant.0.as_slice())
    .bind(agent.0.as_slice())
    .bind(i64::from(key.0))
    .bind(public_key.0.as_slice())
    .bind(now_rfc3339())
    .execute(&mut *db)
    .await?;
    pinned_key(db, genesis, tenant, (agent, key))
        .await?
        .ok_or_else(|| damaged("pinned key"))
}

/// Pins the keys under which events verified that the caller stores in the same transaction, and keeps
/// what the registry said about them.
///
/// # Errors
/// `peer_key_conflict` if another key was pinned since it was asked for, or the database's refusal.
pub(super) async fn pin_verified(
    db: &mut SqliteConnection,
    genesis: GenesisHash,
    tenant: TenantId,
    keys: &VerifiedKeys,
) -> Result<()> {
    for ((agent, key), record) in keys {
        let shown = record.public_key;
        let pinned = pin(db, genesis, tenant, (*agent, *key), shown).await?;
        if pinned != shown {
            return Err(Failure::new(
                Exit::NotVerified,
                "peer_key_conflict",
                format!(
                    "key {key} of agent {agent} was pinned as {pinned} meanwhile, the node shows {shown}"
                ),
            )
            .hint("run the command again: it then judges by the pinned key"));
        }
        store_key_record(db, genesis, tenant, (*agent, *key), record).await?;
    }
    Ok(())
}
