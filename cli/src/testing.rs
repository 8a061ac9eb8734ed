// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Test support: sample drafts, the published vectors, and a chain in memory that sequences by the
//! protocol's own rules and can be told to lie.

mod node;
pub(crate) mod proofs;
pub(crate) mod registry;

use crate::{
    capture::{Audience, Draft},
    chain::{BlockRef, ChainError},
    db,
    keys::{KeyStore, Protection, Purpose, Registration, Signer},
    output::{ColorChoice, Format, Ui},
};
use codec::Encode;
use serde_json::Value;
use sqlx::SqlitePool;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};
use ves_client::{BlockHash, DigestItem, Header};
use ves_finality::testing::{self as validators, Validator};
use ves_primitives::{
    AgentId, BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, Envelope, EventId,
    FinalityProof, GenesisHash, InclusionProof, KeyId, LeafHash, RecipientKid, Signature, StoreId,
    StreamTip, SubmittedEvent, TenantId, block_leaves,
    registry::{AuthorProblem, KeyProblem, RecordedAt, SigningKeyRecord, ValidityWindow},
    sequencer::{Admission, EventRecord, Rejection},
    verify_ed25519,
    wire::{BatchJson, EventJson, InclusionJson, SequencedEventJson},
};

pub(crate) const TENANT: TenantId = TenantId([0x11; 16]);
pub(crate) const STORE: StoreId = StoreId([0x22; 16]);
pub(crate) const AGENT: AgentId = AgentId([0x33; 16]);
pub(crate) const GENESIS: GenesisHash = GenesisHash([0xaa; 32]);
pub(crate) const SEED: [u8; 32] = [5; 32];

pub(crate) fn ui() -> Ui {
    Ui::new(Format::Text, true, ColorChoice::Never)
}

pub(crate) fn draft() -> Draft {
    Draft {
        tenant_id: TENANT,
        store_id: STORE,
        agent_id: AGENT,
        event_id: None,
        entity_type: "order".into(),
        entity_id: "A-1".into(),
        event_type: "order.created".into(),
        created_at: None,
        payload: r#"{"total":12}"#.into(),
        command_id: None,
        base_version: None,
        audience: Audience::Public,
    }
}

pub(crate) fn draft_envelope() -> Envelope {
    draft().build().unwrap().envelope
}

pub(crate) async fn pool() -> (tempfile::TempDir, SqlitePool) {
    let dir = tempfile::tempdir().unwrap();
    let pool = db::open(&dir.path().join("state.db"), true).await.unwrap();
    (dir, pool)
}

/// One published event.
pub(crate) struct Vector {
    pub(crate) event: SubmittedEvent,
    pub(crate) canonical: String,
    pub(crate) recipient_secrets: Vec<(RecipientKid, [u8; 32])>,
    pub(crate) dek: Option<[u8; 32]>,
    pub(crate) salt: Option<[u8; 16]>,
}

fn unhex<const N: usize>(value: &Value) -> Option<[u8; N]> {
    hex::decode(value.as_str()?).ok()?.try_into().ok()
}

pub(crate) fn vector_events() -> Vec<Vector> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../primitives/vectors/sequencer/generated/events.json"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let events = file["events"].as_array().unwrap();
    events
        .iter()
        .map(|vector| {
            let mut json = vector["envelope"].clone();
            json["agent_signature"] = vector["agent_signature"].clone();
            for payload in ["payload", "payload_encrypted"] {
                if vector.get(payload).is_some() {
                    json[payload] = vector[payload].clone();
                }
            }
            let json: EventJson = serde_json::from_value(json).unwrap();
            let event = SubmittedEvent::try_from(&json).unwrap();
            let kids = vector["ephemeral_secret_keys"].as_object();
            Vector {
                event,
                canonical: vector["canonical"].as_str().unwrap_or_default().into(),
                recipient_secrets: kids
                    .map(|kids| {
                        kids.keys()
                            .map(|kid| {
                                let secret = &file["x25519_secret_keys_by_kid"][kid];
                                (RecipientKid(kid.parse().unwrap()), unhex(secret).unwrap())
                            })
                            .collect()
                    })
                    .unwrap_or_default(),
                dek: unhex(&vector["dek"]),
                salt: unhex(&vector["salt"]),
            }
        })
        .collect()
}

