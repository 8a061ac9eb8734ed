// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Payloads that a node pruned, and what the journal keeps of records that were set aside.

use super::*;
use crate::testing::prune;

#[tokio::test]
async fn a_pruned_payload_is_no_failure_and_is_completed_by_a_node_that_has_it() {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.lie_about(6, prune);
    let report = run(&chain, &db).await;
    assert_eq!(report.failure(), None);
    assert_eq!((report.stored, report.to), (13, 14));
    let noted: Vec<_> = report
        .pruned
        .iter()
        .map(|p| (p.sequence, p.reason))
        .collect();
    assert_eq!(noted, [(6, Reason::PayloadPruned)]);
    assert!(
        report.pruned[0]
            .detail
            .contains("ask a node that keeps payloads")
    );
    assert!(report.quarantined.is_empty());
    assert!(inbox::quarantined(&db, STREAM).await.unwrap().is_empty());
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (13, 0));
    assert_eq!(inbox::pruned(&db, STREAM).await.unwrap().len(), 1);
    let journal = crate::journal::after(&db, 0, None, 10).await.unwrap();
    assert!(journal.is_empty(), "{journal:?}");
    // The same node cannot help; one that keeps payloads can.
    let again = recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    assert!(!again[0].promoted);
    chain.record_lie = None;
    let again = recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    assert!(again[0].promoted, "{again:?}");
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (14, 0));
    assert!(inbox::pruned(&db, STREAM).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_record_without_payload_is_judged_by_all_that_its_envelope_says() {
    expect_quarantine("signature_invalid", |record| {
        prune(record);
        forge(record);
    })
    .await;
    expect_quarantine("signature_invalid", |record| {
        prune(record);
        record.event.payload_plain_hash.0[0] ^= 1;
    })
    .await;
    expect_quarantine("stream_mismatch", |record| {
        prune(record);
        record.event.store_id = StoreId([7; 16]);
    })
    .await;
    expect_quarantine("receipt_invalid", |record| {
        prune(record);
        record.receipt_hash.0[0] ^= 1;
    })
    .await;
}

#[tokio::test]
async fn what_is_quarantined_is_in_the_journal_once_with_the_record_and_its_promotion_too() {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.lie_about(6, forge);
    run(&chain, &db).await;
    let journal = crate::journal::after(&db, 0, None, 10).await.unwrap();
    let [entry] = journal.as_slice() else {
        panic!("{journal:?}");
    };
    assert_eq!(
        (entry.kind.as_str(), entry.reason.as_str()),
        ("quarantined", "signature_invalid")
    );
    assert!(
        entry.detail["record"]
            .as_str()
            .unwrap()
            .contains("agent_signature")
    );
    chain.record_lie = None;
    recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    let journal = crate::journal::after(&db, 1, None, 10).await.unwrap();
    assert_eq!(journal[0].kind, "promoted");
    crate::journal::check(&db, Some(&entry.hash)).await.unwrap();
}

#[tokio::test]
async fn looking_again_without_promoting_writes_nothing() {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.lie_about(6, forge);
    run(&chain, &db).await;
    chain.record_lie = None;
    // A set that nobody here knows yet, and keys as if they were never seen.
    let end = chain.best().await.unwrap().number + 1;
    chain.lock().set_ends.push(end);
    chain.commit(Vec::new());
    chain.commit(Vec::new());
    for table in ["ves_key_records", "ves_key_pins"] {
        sqlx::query(&format!("DELETE FROM {table}"))
            .execute(&db)
            .await
            .unwrap();
    }
    let counts = || async {
        let mut counts = Vec::new();
        for table in [
            "ves_authority_sets",
            "ves_key_records",
            "ves_key_pins",
            "ves_quarantine",
            "ves_events",
        ] {
            let sql = format!("SELECT count(*) FROM {table}");
            counts.push(
                sqlx::query_scalar::<_, i64>(&sql)
                    .fetch_one(&db)
                    .await
                    .unwrap(),
            );
        }
        counts
    };
    let before = counts().await;
    let found = recheck(&db, &chain, STREAM, None, true, &ui())
        .await
        .unwrap();
    assert!(found[0].promoted, "{found:?}");
    assert_eq!(counts().await, before);
    recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    let after = counts().await;
    for (n, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_ne!(before, after, "table {n}");
    }
}
