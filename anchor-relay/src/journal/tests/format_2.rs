// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A file of format 2: nothing was ever forgotten, and nothing says at which block of the destination
//! something came to count as anchored.

use super::super::*;

const STREAM: StreamId = StreamId([1; 32]);

async fn old(path: &Path) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let old = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(include_str!("../format-2.sql"))
        .execute(&old)
        .await
        .unwrap();
    old.close().await;
}

async fn rows(journal: &Journal, table: &str) -> Vec<(i64, Option<i64>)> {
    let sql = format!("SELECT anchored, anchored_in FROM {table} ORDER BY batch_index");
    let rows = sqlx::query(&sql).fetch_all(&journal.pool).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn a_journal_of_format_2_goes_on_with_true_totals_and_asks_about_what_is_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    old(&path).await;
    let journal = Journal::open(&path).await.unwrap();
    // Ours in block 10; one that only failed is open again; somebody else's; the open one.
    let batches = [(1, Some(10)), (0, None), (1, Some(0)), (0, None)];
    assert_eq!(rows(&journal, "batches").await, batches);
    assert_eq!(rows(&journal, "proofs").await, [(1, Some(11)), (0, None)]);
    assert_eq!(journal.totals().await.unwrap(), (4, 2));
    assert_eq!(journal.proof_totals().await.unwrap(), (2, 1, 1));
    let counts = [("final".to_owned(), 3), ("sent".to_owned(), 1)];
    assert_eq!(journal.send_counts().await.unwrap(), counts);
    // Two transactions of block 11 name two hashes: one of them was taken back.
    let checkpoint = |number, byte| Checkpoint {
        number,
        hash: [byte; 32],
    };
    let known = [checkpoint(10, 10), checkpoint(11, 0)];
    assert_eq!(journal.checkpoints().await.unwrap(), known);
    let oldest: i64 = sqlx::query_scalar("SELECT MIN(final_at) FROM batches")
        .fetch_one(&journal.pool)
        .await
        .unwrap();
    assert_eq!(oldest, 50, "counted from when it was taken over");
    journal.close().await;
    drop(journal);
    // And once more: nothing is left to do.
    let journal = Journal::open(&path).await.unwrap();
    assert_eq!(journal.totals().await.unwrap(), (4, 2));
    // What is marked from now on is counted by the triggers.
    let at = checkpoint(20, 20);
    journal.mark_anchored(&[(STREAM, 1)], &at).await.unwrap();
    assert_eq!(journal.totals().await.unwrap(), (4, 3));
}

#[tokio::test]
async fn an_old_journal_is_named_to_who_only_reads_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    old(&path).await;
    let error = Journal::open_read_only(&path).await.unwrap_err();
    assert!(
        matches!(&error, JournalError::Old(found) if found == "2"),
        "{error}"
    );
    drop(Journal::open(&path).await.unwrap());
    Journal::open_read_only(&path).await.unwrap();
}
