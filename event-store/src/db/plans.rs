// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! That no question becomes slower as the store grows: each statement is shown to the database's own
//! planner, which must find its rows, in their order, by an index.

use super::{Arg, Connection, Db, Row, args, asked};
use crate::{
    CursorMove, MAX_PAGE_BYTES, Order, ProofSubject, Store, both::on_both_databases, testing::*,
};
use sqlx::Row as _;
use std::collections::BTreeSet;
use ves_primitives::{
    AgentId, CommandId, KeyId, Signature,
    sequencer::Rejection,
    wire::{AgentCursorJson, EventFilter},
};

/// One filter for each set of parts, in both orders; the index that is to answer it.
fn filters() -> impl Iterator<Item = (EventFilter, Order, &'static str)> {
    (0..1u32 << 8).map(|set| {
        let has = |part: u32| set & (1 << part) != 0;
        let filter = EventFilter {
            command_id: has(0).then_some(CommandId([7; 16])),
            entity_id: has(1).then(|| "o-7".into()),
            entity_type: has(2).then(|| "order".into()),
            agent_id: has(3).then_some(AgentId([7; 16])),
            event_type: has(4).then(|| "order.step1".into()),
            since_ms: has(5).then_some(2_000),
            until_ms: has(6).then_some(9_000),
        };
        let order = if has(7) {
            Order::NewestFirst
        } else {
            Order::OldestFirst
        };
        let index = match &filter {
            EventFilter {
                command_id: Some(_),
                ..
            } => "events_by_command",
            EventFilter {
                entity_id: Some(_),
                entity_type: Some(_),
                ..
            } => "events_by_entity",
            EventFilter {
                agent_id: Some(_),
                event_type: Some(_),
                ..
            } => "events_by_agent_and_type",
            EventFilter {
                agent_id: Some(_), ..
            } => "events_by_agent",
            EventFilter {
                entity_type: Some(_),
                event_type: Some(_),
                ..
            } => "events_by_entity_type_and_type",
            EventFilter {
                event_type: Some(_),
                ..
            } => "events_by_type",
            EventFilter {
                entity_type: Some(_),
                ..
            } => "events_by_entity_type",
            _ => "events_by_sequence",
        };
        (filter, order, index)
    })
}

