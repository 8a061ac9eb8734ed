// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use polkadot_sdk::{
    sp_api::{self, ApiRef},
    sp_blockchain::{self, BlockStatus, Info},
    sp_runtime::{
        Digest, Justifications, OpaqueExtrinsic,
        generic::{self, SignedBlock},
        traits::BlakeTwo256,
    },
};
use std::{collections::BTreeMap, sync::Mutex};
use ves_event_store::{BlockError, ProofSubject, StoreConfig, StoreError, testing::*};
use ves_primitives::{
    AgentId, BLOCK_COMMITMENT_ENGINE, BatchCommitment, EventId, StreamId, StreamTip,
    SubmittedEvent,
    proof::ProofRefusal,
    sequencer::{Admission, BlockIndex, EventRecord, KeptBatches, Rejection, SequencerLimits},
    stream_id,
};

type Header = generic::Header<u32, BlakeTwo256>;
type Block = generic::Block<Header, OpaqueExtrinsic>;

/// What the fake node's runtime answers for a block.
#[derive(Clone)]
enum Answer {
    Index(Box<BlockIndex>),
    Pruned,
    Trap,
}

#[derive(Clone, Default)]
struct Api {
    answers: BTreeMap<H256, Answer>,
    asked: Arc<Mutex<Vec<H256>>>,
}

sp_api::mock_impl_runtime_apis! {
    impl VesSequencerApi<Block> for Api {
        fn tip(_stream: StreamId) -> StreamTip { StreamTip::EMPTY }
        fn batch(_stream: StreamId, _index: u64) -> Option<BatchCommitment> { None }
        fn batch_of_sequence(_stream: StreamId, _sequence: u64) -> Option<BatchCommitment> { None }
        fn kept_batches(_stream: StreamId) -> KeptBatches { KeptBatches::default() }
        fn batches_in_block(_number: u32) -> Vec<BatchCommitment> { Vec::new() }
        fn event_status(_stream: StreamId, _event: EventId) -> Option<EventRecord> { None }
        fn entity_version(_stream: StreamId, _kind: Vec<u8>, _id: Vec<u8>) -> u64 { 0 }
        fn can_submit(_events: Vec<SubmittedEvent>) -> Vec<Admission> { Vec::new() }
        fn limits() -> SequencerLimits {
            SequencerLimits {
                events_per_submission: 0,
                events_per_block: 0,
                streams_per_block: 0,
                payload_bytes: 0,
                recipients: 0,
                submission_bytes: 0,
            }
        }
        #[advanced]
        fn index_block(
            &self,
            at: H256,
            _extrinsics: Vec<OpaqueExtrinsic>,
        ) -> Result<BlockIndex, ApiError> {
            self.asked.lock().unwrap().push(at);
            match self.answers.get(&at) {
                Some(Answer::Index(index)) => Ok(BlockIndex::clone(index)),
                Some(Answer::Trap) => Err(ApiError::Application("wasm trap".into())),
                Some(Answer::Pruned) | None => {
                    Err(ApiError::UnknownBlock(format!("State already discarded for {at:?}")))
                }
            }
        }
    }
}

/// A node with a finalized chain and nothing else.
#[derive(Clone, Default)]
struct Node {
    headers: Vec<Header>,
    bodies: BTreeMap<H256, Vec<OpaqueExtrinsic>>,
    api: Api,
    /// What reading the proofs that a block refused comes to.
    refused: BTreeMap<H256, Result<Vec<RefusedProof>, String>>,
    finalized: u32,
}

impl Node {
    fn new() -> Self {
        let genesis = Header {
            parent_hash: H256::zero(),
            number: 0,
            state_root: H256::zero(),
            extrinsics_root: H256::zero(),
            digest: Digest::default(),
        };
        Self {
            headers: vec![genesis],
            ..Self::default()
        }
    }

    fn genesis(&self) -> ves_primitives::GenesisHash {
        ves_primitives::GenesisHash(self.headers[0].hash().0)
    }

    /// Adds a finalized block that did what `raw` says.
    fn push(&mut self, raw: RawBlock) -> H256 {
        let parent = self.headers.last().unwrap();
        let mut digest = Digest::default();
        if let Some(commitment) = raw.commitment {
            digest.push(DigestItem::Consensus(
                BLOCK_COMMITMENT_ENGINE,
                commitment.encode(),
            ));
        }
        let header = Header {
            parent_hash: parent.hash(),
            number: parent.number + 1,
            state_root: H256::zero(),
            extrinsics_root: H256::repeat_byte(raw.hash[31]),
            digest,
        };
        assert_eq!(header.number, raw.number);
        let hash = header.hash();
        let quiet = raw.index.events.is_empty()
            && raw.index.rejections.is_empty()
            && raw.refused_proofs.is_empty();
        self.refused.insert(hash, Ok(raw.refused_proofs));
        let submissions = usize::from(!quiet);
        let extrinsic = OpaqueExtrinsic::from_blob(vec![4]);
        self.bodies.insert(hash, vec![extrinsic; 1 + submissions]);
        self.api
            .answers
            .insert(hash, Answer::Index(Box::new(raw.index)));
        self.headers.push(header);
        self.finalized += 1;
        hash
    }

