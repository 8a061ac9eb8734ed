// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The journal: what failed, and what was decided about it, for good.
//!
//! Outbox and quarantine show how things stand; rows there come, change and go. The journal keeps that
//! they stood otherwise: an event that was rejected and retried, a record that a node showed wrongly
//! before another showed it right. Entries are only appended. The database refuses to change or remove
//! one, and each carries the hash of the one before, so that a hand in the file shows: all it leaves
//! possible is to cut the end off, or to write everything anew. [`check`] takes a hash that was noted
//! elsewhere and shows that too.

use crate::{
    capture::now_rfc3339,
    error::{Exit, Failure, Result},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{FromRow, SqliteConnection, SqlitePool};
use ves_primitives::{EventId, StoreId, TenantId, jcs, sha256};

/// Tag of the hashed bytes.
const TAG: &[u8] = b"VES_CLI_JOURNAL_V1";
/// Entries read at once.
const PAGE: i64 = 1000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The chain refused an event.
    Rejected,
    /// An event was given up, by somebody or after too many attempts.
    Dead,
    /// An event gave way to a decision about a conflict.
    Superseded,
    /// A dead or rejected event was put back on its way.
    Revived,
    /// A dead or rejected event turned out to be in a final block.
    Sequenced,
    /// A record that a node showed did not verify.
    Quarantined,
    /// A record that was in quarantine verifies now.
    Promoted,
    /// An event of an undescribed type was set aside.
    Parked,
    /// A parked event went into the outbox.
    Released,
    /// A parked event was thrown away.
    Dropped,
}

impl Kind {
    /// The name in database and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
            Self::Revived => "revived",
            Self::Sequenced => "sequenced",
            Self::Quarantined => "quarantined",
            Self::Promoted => "promoted",
            Self::Parked => "parked",
            Self::Released => "released",
            Self::Dropped => "dropped",
        }
    }
}

/// Something to remember.
#[derive(Clone, Debug)]
pub struct Fact<'a> {
    /// What happened.
    pub kind: Kind,
    /// Stream and event, if it is about one.
    pub event: Option<(TenantId, StoreId, EventId)>,
    /// Why, in a word.
    pub reason: &'a str,
    /// What else there is to know.
    pub detail: Value,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number, from 1 on without gaps.
    pub entry: i64,
    /// When it was noted.
    pub noted_at: String,
    /// What happened.
    pub kind: String,
    /// The stream's tenant.
    pub tenant_id: Option<TenantId>,
    /// The stream's store.
    pub store_id: Option<StoreId>,
    /// The event.
    pub event_id: Option<EventId>,
    /// Why.
    pub reason: String,
    /// What else there is to know.
    pub detail: Value,
    /// Hash of the entry before; zeros for the first.
    pub previous: String,
    /// Hash of this one.
    pub hash: String,
}

#[derive(FromRow)]
struct Row {
    entry: i64,
    noted_at: String,
    kind: String,
    tenant_id: Option<Vec<u8>>,
    store_id: Option<Vec<u8>>,
    event_id: Option<Vec<u8>>,
    reason: String,
    detail: String,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

fn damaged(why: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "journal_damaged",
        format!("the journal is damaged: {why}"),
    )
    .hint("somebody wrote to the database; restore it from a backup, and compare")
}

fn text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

impl TryFrom<Row> for Entry {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self> {
        let id = |bytes: Option<Vec<u8>>| -> Result<Option<[u8; 16]>> {
            let bytes = bytes.map(<[u8; 16]>::try_from).transpose();
            bytes.map_err(|_| damaged("an id is not 16 bytes"))
        };
        let detail = serde_json::from_str(&row.detail).map_err(|e| damaged(&e.to_string()))?;
        Ok(Self {
            entry: row.entry,
            noted_at: row.noted_at,
            kind: row.kind,
            tenant_id: id(row.tenant_id)?.map(TenantId),
            store_id: id(row.store_id)?.map(StoreId),
            event_id: id(row.event_id)?.map(EventId),
            reason: row.reason,
            detail,
            previous: text(&row.previous),
            hash: text(&row.hash),
        })
    }
}

impl Entry {
    /// The hash of what the entry says and of the entry before.
    fn computed(&self) -> Result<[u8; 32]> {
        let mut said = serde_json::to_value(self).map_err(Failure::unexpected)?;
        if let Some(members) = said.as_object_mut() {
            members.remove("hash");
        }
        let said = jcs::canonicalize_value(&said).map_err(Failure::unexpected)?;
        Ok(sha256(&[TAG, said.as_bytes()].concat()))
    }
}