/// A key store with one plaintext signing key, number 1.
pub(crate) fn key_store() -> (tempfile::TempDir, KeyStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::at(dir.path());
    store
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    (dir, store)
}

/// A block of the chain in memory.
#[derive(Clone, Default)]
struct Block {
    time_ms: u64,
    records: Vec<SequencedEventJson>,
    inclusions: Vec<InclusionJson>,
    rejections: Vec<(EventId, String)>,
    header: Option<Header>,
    hash: [u8; 32],
    registry: registry::Registry,
}

#[derive(Default)]
pub(crate) struct State {
    blocks: Vec<Block>,
    finalized: usize,
    pool: Vec<Vec<SubmittedEvent>>,
    keys: HashMap<(AgentId, KeyId), SigningKeyRecord>,
    events: HashMap<EventId, (SubmittedEvent, EventRecord)>,
    versions: HashMap<(Vec<u8>, Vec<u8>), u64>,
    tip: Option<StreamTip>,
    /// What the next block's state has of readers.
    pub(crate) registry: registry::Registry,
    /// Blocks that end an authority set.
    pub(crate) set_ends: Vec<u32>,
    /// One of these ends did not come by the set's own word, but by that of this block.
    pub(crate) forced: Option<(u32, u32)>,
    /// Blocks are made and finalized whenever the finalized head is asked for.
    pub(crate) auto: bool,
    /// How many submissions were taken.
    pub(crate) submissions: usize,
    /// Answers to give instead of taking a submission.
    pub(crate) refuse: Vec<ChainError>,
    /// Drops submissions silently, as a full pool may.
    pub(crate) lossy: bool,
    /// The agent has used up its quota.
    pub(crate) exhausted: bool,
    /// Nothing that is final is proven so.
    pub(crate) unjustified: bool,
    /// The authorities of this set sign, whichever set it should be.
    pub(crate) impostors: Option<u64>,
}

type RecordLie = Box<dyn Fn(&mut SequencedEventJson) + Send + Sync>;
type InclusionLie = Box<dyn Fn(&mut InclusionJson) + Send + Sync>;
type FinalityLie = Box<dyn Fn(u32, &mut FinalityProof) + Send + Sync>;

/// A chain in memory, with one stream.
pub(crate) struct FakeChain {
    state: Mutex<State>,
    pub(crate) record_lie: Option<RecordLie>,
    pub(crate) inclusion_lie: Option<InclusionLie>,
    pub(crate) finality_lie: Option<FinalityLie>,
    pub(crate) registry_lie: Option<registry::Lie>,
    pub(crate) proofs: proofs::Proofs,
}

impl FakeChain {
    /// A chain that knows this public key as key 1 of the agent.
    pub(crate) fn new(public_key: [u8; 32]) -> Self {
        let state = State {
            auto: true,
            ..State::default()
        };
        let chain = Self {
            state: Mutex::new(state),
            record_lie: None,
            inclusion_lie: None,
            finality_lie: None,
            registry_lie: None,
            proofs: proofs::Proofs::default(),
        };
        chain.lock().blocks.push(Block {
            hash: GENESIS.0,
            ..Block::default()
        });
        chain.register(KeyId(1), public_key);
        chain
    }

    pub(crate) fn with_seed() -> Self {
        Self::new(Signer::from_seed(KeyId(1), &SEED).public_key().0)
    }

    pub(crate) fn register(&self, key: KeyId, public_key: [u8; 32]) {
        let record = SigningKeyRecord {
            public_key: ves_primitives::SigningPublicKey(public_key),
            window: ValidityWindow::default(),
            registered_at: RecordedAt {
                block: 0,
                time_ms: 0,
            },
            revocation: None,
        };
        self.lock().keys.insert((AGENT, key), record);
    }