    async fn store(&self, folder: &std::path::Path) -> Store {
        let config = StoreConfig::Sqlite(folder.join("events.sqlite"));
        Store::open(&config, self.genesis()).await.unwrap()
    }

    async fn index(&self, store: &Store) -> Result<(), IngestError> {
        let client = Arc::new(self.clone());
        let progress = &mut ProgressLog::default();
        catch_up::<Block, _>(&client, store, &self.refused(), None, progress, u32::MAX).await
    }

    fn refused(&self) -> RefusedProofs {
        let known = self.refused.clone();
        Arc::new(move |block| known.get(&block).cloned().unwrap_or_else(|| Ok(Vec::new())))
    }
}

impl ProvideRuntimeApi<Block> for Node {
    type Api = Api;

    fn runtime_api(&self) -> ApiRef<'_, Api> {
        self.api.clone().into()
    }
}

impl HeaderBackend<Block> for Node {
    fn header(&self, hash: H256) -> sp_blockchain::Result<Option<Header>> {
        Ok(self
            .headers
            .iter()
            .find(|header| header.hash() == hash)
            .cloned())
    }

    fn info(&self) -> Info<Block> {
        let finalized = &self.headers[self.finalized as usize];
        Info {
            best_hash: finalized.hash(),
            best_number: finalized.number,
            genesis_hash: self.headers[0].hash(),
            finalized_hash: finalized.hash(),
            finalized_number: finalized.number,
            finalized_state: None,
            number_leaves: 1,
            block_gap: None,
        }
    }

    fn status(&self, hash: H256) -> sp_blockchain::Result<BlockStatus> {
        let known = self.header(hash)?.is_some();
        Ok(if known {
            BlockStatus::InChain
        } else {
            BlockStatus::Unknown
        })
    }

    fn number(&self, hash: H256) -> sp_blockchain::Result<Option<u32>> {
        Ok(self.header(hash)?.map(|header| header.number))
    }

    fn hash(&self, number: u32) -> sp_blockchain::Result<Option<H256>> {
        Ok(self.headers.get(number as usize).map(Header::hash))
    }
}

impl BlockBackend<Block> for Node {
    fn block_body(&self, hash: H256) -> sp_blockchain::Result<Option<Vec<OpaqueExtrinsic>>> {
        Ok(self.bodies.get(&hash).cloned())
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

    fn justifications(&self, _: H256) -> sp_blockchain::Result<Option<Justifications>> {
        Ok(None)
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

#[tokio::test]
async fn every_height_is_walked_however_far_finality_jumps() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut chain = Chain::default();
    for number in 1..=600u32 {
        let stores: &[_] = if number % 50 == 0 { &[(STORE, 3)] } else { &[] };
        node.push(chain.block(stores, "{}"));
    }
    node.index(&store).await.unwrap();
    assert_eq!(store.cursor().await.unwrap().number, 600);
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 36);
    assert_eq!(
        node.api.asked.lock().unwrap().len(),
        12,
        "quiet blocks need no runtime call"
    );
    let health = store.health();
    assert_eq!(
        (
            health.indexed_block,
            health.finalized_block,
            health.backfilling
        ),
        (600, 600, false)
    );
    // The stored header is the one whose hash is the block hash.
    let inclusion = store.inclusion(TENANT, STORE, 36).await.unwrap().unwrap();
    assert_eq!(inclusion.header, node.headers[600].encode());
    assert_eq!(inclusion.batch.block_hash, node.headers[600].hash().0);
}

#[tokio::test]
async fn a_block_that_only_refused_events_is_indexed_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    node.push(Chain::default().rejection(4, Rejection::InvalidSignature));
    node.index(&store).await.unwrap();
    assert_eq!(
        store
            .rejections(TENANT, STORE, event_id(4))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_pruned_state_stops_indexing_after_the_blocks_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut chain = Chain::default();
    node.push(chain.block(&[(STORE, 1)], "{}"));
    let pruned = node.push(chain.block(&[(STORE, 1)], "{}"));
    let answer = node.api.answers.insert(pruned, Answer::Pruned).unwrap();
    let error = node.index(&store).await.unwrap_err();
    assert!(matches!(error, IngestError::StatePruned { number: 2 }));
    assert!(
        error
            .to_string()
            .contains("--state-pruning archive-canonical")
    );
    assert!(!error.is_retryable());
    assert_eq!(store.cursor().await.unwrap().number, 1);
    node.api.answers.insert(pruned, answer);
    node.index(&store).await.unwrap();
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 2);
}

