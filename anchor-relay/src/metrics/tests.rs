// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::plan::{BatchView, Head, Record, StreamView};
use std::collections::BTreeSet;
use ves_primitives::{BatchCommitment, LeafHash, StateRoot, StoreId, StreamTip, TenantId};

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

const LONG: Duration = Duration::from_secs(60);

/// More than [`LONG`] without progress on either side.
fn long_passes(shared: &Shared) {
    let mut inner = shared.lock();
    inner.source_moved_ms -= 90_000;
    inner.anchor_moved_ms -= 90_000;
}

/// The appchain's next block is final and taken over.
fn block(shared: &Shared) {
    let number = shared.stats().cursor.unwrap_or(0) + 1;
    shared.source_progress(&Progress {
        finalized: number,
        cursor: number,
        batches: 0,
    });
}

/// The contract lacks batches of these streams.
fn absent(streams: &[u8]) -> Absent {
    Absent {
        streams: streams.iter().map(|n| StreamId([*n; 32])).collect(),
        ..Absent::default()
    }
}

fn in_flight(count: u64) -> Vec<(String, u64)> {
    vec![("sent".into(), count), ("included".into(), 7)]
}

#[test]
fn d16_ready_needs_both_sides_and_then_progress() {
    let shared = Shared::new().unwrap();
    assert!(shared.ready(LONG).unwrap_err().contains("appchain"));
    block(&shared);
    assert!(shared.ready(LONG).unwrap_err().contains("destination"));
    shared.absent(absent(&[1]));
    shared.streams(vec![lag(1, 1)], Vec::new());
    assert_eq!(shared.ready(LONG), Ok(()));
    long_passes(&shared);
    block(&shared);
    shared.streams(vec![lag(1, 1)], Vec::new());
    let why = shared.ready(LONG).unwrap_err();
    assert!(why.contains("batches of 1 streams"), "{why}");
    shared.absent(absent(&[]));
    shared.streams(vec![lag(1, 0)], Vec::new());
    assert_eq!(shared.ready(LONG), Ok(()));
}

#[test]
fn d16_a_stuck_destination_is_not_hidden_by_an_appchain_that_lives() {
    let shared = Shared::new().unwrap();
    let included = |took_effect, reverted| SendReport {
        included: took_effect + reverted,
        took_effect,
        reverted,
        ..SendReport::default()
    };
    let cases = [(absent(&[1]), 0), (absent(&[1]), 2), (absent(&[]), 2)];
    for (absent, pending) in cases {
        // Nothing waits: however long that was, what comes now has its time.
        long_passes(&shared);
        shared.absent(Absent::default());
        shared.streams(vec![lag(1, 0)], Vec::new());
        let look = || {
            block(&shared);
            shared.absent(absent.clone());
            shared.streams(vec![lag(1, 1)], in_flight(pending));
            shared.ready(LONG)
        };
        assert_eq!(look(), Ok(()));
        long_passes(&shared);
        assert!(look().unwrap_err().contains("destination took nothing"));
        // Neither what is only sent, nor what fails, nor what only fills a nonce is progress.
        shared.submitted();
        shared.sent_report(&included(0, 1));
        assert!(look().is_err());
        let filler = SendReport {
            included: 1,
            ..SendReport::default()
        };
        shared.sent_report(&filler);
        assert!(look().is_err());
        shared.sent_report(&included(1, 1));
        assert_eq!(look(), Ok(()));
    }
}

#[test]
fn d16_what_is_included_and_not_final_leaves_the_relay_ready() {
    let shared = Shared::new().unwrap();
    block(&shared);
    shared.absent(absent(&[]));
    shared.streams(vec![lag(1, 900)], in_flight(0));
    long_passes(&shared);
    block(&shared);
    shared.streams(vec![lag(1, 900)], in_flight(0));
    assert_eq!(shared.ready(LONG), Ok(()));
}