/// Enough rows for statistics to mean something.
async fn filled(store: &Store) {
    let mut chain = Chain::default();
    let mut n = 0u64;
    for _ in 0..4 {
        let events = (0..4_000).map(|_| {
            n += 1;
            let mut event = event(STORE, n, "{}");
            let envelope = &mut event.envelope;
            envelope.ves_version = 2;
            // Rare enough for an index to be worth while.
            let kind = if n.is_multiple_of(7) { "order" } else { "item" };
            envelope.entity_type = kind.as_bytes().to_vec().try_into().unwrap();
            envelope.entity_id = format!("o-{}", n % 500).into_bytes().try_into().unwrap();
            envelope.event_type = format!("order.step{}", n % 3)
                .into_bytes()
                .try_into()
                .unwrap();
            envelope.source_agent_id = AgentId([(n % 11) as u8; 16]);
            envelope.command_id = Some(CommandId([(n % 101) as u8; 16]));
            event
        });
        let block = chain.block_of(vec![(STORE, events.collect())]);
        store.append(&[prepared(block)]).await.unwrap();
    }
    for refused in 0..50 {
        let block = chain.rejection(refused, Rejection::InvalidSignature);
        store.append(&[prepared(block)]).await.unwrap();
    }
    // PostgreSQL does so by itself sooner or later. Nobody does it to the file.
    if let Db::Postgres { .. } = store.db {
        let mut transaction = store.db.write().await.unwrap();
        transaction.execute("ANALYZE", args![]).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// Every question that a reader can put, and every change of the writer. Not among them is what reads
/// the whole store by intention: `Store::counts` and `Store::check_ends`.
async fn everything(store: &Store) {
    let stream = (TENANT, STORE);
    store.head(TENANT, STORE).await.unwrap();
    store.events(TENANT, STORE, 900, 100).await.unwrap();
    store
        .event(TENANT, STORE, event_id(5))
        .await
        .unwrap()
        .unwrap();
    store.batch(TENANT, STORE, 1).await.unwrap().unwrap();
    let batch = store
        .batches(TENANT, STORE, 1, 2)
        .await
        .unwrap()
        .batches
        .remove(0);
    let id = batch.batch.batch_id;
    for name in [
        id.to_string(),
        ves_primitives::EventId(id.to_uuid_bytes()).to_string(),
    ] {
        let name = name.parse().unwrap();
        assert_eq!(
            store.batch_by_name(&name).await.unwrap().as_ref(),
            Some(&batch)
        );
    }
    store
        .batch_of_sequence(TENANT, STORE, 4_001)
        .await
        .unwrap()
        .unwrap();
    store.block_commitment(2).await.unwrap().unwrap();
    store.rejections(TENANT, STORE, event_id(9)).await.unwrap();
    for subject in [ProofSubject::Event(event_id(9)), ProofSubject::Batch(0)] {
        store.refused_proofs(TENANT, STORE, subject).await.unwrap();
    }
    store
        .inclusion(TENANT, STORE, 4_001)
        .await
        .unwrap()
        .unwrap();
    store
        .multi_inclusion(TENANT, STORE, &[4_001, 4_009])
        .await
        .unwrap()
        .unwrap();
    store
        .entity_history(stream, ("order", "o-7"), Some(9), 10)
        .await
        .unwrap();
    store.streams(None, 0, 10).await.unwrap();
    store.streams(Some(TENANT), 0, 10).await.unwrap();
    store
        .agent_cursors(TENANT, STORE, AgentId([7; 16]))
        .await
        .unwrap();
    store.block_checksum(2).await.unwrap().unwrap();
    store.pruned_below().await.unwrap();
    store.first_block_since(3_000).await.unwrap();
    let cursor = AgentCursorJson {
        slot: 1,
        sequence: 2,
        revision: 1,
        key_id: KeyId(1),
        signature: Signature([0; 64]),
    };
    for expected in [CursorMove::Stored, CursorMove::Outdated { revision: 1 }] {
        let moved = store
            .move_cursor(TENANT, STORE, AgentId([7; 16]), &cursor)
            .await
            .unwrap();
        assert_eq!(moved, expected);
    }
    store.prune_step(2).await.unwrap();
    let mut to = store.cursor().await.unwrap();
    to.number = 3;
    assert!(store.rewind(&to).await.unwrap());
}

impl Connection {
    /// The planner's lines about a statement.
    async fn plan(&mut self, sql: &str, args: Vec<Arg>) -> Vec<String> {
        let (sql, column) = match self {
            Self::Sqlite(_) => (format!("EXPLAIN QUERY PLAN {sql}"), "detail"),
            Self::Postgres(transaction) => {
                // What is left then is what no index can answer, however large the tables are.
                for off in ["seqscan", "bitmapscan", "sort"] {
                    let sql = format!("SET LOCAL enable_{off} = off");
                    sqlx::query(&sql).execute(&mut **transaction).await.unwrap();
                }
                (format!("EXPLAIN {sql}"), "QUERY PLAN")
            }
        };
        let rows = self.all(&sql, args).await.unwrap();
        let line = |row: &Row| match row {
            Row::Sqlite(row) => row.get::<String, _>(column),
            Row::Postgres(row) => row.get::<String, _>(column),
        };
        rows.iter().map(line).collect()
    }
}

/// What of a plan grows with the tables.
fn slow<'a>(sql: &str, plan: &'a [String]) -> Option<&'a String> {
    // What one block holds is bounded by the chain, and may be sorted.
    let one_block = sql.contains("WHERE block_number = ?");
    plan.iter().find(|line| {
        let line = line.trim_start().trim_start_matches("->").trim_start();
        line.starts_with("SCAN ")
            || line.starts_with("Seq Scan")
            || (!one_block && (line.starts_with("USE TEMP B-TREE") || line.starts_with("Sort  (")))
    })
}

async fn plan_of(store: &Store, sql: &str, args: Vec<Arg>) -> Vec<String> {
    // Dropped, so that nothing of it happens.
    store.db.write().await.unwrap().plan(sql, args).await
}

async fn timeout_of(mut snapshot: Connection) -> String {
    match snapshot
        .one("SHOW statement_timeout", args![])
        .await
        .unwrap()
    {
        Row::Postgres(row) => row.get("statement_timeout"),
        Row::Sqlite(_) => panic!("the file has no such limit"),
    }
}

