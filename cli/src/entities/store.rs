// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The projection in the database: made from verified events, in steps or anew.

use super::{Content, Entity, stream_hash};
use crate::{
    error::{Exit, Failure, Result},
    inbox::{self, Stream},
};
use sqlx::{SqliteConnection, SqlitePool};
use std::collections::BTreeMap;
use ves_primitives::{jcs, wire::SequencedEventJson};

/// Events applied in one transaction.
const STEP: i64 = 1000;

/// Where a projection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Up to this sequence.
    pub sequence: u64,
    /// Events applied now.
    pub applied: u64,
    /// Entities there are.
    pub entities: u64,
    /// Hash of the whole state.
    pub state_hash: [u8; 32],
}

fn damaged(why: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("a projected entity is damaged: {why}"),
    )
    .hint("make the projection anew with `stateset-sync state --rebuild`")
}

fn number(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| damaged("a negative number"))
}

fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

type Row = (String, String, i64, i64, Option<String>, bool, i64, Vec<u8>);

fn parse(row: Row) -> Result<(String, String, Entity, [u8; 32])> {
    let (entity_type, entity_id, version, sequence, state, deleted, opaque, hash) = row;
    let state = state
        .map(|text| serde_json::from_str(&text).map_err(|e| damaged(&e.to_string())))
        .transpose()?;
    let entity = Entity {
        version: number(version)?,
        sequence: number(sequence)?,
        state,
        deleted,
        opaque: number(opaque)?,
    };
    let hash = hash.try_into().map_err(|_| damaged("its hash"))?;
    Ok((entity_type, entity_id, entity, hash))
}

const COLUMNS: &str =
    "entity_type, entity_id, version, sequence, state, deleted, opaque, state_hash";

