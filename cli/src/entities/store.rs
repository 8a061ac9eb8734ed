// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The projection in the database: made from verified events, in steps or anew.

use super::{Content, Entity, content_of, stream_hash};
use crate::{
    db,
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
/// events themselves. Neither has what is in quarantine.
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
        let content = content_of(record, read)?;
        entity.apply(&record.event.event_type, record.sequence, content);
    }
    Ok((entity, after.to_vec()))
}

/// Brings the projection up to the verified tip, or makes it anew. What `read` cannot read counts as
/// opaque; its errors end the projection where it stands. In a database that was opened to change
/// nothing the projection stays where it is.
///
/// # Errors
/// The database's refusal, a damaged record, or what `read` says.
pub async fn project(
    pool: &SqlitePool,
    stream: Stream,
    rebuild: bool,
    read: &mut (dyn FnMut(&SequencedEventJson) -> Result<Content> + Send),
) -> Result<Projection> {
    if db::is_read_only(pool).await? {
        return summary(pool, stream, 0).await;
    }
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
            let content = content_of(&record, read)?;
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
        testing::{FakeChain, draft, forge, pool, proofs::STREAM, prune, signed, ui},
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

    /// Four changes of one entity, of which the node shows the second differently.
    async fn with_second(
        lie: impl Fn(&mut SequencedEventJson) + Send + Sync + 'static,
    ) -> (tempfile::TempDir, SqlitePool, FakeChain) {
        let (dir, db) = pool().await;
        let mut chain = FakeChain::with_seed();
        chain.commit(
            (1..=4)
                .map(|n| change("A", &format!(r#"{{"n":{n},"f{n}":true}}"#)))
                .collect(),
        );
        chain.lie_about(2, lie);
        crate::pull::pull(&db, &chain, STREAM, None, &ui())
            .await
            .unwrap();
        (dir, db, chain)
    }

    async fn now(db: &SqlitePool) -> (Entity, [u8; 32]) {
        project(db, STREAM, false, &mut clear).await.unwrap();
        let mut connection = db.acquire().await.unwrap();
        let found = entity(&mut connection, STREAM, "order", "A").await.unwrap();
        found.unwrap()
    }

    async fn promote(db: &SqlitePool, chain: &mut FakeChain) {
        chain.record_lie = None;
        let again = crate::pull::recheck(db, chain, STREAM, None, false, &ui()).await;
        assert!(again.unwrap().iter().all(|item| item.promoted));
    }

    #[tokio::test]
    async fn an_event_without_payload_counts_as_on_chain_and_as_one_that_cannot_be_read() {
        let (_dir, db, mut chain) = with_second(prune).await;
        let (pruned, _) = now(&db).await;
        assert_eq!((pruned.version, pruned.opaque, pruned.sequence), (4, 1, 4));
        assert_eq!(
            pruned.state,
            Some(json!({"n": 4, "f1": true, "f3": true, "f4": true}))
        );
        let version = inbox::version_of(&db, STREAM, "order", "A").await.unwrap();
        assert_eq!(version, 4);
        let missing = inbox::missing(&db, STREAM, ("order", "A")).await.unwrap();
        assert_eq!(missing, inbox::Missing::default(), "nothing is missing");
        let (then, since) = at_version(&db, STREAM, ("order", "A"), 2, &mut clear)
            .await
            .unwrap();
        assert_eq!((then.version, then.opaque, since.len()), (2, 1, 2));
        assert_eq!(then.state, Some(json!({"n": 1, "f1": true})));
        let second = inbox::pulled_at(&db, STREAM, ("order", "A"), 1).await;
        assert!(second.unwrap().is_some());
        let fifth = inbox::pulled_at(&db, STREAM, ("order", "A"), 4).await;
        assert_eq!(fifth.unwrap(), None);

        promote(&db, &mut chain).await;
        let (whole, hash) = now(&db).await;
        assert_eq!((whole.version, whole.opaque), (4, 0));
        let (_dir, other) = pool().await;
        crate::pull::pull(&other, &chain, STREAM, None, &ui())
            .await
            .unwrap();
        assert_eq!(now(&other).await.1, hash);
    }

    #[tokio::test]
    async fn an_event_in_quarantine_makes_its_entity_incomplete_until_it_is_promoted() {
        let (_dir, db, mut chain) = with_second(forge).await;
        let missing = async |id: &'static str| {
            let found = inbox::missing(&db, STREAM, ("order", id)).await.unwrap();
            (found.of_entity, found.in_stream)
        };
        assert_eq!(now(&db).await.0.version, 3);
        assert_eq!((missing("A").await, missing("B").await), ((1, 1), (0, 1)));
        promote(&db, &mut chain).await;
        assert_eq!(now(&db).await.0.version, 4);
        assert_eq!(missing("A").await, (0, 0));
    }

    #[tokio::test]
    async fn a_batch_that_does_not_verify_makes_no_entity_incomplete() {
        let (_dir, db) = pool().await;
        let mut chain = FakeChain::with_seed();
        chain.commit(vec![change("A", r#"{"n":1}"#)]);
        chain.commit(vec![change("A", r#"{"n":2}"#)]);
        chain.inclusion_lie = Some(Box::new(|inclusion| {
            if inclusion.batch.batch.sequence_start == 2 {
                inclusion.header[40] ^= 1;
            }
        }));
        let report = crate::pull::pull(&db, &chain, STREAM, None, &ui()).await;
        assert_eq!(report.unwrap().quarantined.len(), 1);
        let missing = inbox::missing(&db, STREAM, ("order", "A")).await.unwrap();
        assert_eq!(missing, inbox::Missing::default(), "it is not pulled yet");
        assert_eq!(now(&db).await.0.version, 1);
    }
}
