// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whether the store still says what the chain says: a checksum of each block, once of what the chain
//! gives and once of what the rows hold.

use crate::{
    PreparedBlock, Store, StoreError,
    db::{Connection, Row, args},
    query::decode_batch,
    store::{cursor, tip},
    verify::nodes_of,
};
use codec::{Decode, DecodeAll, Encode};
use ves_primitives::{
    BatchCommitment, Envelope, StreamId, SubmittedEvent, sequencer::Rejection, sha256,
};

/// What a block amounts to in the store. Payloads are left out: envelopes commit to them, and retention
/// may have pruned them.
#[derive(Default, Encode)]
struct Content {
    hash: [u8; 32],
    time_ms: u64,
    header: Vec<u8>,
    /// Stream, sequence, extrinsic and statement of each event, in order.
    events: Vec<(StreamId, u64, u32, Envelope)>,
    /// Each batch with its leaves.
    batches: Vec<(BatchCommitment, Vec<u8>)>,
    /// Stream, event, extrinsic and reason of each refusal, in order.
    rejections: Vec<(StreamId, [u8; 16], u32, Rejection)>,
}

impl Content {
    fn checksum(mut self) -> [u8; 32] {
        // A block lists its events in the order of execution, the rows by stream.
        self.events
            .sort_by_key(|(stream, sequence, ..)| (*stream, *sequence));
        sha256(&self.encode())
    }
}

impl PreparedBlock {
    /// Checksum of what the store is to hold of this block; nothing of a block that leaves no rows.
    pub fn checksum(&self) -> Option<[u8; 32]> {
        if self.is_empty() {
            return None;
        }
        let events = self.events.iter().map(|indexed| {
            (
                indexed.stream_id,
                indexed.sequence,
                indexed.extrinsic_index,
                indexed.event.envelope.clone(),
            )
        });
        let batches = self.batches.iter();
        let rejections = self.rejections.iter().map(|rejection| {
            (
                rejection.stream_id,
                rejection.event_id.0,
                rejection.extrinsic_index,
                rejection.reason,
            )
        });
        let content = Content {
            hash: self.hash,
            time_ms: self.time_ms,
            header: self.header.clone(),
            events: events.collect(),
            batches: batches
                .map(|batch| (batch.commitment.clone(), batch.leaves.clone()))
                .collect(),
            rejections: rejections.collect(),
        };
        Some(content.checksum())
    }
}

impl Store {
    /// Checksum of what the rows hold of a block; nothing if they hold nothing. Reads every row, and
    /// compares what is stored twice: columns with the statement, payloads with their hashes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the column that contradicts, or if the database fails.
    pub async fn block_checksum(&self, number: u32) -> Result<Option<[u8; 32]>, StoreError> {
        let mut snapshot = self.long_snapshot().await?;
        let sql = "SELECT hash, time_ms, header FROM blocks WHERE number = ?";
        let Some(block) = snapshot.optional(sql, args![number]).await? else {
            return Ok(None);
        };
        let mut content = Content {
            hash: block.bytes("hash")?,
            time_ms: block.unsigned("time_ms")?,
            header: block.slice("header")?.to_vec(),
            ..Content::default()
        };
        let sql = "SELECT x.stream, x.batch_index, x.sequence_start, x.sequence_end, x.batch, \
             x.leaves, x.nodes, s.stream_id FROM batches x JOIN streams s ON s.id = x.stream \
             WHERE x.block_number = ? ORDER BY x.id";
        for row in snapshot.all(sql, args![number]).await? {
            let batch = read_batch(&row)?;
            read_events(&mut snapshot, &row, number, &mut content).await?;
            let leaves = row.slice("leaves")?;
            // Batches of before that column have none.
            let nodes = row.maybe_slice("nodes")?;
            if nodes.is_some() && nodes != nodes_of(leaves.as_chunks().0.to_vec()).as_deref() {
                return Err(StoreError::Corrupt {
                    what: "nodes of a batch",
                });
            }
            content.batches.push((batch, leaves.to_vec()));
        }
        let sql = "SELECT stream_id, event_id, extrinsic_index, reason FROM rejections \
             WHERE block_number = ? ORDER BY id";
        for row in snapshot.all(sql, args![number]).await? {
            let reason = Rejection::decode_all(&mut row.slice("reason")?)
                .map_err(|_| StoreError::Corrupt { what: "reason" })?;
            content.rejections.push((
                StreamId(row.bytes("stream_id")?),
                row.bytes("event_id")?,
                row.unsigned("extrinsic_index")?,
                reason,
            ));
        }
        Ok(Some(content.checksum()))
    }