/// One entity of the projection, with its hash.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn entity(
    db: &mut SqliteConnection,
    stream: Stream,
    entity_type: &str,
    entity_id: &str,
) -> Result<Option<(Entity, [u8; 32])>> {
    let row: Option<Row> = sqlx::query_as(&format!(
        "SELECT {COLUMNS} FROM ves_entities WHERE tenant_id = ?1 AND store_id = ?2 \
         AND entity_type = ?3 AND entity_id = ?4"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .fetch_optional(db)
    .await?;
    Ok(row
        .map(parse)
        .transpose()?
        .map(|(_, _, entity, hash)| (entity, hash)))
}

/// A named entity with its hash.
pub type Listed = (String, String, Entity, [u8; 32]);

/// Entities of the projection in the order of their names, of one type or of all.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn list(
    pool: &SqlitePool,
    stream: Stream,
    entity_type: Option<&str>,
    limit: u32,
) -> Result<Vec<Listed>> {
    let rows: Vec<Row> = sqlx::query_as(&format!(
        "SELECT {COLUMNS} FROM ves_entities WHERE tenant_id = ?1 AND store_id = ?2 \
         AND (?3 IS NULL OR entity_type = ?3) ORDER BY entity_type, entity_id LIMIT ?4"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(parse).collect()
}

/// An entity as its first `version` events made it, with the events after those, both from the
/// verified events themselves.
///
/// # Errors
/// The database's refusal, a damaged record, or what `read` says.
pub async fn at_version(
    pool: &SqlitePool,
    stream: Stream,
    (entity_type, entity_id): (&str, &str),
    version: u64,
    read: &mut (dyn FnMut(&SequencedEventJson) -> Result<Content> + Send),
) -> Result<(Entity, Vec<SequencedEventJson>)> {
    let records = inbox::of_entity(pool, stream, entity_type, entity_id).await?;
    let split = usize::try_from(version)
        .unwrap_or(usize::MAX)
        .min(records.len());
    let (before, after) = records.split_at(split);
    let mut entity = Entity::default();
    for record in before {
        let content = read(record)?;
        entity.apply(&record.event.event_type, record.sequence, content);
    }
    Ok((entity, after.to_vec()))
}

/// Brings the projection up to the verified tip, or makes it anew. What `read` cannot read counts as
/// opaque; its errors end the projection where it stands.
///
/// # Errors
/// The database's refusal, a damaged record, or what `read` says.
pub async fn project(
    pool: &SqlitePool,
    stream: Stream,
    rebuild: bool,
    read: &mut (dyn FnMut(&SequencedEventJson) -> Result<Content> + Send),
) -> Result<Projection> {
    if rebuild {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        for table in ["ves_entities", "ves_projections"] {
            sqlx::query(&format!(
                "DELETE FROM {table} WHERE tenant_id = ?1 AND store_id = ?2"
            ))
            .bind(stream.tenant.0.as_slice())
            .bind(stream.store.0.as_slice())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
    }
    let mut applied = 0u64;
    loop {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        // Read under the write lock: another process may have gone on meanwhile.
        let from = projected(&mut tx, stream).await?;
        let records = inbox::after(&mut tx, stream, from, STEP).await?;
        let Some(last) = records.last() else { break };
        let to = last.sequence;
        let mut touched: BTreeMap<(String, String), Entity> = BTreeMap::new();
        for record in records {
            applied = applied.saturating_add(1);
            let content = read(&record)?;
            let event = record.event;
            let key = (event.entity_type, event.entity_id);
            let known = match touched.remove(&key) {
                Some(entity) => entity,
                None => entity(&mut tx, stream, &key.0, &key.1)
                    .await?
                    .map(|(entity, _)| entity)
                    .unwrap_or_default(),
            };
            let mut next = known;
            next.apply(&event.event_type, record.sequence, content);
            touched.insert(key, next);
        }
        for ((entity_type, entity_id), entity) in &touched {
            store(&mut tx, stream, entity_type, entity_id, entity).await?;
        }
        sqlx::query(
            "INSERT INTO ves_projections (tenant_id, store_id, sequence) VALUES (?1, ?2, ?3) \
             ON CONFLICT (tenant_id, store_id) DO UPDATE SET sequence = excluded.sequence",
        )
        .bind(stream.tenant.0.as_slice())
        .bind(stream.store.0.as_slice())
        .bind(column(to))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
    }
    summary(pool, stream, applied).await
}

async fn projected(db: &mut SqliteConnection, stream: Stream) -> Result<u64> {
    let sequence: Option<i64> = sqlx::query_scalar(
        "SELECT sequence FROM ves_projections WHERE tenant_id = ?1 AND store_id = ?2",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_optional(db)
    .await?;
    sequence.map_or(Ok(0), number)
}

async fn store(
    db: &mut SqliteConnection,
    stream: Stream,
    entity_type: &str,
    entity_id: &str,
    entity: &Entity,
) -> Result<()> {
    let state = entity
        .state
        .as_ref()
        .map(jcs::canonicalize_value)
        .transpose()
        .map_err(Failure::unexpected)?;
    sqlx::query(&format!(
        "INSERT OR REPLACE INTO ves_entities (tenant_id, store_id, {COLUMNS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .bind(column(entity.version))
    .bind(column(entity.sequence))
    .bind(state)
    .bind(entity.deleted)
    .bind(column(entity.opaque))
    .bind(entity.hash(entity_type, entity_id)?.to_vec())
    .execute(db)
    .await?;
    Ok(())
}

async fn summary(pool: &SqlitePool, stream: Stream, applied: u64) -> Result<Projection> {
    let mut tx = pool.begin().await?;
    let sequence = projected(&mut tx, stream).await?;
    let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT state_hash FROM ves_entities WHERE tenant_id = ?1 AND store_id = ?2 \
         ORDER BY entity_type, entity_id",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_all(&mut *tx)
    .await?;
    let hashes: Vec<[u8; 32]> = hashes
        .into_iter()
        .map(|hash| hash.try_into().map_err(|_| damaged("its hash")))
        .collect::<Result<_>>()?;
    Ok(Projection {
        sequence,
        applied,
        entities: u64::try_from(hashes.len()).unwrap_or(u64::MAX),
        state_hash: stream_hash(stream.tenant, stream.store, sequence, &hashes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        capture::Draft,
        testing::{FakeChain, draft, pool, proofs::STREAM, signed, ui},
    };
    use serde_json::json;

    fn clear(record: &SequencedEventJson) -> Result<Content> {
        Ok(record
            .event
            .payload
            .clone()
            .map_or(Content::Opaque, Content::Clear))
    }

    fn change(id: &str, payload: &str) -> ves_primitives::SubmittedEvent {
        signed(&Draft {
            entity_id: id.into(),
            event_type: "order.updated".into(),
            payload: payload.into(),
            ..draft()
        })
    }

    #[tokio::test]
    async fn in_steps_or_anew_the_state_and_its_hash_are_the_same() {
        let chain = FakeChain::with_seed();
        let (_dir, stepwise) = pool().await;
        let (_other, at_once) = pool().await;
        for round in 0..3 {
            chain.commit(vec![
                change("A", &format!(r#"{{"total":{round}}}"#)),
                change("B", &format!(r#"{{"r{round}":true}}"#)),
            ]);
            crate::pull::pull(&stepwise, &chain, STREAM, None, &ui())
                .await
                .unwrap();
            project(&stepwise, STREAM, false, &mut clear).await.unwrap();
        }
        crate::pull::pull(&at_once, &chain, STREAM, None, &ui())
            .await
            .unwrap();
        let whole = project(&at_once, STREAM, false, &mut clear).await.unwrap();
        assert_eq!((whole.sequence, whole.applied, whole.entities), (6, 6, 2));
        let again = project(&stepwise, STREAM, false, &mut clear).await.unwrap();
        assert_eq!(again.applied, 0);
        assert_eq!(again.state_hash, whole.state_hash);
        let rebuilt = project(&stepwise, STREAM, true, &mut clear).await.unwrap();
        assert_eq!((rebuilt.applied, rebuilt.state_hash), (6, whole.state_hash));
        let listed = list(&at_once, STREAM, None, 10).await.unwrap();
        assert_eq!(
            listed[1].2.state,
            Some(json!({"r0": true, "r1": true, "r2": true}))
        );
        assert_eq!(listed[0].2.version, 3);
        let mut other = |_: &SequencedEventJson| Ok(Content::Opaque);
        let blind = project(&stepwise, STREAM, true, &mut other).await.unwrap();
        assert_ne!(blind.state_hash, whole.state_hash);
    }

    #[tokio::test]
    async fn an_entity_can_be_seen_as_it_was_at_a_version() {
        let chain = FakeChain::with_seed();
        let (_dir, db) = pool().await;
        chain.commit(
            (1..=4)
                .map(|n| change("A", &format!(r#"{{"n":{n}}}"#)))
                .collect(),
        );
        crate::pull::pull(&db, &chain, STREAM, None, &ui())
            .await
            .unwrap();
        let (then, since) = at_version(&db, STREAM, ("order", "A"), 2, &mut clear)
            .await
            .unwrap();
        assert_eq!((then.version, then.state), (2, Some(json!({"n": 2}))));
        assert_eq!(since.len(), 2);
        let (all, since) = at_version(&db, STREAM, ("order", "A"), 9, &mut clear)
            .await
            .unwrap();
        assert_eq!((all.version, since.len()), (4, 0));
    }
}
