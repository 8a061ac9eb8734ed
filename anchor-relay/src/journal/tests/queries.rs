// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a look costs does not grow with what is behind it.

use super::super::{checkpoints, proofs, sends, streams, *};

/// Walked through as a whole: what is open, on its way or failed; streams and totals.
const WALKED: [&str; 9] = [
    "SCAN sends USING INDEX sends_live",
    "SCAN s USING INDEX sends_live",
    "SCAN s USING INDEX sends_failed",
    "SCAN b USING INDEX batches_open",
    "SCAN p USING INDEX proofs_open",
    "SCAN s USING INDEX sqlite_autoindex_streams_1",
    "SCAN streams",
    "SCAN checkpoints",
    // Of `ANCHORED_PREFIXES`, where it is the table of streams.
    "SCAN s",
];

/// Every statement of a look that reads more than one row by its key, and of a reorg.
fn statements() -> Vec<String> {
    let fixed = [
        checkpoints::CHECKPOINTS,
        checkpoints::FINAL_TO,
        checkpoints::NEWEST_FINAL,
        checkpoints::LOOSE_PROOFS,
        checkpoints::LOOSE_BATCHES,
        checkpoints::TO_FORGET,
        checkpoints::SENDS_TO_FORGET,
        checkpoints::REOPEN_BATCHES,
        checkpoints::REOPEN_PROOFS,
        checkpoints::REOPEN_SENDS,
        sends::NEXT_NONCE,
        sends::DROP_INTENTS,
        sends::SPENT_SINCE,
        sends::PENDING_COSTS,
        sends::RECHECK_OPEN,
        sends::LIVE_SENDS,
        sends::SETTLED_FROM,
        sends::CARRIED,
        sends::FAILURES,
        sends::ITEMS,
        sends::SEND_COUNTS,
        sends::ATTEMPTS,
        streams::STREAMS,
        streams::OPEN_BATCHES,
        streams::OPEN_BATCHES_AT,
        streams::BATCHES_FROM,
        streams::ANCHORED_PREFIXES,
        streams::OLDEST_KEPT,
        streams::TOTALS,
        proofs::KNOWN_PROOFS,
        proofs::STREAMS_WITH_OPEN,
        proofs::PROOF_TOTALS,
    ];
    let made = [
        proofs::carried_proofs(),
        proofs::unsent_proofs(),
        proofs::proofs_from(),
    ];
    fixed.into_iter().map(str::to_owned).chain(made).collect()
}

async fn plan(journal: &Journal, sql: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let rows = sqlx::query(&explain)
        .fetch_all(&journal.pool)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn no_statement_of_a_look_reads_a_whole_table_that_grows() {
    let journal = Journal::in_memory().await.unwrap();
    for sql in statements() {
        for step in plan(&journal, &sql).await {
            // Whether the rows themselves are needed too.
            let step = step.replace("COVERING ", "");
            let all_of_a_stream = step.contains("USING PRIMARY KEY (stream=?)")
                && !sql.starts_with("SELECT MIN(batch_index)");
            let walks = step.starts_with("SCAN") && !WALKED.contains(&step.as_str());
            assert!(!walks && !all_of_a_stream, "{step}: {sql}");
        }
    }
}

#[tokio::test]
async fn a_statement_that_reads_a_whole_table_would_be_seen() {
    let journal = Journal::in_memory().await.unwrap();
    // As it was once.
    let sql = "SELECT COALESCE(SUM(fee_gwei), 0) FROM sends WHERE paid_at > ?";
    assert_eq!(plan(&journal, sql).await, ["SCAN sends"]);
    assert!(!WALKED.contains(&"SCAN sends"));
    let sql = "SELECT batch FROM batches WHERE stream = ? AND anchored = 0 \
               ORDER BY batch_index LIMIT ?";
    let by_key = "SEARCH batches USING PRIMARY KEY (stream=?)";
    assert_eq!(plan(&journal, sql).await, [by_key]);
}
