// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use codec::Decode;
use polkadot_sdk::{
    sp_blockchain::{self, BlockStatus, Info},
    sp_runtime::{
        Justifications, OpaqueExtrinsic,
        generic::{self, SignedBlock},
        traits::BlakeTwo256,
    },
};
use std::collections::BTreeMap;
use ves_finality::{
    BlockHash, DigestItem, TrackedSets,
    testing::{self, Validator, change, forced_change, justify},
};

type TheirHeader = generic::Header<u32, BlakeTwo256>;
type Block = generic::Block<TheirHeader, OpaqueExtrinsic>;

/// A node with a chain of 1,400 blocks. Set 0 ends with block 100, announced in block 98; set 1
/// finalizes the rest. Justifications are kept of blocks 64, 100 and 128; block 1,390 is the newest.
struct Node {
    /// Last blocks of sets.
    ends: Vec<u32>,
    headers: Vec<Header>,
    by_hash: BTreeMap<[u8; 32], usize>,
    kept: BTreeMap<u32, Vec<u8>>,
    newest: Option<u32>,
}

const FIRST: [Validator; 1] = [Validator(1)];
const SECOND: [Validator; 3] = [Validator(2), Validator(3), Validator(4)];

impl Node {
    fn new() -> Arc<Self> {
        Self::with(vec![100], |number| match number {
            98 => vec![change(&SECOND, 2)],
            _ => vec![],
        })
    }

    fn with(ends: Vec<u32>, digest: impl Fn(u32) -> Vec<DigestItem>) -> Arc<Self> {
        let mut node = Self {
            ends,
            headers: testing::chain(BlockHash([0; 32]), 1_400, digest),
            by_hash: BTreeMap::new(),
            kept: BTreeMap::new(),
            newest: Some(1_390),
        };
        for (index, header) in node.headers.iter().enumerate() {
            node.by_hash.insert(header.hash().0, index);
        }
        for number in [64, 100, 128] {
            let justification = node.justification(number);
            node.kept.insert(number, justification);
        }
        Arc::new(node)
    }

    fn justification(&self, number: u32) -> Vec<u8> {
        let header = self.block(number);
        match number {
            0..=100 => justify(header, 1, 0, &FIRST).encode(),
            _ => justify(header, 1, 1, &SECOND).encode(),
        }
    }

    fn find(&self, hash: H256) -> Option<&Header> {
        self.by_hash.get(&hash.0).map(|index| &self.headers[*index])
    }

    fn block(&self, number: u32) -> &Header {
        &self.headers[number as usize - 1]
    }

    fn evidence(self: &Arc<Self>) -> NodeFinality<Block, Self> {
        NodeFinality {
            client: Arc::clone(self),
            grandpa: Arc::<Self>::clone(self),
            forced: Mutex::default(),
            block: PhantomData,
        }
    }
}

impl Grandpa for Node {
    fn newest(&self) -> Result<Option<(u32, Vec<u8>)>, String> {
        Ok(self
            .newest
            .map(|number| (number, self.justification(number))))
    }

    fn set_ends(&self, above: u32) -> Result<Vec<u32>, String> {
        let ends = self.ends.iter().copied();
        Ok(ends.filter(|end| *end > above).collect())
    }
}

impl HeaderBackend<Block> for Node {
    fn header(&self, hash: H256) -> sp_blockchain::Result<Option<TheirHeader>> {
        let header = self.find(hash);
        Ok(header.map(|header| TheirHeader::decode(&mut header.bytes().as_slice()).unwrap()))
    }

    fn info(&self) -> Info<Block> {
        Info {
            best_hash: H256::zero(),
            best_number: 1_400,
            genesis_hash: H256::zero(),
            finalized_hash: H256::zero(),
            finalized_number: self.newest.unwrap_or(0),
            finalized_state: None,
            number_leaves: 1,
            block_gap: None,
        }
    }

    fn status(&self, _: H256) -> sp_blockchain::Result<BlockStatus> {
        Ok(BlockStatus::Unknown)
    }

    fn number(&self, _: H256) -> sp_blockchain::Result<Option<u32>> {
        Ok(None)
    }

    fn hash(&self, number: u32) -> sp_blockchain::Result<Option<H256>> {
        let index = number.checked_sub(1).map(|index| index as usize);
        let header = index.and_then(|index| self.headers.get(index));
        Ok(header.map(|header| H256(header.hash().0)))
    }
}

impl BlockBackend<Block> for Node {
    fn block_body(&self, _: H256) -> sp_blockchain::Result<Option<Vec<OpaqueExtrinsic>>> {
        Ok(None)
    }

    fn block_indexed_body(&self, _: H256) -> sp_blockchain::Result<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