#[tokio::test]
async fn a_failing_runtime_may_recover_but_a_missing_body_will_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let hash = node.push(Chain::default().block(&[(STORE, 1)], "{}"));
    node.api.answers.insert(hash, Answer::Trap);
    let error = node.index(&store).await.unwrap_err();
    assert!(matches!(error, IngestError::Runtime { number: 1, .. }) && error.is_retryable());
    node.bodies.clear();
    let error = node.index(&store).await.unwrap_err();
    assert!(matches!(error, IngestError::BodyMissing { number: 1 }) && !error.is_retryable());
}

#[tokio::test]
async fn a_runtime_that_reports_other_events_than_the_header_commits_to_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let hash = node.push(Chain::default().block(&[(STORE, 2)], "{}"));
    node.api.answers.insert(hash, Answer::Index(Box::default()));
    let error = node.index(&store).await.unwrap_err();
    let source = BlockError::CommitmentMismatch;
    assert!(matches!(error, IngestError::Block { number: 1, source: s } if s == source));
    assert_eq!(store.cursor().await.unwrap().number, 0);
}

#[tokio::test]
async fn another_finalized_history_than_the_indexed_one_is_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut other = node.clone();
    node.push(Chain::default().block(&[(STORE, 1)], "{}"));
    node.index(&store).await.unwrap();
    other.push(Chain::default().block(&[(STORE, 2)], "{}"));
    let error = other.index(&store).await.unwrap_err();
    assert!(
        matches!(error, IngestError::FinalityContradiction { number: 1, .. }),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_store_ahead_of_a_resyncing_node_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut chain = Chain::default();
    for _ in 0..3 {
        node.push(chain.block(&[(STORE, 1)], "{}"));
    }
    node.index(&store).await.unwrap();
    node.finalized = 1;
    node.index(&store).await.unwrap();
    assert_eq!(store.cursor().await.unwrap().number, 3);
    node.finalized = 3;
    node.push(chain.block(&[(STORE, 1)], "{}"));
    node.index(&store).await.unwrap();
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 4);
}

#[test]
fn a_digest_with_two_or_malformed_commitments_is_refused() {
    let commitment = BlockCommitment {
        version: BlockCommitment::VERSION,
        batch_count: 1,
        root: ves_primitives::BlockRoot([1; 32]),
    };
    let item = |data: Vec<u8>| DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, data);
    let header = |logs: Vec<DigestItem>| {
        let mut header = Node::new().headers.remove(0);
        header.digest = Digest { logs };
        header
    };
    let good = item(commitment.encode());
    let newer = item(
        BlockCommitment {
            version: 2,
            ..commitment
        }
        .encode(),
    );
    let read = |logs| commitment_of::<Block>(&header(logs), 7);
    assert!(matches!(read(vec![]), Ok(None)));
    assert!(matches!(read(vec![good.clone()]), Ok(Some(found)) if found == commitment));
    for logs in [vec![good.clone(), good], vec![newer], vec![item(vec![1])]] {
        assert!(matches!(read(logs), Err(IngestError::Digest { number: 7 })));
    }
}

#[test]
fn store_errors_keep_whether_they_may_pass() {
    let busy = StoreError::Database(sqlx::Error::PoolTimedOut);
    assert!(IngestError::from(busy).is_retryable());
    assert!(
        !IngestError::from(StoreError::Gap {
            cursor: 1,
            found: 3
        })
        .is_retryable()
    );
}

#[tokio::test]
async fn a_node_that_shares_its_store_goes_on_where_the_other_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let (own, shared) = (
        node.store(folder.path()).await,
        node.store(folder.path()).await,
    );
    let mut chain = Chain::default();
    for _ in 0..300 {
        node.push(chain.block(&[(STORE, 2)], "{}"));
    }
    let slow = node.clone();
    node.finalized = 290;
    // Both walk at once: whatever the one has written, the other does not write again.
    let (first, second) = tokio::join!(node.index(&own), slow.index(&shared));
    first.unwrap();
    second.unwrap();
    assert_eq!(own.cursor().await.unwrap().number, 300);
    assert_eq!(own.head(TENANT, STORE).await.unwrap().sequence, 600);
    // The one that heard less of finality waits without complaint.
    node.index(&own).await.unwrap();
}

#[tokio::test]
async fn a_backfill_ends_where_it_is_told_to_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut chain = Chain::default();
    for _ in 0..20 {
        node.push(chain.block(&[(STORE, 2)], "{}"));
    }
    let client = Arc::new(node);
    for (to, reached) in [(7, 7), (3, 7), (u32::MAX, 20)] {
        let cursor = backfill::<Block, _>(&client, &store, &client.refused(), to)
            .await
            .unwrap();
        assert_eq!(cursor.number, reached);
    }
}

