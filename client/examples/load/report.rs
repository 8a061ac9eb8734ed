// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Counts from chain data.

use crate::{Arguments, Failure, Traffic, junk::Junk};
use serde_json::{Value, json};
use ves_client::ChainClient;

/// Clock ticks of `/proc/<pid>/stat` per second, the same on every Linux that Debian builds.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time that a process has used so far.
pub(crate) fn processor_seconds(pid: Option<u32>) -> Result<Option<f64>, Failure> {
    let Some(pid) = pid else {
        return Ok(None);
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in brackets, may contain anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("no process of this kind")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, std::num::ParseIntError>>()?;
    Ok(Some(ticks as f64 / TICKS_PER_SECOND))
}

pub(crate) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

/// What the chain finalized of one block.
struct Counted {
    time_ms: u64,
    events: u64,
    streams: usize,
}

async fn count(chain: &ChainClient, number: u32) -> Result<Counted, Failure> {
    let batches = chain.batches_in_block(number, None).await?;
    let hash = chain
        .block_hash(number)
        .await?
        .ok_or("a finalized block has no hash")?;
    Ok(Counted {
        time_ms: chain.now(Some(hash)).await?.time_ms,
        events: batches.iter().map(|b| u64::from(b.leaf_count)).sum(),
        streams: batches.len(),
    })
}

pub(crate) async fn report(
    chain: &ChainClient,
    first: u32,
    arguments: &Arguments,
    traffic: &Traffic,
    junk: &Junk,
    processor: Option<(f64, f64)>,
) -> Result<Value, Failure> {
    let head = chain.finalized_header().await?;
    let mut blocks = Vec::new();
    for number in first..=head.number {
        blocks.push(count(chain, number).await?);
    }
    let busy: Vec<_> = blocks.iter().filter(|block| block.events > 0).collect();
    let finalized: u64 = busy.iter().map(|block| block.events).sum();
    // From the slot before the first block with events to the slot of the last one.
    let span = match (busy.first(), busy.last()) {
        (Some(first), Some(last)) => (last.time_ms + 2_000 - first.time_ms) as f64 / 1_000.0,
        _ => 0.0,
    };
    // What the chain keeps up, without the blocks in which traffic swells and ebbs.
    let steady = busy
        .get(busy.len() / 10..busy.len() - busy.len() / 10)
        .unwrap_or_default();
    let steady_rate = match (steady.first(), steady.last()) {
        (Some(first), Some(last)) if last.time_ms > first.time_ms => {
            let events: u64 = steady.iter().skip(1).map(|block| block.events).sum();
            Some(events as f64 * 1_000.0 / (last.time_ms - first.time_ms) as f64)
        }
        _ => None,
    };
    let rate = (span > 0.0).then(|| finalized as f64 / span);
    Ok(json!({
        "batch": arguments.batch,
        "payload_bytes": arguments.payload,
        "streams": arguments.streams,
        "agents": arguments.agents,
        "offered_events": traffic.offered,
        "offered_per_second": traffic.offered as f64 / traffic.offering_s,
        "refused_submissions": traffic.refused,
        "finalized_events": finalized,
        "finalized_per_second": rate,
        "finalized_per_second_steady": steady_rate,
        "seconds_of_chain_time": span,
        "blocks_with_events": busy.len(),
        "largest_block_events": busy.iter().map(|block| block.events).max(),
        "largest_block_streams": busy.iter().map(|block| block.streams).max(),
        "submit_to_finalized_s": {
            "samples": traffic.latencies.len(),
            "unfinalized": traffic.unfinalized,
            "dropped": traffic.dropped,
            "p50": percentile(&traffic.latencies, 0.50),
            "p99": percentile(&traffic.latencies, 0.99),
        },
        "junk": junk.to_json(),
        "node_processor_seconds": processor.map(|(used, _)| used),
        "node_processor_share": processor.map(|(used, of)| used / of),
    }))
}