    fn block_indexed_hashes(&self, _: H256) -> sp_blockchain::Result<Option<Vec<H256>>> {
        Ok(None)
    }

    fn block(&self, _: H256) -> sp_blockchain::Result<Option<SignedBlock<Block>>> {
        Ok(None)
    }

    fn block_status(
        &self,
        _: H256,
    ) -> sp_blockchain::Result<polkadot_sdk::sp_consensus::BlockStatus> {
        Ok(polkadot_sdk::sp_consensus::BlockStatus::Unknown)
    }

    fn justifications(&self, hash: H256) -> sp_blockchain::Result<Option<Justifications>> {
        let header = self.find(hash);
        let kept = header.and_then(|header| self.kept.get(&header.number));
        Ok(kept.map(|kept| Justifications::from((GRANDPA_ENGINE, kept.clone()))))
    }

    fn block_hash(&self, number: u32) -> sp_blockchain::Result<Option<H256>> {
        HeaderBackend::hash(self, number)
    }

    fn indexed_transaction(&self, _: H256) -> sp_blockchain::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn requires_full_sync(&self) -> bool {
        false
    }
}

#[test]
fn a_block_leads_to_the_next_kept_justification_or_to_the_newest() {
    let node = Node::new();
    let evidence = node.evidence();
    let mut sets = TrackedSets::new(testing::set(0, &FIRST), 0).unwrap();
    let changes = evidence.set_changes(0, 9).unwrap();
    assert_eq!(changes[0].headers.len(), 3);
    sets.follow(&changes[0]).unwrap();
    assert_eq!(sets.latest().set, testing::set(1, &SECOND));
    assert!(evidence.set_changes(100, 9).unwrap().is_empty());

    for (block, headers) in [
        (1, 63),
        (64, 0),
        (65, 35),
        (100, 0),
        (101, 27),
        (128, 0),
        (1_389, 1),
        (1_390, 0),
    ] {
        let proof = evidence.prove(block).unwrap().unwrap();
        assert_eq!(proof.headers.len(), headers, "block {block}");
        sets.prove(node.block(block), &proof).unwrap();
    }
    assert_eq!(evidence.prove(1_391).unwrap(), None);
}

#[test]
fn the_search_for_a_justification_is_bounded() {
    let evidence = Node::new().evidence();
    assert!(
        evidence
            .prove(365)
            .unwrap_err()
            .contains("from 365 to 1389")
    );
    assert!(evidence.prove(366).unwrap().is_some());
}

#[test]
fn a_node_without_any_finality_proves_nothing() {
    let mut node = Node::new();
    Arc::get_mut(&mut node).unwrap().newest = None;
    assert_eq!(node.evidence().prove(1).unwrap(), None);
}

/// Set 1 took over after block 1,200, announced in block 1,388. In block 1,250 another change was
/// announced, which never became final.
fn forced() -> Arc<Node> {
    Node::with(vec![100, 1_200], |number| match number {
        98 => vec![change(&SECOND, 2)],
        1_250 => vec![change(&FIRST, 0)],
        1_388 => vec![forced_change(&FIRST, 1_200, 1)],
        _ => vec![],
    })
}

#[test]
fn a_forced_change_is_the_header_that_forces_it_and_comes_once_that_is_final() {
    let node = forced();
    let evidence = node.evidence();
    for _ in 0..2 {
        let changes = evidence.set_changes(0, 9).unwrap();
        let mut sets = TrackedSets::new(testing::set(0, &FIRST), 0).unwrap();
        sets.follow(&changes[0]).unwrap();
        assert!(changes[1].justification.is_empty());
        assert_eq!(changes[1].headers, [node.block(1_388).bytes()]);
        let era = sets.forced_by(&changes[1]).unwrap().unwrap();
        assert_eq!((era.after, &era.set), (1_200, &testing::set(2, &FIRST)));
        assert_eq!(changes.len(), 2);
    }
    assert_eq!(evidence.set_changes(0, 1).unwrap().len(), 1);
    assert_eq!(evidence.set_changes(100, 9).unwrap().len(), 1);
    assert!(evidence.set_changes(1_200, 9).unwrap().is_empty());

    let mut early = forced();
    Arc::get_mut(&mut early).unwrap().newest = Some(1_387);
    let evidence = early.evidence();
    assert_eq!(evidence.set_changes(0, 9).unwrap().len(), 1);
}

#[test]
fn a_change_without_its_justification_is_named() {
    let mut node = Node::new();
    Arc::get_mut(&mut node).unwrap().kept.remove(&100);
    let error = node.evidence().set_changes(0, 9).unwrap_err();
    assert!(error.contains("justification of block 100"), "{error}");
}