#[test]
fn a_store_goes_back_only_to_where_the_node_can_go_on_from() {
    let mut node = Node::new();
    let mut chain = Chain::default();
    node.push(chain.block(&[(STORE, 1)], "{}"));
    // Indexing would ask neither its runtime nor its state.
    let quiet = node.push(chain.block(&[], ""));
    node.push(chain.block(&[(STORE, 1)], "{}"));
    let target = |node: &Node, number| rewind_target::<Block, _>(node, number);
    for number in 0..=2u32 {
        let cursor = target(&node, number).unwrap();
        let hash = node.headers[number as usize].hash().0;
        assert_eq!((cursor.number, cursor.hash), (number, hash));
    }

    let error = target(&node, 3).unwrap_err();
    assert!(matches!(
        error,
        IngestError::NotFinal {
            number: 4,
            finalized: 3
        }
    ));
    assert!(!error.is_retryable());
    // A block that another one may still take the place of.
    node.finalized = 2;
    let error = target(&node, 2).unwrap_err();
    assert!(matches!(error, IngestError::NotFinal { number: 3, .. }));
    node.finalized = 3;

    let answer = node.api.answers.insert(quiet, Answer::Pruned).unwrap();
    let error = target(&node, 1).unwrap_err();
    assert!(matches!(error, IngestError::StatePruned { number: 2 }));
    node.api.answers.insert(quiet, answer);
    node.bodies.remove(&quiet);
    let error = target(&node, 1).unwrap_err();
    assert!(matches!(error, IngestError::BodyMissing { number: 2 }));
    assert!(target(&node, 2).is_ok());
}

#[tokio::test]
async fn a_store_is_compared_with_the_chain_block_by_block() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut chain = Chain::default();
    for number in 1..=300u32 {
        let stores: &[_] = if number % 50 == 0 { &[(STORE, 3)] } else { &[] };
        node.push(chain.block(stores, "{}"));
    }
    node.index(&store).await.unwrap();
    let client = Arc::new(node.clone());
    let checked = crate::check::<Block, _>(&client, &store, |_, _| {})
        .await
        .unwrap();
    assert_eq!(checked.to, 300);
    while store.prune_step(200).await.unwrap().1 {}
    let pruned = crate::check::<Block, _>(&client, &store, |_, _| {})
        .await
        .unwrap();
    assert_eq!(pruned, checked);

    // The same headers and another story: block 150 refused an event.
    let hash = node.headers[150].hash();
    let Some(Answer::Index(mut index)) = node.api.answers.get(&hash).cloned() else {
        panic!("block 150 has an index");
    };
    index.rejections = Chain::default()
        .rejection(1, Rejection::InvalidSignature)
        .index
        .rejections;
    node.api.answers.insert(hash, Answer::Index(index));
    let error = crate::check::<Block, _>(&Arc::new(node), &store, |_, _| {})
        .await
        .unwrap_err();
    assert!(
        matches!(error, crate::CheckError::Differs { number: 150 }),
        "{error}"
    );
}

fn refused_proof(reason: ProofRefusal) -> RefusedProof {
    RefusedProof {
        stream_id: stream_id(TENANT, STORE),
        subject: ProofSubject::Event(event_id(1)),
        agent_id: AgentId([0x44; 16]),
        extrinsic_index: 1,
        reason,
        units: 8,
    }
}

#[tokio::test]
async fn a_block_that_only_refuses_a_proof_leaves_that_and_still_agrees_with_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut chain = Chain::default();
    node.push(chain.block(&[(STORE, 1)], "{}"));
    let mut raw = chain.block(&[], "");
    raw.refused_proofs = vec![refused_proof(ProofRefusal::ProofInvalid)];
    node.push(raw);
    node.index(&store).await.unwrap();
    let subject = ProofSubject::Event(event_id(1));
    let found = store.refused_proofs(TENANT, STORE, subject).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].block_number, 2);
    let checked = crate::check::<Block, _>(&Arc::new(node), &store, |_, _| {}).await;
    assert_eq!(checked.unwrap().to, 2);
}

#[tokio::test]
async fn a_block_whose_refused_proofs_cannot_be_read_is_indexed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new();
    let store = node.store(folder.path()).await;
    let mut chain = Chain::default();
    let hash = node.push(chain.block(&[(STORE, 2)], "{}"));
    node.refused.insert(hash, Err("another runtime".into()));
    let mut raw = chain.block(&[(STORE, 1)], "{}");
    raw.refused_proofs = vec![refused_proof(ProofRefusal::AlreadyProven)];
    node.push(raw);
    node.index(&store).await.unwrap();
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 3);
    let subject = ProofSubject::Event(event_id(1));
    let found = store.refused_proofs(TENANT, STORE, subject).await.unwrap();
    assert_eq!(found.len(), 1);
}
