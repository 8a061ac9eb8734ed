// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;

mod format_2;
mod lasting;
mod queries;

#[tokio::test]
async fn a_full_disk_is_named_and_the_journal_works_again_with_room() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("relay.db")).await.unwrap();
    let size: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&journal.pool)
        .await
        .unwrap();
    let limit = |pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        let pool = journal.pool.clone();
        async move { sqlx::query(&sql).execute(&pool).await.unwrap() }
    };
    limit(size + 1).await;
    let big = vec![b'q'; 100_000];
    let text = String::from_utf8(big).unwrap();
    let write = || async {
        sqlx::query("INSERT INTO meta (key, value) VALUES ('big', ?)")
            .bind(text.as_bytes())
            .execute(&journal.pool)
            .await
    };
    let error = JournalError::from(write().await.unwrap_err());
    assert!(matches!(error, JournalError::DiskFull), "{error:?}");
    limit(1_000_000).await;
    write().await.unwrap();
}

#[tokio::test]
async fn a_database_held_by_another_program_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    let journal = Journal::open(&path).await.unwrap();
    sqlx::query("PRAGMA busy_timeout = 50")
        .execute(&journal.pool)
        .await
        .unwrap();
    let options = SqliteConnectOptions::new().filename(&path);
    let other = SqlitePool::connect_with(options).await.unwrap();
    let mut holder = other.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let error = journal.reserve(0, &[], 1).await.unwrap_err();
    assert!(matches!(error, JournalError::Locked), "{error:?}");
    sqlx::query("ROLLBACK").execute(&mut *holder).await.unwrap();
    journal.reserve(0, &[], 1).await.unwrap();
}

/// What a full disk does to a commit: SQLite ends the transaction by itself, and sqlx, whose
/// commit and rollback both fail, goes on counting it.
async fn lose_a_transaction(journal: &Journal) {
    let mut transaction = journal.begin().await.unwrap();
    sqlx::query("ROLLBACK")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap_err();
}

#[tokio::test]
async fn what_is_written_after_a_failed_commit_is_on_disk_when_the_call_returns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    let journal = Journal::open(&path).await.unwrap();
    lose_a_transaction(&journal).await;
    // Begun and given up, as by a statement that fails.
    drop(journal.begin().await.unwrap());
    journal.reserve(0, &[], 1).await.unwrap();
    let attempt = Attempt {
        tx_hash: [2; 32],
        nonce: 0,
        raw: vec![3],
        max_fee: 4,
        tip: 5,
    };
    journal.add_attempt(&attempt).await.unwrap();
    let other = Journal::open_read_only(&path).await.unwrap();
    assert_eq!(other.attempts(0).await.unwrap(), [attempt]);
    let states: Vec<SendState> = other
        .live_sends()
        .await
        .unwrap()
        .iter()
        .map(|send| send.state)
        .collect();
    assert_eq!(states, [SendState::Signed]);
}

#[tokio::test]
async fn a_journal_of_format_1_goes_on_with_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let old = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(include_str!("format-1.sql"))
        .execute(&old)
        .await
        .unwrap();
    old.close().await;
    let journal = Journal::open(&path).await.unwrap();
    let item = Item {
        kind: ItemKind::Batch,
        stream: StreamId([1; 32]),
        batch_index: 7,
    };
    assert_eq!(journal.items(3).await.unwrap(), [item]);
    let live = journal.live_sends().await.unwrap();
    assert_eq!((live[0].nonce, live[0].state), (3, SendState::Sent));
    assert_eq!(journal.attempts(3).await.unwrap().len(), 1);
    journal.close().await;
    drop(journal);
    // And once more: nothing is left to do.
    Journal::open(&path).await.unwrap();
}

#[tokio::test]
async fn d6_what_was_paid_in_a_day_is_summed_in_gwei_rounded_up() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("relay.db")).await.unwrap();
    for nonce in 0..2 {
        journal.reserve(nonce, &[], 1).await.unwrap();
        journal
            .mark_included(nonce, &[1; 32], 1, &[2; 32], true, 1_500_000_001)
            .await
            .unwrap();
    }
    assert_eq!(journal.spent_since(now_ms() - 1000).await.unwrap(), 4);
    assert_eq!(journal.spent_since(now_ms() + 1000).await.unwrap(), 0);
    // What a reorg took away was not paid.
    journal.mark_unmined(&[0]).await.unwrap();
    assert_eq!(journal.spent_since(now_ms() - 1000).await.unwrap(), 2);
}