/// Appends an entry, in the caller's transaction, which must be able to write.
///
/// # Errors
/// The database's refusal.
pub async fn note(db: &mut SqliteConnection, fact: &Fact<'_>) -> Result<()> {
    let last: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT entry, hash FROM ves_journal ORDER BY entry DESC LIMIT 1")
            .fetch_optional(&mut *db)
            .await?;
    let (number, previous) = last.unwrap_or_else(|| (0, vec![0; 32]));
    let mut entry = Entry {
        entry: number.saturating_add(1),
        noted_at: now_rfc3339(),
        kind: fact.kind.name().to_owned(),
        tenant_id: fact.event.map(|(tenant, _, _)| tenant),
        store_id: fact.event.map(|(_, store, _)| store),
        event_id: fact.event.map(|(_, _, event)| event),
        reason: fact.reason.to_owned(),
        detail: fact.detail.clone(),
        previous: text(&previous),
        hash: String::new(),
    };
    let hash = entry.computed()?;
    entry.hash = text(&hash);
    sqlx::query(
        "INSERT INTO ves_journal (entry, noted_at, kind, tenant_id, store_id, event_id, reason, \
         detail, previous, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(entry.entry)
    .bind(&entry.noted_at)
    .bind(&entry.kind)
    .bind(entry.tenant_id.map(|id| id.0.to_vec()))
    .bind(entry.store_id.map(|id| id.0.to_vec()))
    .bind(entry.event_id.map(|id| id.0.to_vec()))
    .bind(&entry.reason)
    .bind(jcs::canonicalize_value(&entry.detail).map_err(Failure::unexpected)?)
    .bind(previous)
    .bind(hash.as_slice())
    .execute(db)
    .await?;
    Ok(())
}

/// Appends what became of events of the outbox, by their positions there.
///
/// # Errors
/// The database's refusal.
pub async fn note_outbox(
    db: &mut SqliteConnection,
    kind: Kind,
    local_seq: i64,
    reason: &str,
) -> Result<()> {
    type Found = (Vec<u8>, Vec<u8>, Vec<u8>, String, String, String, i64);
    let found: Option<Found> = sqlx::query_as(
        "SELECT tenant_id, store_id, event_id, event_type, entity_type, entity_id, attempts \
         FROM ves_outbox WHERE local_seq = ?1",
    )
    .bind(local_seq)
    .fetch_optional(&mut *db)
    .await?;
    let Some((tenant, store, event, event_type, entity_type, entity_id, attempts)) = found else {
        return Ok(());
    };
    let id = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes).map_err(|_| damaged("outbox"));
    let fact = Fact {
        kind,
        event: Some((
            TenantId(id(tenant)?),
            StoreId(id(store)?),
            EventId(id(event)?),
        )),
        reason,
        detail: json!({
            "local_seq": local_seq,
            "event_type": event_type,
            "entity_type": entity_type,
            "entity_id": entity_id,
            "attempts": attempts,
        }),
    };
    note(db, &fact).await
}

/// Entries behind a number, oldest first, about one event or all.
///
/// # Errors
/// The database's refusal, or `journal_damaged`.
pub async fn after(
    pool: &SqlitePool,
    number: i64,
    event: Option<EventId>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM ves_journal WHERE entry > ?1 AND (?2 IS NULL OR event_id = ?2) \
         ORDER BY entry LIMIT ?3",
    )
    .bind(number)
    .bind(event.map(|id| id.0.to_vec()))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// The newest entries, newest first, about one event or all.
///
/// # Errors
/// The database's refusal, or `journal_damaged`.
pub async fn latest(pool: &SqlitePool, event: Option<EventId>, limit: u32) -> Result<Vec<Entry>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM ves_journal WHERE ?1 IS NULL OR event_id = ?1 \
         ORDER BY entry DESC LIMIT ?2",
    )
    .bind(event.map(|id| id.0.to_vec()))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many entries there are.
    pub entries: i64,
    /// Hash of the last one; zeros if there is none.
    pub head: String,
}

