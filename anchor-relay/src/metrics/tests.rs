// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;

fn lag(number: u8, open: u64) -> (StreamId, StreamLag) {
    let stream = StreamId([number; 32]);
    let lag = StreamLag {
        stream: stream.to_string(),
        open_batches: open,
        lag_seconds: open,
        ..StreamLag::default()
    };
    (stream, lag)
}

#[test]
fn d16_many_streams_give_a_bounded_number_of_series_and_full_totals() {
    let shared = Shared::new().unwrap();
    shared.streams((0..200).map(|n| lag(n, u64::from(n))).collect(), Vec::new());
    let text = String::from_utf8(shared.text().unwrap()).unwrap();
    let series = text
        .lines()
        .filter(|l| l.starts_with("ves_relay_stream_open_batches{"));
    assert_eq!(series.count(), STREAMS_SHOWN);
    assert!(text.contains("ves_relay_open_batches 19900"), "{text}");
    assert!(
        text.contains(&format!("stream=\"{}\"", StreamId([199; 32]))),
        "{text}"
    );
}

#[test]
fn d16_ready_needs_both_sides_and_then_progress() {
    let shared = Shared::new().unwrap();
    let long = Duration::from_secs(60);
    assert!(shared.ready(long).unwrap_err().contains("appchain"));
    shared.source_progress(&Progress {
        finalized: 5,
        cursor: 5,
        batches: 0,
    });
    assert!(shared.ready(long).unwrap_err().contains("destination"));
    shared.streams(vec![lag(1, 1)], Vec::new());
    assert_eq!(shared.ready(long), Ok(()));
    std::thread::sleep(Duration::from_millis(1_200));
    shared.source_progress(&Progress {
        finalized: 5,
        cursor: 5,
        batches: 0,
    });
    shared.streams(vec![lag(1, 1)], Vec::new());
    let short = Duration::from_secs(1);
    assert!(shared.ready(short).unwrap_err().contains("1 batches wait"));
    shared.streams(vec![lag(1, 0)], Vec::new());
    assert_eq!(shared.ready(short), Ok(()));
}

#[test]
fn d16_health_fails_when_the_loop_stands_still() {
    let shared = Shared::new().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(shared.healthy(Duration::from_millis(5)).is_err());
    shared.ticked();
    assert!(shared.healthy(Duration::from_secs(5)).is_ok());
}

/// A line of `/metrics`.
fn says(shared: &Shared, line: &str) -> bool {
    let text = String::from_utf8(shared.text().unwrap()).unwrap();
    text.lines().any(|found| found == line)
}

fn gate() -> Gate {
    Gate {
        strict: Some(true),
        balance: alloy::primitives::U256::from(1_000_000_000_000_000u64),
        implementation: Some(alloy::primitives::Address::repeat_byte(7)),
        ..Gate::default()
    }
}

#[test]
fn d16_the_contracts_switches_are_known_once_it_was_asked() {
    let shared = Shared::new().unwrap();
    shared.gate(&Gate {
        parked: vec![Park::Unreachable {
            error: "away".into(),
        }],
        ..Gate::default()
    });
    assert!(says(&shared, "ves_relay_contract_authorised 0"));
    shared.gate(&gate());
    assert!(says(&shared, "ves_relay_contract_authorised 1"));
    assert!(says(&shared, "ves_relay_contract_paused 0"));
    let address = gate().implementation.unwrap();
    let code = |n: u8| {
        let address = alloy::primitives::Address::repeat_byte(n);
        format!("ves_relay_contract_implementation{{address=\"{address}\"}} 1")
    };
    assert!(says(&shared, &code(7)), "{address}");
    let sender = alloy::primitives::Address::ZERO;
    shared.gate(&Gate {
        parked: vec![Park::Paused, Park::NotAuthorised { sender }],
        implementation: Some(alloy::primitives::Address::repeat_byte(8)),
        ..gate()
    });
    assert!(says(&shared, "ves_relay_contract_authorised 0"));
    assert!(says(&shared, "ves_relay_contract_paused 1"));
    assert!(says(&shared, &code(8)) && !says(&shared, &code(7)));
}

#[test]
fn d16_the_balance_lasts_as_long_as_a_day_like_the_last_one_allows() {
    let shared = Shared::new().unwrap();
    shared.gate(&gate());
    assert_eq!(shared.stats().runway_seconds, None);
    assert!(says(&shared, "ves_relay_runway_seconds inf"));
    // A million gwei are left, a quarter of them went in a day.
    shared.spent_today(250_000);
    shared.gate(&gate());
    assert_eq!(shared.stats().runway_seconds, Some(4 * 86_400));
    assert!(says(&shared, "ves_relay_runway_seconds 345600"));
}