on_both_databases! {
    async fn every_statement_finds_its_rows_by_an_index(place: Place) {
        let store = place.open().await;
        filled(&store).await;
        let asked = asked::by(everything(&store)).await;
        assert!(asked.len() > 40, "{}", asked.len());
        let mut seen = BTreeSet::new();
        for (sql, args) in asked {
            let is_statement = ["SELECT", "UPDATE", "DELETE"].iter().any(|verb| sql.starts_with(verb));
            if is_statement && seen.insert(sql.clone()) {
                let plan = plan_of(&store, &sql, args).await;
                assert_eq!(slow(&sql, &plan), None, "{sql}\n{}", plan.join("\n"));
            }
        }
        // As foreign keys ask, which no plan shows.
        for child in ["events", "batches", "rejections"] {
            let sql = format!("SELECT 1 FROM {child} WHERE block_number = ?");
            let plan = plan_of(&store, &sql, args![1u32]).await;
            assert_eq!(slow(&sql, &plan), None, "{sql}");
        }
    }

    async fn every_filter_is_answered_by_the_index_of_its_most_selective_part(place: Place) {
        let store = place.open().await;
        filled(&store).await;
        for (filter, order, index) in filters() {
            let asked = asked::by(async {
                store.find((TENANT, STORE), &filter, order, None, 100, MAX_PAGE_BYTES).await.unwrap();
            }).await;
            for (sql, args) in asked {
                let plan = plan_of(&store, &sql, args).await;
                assert_eq!(slow(&sql, &plan), None, "{filter:?}\n{sql}\n{}", plan.join("\n"));
                if sql.contains("events e") {
                    let by = format!("{index} ");
                    assert!(plan.iter().any(|line| line.contains(&by)), "{filter:?}\n{sql}\n{}", plan.join("\n"));
                }
            }
        }
    }

    async fn nothing_that_grows_with_an_entity_is_asked_for_a_page_of_its_history(place: Place) {
        let store = place.open().await;
        filled(&store).await;
        let (found, versions) = store.entity_history((TENANT, STORE), ("order", "o-7"), None, 2).await.unwrap();
        assert_eq!((found.events.len(), versions), (2, 5));
        let asked = asked::by(async {
            store.entity_history((TENANT, STORE), ("order", "o-7"), found.rest, 2).await.unwrap();
        }).await;
        let of_events: Vec<_> = asked.iter().filter(|(sql, _)| sql.contains("events")).collect();
        // One look at the events, which ends with the page.
        assert!(matches!(of_events[..], [(sql, _)] if sql.ends_with("LIMIT ?")), "{asked:?}");
        assert!(asked.iter().all(|(sql, _)| !sql.contains("COUNT")), "{asked:?}");
    }

    async fn what_reads_everything_may_take_longer_than_an_answer(place: Place) {
        let store = place.open().await;
        let block = prepared(Chain::default().block(&[(STORE, 3)], "{}"));
        store.append(&[block]).await.unwrap();
        let asked = asked::by(async {
            store.check_ends().await.unwrap();
            store.counts().await.unwrap();
            store.block_checksum(1).await.unwrap().unwrap();
            store.stored_events(TENANT, STORE, 1, 10, 1_000).await.unwrap();
        }).await;
        let lifted = asked.iter().filter(|(sql, _)| sql == crate::db::postgres::NO_TIMEOUT).count();
        let Db::Postgres { .. } = store.db else {
            assert_eq!(lifted, 0);
            return;
        };
        assert_eq!(lifted, 4);
        for (snapshot, expected) in [
            (store.long_snapshot().await.unwrap(), "0"),
            // The next answer has its limit again.
            (store.snapshot().await.unwrap(), "10s"),
        ] {
            assert_eq!(timeout_of(snapshot).await, expected);
        }
    }

    async fn a_statement_without_an_index_would_be_noticed(place: Place) {
        let store = place.open().await;
        filled(&store).await;
        for sql in [
            "SELECT sequence FROM events WHERE extrinsic_index = ?",
            "SELECT sequence FROM events WHERE stream = ? ORDER BY extrinsic_index",
            "DELETE FROM rejections WHERE extrinsic_index = ?",
        ] {
            let plan = plan_of(&store, sql, args![1u32]).await;
            assert!(slow(sql, &plan).is_some(), "{sql}\n{}", plan.join("\n"));
        }
    }
}