    /// Compares what no block says alone: where each stream stands, that nothing lies beyond the cursor or
    /// outside of a batch, and how many versions entities have.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with what contradicts, or if the database fails.
    pub async fn check_ends(&self) -> Result<(), StoreError> {
        let mut snapshot = self.long_snapshot().await?;
        let cursor = cursor(&mut snapshot).await?;
        let sql = "SELECT MAX(number) AS number FROM blocks";
        let newest = snapshot.one(sql, args![]).await?.maybe_int("number")?;
        if newest.is_some_and(|newest| newest > i64::from(cursor.number)) {
            return Err(StoreError::Corrupt {
                what: "blocks beyond the cursor",
            });
        }
        let sql = "SELECT MAX(block_number) AS number FROM refused_proofs";
        let newest = snapshot.one(sql, args![]).await?.maybe_int("number")?;
        if newest.is_some_and(|newest| newest > i64::from(cursor.number)) {
            return Err(StoreError::Corrupt {
                what: "refused proofs beyond the cursor",
            });
        }
        let sql = "SELECT s.id, s.sequence, s.state_root, s.batch_count, x.batch FROM streams s \
             JOIN batches x ON x.stream = s.id AND x.batch_index = s.batch_count - 1";
        let rows = snapshot.all(sql, args![]).await?;
        for row in &rows {
            if decode_batch(row)?.tip() != tip(row)? {
                return Err(StoreError::Corrupt {
                    what: "a stream's head",
                });
            }
        }
        let sql = "SELECT (SELECT COUNT(*) FROM streams) AS streams, \
             (SELECT COUNT(*) FROM events) AS events, \
             (SELECT CAST(COALESCE(SUM(sequence), 0) AS BIGINT) FROM streams) AS sequences, \
             (SELECT COUNT(*) FROM batches) AS batches, \
             (SELECT CAST(COALESCE(SUM(batch_count), 0) AS BIGINT) FROM streams) AS batch_counts";
        let counts = snapshot.one(sql, args![]).await?;
        let same = [("events", "sequences"), ("batches", "batch_counts")];
        for (rows, heads) in same {
            if counts.int(rows)? != counts.int(heads)? {
                return Err(StoreError::Corrupt { what: rows });
            }
        }
        if usize::try_from(counts.int("streams")?) != Ok(rows.len()) {
            return Err(StoreError::Corrupt { what: "streams" });
        }
        // Histories say how many versions there are without counting.
        let sql = "SELECT COUNT(*) AS found, COUNT(n.versions) AS agreeing, \
             (SELECT COUNT(*) FROM entities) AS counted FROM \
             (SELECT stream, entity_type, entity_id, COUNT(*) AS versions FROM events \
             GROUP BY stream, entity_type, entity_id) f LEFT JOIN entities n \
             ON n.stream = f.stream AND n.entity_type = f.entity_type \
             AND n.entity_id = f.entity_id AND n.versions = f.versions";
        let counts = snapshot.one(sql, args![]).await?;
        let found = counts.int("found")?;
        if counts.int("agreeing")? != found || counts.int("counted")? != found {
            return Err(StoreError::Corrupt { what: "entities" });
        }
        Ok(())
    }
}

/// A batch whose columns say what it says.
fn read_batch(row: &Row) -> Result<BatchCommitment, StoreError> {
    let batch = decode_batch(row)?;
    let same = row.bytes::<32>("stream_id")? == batch.stream_id().0
        && row.unsigned::<u64>("batch_index")? == batch.batch_index
        && row.unsigned::<u64>("sequence_start")? == batch.sequence_start
        && row.unsigned::<u64>("sequence_end")? == batch.sequence_end;
    if !same {
        return Err(StoreError::Corrupt {
            what: "columns of a batch",
        });
    }
    Ok(batch)
}

