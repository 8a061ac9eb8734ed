// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Asks nodes and contract what they hold: all the while for the newest blocks, at the end for all.

use crate::{
    history::{Anchor, Export, Head},
    load::{Door, now_ms},
    network::{NAMES, Network, batch_filter},
};
use anyhow::{Context, Result};
use codec::Decode;
use serde_json::Value;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;
use ves_client::{BlockHash, ChainClient, Signer};
use ves_primitives::{
    BatchId, EventsRoot, StateRoot, StoreId, StreamId, TenantId, wire::BatchesPageJson,
};

/// How often nodes are asked.
const EVERY: Duration = Duration::from_millis(500);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Hashes, events or batches of one question.
const PAGE: u32 = 500;

/// What a node said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Height of its best block.
    pub(crate) best: u32,
    /// Height of its newest final block.
    pub(crate) finalized: u32,
    /// When it said so.
    pub(crate) at_ms: u64,
}

#[derive(Default)]
struct Seen {
    heads: Vec<Head>,
    tips: [Tip; NAMES.len()],
}

/// Watches all nodes.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    tasks: JoinSet<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ask(client: &ChainClient) -> Result<(u32, u32, BlockHash)> {
    let hash = client.finalized_head().await?;
    let header = client.header(hash).await?.context("no header")?;
    let none: [(); 0] = [];
    let best: Value = client.rpc().call("chain_getHeader", none).await?;
    let best = best["number"].as_str().context("no number")?;
    let best = u32::from_str_radix(best.trim_start_matches("0x"), 16)?;
    Ok((best, header.number, hash))
}