/// Recomputes every hash. With a hash that was noted earlier, that entry must still be there.
///
/// # Errors
/// `journal_damaged`, or `journal_differs` if the noted entry is missing.
pub async fn check(pool: &SqlitePool, noted: Option<&str>) -> Result<Checked> {
    let zeros = text(&[0; 32]);
    let mut checked = Checked {
        entries: 0,
        head: zeros.clone(),
    };
    let mut is_seen = noted.is_none_or(|noted| noted == zeros);
    loop {
        let page = after(pool, checked.entries, None, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            let expected = checked.entries.saturating_add(1);
            if entry.entry != expected {
                return Err(damaged(&format!("entry {expected} is missing")));
            }
            if entry.previous != checked.head || entry.hash != text(&entry.computed()?) {
                return Err(damaged(&format!("entry {expected} was altered")));
            }
            is_seen |= noted == Some(entry.hash.as_str());
            checked = Checked {
                entries: expected,
                head: entry.hash,
            };
        }
    }
    if is_seen {
        return Ok(checked);
    }
    Err(Failure::new(
        Exit::NotVerified,
        "journal_differs",
        "the noted entry is not in the journal: its end was cut off, or it was written anew",
    )
    .hint("look for the database that the hash was noted from"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pool;

    async fn noted(pool: &SqlitePool, count: u8) -> Vec<Entry> {
        for n in 0..count {
            let fact = Fact {
                kind: Kind::Rejected,
                event: Some((TenantId([1; 16]), StoreId([2; 16]), EventId([n; 16]))),
                reason: "version_conflict",
                detail: json!({ "n": n }),
            };
            note(&mut pool.acquire().await.unwrap(), &fact)
                .await
                .unwrap();
        }
        after(pool, 0, None, 100).await.unwrap()
    }

    #[tokio::test]
    async fn entries_are_numbered_and_each_is_linked_to_the_one_before() {
        let (_dir, pool) = pool().await;
        let entries = noted(&pool, 3).await;
        let numbers: Vec<i64> = entries.iter().map(|entry| entry.entry).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(entries[1].previous, entries[0].hash);
        let checked = check(&pool, Some(&entries[1].hash)).await.unwrap();
        assert_eq!(
            (checked.entries, checked.head),
            (3, entries[2].hash.clone())
        );
        let about = after(&pool, 0, Some(EventId([1; 16])), 9).await.unwrap();
        assert_eq!(about, [entries[1].clone()]);
        assert_eq!(latest(&pool, None, 1).await.unwrap(), [entries[2].clone()]);
    }

    #[tokio::test]
    async fn the_database_refuses_to_change_remove_or_slip_in_an_entry() {
        let (_dir, pool) = pool().await;
        noted(&pool, 2).await;
        for statement in [
            "UPDATE ves_journal SET reason = 'nothing'",
            "DELETE FROM ves_journal",
            "DELETE FROM ves_journal WHERE entry = 2",
            "INSERT INTO ves_journal SELECT 4, noted_at, kind, tenant_id, store_id, event_id, \
             reason, detail, hash, hash FROM ves_journal WHERE entry = 2",
            "INSERT INTO ves_journal SELECT 3, noted_at, kind, tenant_id, store_id, event_id, \
             reason, detail, previous, hash FROM ves_journal WHERE entry = 2",
            "INSERT OR REPLACE INTO ves_journal SELECT 2, noted_at, 'x', tenant_id, store_id, \
             event_id, reason, detail, previous, hash FROM ves_journal WHERE entry = 2",
        ] {
            assert!(
                sqlx::query(statement).execute(&pool).await.is_err(),
                "{statement}"
            );
        }
        assert_eq!(check(&pool, None).await.unwrap().entries, 2);
    }

    #[tokio::test]
    async fn who_removes_the_triggers_and_alters_an_entry_is_found_out() {
        for (statement, why) in [
            (
                "UPDATE ves_journal SET reason = 'nothing' WHERE entry = 2",
                "altered",
            ),
            (
                "UPDATE ves_journal SET detail = '{}' WHERE entry = 1",
                "altered",
            ),
            (
                "UPDATE ves_journal SET event_id = NULL WHERE entry = 3",
                "altered",
            ),
            (
                "UPDATE ves_journal SET previous = zeroblob(32) WHERE entry = 3",
                "altered",
            ),
            ("DELETE FROM ves_journal WHERE entry = 2", "missing"),
        ] {
            let (_dir, pool) = pool().await;
            noted(&pool, 3).await;
            for name in ["is_immutable", "is_kept"] {
                let drop = format!("DROP TRIGGER ves_journal_{name}");
                sqlx::query(&drop).execute(&pool).await.unwrap();
            }
            sqlx::query(statement).execute(&pool).await.unwrap();
            let failure = check(&pool, None).await.unwrap_err();
            assert_eq!(failure.code, "journal_damaged", "{statement}");
            assert!(failure.message.contains(why), "{failure}");
        }
    }

    #[tokio::test]
    async fn an_end_that_was_cut_off_shows_by_a_hash_noted_elsewhere() {
        let (_dir, pool) = pool().await;
        let entries = noted(&pool, 3).await;
        sqlx::query("DROP TRIGGER ves_journal_is_kept")
            .execute(&pool)
            .await
            .unwrap();
        sqlx::query("DELETE FROM ves_journal WHERE entry = 3")
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(check(&pool, None).await.unwrap().entries, 2);
        let failure = check(&pool, Some(&entries[2].hash)).await.unwrap_err();
        assert_eq!(failure.code, "journal_differs");
    }
}