/// The events of a batch, each compared with its own columns and hashes.
async fn read_events(
    connection: &mut Connection,
    batch: &Row,
    number: u32,
    content: &mut Content,
) -> Result<(), StoreError> {
    let sql = "SELECT sequence, event_id, block_number, extrinsic_index, entity_type, entity_id, \
         event_type, agent_id, command_id, envelope_len, event FROM events \
         WHERE stream = ? AND sequence >= ? AND sequence <= ? ORDER BY sequence LIMIT ?";
    const STEP: u32 = 128;
    let stream = StreamId(batch.bytes("stream_id")?);
    let (mut from, to) = (batch.int("sequence_start")?, batch.int("sequence_end")?);
    loop {
        let args = args![batch.int("stream")?, from, to, STEP];
        let rows = connection.all(sql, args).await?;
        for row in &rows {
            let encoded = row.slice("event")?;
            let damaged = |_| StoreError::Corrupt { what: "event" };
            let envelope = Envelope::decode(&mut &*encoded).map_err(damaged)?;
            let same = row.bytes::<16>("event_id")? == envelope.event_id.0
                && row.unsigned::<u32>("block_number")? == number
                && row.name("entity_type")? == envelope.entity_type.as_slice()
                && row.name("entity_id")? == envelope.entity_id.as_slice()
                && row.name("event_type")? == envelope.event_type.as_slice()
                && row.bytes::<16>("agent_id")? == envelope.source_agent_id.0
                && row.maybe_slice("command_id")?
                    == envelope.command_id.as_ref().map(|command| &command.0[..])
                && row.unsigned::<usize>("envelope_len")? == envelope.encoded_size();
            if !same {
                return Err(StoreError::Corrupt {
                    what: "columns of an event",
                });
            }
            if encoded.len() > envelope.encoded_size() {
                let event = SubmittedEvent::decode_all(&mut &*encoded).map_err(damaged)?;
                event
                    .check_payload_hashes()
                    .map_err(|_| StoreError::Corrupt { what: "payload" })?;
            }
            let sequence = row.unsigned("sequence")?;
            let extrinsic = row.unsigned("extrinsic_index")?;
            content.events.push((stream, sequence, extrinsic, envelope));
        }
        match rows.last() {
            Some(last) if u32::try_from(rows.len()) == Ok(STEP) => {
                from = last.int("sequence")?.saturating_add(1);
            }
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{both::on_both_databases, db::Db, testing::*};
    use ves_primitives::sequencer::Rejection;

    /// Changes that a careful intruder or a failing disk could make, each in one row.
    const CHANGES: [&str; 18] = [
        "UPDATE events SET extrinsic_index = 9 WHERE sequence = 2",
        "UPDATE events SET event_id = (SELECT event_id FROM events WHERE sequence = 100) WHERE sequence = 101",
        "UPDATE events SET entity_id = entity_type WHERE sequence = 2",
        "UPDATE events SET agent_id = (SELECT tenant_id FROM streams LIMIT 1) WHERE sequence = 2",
        "UPDATE events SET event = (SELECT event FROM events WHERE sequence = 100) WHERE sequence = 101",
        "UPDATE events SET envelope_len = 3 WHERE sequence = 2",
        "DELETE FROM events WHERE sequence = 3",
        "UPDATE batches SET leaves = (SELECT leaves FROM batches WHERE batch_index = 2) WHERE batch_index = 0 AND sequence_end = 3",
        "UPDATE batches SET nodes = leaves WHERE nodes IS NOT NULL",
        "UPDATE batches SET batch_index = 77 WHERE batch_index = 1",
        "UPDATE blocks SET time_ms = 1 WHERE number = 1",
        "UPDATE blocks SET header = hash WHERE number = 3",
        "UPDATE rejections SET extrinsic_index = 9",
        "DELETE FROM rejections",
        "UPDATE streams SET sequence = 5",
        "UPDATE entities SET versions = versions + 1 WHERE versions > 100",
        "DELETE FROM entities WHERE versions > 100",
        "INSERT INTO entities (stream, entity_type, entity_id, versions) SELECT stream + 9, entity_type, entity_id, versions FROM entities",
    ];

    async fn agrees(store: &Store, blocks: &[PreparedBlock]) -> bool {
        for block in blocks {
            match store.block_checksum(block.number()).await {
                Ok(found) if found == block.checksum() => {}
                _ => return false,
            }
        }
        store.check_ends().await.is_ok()
    }

    fn blocks() -> Vec<PreparedBlock> {
        let mut chain = Chain::default();
        let raws = [
            chain.block(&[(STORE, 3), (OTHER_STORE, 2)], r#"{"a":1}"#),
            chain.block(&[], ""),
            chain.block(&[(STORE, 200)], r#"{"a":2}"#),
            chain.rejection(9, Rejection::InvalidSignature),
            chain.block(&[(STORE, 3)], r#"{"a":3}"#),
        ];
        raws.map(prepared).into()
    }

    on_both_databases! {
        async fn an_untouched_store_agrees_with_the_chain_pruned_or_not(place: Place) {
            let store = place.open().await;
            let blocks = blocks();
            store.append(&blocks).await.unwrap();
            assert!(agrees(&store, &blocks).await);
            while store.prune_step(4).await.unwrap().1 {}
            assert!(agrees(&store, &blocks).await);
            let other = prepared(Chain::default().block(&[(STORE, 4)], "{}"));
            assert_ne!(store.block_checksum(1).await.unwrap(), other.checksum());
            assert_eq!(store.block_checksum(2).await.unwrap(), None);
        }

        async fn a_store_of_two_versions_before_has_its_versions_counted(place: Place) {
            let store = place.open().await;
            let blocks = blocks();
            store.append(&blocks[..3]).await.unwrap();
            let undo: &[&str] = match store.db {
                Db::Sqlite { .. } => &["DROP TRIGGER events_count_inserted", "DROP TRIGGER events_count_deleted"],
                Db::Postgres { .. } => &["DROP FUNCTION events_count_inserted CASCADE", "DROP FUNCTION events_count_deleted CASCADE"],
            };
            let mut transaction = store.db.write().await.unwrap();
            let tables = [
                "DROP INDEX events_by_agent_and_type",
                "DROP INDEX events_by_entity_type_and_type",
                "DROP TABLE entities",
                "DROP TABLE refused_proofs",
                "ALTER TABLE batches DROP COLUMN nodes",
                "DELETE FROM _sqlx_migrations WHERE version >= (SELECT MAX(version) - 1 FROM _sqlx_migrations)",
            ];
            // Triggers go before what they write to.
            for sql in undo.iter().chain(&tables) {
                transaction.execute(sql, args![]).await.unwrap();
            }
            transaction.commit().await.unwrap();
            drop(store);
            let store = place.open().await;
            assert!(agrees(&store, &blocks[..3]).await);
            let (found, versions) = store.entity_history((TENANT, STORE), ("order", "o-1"), None, 1).await.unwrap();
            assert_eq!((found.events.len(), versions), (1, 203));
            store.append(&blocks[3..]).await.unwrap();
            assert!(agrees(&store, &blocks).await);
        }

        async fn every_changed_row_is_noticed(place: Place) {
            let store = place.open().await;
            let blocks = blocks();
            store.append(&blocks).await.unwrap();
            for change in CHANGES {
                assert!(agrees(&store, &blocks).await, "before {change}");
                let mut transaction = store.db.write().await.unwrap();
                assert!(transaction.execute(change, args![]).await.unwrap() > 0, "{change}");
                transaction.commit().await.unwrap();
                assert!(!agrees(&store, &blocks).await, "{change} went unnoticed");
                // From the beginning.
                let mut transaction = store.db.write().await.unwrap();
                for table in ["rejections", "batches", "events", "entities", "streams", "blocks"] {
                    transaction.execute(&format!("DELETE FROM {table}"), args![]).await.unwrap();
                }
                transaction.execute("UPDATE meta SET cursor_number = 0, cursor_hash = genesis", args![]).await.unwrap();
                transaction.commit().await.unwrap();
                store.append(&blocks).await.unwrap();
            }
        }
    }
}
