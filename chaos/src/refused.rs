// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a network must refuse, and whether it did: blocks of a validator whose clock is far off, and a node
//! of another chain.

use crate::{
    faults::VALIDATORS,
    history::{SkewRecord, StrangerRecord},
    network::{NAMES, Network},
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{fs, path::Path};
use ves_client::{BlockHash, ChainClient, DigestItem, Header, Rpc};

/// Blocks that may have been on their way when a clock went wrong.
const UNDER_WAY: u32 = 2;
/// What a node logs of a block whose slot has not come yet. Aura lets blocks of the next slot pass.
const REFUSAL: &str = "too far in the future";

/// A validator's clock while it is wrong.
pub(crate) struct Skew {
    node: usize,
    offset_s: i64,
    /// First block that the others made since.
    from: u32,
    /// Where the logs of all nodes went on from.
    logs: Vec<u64>,
    /// Last block that was final then, and refusals until then.
    end: Option<(u32, u32)>,
}

impl Skew {
    /// From now on; `best` is the highest block that any node has.
    pub(crate) fn begin(network: &Network, node: usize, offset_s: i64, best: u32) -> Self {
        let length = |node| fs::metadata(network.log(node)).map_or(0, |log| log.len());
        Self {
            node,
            offset_s,
            from: best.saturating_add(UNDER_WAY),
            logs: (0..NAMES.len()).map(length).collect(),
            end: None,
        }
    }

    /// Until now, when the clock is about to be set right; `finalized` is the newest final block.
    pub(crate) fn end(&mut self, network: &Network, finalized: u32) -> Result<()> {
        let mut refused = 0;
        for (node, from) in self.logs.iter().enumerate() {
            if node != self.node {
                refused += refusals(&network.log(node), *from)?;
            }
        }
        self.end = Some((finalized, refused));
        Ok(())
    }

    /// Looks at the authors of the blocks in between, which must be final by now.
    pub(crate) async fn look(&self, seed: u64, client: &ChainClient) -> Result<SkewRecord> {
        let (to, refused) = self.end.context("the clock is still wrong")?;
        let mut slots = Vec::new();
        for number in self.from..=to {
            let hash = client.block_hash(number).await?.context("no hash")?;
            let header = client.header(hash).await?.context("no header")?;
            slots.push(slot(&header).context("a block without a slot")?);
        }
        let name = NAMES.get(self.node).copied().unwrap_or_default();
        let (turns, in_chain) = turns(&slots, self.node);
        Ok(SkewRecord {
            seed,
            node: name.to_owned(),
            offset_s: self.offset_s,
            turns,
            in_chain,
            refused,
        })
    }
}

/// Refusals in what a log has from `from` on.
fn refusals(log: &Path, from: u64) -> Result<u32> {
    let log = fs::read(log)?;
    let new = log.get(usize::try_from(from)?..).unwrap_or_default();
    let new = String::from_utf8_lossy(new);
    let lines = new.lines().filter(|line| line.contains(REFUSAL));
    Ok(u32::try_from(lines.count())?)
}

/// Slot of a block.
fn slot(header: &Header) -> Option<u64> {
    header.digest.iter().find_map(|item| match item {
        DigestItem::PreRuntime([b'a', b'u', b'r', b'a'], slot) => {
            Some(u64::from_le_bytes(slot.as_slice().try_into().ok()?))
        }
        _ => None,
    })
}

/// How often it was a validator's turn between the first and the last of these slots, and how many of them
/// are its own. Validators take turns in the order in which the chain's genesis names them.
fn turns(slots: &[u64], node: usize) -> (u32, u32) {
    let own = |slot: &u64| usize::try_from(slot % VALIDATORS as u64) == Ok(node);
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else {
        return (0, 0);
    };
    let count = |slots: usize| u32::try_from(slots).unwrap_or(u32::MAX);
    let turns = (*first..=*last).filter(own).count();
    let made = slots.iter().filter(|slot| own(slot)).count();
    (count(turns), count(made))
}

/// A node of another chain, as it is looked at while it runs.
pub(crate) struct Stranger {
    url: String,
    record: StrangerRecord,
}

impl Stranger {
    /// One that has just reached another node.
    pub(crate) fn new(seed: u64, url: String) -> Self {
        let record = StrangerRecord {
            seed,
            ..StrangerRecord::default()
        };
        Self { url, record }
    }

    /// Asks it how many peers it has, and which chain it is on.
    pub(crate) async fn look(&mut self, genesis: BlockHash) -> Result<()> {
        let rpc = Rpc::connect(&self.url).await?;
        let none: [(); 0] = [];
        let health: Value = rpc.call("system_health", none).await?;
        let peers = health["peers"].as_u64().context("no number of peers")?;
        let own: BlockHash = rpc.call("chain_getBlockHash", vec![0]).await?;
        self.record.looks += 1;
        self.record.peers_most = self.record.peers_most.max(peers);
        self.record.same_genesis |= own == genesis;
        Ok(())
    }

    /// What was seen.
    pub(crate) fn record(&self) -> StrangerRecord {
        self.record.clone()
    }
}

/// A chain specification that differs from this one in a value of the genesis that nobody reads, and so in the
/// hash of block 0: name, id, protocol and validators are the same.
pub(crate) fn other_specification(specification: &str) -> Result<String> {
    let mut other: Value = serde_json::from_str(specification)?;
    let top = other
        .pointer_mut("/genesis/raw/top")
        .and_then(Value::as_object_mut)
        .context("the specification is not raw")?;
    let key = format!("0x{}", hex::encode("another chain"));
    anyhow::ensure!(top.insert(key, "0x01".into()).is_none(), "it is that one");
    Ok(other.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn refusals_are_counted_from_where_the_log_went_on() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        let refused =
            "Verification failed for block 0x1: \"Header 0x1 rejected: too far in the future\"";
        writeln!(log, "{refused}").unwrap();
        let from = log.as_file().metadata().unwrap().len();
        writeln!(log, "Imported #3\n{refused}\n{refused}\nImported #4").unwrap();
        assert_eq!(refusals(log.path(), 0).unwrap(), 3);
        assert_eq!(refusals(log.path(), from).unwrap(), 2);
        assert!(refusals(Path::new("/no/such/log"), 0).is_err());
    }

    #[test]
    fn a_validators_blocks_are_those_of_its_turns() {
        // Bob has missed slots 5 and 9, and made 13.
        let slots = [4, 6, 7, 8, 10, 11, 12, 13, 14];
        assert_eq!(turns(&slots, 1), (3, 1));
        assert_eq!(turns(&slots, 0), (3, 3));
        assert_eq!(turns(&[], 0), (0, 0));
    }

    #[test]
    fn the_slot_of_a_block_is_that_of_its_seal_and_no_other_item() {
        let header = |digest| Header {
            parent_hash: BlockHash([0; 32]),
            number: 1,
            state_root: [0; 32],
            extrinsics_root: [0; 32],
            digest,
        };
        let of = |engine: &[u8; 4], slot: &[u8]| DigestItem::PreRuntime(*engine, slot.to_vec());
        let both = vec![of(b"babe", &[1; 8]), of(b"aura", &9u64.to_le_bytes())];
        assert_eq!(slot(&header(both)), Some(9));
        assert_eq!(slot(&header(vec![of(b"aura", &[1; 7])])), None);
        assert_eq!(slot(&header(vec![])), None);
    }

    #[test]
    fn another_specification_differs_in_its_genesis_alone() {
        let this = r#"{"id":"local","genesis":{"raw":{"top":{"0x3a":"0x02"}}}}"#;
        let other = other_specification(this).unwrap();
        let expected = r#"{"id":"local","genesis":{"raw":{"top":{"0x3a":"0x02","0x616e6f7468657220636861696e":"0x01"}}}}"#;
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&other), value(expected));
        assert!(other_specification(&other).is_err());
        assert!(other_specification(r#"{"genesis":{"runtimeGenesis":{}}}"#).is_err());
    }
}
