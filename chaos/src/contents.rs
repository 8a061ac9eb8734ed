// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a node's database holds of single blocks. Events come from the event store, which knows nothing
//! of a damaged database: bodies, headers and state have to be asked for.

use crate::history::{Contents, HeldBlock, Values};
use anyhow::{Context, Result, ensure};
use codec::Encode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use ves_client::{BlockHash, ChainClient, blake2_256};

/// Heights that are spread over the whole chain.
const SPREAD: u32 = 24;
/// Blocks from the one at which a fault began that are looked at.
const AROUND: u32 = 3;
/// Faults around which blocks are looked at; the newest ones.
const FAULTS: usize = 16;
/// Entries of the state that are compared.
const KEYS_MAX: usize = 2_000;
/// Keys of one question.
const PAGE: usize = 500;

/// Which blocks are compared, of those up to `last`: some of all, and those that were new when a fault
/// began.
pub(crate) fn heights(last: u32, begun: impl DoubleEndedIterator<Item = u32>) -> BTreeSet<u32> {
    let spread = (1..=SPREAD).map(|n| {
        let share = u64::from(last) * u64::from(n) / u64::from(SPREAD);
        u32::try_from(share).unwrap_or(last)
    });
    let around = begun
        .rev()
        .take(FAULTS)
        .flat_map(|begun| begun..begun.saturating_add(AROUND));
    let all = spread.chain(around);
    all.filter(|height| (1..=last).contains(height)).collect()
}

/// What a node holds of these blocks, and of the state after the last one.
pub(crate) async fn held(client: &ChainClient, heights: &BTreeSet<u32>) -> Vec<HeldBlock> {
    let mut all = Vec::new();
    for number in heights {
        let with_values = heights.last() == Some(number);
        let contents = contents(client, *number, with_values).await;
        all.push(HeldBlock {
            number: *number,
            contents: contents.map_err(|error| format!("{error:#}")),
        });
    }
    all
}

async fn contents(client: &ChainClient, number: u32, with_values: bool) -> Result<Contents> {
    let hash = client.block_hash(number).await?.context("no hash")?;
    // Checked against the hash, so that it is the state root of that block and no other.
    let header = client.header(hash).await?.context("no header")?;
    let block: Value = client.rpc().call("chain_getBlock", vec![hash]).await?;
    let body = body(&block)?;
    let values = if with_values {
        Some(values(client, hash).await?)
    } else {
        None
    };
    Ok(Contents {
        state_root: header.state_root,
        extrinsics: u32::try_from(body.len())?,
        body: blake2_256(&body.encode()),
        values,
    })
}

fn body(block: &Value) -> Result<Vec<Vec<u8>>> {
    let extrinsics = block["block"]["extrinsics"].as_array().context("no body")?;
    let decode = |extrinsic: &Value| {
        let text = extrinsic.as_str().context("an extrinsic without bytes")?;
        Ok::<_, anyhow::Error>(hex::decode(text.trim_start_matches("0x"))?)
    };
    extrinsics.iter().map(decode).collect()
}

/// Entries of the state after a block, from a place on that follows from its hash; behind the last key
/// comes the first one.
async fn values(client: &ChainClient, block: BlockHash) -> Result<Values> {
    let (mut entries, mut hashes) = (0, Vec::new());
    for start in [
        Some(format!("0x{}", hex::encode(blake2_256(&block.0)))),
        None,
    ] {
        let mut from = start;
        while entries < KEYS_MAX {
            let params = vec![json!("0x"), json!(PAGE), json!(from), json!(block)];
            let keys: Vec<String> = client.rpc().call("state_getKeysPaged", params).await?;
            let Some(last) = keys.last() else { break };
            from = Some(last.clone());
            let params = vec![json!(keys), json!(block)];
            let sets: Value = client.rpc().call("state_queryStorageAt", params).await?;
            let found = sets[0]["changes"].as_array().context("no values")?;
            ensure!(found.len() == keys.len(), "a key without its value");
            entries += keys.len();
            hashes.push(blake2_256(&serde_json::to_vec(found)?));
        }
    }
    ensure!(entries > 0, "the state has no key");
    Ok(Values {
        entries: u32::try_from(entries)?,
        digest: blake2_256(&hashes.concat()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_the_whole_chain_the_last_one_and_those_around_faults_are_compared() {
        let all = heights(4_800, [50, 3_001].into_iter());
        assert_eq!(all.len(), 24 + 6);
        assert!(all.contains(&200) && all.last() == Some(&4_800));
        assert!(
            [50, 51, 52, 3_001, 3_002, 3_003]
                .iter()
                .all(|n| all.contains(n))
        );
    }

    #[test]
    fn a_short_chain_has_each_of_its_blocks_compared_once_and_none_that_is_not_final() {
        let all = heights(5, [4, 9].into_iter());
        assert_eq!(all, BTreeSet::from([1, 2, 3, 4, 5]));
        assert!(heights(0, [1].into_iter()).is_empty());
    }

    #[test]
    fn many_faults_do_not_make_it_long() {
        let all = heights(10_000, (0..900).map(|n| n * 10));
        assert!(all.len() <= 24 + 16 * 3);
        assert!(all.contains(&8_990) && !all.contains(&10));
    }

    #[test]
    fn a_body_is_read_byte_for_byte_or_is_an_error() {
        let block = json!({ "block": { "extrinsics": ["0x0102", "0x03"] } });
        assert_eq!(body(&block).unwrap(), [vec![1, 2], vec![3]]);
        assert!(body(&json!({ "block": { "extrinsics": ["0x0"] } })).is_err());
        assert!(body(&Value::Null).is_err());
    }
}