impl Watch {
    /// Begins.
    pub(crate) fn start(urls: Vec<String>, lives: &Arc<Vec<AtomicU32>>) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let mut tasks = JoinSet::new();
        for (n, url) in urls.into_iter().enumerate() {
            let (seen, lives) = (Arc::clone(&seen), Arc::clone(lives));
            tasks.spawn(async move {
                let door = Door::new(url, None);
                let life = || lives.get(n).map_or(0, |life| life.load(Ordering::Relaxed));
                loop {
                    tokio::time::sleep(EVERY).await;
                    let before = life();
                    let answer = async { ask(&door.client().await?).await };
                    let answer = tokio::time::timeout(ANSWER_MAX, answer).await;
                    // An answer on the way while the node was started anew is of neither life.
                    if let Ok(Ok((best, finalized, hash))) = answer
                        && life() == before
                    {
                        let mut seen = lock(&seen);
                        let at_ms = now_ms();
                        seen.heads.push(Head {
                            at_ms,
                            node: NAMES.get(n).copied().unwrap_or_default().into(),
                            life: before,
                            number: finalized,
                            hash,
                        });
                        if let Some(tip) = seen.tips.get_mut(n) {
                            *tip = Tip {
                                best,
                                finalized,
                                at_ms,
                            };
                        }
                    }
                }
            });
        }
        Self { seen, tasks }
    }

    /// What each node said last.
    pub(crate) fn tips(&self) -> [Tip; NAMES.len()] {
        lock(&self.seen).tips
    }

    /// The highest block that any node calls final.
    pub(crate) fn finalized(&self) -> u32 {
        let tips = self.tips();
        tips.iter().map(|tip| tip.finalized).max().unwrap_or(0)
    }

    /// The highest block that any node has.
    pub(crate) fn best(&self) -> u32 {
        let tips = self.tips();
        tips.iter().map(|tip| tip.best).max().unwrap_or(0)
    }

    /// All answers so far.
    pub(crate) fn heads(&self) -> Vec<Head> {
        lock(&self.seen).heads.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

/// Height up to which a node serves events.
pub(crate) async fn indexed(client: &ChainClient) -> Result<u32> {
    Ok(client.store_health().await?.indexed_block)
}

/// All that a node holds.
pub(crate) async fn export(
    client: &ChainClient,
    node: &str,
    tenant: TenantId,
    streams: &[(StoreId, StreamId)],
) -> Result<Export> {
    let mut export = Export {
        node: node.into(),
        ..Export::default()
    };
    for (store, _) in streams {
        let mut from = Some(1);
        while let Some(next) = from {
            let page = client
                .store_events(tenant, *store, next, Some(PAGE))
                .await?;
            export.events.extend(page.events);
            from = page.next_sequence;
        }
        let mut from = Some(0);
        while let Some(next) = from {
            let params: Vec<Value> = vec![
                serde_json::to_value(tenant)?,
                serde_json::to_value(store)?,
                next.into(),
                PAGE.into(),
            ];
            let page: BatchesPageJson = client.rpc().call("ves_batches", params).await?;
            export.batches.extend(page.batches);
            from = page.next_index;
        }
    }
    let last = client.finalized_header().await?.number;
    let mut next = 0;
    while next <= last {
        let numbers: Vec<u32> = (next..=last.min(next + PAGE - 1)).collect();
        next += PAGE;
        let hashes: Vec<Option<BlockHash>> = client
            .rpc()
            .call("chain_getBlockHash", vec![numbers])
            .await?;
        for hash in hashes {
            export
                .blocks
                .push(hash.context("a final block is missing")?);
        }
    }
    Ok(export)
}

fn word(bytes: &[u8], n: usize) -> Result<[u8; 32]> {
    let word = bytes.get(n * 32..(n + 1) * 32).context("too short")?;
    Ok(word.try_into()?)
}

fn number(word: [u8; 32]) -> Result<u64> {
    let (high, low) = word.split_at(24);
    anyhow::ensure!(high.iter().all(|byte| *byte == 0), "a number too large");
    Ok(u64::from_be_bytes(low.try_into()?))
}

fn anchor(log: &Value) -> Result<Anchor> {
    let bytes = |value: &Value| {
        let text = value.as_str().context("no text")?;
        Ok::<_, anyhow::Error>(hex::decode(text.trim_start_matches("0x"))?)
    };
    let data = bytes(&log["data"])?;
    let block = log["blockNumber"].as_str().context("no block")?;
    Ok(Anchor {
        batch_id: BatchId(word(&bytes(&log["topics"][1])?, 0)?),
        events_root: EventsRoot(word(&data, 0)?),
        new_state_root: StateRoot(word(&data, 1)?),
        sequence_start: number(word(&data, 2)?)?,
        sequence_end: number(word(&data, 3)?)?,
        count: u32::try_from(number(word(&data, 4)?)?)?,
        l2_block: u64::from_str_radix(block.trim_start_matches("0x"), 16)?,
    })
}

/// The contract's log, in its order.
pub(crate) async fn anchors(network: &Network) -> Result<Vec<Anchor>> {
    let logs = network
        .evm("eth_getLogs", batch_filter(&network.contract))
        .await?;
    logs.as_array()
        .context("no logs")?
        .iter()
        .map(anchor)
        .collect()
}

/// What the runtime's `ConsortiumApi` says of one validator.
#[derive(Decode)]
struct Status {
    account: [u8; 32],
    _has_keys: bool,
    _in_set: bool,
    _in_next_set: bool,
    _disabled: bool,
    _leaving: bool,
    expelled: bool,
    _blocks: u32,
}

/// Validators that the chain has expelled.
pub(crate) async fn expelled(client: &ChainClient) -> Result<Vec<String>> {
    let head = client.finalized_head().await?;
    let all: Vec<Status> = client
        .runtime_call("ConsortiumApi_validators", &(), Some(head))
        .await?;
    let mut names = Vec::new();
    for status in all.iter().filter(|status| status.expelled) {
        let mut name = hex::encode(status.account);
        for known in NAMES {
            let (head, tail) = known.split_at(1);
            let uri = format!("//{}{tail}", head.to_uppercase());
            if Signer::from_uri(&uri)?.account_id() == status.account {
                name = known.to_owned();
            }
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_from_the_log_of_the_contract() {
        let word = |byte: u8| format!("{byte:064x}");
        let data = [1, 2, 3, 7, 5].map(word).concat();
        let log = serde_json::json!({
            "topics": ["0x00", format!("0x{}", word(9)), "0x00"],
            "data": format!("0x{data}"),
            "blockNumber": "0x1f",
        });
        let read = anchor(&log).unwrap();
        assert_eq!(read.batch_id.0[31], 9);
        assert_eq!(
            (read.sequence_start, read.sequence_end, read.count),
            (3, 7, 5)
        );
        assert_eq!(read.l2_block, 31);
    }

    #[test]
    fn a_log_of_another_shape_is_an_error() {
        let log = serde_json::json!({ "topics": [], "data": "0x", "blockNumber": "0x1" });
        assert!(anchor(&log).is_err());
        assert!(number([1; 32]).is_err());
    }
}