    pub(crate) fn edit_key(&self, edit: impl FnOnce(&mut SigningKeyRecord)) {
        edit(self.lock().keys.get_mut(&(AGENT, KeyId(1))).unwrap());
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sequences these events in one block and finalizes it.
    pub(crate) fn commit(&self, events: Vec<SubmittedEvent>) {
        let mut state = self.lock();
        state.pool.push(events);
        state.make_block();
        state.finalized = state.blocks.len() - 1;
    }

    /// From now on alters what is shown of the event at this place.
    pub(crate) fn lie_about(
        &mut self,
        sequence: u64,
        lie: impl Fn(&mut SequencedEventJson) + Send + Sync + 'static,
    ) {
        self.record_lie = Some(Box::new(move |record| {
            if record.sequence == sequence {
                lie(record);
            }
        }));
    }

    /// How many sequenced events there are.
    pub(crate) fn sequenced(&self) -> usize {
        self.lock().events.len()
    }
}

/// A signed event.
pub(crate) fn signed(draft: &Draft) -> SubmittedEvent {
    let mut event = draft.build().unwrap();
    let signer = Signer::from_seed(KeyId(1), &SEED);
    event.envelope.agent_key_id = KeyId(1);
    let hash = event.envelope.signing_hash().unwrap();
    event.envelope.agent_signature = signer.sign(&hash.0).unwrap();
    event
}

/// Events with entity ids 0, 1, 2 …
pub(crate) fn signed_events(range: std::ops::Range<u32>) -> Vec<SubmittedEvent> {
    range
        .map(|n| {
            signed(&Draft {
                entity_id: n.to_string(),
                ..draft()
            })
        })
        .collect()
}

impl State {
    fn judge(
        &self,
        event: &SubmittedEvent,
        versions: &HashMap<(Vec<u8>, Vec<u8>), u64>,
    ) -> Admission {
        let e = &event.envelope;
        if let Some((known, record)) = self.events.get(&e.event_id) {
            return if known == event {
                Admission::AlreadySequenced {
                    sequence: record.sequence,
                }
            } else {
                Admission::Rejected(Rejection::DuplicateEventId)
            };
        }
        if let Err(error) = event.check() {
            return Admission::Rejected(error.into());
        }
        if self.exhausted {
            return Admission::Rejected(Rejection::AgentQuotaExhausted);
        }
        let key = self.keys.get(&(e.source_agent_id, e.agent_key_id));
        let problem = match key {
            None => Some(KeyProblem::NotFound),
            // The block to come.
            Some(key) => key
                .check_at(&RecordedAt {
                    block: u32::try_from(self.blocks.len()).unwrap(),
                    time_ms: self.blocks.last().map_or(0, |block| block.time_ms),
                })
                .err(),
        };
        if let Some(problem) = problem {
            return Admission::Rejected(AuthorProblem::Key(problem).into());
        }
        let hash = e.signing_hash().unwrap();
        if !key.is_some_and(|k| verify_ed25519(&k.public_key, &hash.0, &e.agent_signature)) {
            return Admission::Rejected(Rejection::InvalidSignature);
        }
        let fulfilled = |known: &SubmittedEvent| known.envelope.command_id == e.command_id;
        if e.command_id.is_some() && self.events.values().any(|(known, _)| fulfilled(known)) {
            return Admission::Rejected(Rejection::DuplicateCommandId);
        }
        let actual = versions
            .get(&(e.entity_type.to_vec(), e.entity_id.to_vec()))
            .copied()
            .unwrap_or(0);
        match e.base_version {
            Some(expected) if expected != actual => {
                Admission::Rejected(Rejection::VersionConflict { expected, actual })
            }
            _ => Admission::Acceptable,
        }
    }

