// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events that wait for others, and pushes that are interrupted.

use super::*;

/// The second would fit by its number once somebody else's event has taken the place of the first.
#[tokio::test]
async fn what_builds_on_an_event_that_waits_for_a_quota_waits_with_it() {
    let s = Setup::new().await;
    let on = |version| Draft {
        base_version: Some(version),
        ..draft()
    };
    let first = s.append(&on(0)).await;
    let second = s.append(&on(1)).await;
    s.chain.lock().exhausted = true;
    let report = s.push().await;
    assert_eq!(report.failure().unwrap().code, "quota_exhausted");
    assert_eq!(
        report.count(State::Rejected),
        0,
        "the second is as good as the first"
    );
    let retries = outbox::retries(&s.pool).await.unwrap();
    assert_eq!(retries.len(), 2);

    // The first is not due yet, the second is: it is left alone all the same.
    sqlx::query(
        "UPDATE ves_retries SET next_attempt_ms = next_attempt_ms + 1000000 WHERE local_seq = 1",
    )
    .execute(&s.pool)
    .await
    .unwrap();
    sqlx::query("UPDATE ves_retries SET next_attempt_ms = 1 WHERE local_seq = 2")
        .execute(&s.pool)
        .await
        .unwrap();
    s.chain.lock().exhausted = false;
    let patient = PushOptions {
        patient: true,
        ..PushOptions::default()
    };
    assert!(s.push_with(patient).await.events.is_empty());
    let report = s.push().await;
    assert_eq!(report.count(State::Finalized), 2);
    let order: Vec<_> = report.events.iter().map(Entry::event_id).collect();
    assert_eq!(order, [first, second]);
}

#[tokio::test]
async fn what_builds_on_an_event_that_is_not_approved_is_held() {
    let s = Setup::new().await;
    for version in [0, 1] {
        let on = Some(version);
        s.append(&Draft {
            base_version: on,
            ..draft()
        })
        .await;
    }
    let due = outbox::open_entries(&s.pool, 0, 10).await.unwrap();
    let mut envelope = due[1].event.envelope.clone();
    envelope.agent_key_id = KeyId(1);
    let hash = envelope.signing_hash().unwrap();
    let report = s
        .push_with(PushOptions {
            approved: Some(BTreeMap::from([(due[1].local_seq, hash)])),
            ..PushOptions::default()
        })
        .await;
    assert_eq!(report.held.len(), 1);
    assert_eq!(s.chain.lock().submissions, 0);
}

#[tokio::test]
async fn an_interrupted_push_says_where_it_stopped_and_the_next_one_goes_on() {
    let s = Setup::new().await;
    s.append_many(9).await;
    s.chain.lock().lossy = true;
    let ui = ui();
    let mut signers = Signers::new(&s.keys, &no_passphrase);
    let options = PushOptions::default();
    let stop = async {
        loop {
            let all = outbox::latest(&s.pool, None, 10).await.unwrap();
            if all.iter().all(|entry| entry.state == State::Submitted) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(ui.interrupt().is_heeded());
        ui.interrupt().raise();
    };
    let pushing = push(&s.pool, &s.chain, &mut signers, &options, &ui);
    let report = tokio::join!(pushing, stop).0.unwrap();
    let failure = report.failure().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("interrupted", Exit::Interrupted)
    );
    assert!(
        failure.message.contains("9 on their way"),
        "{}",
        failure.message
    );
    s.chain.lock().lossy = false;
    let report = s.push().await;
    assert_eq!(report.failure(), None);
    assert_eq!(report.count(State::Finalized), 9);
    assert_eq!(s.chain.sequenced(), 9);
}

/// Places are asked about at the ends of what is known, and must be right in between too.
#[tokio::test]
async fn every_event_gets_its_own_block_and_sequence_even_over_many_blocks() {
    let s = Setup::new().await;
    s.append_many(11).await;
    let stop = PushOptions {
        stop: Some(CrashPoint::AfterSign),
        ..PushOptions::default()
    };
    s.push_with(stop).await;
    let entries = outbox::open_entries(&s.pool, 0, 20).await.unwrap();
    let mut expected = Vec::new();
    let mut rest = entries.iter();
    for size in [1usize, 3, 1, 4, 2] {
        let events = rest.by_ref().take(size).map(|entry| entry.event.clone());
        s.chain.commit(events.collect());
    }
    for entry in &entries {
        let at = s.chain.best().await.unwrap();
        let envelope = &entry.event.envelope;
        let status = s
            .chain
            .event_status(envelope.stream_id(), envelope.event_id, at)
            .await
            .unwrap()
            .unwrap();
        expected.push((Some(status.block_number), Some(status.sequence)));
    }
    let report = s.push().await;
    assert_eq!(report.count(State::Finalized), 11);
    let found: Vec<_> = report
        .events
        .iter()
        .map(|entry| (entry.block_number, entry.sequence))
        .collect();
    assert_eq!(found, expected);
}
