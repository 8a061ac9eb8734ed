// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{db, testing::draft};
use sqlx::{Connection, Executor, Row};

async fn memory() -> SqliteConnection {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    db::install(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn an_event_and_a_business_change_commit_together_or_not_at_all() {
    let mut connection = memory().await;
    connection
        .execute("CREATE TABLE orders (id TEXT)")
        .await
        .unwrap();
    let mut tx = connection.begin().await.unwrap();
    tx.execute("INSERT INTO orders VALUES ('A')").await.unwrap();
    append(&mut tx, &draft()).await.unwrap();
    tx.rollback().await.unwrap();

    let mut tx = connection.begin().await.unwrap();
    tx.execute("INSERT INTO orders VALUES ('B')").await.unwrap();
    append(&mut tx, &draft()).await.unwrap();
    tx.commit().await.unwrap();

    for table in ["orders", "ves_outbox"] {
        let count: i64 = connection
            .fetch_one(format!("SELECT count(*) FROM {table}").as_str())
            .await
            .unwrap()
            .get(0);
        assert_eq!(count, 1, "{table}");
    }
}

#[tokio::test]
async fn event_and_command_ids_are_taken_once() {
    let mut db = memory().await;
    let first = Draft {
        event_id: Some(EventId([1; 16])),
        command_id: Some(CommandId([2; 16])),
        ..draft()
    };
    append(&mut db, &first).await.unwrap();
    let same_event = Draft {
        command_id: None,
        ..first.clone()
    };
    assert_eq!(
        append(&mut db, &same_event).await.unwrap_err().code,
        "duplicate_event_id"
    );
    let same_command = Draft {
        event_id: None,
        ..first.clone()
    };
    let failure = append(&mut db, &same_command).await.unwrap_err();
    assert_eq!(failure.code, "duplicate_command_id");
    // Ids are unique per stream, not across streams.
    let elsewhere = Draft {
        store_id: StoreId([9; 16]),
        ..first
    };
    append(&mut db, &elsewhere).await.unwrap();
}

#[test]
fn bad_payloads_are_refused_by_name() {
    let code = |payload: &str| {
        Draft {
            payload: payload.into(),
            ..draft()
        }
        .build()
        .map(|_| ())
        .unwrap_err()
        .code
    };
    for payload in [
        "",
        "{",
        "null",
        r#"{"a":1,"a":2}"#,
        r#"{"n":9007199254740993}"#,
        r#"{"s":"\ud800"}"#,
        "\u{0}",
    ] {
        assert_eq!(code(payload), "payload_invalid", "{payload:?}");
    }
    let large = format!("\"{}\"", "x".repeat(70_000));
    assert_eq!(code(&large), "payload_too_large");
}

#[test]
fn bad_fields_are_refused_by_name() {
    let message = |draft: Draft| draft.build().map(|_| ()).unwrap_err().message;
    assert!(
        message(Draft {
            entity_type: String::new(),
            ..draft()
        })
        .contains("entity_type")
    );
    assert!(
        message(Draft {
            entity_id: "x".repeat(513),
            ..draft()
        })
        .contains("entity_id")
    );
    assert!(
        message(Draft {
            event_type: String::new(),
            ..draft()
        })
        .contains("event_type")
    );
    let when = Some("yesterday".to_owned());
    assert!(
        message(Draft {
            created_at: when,
            ..draft()
        })
        .contains("created_at")
    );
    let version = Some(u64::MAX);
    assert!(
        message(Draft {
            base_version: version,
            ..draft()
        })
        .contains("base_version")
    );
}

#[test]
fn padding_makes_many_lengths_one() {
    let sizes = [64, 256];
    let padded = |text: &str| pad(text, &sizes).unwrap();
    for (text, length) in [
        (r#"{"total":1}"#.to_owned(), 64),
        (r#"{"total":100000,"z":1}"#.to_owned(), 64),
        ("{}".to_owned(), 64),
        (format!(r#"{{"note":"{}"}}"#, "x".repeat(60)), 256),
        (format!(r#"{{"note":"{}"}}"#, "x".repeat(300)), 512),
    ] {
        let long = padded(&text);
        assert_eq!(long.len(), length, "{long}");
        assert_eq!(canonical_payload(&long).unwrap(), long);
        let mut value: serde_json::Value = serde_json::from_str(&long).unwrap();
        value.as_object_mut().unwrap().remove(PADDING);
        assert_eq!(
            value,
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        );
    }
    assert_eq!(pad("{}", &[]).unwrap(), "{}");
    for (text, sizes, code) in [
        ("[1]", &[64][..], "padding_impossible"),
        (r#"{"_pad":"x"}"#, &[64], "padding_impossible"),
        ("{}", &[0], "padding_invalid"),
        ("{}", &[70_000], "padding_invalid"),
        ("{", &[64], "payload_invalid"),
    ] {
        assert_eq!(pad(text, sizes).unwrap_err().code, code, "{text}");
    }
}

#[tokio::test]
async fn an_event_that_is_signed_already_is_carried_as_it_is() {
    let mut db = memory().await;
    let event = crate::testing::signed(&draft());
    let captured = append_signed(&mut db, &event).await.unwrap();
    let (state, signature): (String, Vec<u8>) =
        sqlx::query_as("SELECT state, signature FROM ves_outbox WHERE local_seq = ?1")
            .bind(captured.local_seq)
            .fetch_one(&mut db)
            .await
            .unwrap();
    assert_eq!(state, "signed");
    assert_eq!(signature, event.envelope.agent_signature.0);
    let twice = append_signed(&mut db, &event).await.unwrap_err();
    assert_eq!(twice.code, "duplicate_event_id");
    let mut altered = crate::testing::signed(&draft());
    altered.envelope.payload_plain_hash.0[0] ^= 1;
    let refused = append_signed(&mut db, &altered).await.unwrap_err();
    assert_eq!(refused.code, "schema_validation");
    let unsigned = draft().build().unwrap();
    let refused = append_signed(&mut db, &unsigned).await.unwrap_err();
    assert_eq!(refused.code, "signature_missing");
    // Its row would be read back as another version, and its signature would not hold any more.
    let mut older = crate::testing::signed(&draft());
    older.envelope.ves_version = 1;
    older.envelope.command_id = None;
    older.envelope.base_version = None;
    let refused = append_signed(&mut db, &older).await.unwrap_err();
    assert_eq!(refused.code, "version_unsupported");
}