    fn judge_all(&self, events: &[SubmittedEvent]) -> Vec<Admission> {
        let mut versions = self.versions.clone();
        events
            .iter()
            .map(|event| {
                let verdict = self.judge(event, &versions);
                if verdict == Admission::Acceptable {
                    let e = &event.envelope;
                    let key = (e.entity_type.to_vec(), e.entity_id.to_vec());
                    *versions.entry(key).or_default() += 1;
                }
                verdict
            })
            .collect()
    }

    fn make_block(&mut self) {
        let number = u32::try_from(self.blocks.len()).unwrap();
        let time_ms = u64::from(number) * 2000;
        let tip = self.tip.unwrap_or(StreamTip::EMPTY);
        let mut block = Block {
            time_ms,
            registry: self.registry.clone(),
            ..Block::default()
        };
        let mut accepted: Vec<(u64, SubmittedEvent)> = Vec::new();
        for event in std::mem::take(&mut self.pool).into_iter().flatten() {
            match self.judge(&event, &self.versions) {
                Admission::AlreadySequenced { .. } => {}
                Admission::Rejected(reason) => {
                    block
                        .rejections
                        .push((event.envelope.event_id, reason.to_string()));
                }
                Admission::Acceptable => {
                    let sequence = tip.sequence + 1 + accepted.len() as u64;
                    let e = &event.envelope;
                    let key = (e.entity_type.to_vec(), e.entity_id.to_vec());
                    *self.versions.entry(key).or_default() += 1;
                    let record = EventRecord {
                        sequence,
                        block_number: number,
                        leaf: ves_primitives::LeafHash([0; 32]),
                    };
                    self.events.insert(e.event_id, (event.clone(), record));
                    accepted.push((sequence, event));
                }
            }
        }
        let parent = self.blocks.last().map_or([0; 32], |block| block.hash);
        let mut digest = Vec::new();
        if self.set_ends.contains(&number) && self.forced.is_none_or(|(end, _)| end != number) {
            digest.push(validators::change(
                &validators_of(self.set_at(number) + 1),
                0,
            ));
        }
        if let Some((end, _)) = self.forced.filter(|(_, by)| *by == number) {
            let next = validators_of(self.set_at(end) + 1);
            digest.push(validators::forced_change(&next, end, 0));
        }
        block.finish(number, parent, &tip, &accepted, digest);
        if let Some(inclusion) = block.inclusions.first() {
            self.tip = Some(inclusion.batch.batch.tip());
        }
        self.blocks.push(block);
    }

    /// The authority set that finalizes a block.
    fn set_at(&self, number: u32) -> u64 {
        self.set_ends.iter().filter(|end| **end < number).count() as u64
    }

    /// From a block to the final one two blocks on, if the set does not end before, or to the last.
    fn proof(&self, number: u32) -> Option<FinalityProof> {
        let finalized = u32::try_from(self.finalized).unwrap();
        if number == 0 || number > finalized || self.unjustified {
            return None;
        }
        let end = self.set_ends.iter().copied().find(|end| *end >= number);
        let target = (number + 2).min(finalized).min(end.unwrap_or(u32::MAX));
        Some(self.justified(number + 1, target))
    }

    /// Headers from one block to another, which is justified by its set.
    fn justified(&self, from: u32, target: u32) -> FinalityProof {
        let header = |number: u32| self.blocks[number as usize].header.clone().unwrap();
        let headers: Vec<Header> = (from..=target).map(header).collect();
        let set = self.impostors.unwrap_or_else(|| self.set_at(target));
        let voters = validators_of(set);
        validators::proof(
            &headers,
            &validators::justify(&header(target), 1, set, &voters),
        )
    }

    fn finalized_ref(&self) -> BlockRef {
        BlockRef {
            number: u32::try_from(self.finalized).unwrap(),
            hash: self.blocks[self.finalized].hash,
        }
    }

    fn final_records(&self) -> impl Iterator<Item = &SequencedEventJson> {
        self.blocks[..=self.finalized]
            .iter()
            .flat_map(|block| &block.records)
    }