#[test]
fn d16_lag_is_told_in_events_as_well() {
    let shared = Shared::new().unwrap();
    let with = |number, events| {
        let (stream, lag) = lag(number, 1);
        let open_sequences = events;
        (
            stream,
            StreamLag {
                open_sequences,
                ..lag
            },
        )
    };
    shared.streams(vec![with(1, 40), with(2, 2)], Vec::new());
    assert!(says(&shared, "ves_relay_open_sequences 42"));
    let stream = StreamId([1; 32]);
    let line = format!("ves_relay_stream_open_sequences{{stream=\"{stream}\"}} 40");
    assert!(says(&shared, &line));
    assert_eq!(shared.stats().open_sequences, 42);
}

#[test]
fn d16_nonces_and_the_oldest_transaction_that_is_not_final() {
    let shared = Shared::new().unwrap();
    shared.next_nonce(9);
    shared.nonces(7, 3);
    for line in [
        "ves_relay_next_nonce 9",
        "ves_relay_nonce_latest 7",
        "ves_relay_nonce_confirmed 3",
    ] {
        assert!(says(&shared, line), "{line}");
    }
    let send = |nonce, state, sent_at_ms| Send {
        nonce,
        gas_limit: 1,
        state,
        ok: None,
        tx_hash: None,
        block_number: None,
        block_hash: None,
        sent_at_ms,
    };
    let sends = [
        send(3, SendState::Included, Some(50_000)),
        send(4, SendState::Sent, Some(20_000)),
        // Given to nobody yet.
        send(5, SendState::Signed, Some(1_000)),
    ];
    shared.live(&sends, 80_000);
    assert!(says(&shared, "ves_relay_oldest_unfinal_seconds 60"));
    shared.live(&[], 80_000);
    assert!(says(&shared, "ves_relay_oldest_unfinal_seconds 0"));
}

#[test]
fn d12_each_endpoint_shows_its_errors_its_rest_and_whether_it_is_in_use() {
    let shared = Shared::new().unwrap();
    let endpoint = |endpoint: &str, errors, resting, active| EndpointStats {
        endpoint: endpoint.into(),
        errors,
        resting,
        active,
    };
    shared.endpoints(vec![
        endpoint("a:1", 5, true, false),
        endpoint("b:1", 0, false, true),
    ]);
    for line in [
        "ves_relay_endpoint_errors{endpoint=\"a:1\"} 5",
        "ves_relay_endpoint_up{endpoint=\"a:1\"} 0",
        "ves_relay_endpoint_active{endpoint=\"a:1\"} 0",
        "ves_relay_endpoint_active{endpoint=\"b:1\"} 1",
    ] {
        assert!(says(&shared, line), "{line}");
    }
}

#[test]
fn d15_no_text_that_is_shown_holds_a_secret() {
    use crate::secret_url::{SecretUrl, Secrets};
    let url = SecretUrl::from("http://l2/0123456789abcdef");
    let shared = Shared::hiding(Secrets::of([&url])).unwrap();
    let text = format!("cannot reach {}", url.expose());
    let error = || text.clone();
    shared.source_error(&text);
    shared.anchor_error(&text);
    shared.reported(Err(error()));
    shared.stream_note(StreamId([1; 32]), Some(&text));
    shared.resent(&ResendReport {
        news: vec![error()],
        ..ResendReport::default()
    });
    shared.streams(vec![lag(1, 1)], Vec::new());
    shared.gate(&Gate {
        parked: vec![
            Park::Unreachable { error: error() },
            Park::WitnessAway { error: error() },
            Park::ForeignJournal { error: error() },
        ],
        ..Gate::default()
    });
    let stats = serde_json::to_string(&shared.stats()).unwrap();
    let errors = serde_json::to_string(&shared.errors()).unwrap();
    let ready = shared.ready(Duration::from_secs(60)).unwrap_err();
    let metrics = String::from_utf8(shared.text().unwrap()).unwrap();
    for shown in [&stats, &errors, &ready, &metrics] {
        assert!(!shown.contains("0123456789"), "{shown}");
    }
    for shown in [&stats, &errors, &ready] {
        assert!(shown.contains("cannot reach http://l2"), "{shown}");
    }
    assert_eq!(shared.errors().len(), 4);
}
