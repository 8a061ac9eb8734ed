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