#[test]
fn d16_many_streams_that_are_set_aside_hide_none_that_waits_and_do_not_wait() {
    let shared = Shared::new().unwrap();
    let streams = || {
        let aside = |number| {
            let (stream, lag) = lag(number, 1_000);
            let quarantine = Some("a conflict".into());
            (stream, StreamLag { quarantine, ..lag })
        };
        let many = (0..60).map(aside);
        many.chain([lag(200, 1)]).collect::<Vec<_>>()
    };
    block(&shared);
    shared.absent(absent(&[3, 200]));
    shared.streams(streams(), Vec::new());
    long_passes(&shared);
    block(&shared);
    shared.streams(streams(), Vec::new());
    let why = shared.ready(LONG).unwrap_err();
    assert!(why.contains("batches of 1 streams"), "{why}");
    shared.absent(absent(&[3]));
    shared.streams(streams(), Vec::new());
    assert_eq!(shared.ready(LONG), Ok(()));
}

#[test]
fn d16_a_proof_that_the_destination_does_not_take_is_no_progress() {
    let shared = Shared::new().unwrap();
    let look = || {
        block(&shared);
        let proofs = BTreeSet::from([(StreamId([1; 32]), 4)]);
        shared.absent(Absent::of(&[], true, now_ms(), proofs));
        shared.streams(vec![lag(1, 0)], Vec::new());
        shared.ready(LONG)
    };
    assert_eq!(look(), Ok(()));
    long_passes(&shared);
    assert!(look().unwrap_err().contains("1 proofs"));
    shared.proofs_anchored(1);
    assert_eq!(look(), Ok(()));
}

#[test]
fn d16_an_appchain_that_is_not_followed_is_not_hidden_by_the_destination() {
    let shared = Shared::new().unwrap();
    let behind = Progress {
        finalized: 9,
        cursor: 5,
        batches: 0,
    };
    shared.source_progress(&behind);
    shared.streams(vec![lag(1, 0)], Vec::new());
    assert_eq!(shared.ready(LONG), Ok(()));
    long_passes(&shared);
    shared.source_progress(&behind);
    shared.anchored(1);
    shared.streams(vec![lag(1, 0)], Vec::new());
    let why = shared.ready(LONG).unwrap_err();
    assert!(why.contains("final blocks of the appchain"), "{why}");
}

/// A stream of three batches of one event each, taken over at 1,000 ms. The contract holds the first
/// `latest`, and `confirmed` of these at the confirmed block.
fn view(latest: u64, confirmed: u64) -> StreamView {
    let (tenant, store) = (TenantId([1; 16]), StoreId([2; 16]));
    let mut tip = StreamTip::EMPTY;
    let head = |at: u64| Head {
        sequence: at,
        state_root: match at {
            0 => StateRoot::GENESIS,
            _ => StateRoot([1; 32]),
        },
    };
    let batches = (0..3).map(|number| {
        let leaf = LeafHash([number; 32]);
        let batch = BatchCommitment::commit(tenant, store, 1, &tip, &[leaf]).unwrap();
        tip = batch.tip();
        BatchView {
            batch,
            taken_ms: 1_000,
            in_flight: false,
            latest: Record::Unknown,
            confirmed: Record::Unknown,
        }
    });
    StreamView {
        stream: StreamId([1; 32]),
        may_submit: false,
        batches: batches.collect(),
        head: head(latest),
        confirmed: head(confirmed),
    }
}

#[test]
fn d16_only_what_the_contract_could_hold_is_absent() {
    let waits = |view: &StreamView, strict, taken_by| {
        let absent = Absent::of(
            std::slice::from_ref(view),
            strict,
            taken_by,
            BTreeSet::new(),
        );
        !absent.streams.is_empty()
    };
    assert!(waits(&view(0, 0), false, 1_000));
    assert!(waits(&view(2, 1), false, 1_000));
    assert!(!waits(&view(3, 1), false, 1_000));
    // Behind a stream's first batch, which is not confirmed.
    assert!(!waits(&view(1, 0), false, 1_000));
    assert!(waits(&view(1, 0), true, 1_000));
    // Kept back for its proof, unless it is on its way.
    let mut early = view(2, 1);
    assert!(!waits(&early, false, 999));
    early.batches[2].in_flight = true;
    assert!(waits(&early, false, 999));
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