    /// The chain as it was at this block: what came later is hidden.
    fn known_at(&self, event: &SubmittedEvent, at: BlockRef) -> bool {
        self.events
            .get(&event.envelope.event_id)
            .is_none_or(|(_, record)| record.block_number <= at.number)
    }
}

impl Block {
    fn finish(
        &mut self,
        number: u32,
        parent: [u8; 32],
        tip: &StreamTip,
        accepted: &[(u64, SubmittedEvent)],
        mut digest: Vec<DigestItem>,
    ) {
        let leaves: Vec<LeafHash> = accepted
            .iter()
            .map(|(sequence, event)| {
                let hash = event.envelope.signing_hash().unwrap();
                event.envelope.leaf_hash(*sequence, &hash)
            })
            .collect();
        let batch = BatchCommitment::commit(TENANT, STORE, number, tip, &leaves).ok();
        // Another stream's batch in the same block, so that block proofs have a path.
        let other = BatchCommitment::commit(
            TENANT,
            StoreId([0x99; 16]),
            number,
            &StreamTip::EMPTY,
            &[LeafHash([1; 32])],
        )
        .unwrap();
        let batches: Vec<BatchCommitment> = batch.iter().cloned().chain([other]).collect();
        let commitment = BlockCommitment::commit(&batches).unwrap();
        digest.push(DigestItem::Consensus(
            BLOCK_COMMITMENT_ENGINE,
            commitment.encode(),
        ));
        let header = Header {
            state_root: self.registry.state(self.time_ms).root(),
            ..validators::header(BlockHash(parent), number, digest)
        };
        let bytes = header.bytes();
        self.hash = header.hash().0;
        self.header = Some(header);
        let Some(batch) = batch else { return };
        let block_leaves: Vec<LeafHash> =
            block_leaves(&batches).into_iter().map(LeafHash).collect();
        let own = block_leaves
            .iter()
            .position(|leaf| leaf.0 == batch.block_leaf())
            .unwrap();
        let block_proof =
            InclusionProof::build(&block_leaves, u32::try_from(own).unwrap()).unwrap();
        for (index, (sequence, event)) in accepted.iter().enumerate() {
            let hash = event.envelope.signing_hash().unwrap();
            self.records.push(SequencedEventJson {
                stream_id: batch.stream_id(),
                sequence: *sequence,
                block_number: number,
                block_hash: self.hash,
                block_time_ms: self.time_ms,
                extrinsic_index: 1,
                event_signing_hash: hash,
                leaf_hash: leaves[index],
                receipt_hash: event.envelope.receipt_hash(*sequence, &hash),
                event: EventJson::from(event),
            });
            self.inclusions.push(InclusionJson {
                leaf_hash: leaves[index],
                proof: InclusionProof::build(&leaves, u32::try_from(index).unwrap()).unwrap(),
                batch: BatchJson {
                    stream_id: batch.stream_id(),
                    block_hash: self.hash,
                    batch: batch.clone(),
                },
                block_proof: block_proof.clone(),
                header: bytes.clone(),
            });
        }
    }
}

/// The authorities of a set; two sets share nobody.
pub(crate) fn validators_of(set: u64) -> Vec<Validator> {
    let first = u32::try_from(set).unwrap() * 3;
    (first..first + 3).map(Validator).collect()
}

/// A signature that is not the author's.
pub(crate) fn forge(record: &mut SequencedEventJson) {
    flip(&mut record.event.agent_signature);
}

/// A registration of a key in this block of the chain of these tests.
pub(crate) fn registration(block: u32) -> Registration {
    Registration {
        genesis_hash: GENESIS,
        tenant_id: TENANT,
        block,
        kid: None,
        revoked_block: None,
    }
}

/// Alters a signature in JSON.
pub(crate) fn flip(signature: &mut Signature) {
    signature.0[40] ^= 1;
}

/// Shows a record as a node does that pruned its payload.
pub(crate) fn prune(record: &mut SequencedEventJson) {
    record.event.payload = None;
    record.event.payload_raw_b64u = None;
    record.event.payload_encrypted = None;
}
