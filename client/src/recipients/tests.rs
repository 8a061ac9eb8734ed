// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{
    ClientError, FinalityError, Header,
    state::{ReadProofError, testing::State},
};
use pallet_agent_registry as registry;
use polkadot_sdk::{
    frame_system, pallet_timestamp,
    sp_io::{self, TestExternalities},
    sp_runtime::StateVersion,
};
use std::time::Duration;
use ves_finality::testing::{self as validators, Validator};
use ves_primitives::{
    EncryptionPublicKey, FinalityProof,
    registry::{GroupMember, GroupRole, ValidityWindow},
};
use ves_runtime::{AgentRegistry, Runtime};

const TENANT: TenantId = TenantId([1; 16]);
const GROUP: GroupId = GroupId([9; 16]);
/// Two keys, of which the first is revoked.
const ANNA: AgentId = AgentId([2; 16]);
/// One key.
const BERT: AgentId = AgentId([3; 16]);
/// One key, suspended.
const CARL: AgentId = AgentId([4; 16]);
/// Registered, without a key.
const DORA: AgentId = AgentId([5; 16]);
const NOBODY: AgentId = AgentId([6; 16]);
const BLOCK: u32 = 10;
const NOW_MS: u64 = 1_800_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn record(kid: u32) -> EncryptionKeyRecord {
    EncryptionKeyRecord {
        public_key: EncryptionPublicKey([kid as u8; 32]),
        kid: RecipientKid(kid),
        window: ValidityWindow::default(),
        registered_at: RecordedAt {
            block: 1,
            time_ms: 1,
        },
        revoked_at: None,
    }
}

fn revoked(kid: u32) -> EncryptionKeyRecord {
    EncryptionKeyRecord {
        revoked_at: Some(RecordedAt {
            block: 5,
            time_ms: 5,
        }),
        ..record(kid)
    }
}

/// A registry, and the state that holds it.
#[derive(Clone)]
struct World {
    time_ms: u64,
    agents: BTreeMap<AgentId, ReaderRecord>,
    group: Group,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            time_ms: NOW_MS,
            agents: BTreeMap::new(),
            group: Group::default(),
        };
        // Agents choose the numbers of their keys.
        world.agent(ANNA, false, &[(1, revoked(1)), (70, record(2))]);
        world.agent(BERT, false, &[(1, record(3))]);
        world.agent(CARL, true, &[(1, record(4))]);
        world.agent(DORA, false, &[]);
        for member in [ANNA, CARL] {
            world.admit(member);
        }
        world
    }

    fn agent(&mut self, agent: AgentId, suspended: bool, keys: &[(u32, EncryptionKeyRecord)]) {
        let keys = keys
            .iter()
            .map(|(key, record)| (KeyId(*key), record.clone()));
        let keys = keys.collect();
        self.agents.insert(agent, ReaderRecord { suspended, keys });
    }

    fn admit(&mut self, agent_id: AgentId) {
        let role = GroupRole::Reader;
        let member = GroupMember { agent_id, role };
        self.group.set_member(member).unwrap();
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.put(
            StorageKey::item("Timestamp", "Now").into_bytes(),
            &self.time_ms,
        );
        state.put(group_key(TENANT, GROUP), &self.group);
        for (agent, reader) in &self.agents {
            let entry = AgentRecord {
                suspended: reader.suspended,
                encryption_keys: reader.keys.len() as u32,
                ..AgentRecord::default()
            };
            state.put(agent_key(TENANT, *agent), &entry);
            for (key, record) in &reader.keys {
                state.put(encryption_key_key(TENANT, *agent, *key), record);
                let named = (TENANT, *agent, *key);
                state.put(recipient_key(record.kid), &named);
            }
        }
        state
    }

    fn header(&self) -> Header {
        Header {
            state_root: self.state().root(),
            ..validators::header(BlockHash([7; 32]), BLOCK, Vec::new())
        }
    }
}

/// A node: what it says of itself, each part of which may be a lie.
struct Node {
    header: Header,
    evidence: Option<FinalityProof>,
    nodes: Vec<Vec<u8>>,
    shown: BTreeMap<AgentId, ReaderRecord>,
}

impl Node {
    fn honest(world: &World) -> Self {
        let header = world.header();
        Self {
            evidence: Some(evidence(&header, 0)),
            header,
            nodes: world.state().prove().1,
            shown: world.agents.clone(),
        }
    }

    async fn ask(&self, wanted: &Wanted) -> Result<Directory, ProvenError> {
        let sets = TrackedSets::new(validators::set(0, &set(0)), 0).unwrap();
        let fresh = Freshness {
            now_ms: NOW_MS,
            max_age: MINUTE,
        };
        read(self, &sets, fresh, wanted).await
    }
}

fn set(first: u32) -> Vec<Validator> {
    (first..first + 4).map(Validator).collect()
}

/// The justification of the header itself by the set that begins with this validator.
fn evidence(header: &Header, first: u32) -> FinalityProof {
    let justification = validators::justify(header, 1, 0, &set(first));
    validators::proof(&[], &justification)
}

impl StateSource for Node {
    async fn newest_header(&self) -> Result<Header, ClientError> {
        Ok(self.header.clone())
    }

    async fn evidence(&self, number: u32) -> Result<Option<FinalityProof>, ClientError> {
        assert_eq!(number, self.header.number);
        Ok(self.evidence.clone())
    }

    async fn trie_nodes(&self, _: &[Vec<u8>], at: BlockHash) -> Result<Vec<Vec<u8>>, ClientError> {
        assert_eq!(at, self.header.hash());
        Ok(self.nodes.clone())
    }

    async fn claimed_keys(
        &self,
        tenant_id: TenantId,
        agent_id: AgentId,
        _: BlockHash,
    ) -> Result<Vec<DirectoryEntry>, ClientError> {
        let shown = self.shown.get(&agent_id).cloned().unwrap_or_default();
        let entry = |(key_id, record)| DirectoryEntry {
            tenant_id,
            agent_id,
            key_id,
            record,
        };
        Ok(shown.keys.into_iter().map(entry).collect())
    }
}

fn agents(agents: &[AgentId]) -> Wanted {
    Wanted {
        agents: agents.iter().map(|agent| (TENANT, *agent)).collect(),
        ..Wanted::default()
    }
}

fn group() -> Wanted {
    Wanted {
        groups: vec![(TENANT, GROUP)],
        ..Wanted::default()
    }
}

fn kids(entries: &[DirectoryEntry]) -> Vec<u32> {
    entries.iter().map(|entry| entry.record.kid.0).collect()
}

/// The recipient number of each member's key.
fn members(directory: &Directory) -> Vec<(AgentId, Option<u32>)> {
    let group = directory.group(TENANT, GROUP).unwrap();
    let members = group.members.iter();
    members
        .map(|found| {
            let kid = found.key.as_ref().map(|key| key.record.kid.0);
            (found.member.agent_id, kid)
        })
        .collect()
}

#[tokio::test]
async fn what_an_honest_node_proves_is_what_the_registry_has() {
    let node = Node::honest(&World::new());
    let found = node.ask(&agents(&[ANNA, BERT, DORA])).await.unwrap();
    assert_eq!((found.at.block, found.at.time_ms), (BLOCK, NOW_MS));
    assert_eq!(found.hash, node.header.hash());
    assert_eq!(kids(&found.keys(TENANT, ANNA).unwrap()), [2]);
    assert_eq!(kids(&found.keys(TENANT, BERT).unwrap()), [3]);
    assert_eq!(found.keys(TENANT, DORA), Some(vec![]));
    assert_eq!(found.keys(TENANT, CARL), None, "nobody asked for him");

    let found = node.ask(&group()).await.unwrap();
    assert_eq!(members(&found), [(ANNA, Some(2)), (CARL, None)]);
}

#[tokio::test]
async fn what_the_registry_does_not_have_is_proven_too() {
    let mut node = Node::honest(&World::new());
    let other = (TENANT, GroupId([8; 16]));
    let wanted = Wanted {
        groups: vec![other],
        ..agents(&[NOBODY])
    };
    let found = node.ask(&wanted).await.unwrap();
    assert_eq!(found.keys(TENANT, NOBODY), None);
    assert_eq!(found.readers[&(TENANT, NOBODY)], None);
    assert_eq!(found.groups[&other], None);

    // Whoever hides an agent by leaving out what leads there proves nothing. Which nodes these are the
    // node itself may choose, so each is tried.
    let all = node.nodes.clone();
    let mut refused = 0;
    for left_out in 0..all.len() {
        node.nodes = all.clone();
        node.nodes.remove(left_out);
        node.shown.remove(&BERT);
        match node.ask(&agents(&[BERT])).await {
            Err(ProvenError::Unproven { .. }) => refused += 1,
            // Of other parts of the state: the registry's count still tells of the key.
            Err(ProvenError::KeysWithheld { agent, .. }) => assert_eq!(agent, BERT),
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn a_substituted_key_is_refused_wherever_the_node_puts_it() {
    let honest = World::new();
    let mut forged = World::new();
    forged.agent(BERT, false, &[(1, record(66))]);
    let wanted = agents(&[BERT]);
    // In its answer alone.
    let mut node = Node::honest(&honest);
    node.shown = forged.agents.clone();
    let refused = node.ask(&wanted).await.unwrap_err();
    let (agent, key, block) = (BERT, KeyId(1), BLOCK);
    assert_eq!(refused, ProvenError::KeyContradicted { agent, key, block });
    // Under a number that the agent never used, beside the real one.
    let real = (KeyId(1), record(3));
    node.shown.get_mut(&BERT).unwrap().keys = vec![real, (KeyId(2), record(66))];
    let (agent, key) = (BERT, KeyId(2));
    let refused = node.ask(&wanted).await.unwrap_err();
    assert_eq!(refused, ProvenError::KeyContradicted { agent, key, block });
    // In a state of its own.
    let mut node = Node::honest(&forged);
    node.header = honest.header();
    node.evidence = Some(evidence(&node.header, 0));
    assert_eq!(
        node.ask(&wanted).await.unwrap_err(),
        ProvenError::Unproven {
            what: "the time".into(),
            block,
            reason: ReadProofError::OtherState
        }
    );
    // Among the nodes of the real state: no hash leads there.
    let mut node = Node::honest(&honest);
    node.nodes.extend(forged.state().prove().1);
    let found = node.ask(&wanted).await.unwrap();
    assert_eq!(kids(&found.keys(TENANT, BERT).unwrap()), [3]);
}

#[tokio::test]
async fn a_key_that_is_kept_back_is_missed() {
    let mut node = Node::honest(&World::new());
    // The one that took the place of a revoked key; then senders would find no key, or an old one.
    node.shown.get_mut(&ANNA).unwrap().keys.pop();
    let withheld = ProvenError::KeysWithheld {
        agent: ANNA,
        block: BLOCK,
        registered: 2,
        shown: 1,
    };
    assert_eq!(node.ask(&agents(&[ANNA])).await.unwrap_err(), withheld);
    assert_eq!(node.ask(&group()).await.unwrap_err(), withheld);
    // Saying the same key twice does not fill the gap.
    let keys = &mut node.shown.get_mut(&ANNA).unwrap().keys;
    keys.push(keys[0].clone());
    assert_eq!(node.ask(&agents(&[ANNA])).await.unwrap_err(), withheld);
}

#[tokio::test]
async fn a_group_with_a_member_more_or_less_is_refused() {
    let honest = World::new();
    let mut more = World::new();
    more.admit(BERT);
    let mut less = World::new();
    less.group.remove_member(ANNA).unwrap();
    for forged in [more, less] {
        // The nodes of the forged group alone, and together with all that is real.
        let mut node = Node::honest(&honest);
        let real = node.nodes.clone();
        let (_, mixed) = forged.state().prove();
        node.nodes = mixed.clone();
        assert!(matches!(
            node.ask(&group()).await,
            Err(ProvenError::Unproven {
                reason: ReadProofError::OtherState,
                ..
            })
        ));
        // The real root, and the forged state below it.
        node.nodes = real
            .iter()
            .filter(|bytes| crate::blake2_256(bytes) == node.header.state_root)
            .cloned()
            .chain(mixed.clone())
            .collect();
        let refused = node.ask(&group()).await.unwrap_err();
        assert_eq!(
            refused,
            ProvenError::Unproven {
                what: format!("group {GROUP}"),
                block: BLOCK,
                reason: ReadProofError::Incomplete
            }
        );
        node.nodes = [real, mixed].concat();
        let found = node.ask(&group()).await.unwrap();
        assert_eq!(members(&found), [(ANNA, Some(2)), (CARL, None)]);
    }
}

#[tokio::test]
async fn a_proof_of_another_block_is_refused() {
    let mut earlier = World::new();
    earlier.time_ms -= 2_000;
    earlier.agent(ANNA, false, &[(1, record(1))]);
    let mut node = Node::honest(&World::new());
    node.nodes = earlier.state().prove().1;
    node.shown = earlier.agents;
    let refused = node.ask(&agents(&[ANNA])).await.unwrap_err();
    assert!(
        matches!(
            refused,
            ProvenError::Unproven {
                reason: ReadProofError::OtherState,
                ..
            }
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_header_that_the_tracked_authorities_did_not_finalize_is_refused() {
    let mut forged = World::new();
    forged.agent(BERT, false, &[(1, record(66))]);
    let wanted = agents(&[BERT]);
    let not_final = |refused| match refused {
        Err(ProvenError::NotFinal { block, reason }) => (block, reason),
        other => panic!("{other:?}"),
    };
    // With the justification of the real block.
    let mut node = Node::honest(&forged);
    let real = World::new().header();
    node.evidence = Some(evidence(&real, 0));
    let (block, reason) = not_final(node.ask(&wanted).await);
    assert_eq!(block, BLOCK);
    assert!(matches!(reason, FinalityError::OtherBlock { .. }));
    // With one by other authorities.
    node.evidence = Some(evidence(&node.header, 90));
    let (_, reason) = not_final(node.ask(&wanted).await);
    assert!(matches!(reason, FinalityError::NotEnoughWeight { .. }));
    // With none.
    node.evidence = None;
    let refused = node.ask(&wanted).await.unwrap_err();
    assert_eq!(refused, ProvenError::NoEvidence(BLOCK));
    assert!(refused.is_retryable());
}

#[tokio::test]
async fn a_state_of_another_time_than_now_is_refused() {
    let at = |time_ms| {
        let mut world = World::new();
        world.time_ms = time_ms;
        Node::honest(&world)
    };
    let minute = 60_000;
    for near in [NOW_MS - minute, NOW_MS + minute] {
        assert!(at(near).ask(&agents(&[BERT])).await.is_ok());
    }
    assert_eq!(
        at(NOW_MS - minute - 1).ask(&agents(&[BERT])).await,
        Err(ProvenError::Stale {
            block: BLOCK,
            age: Duration::from_millis(minute + 1),
            max_age: MINUTE
        })
    );
    assert_eq!(
        at(NOW_MS + minute + 1).ask(&agents(&[BERT])).await,
        Err(ProvenError::Ahead {
            block: BLOCK,
            lead: Duration::from_millis(minute + 1)
        })
    );
    let mut node = at(NOW_MS);
    let mut timeless = World::new().state();
    timeless.remove(&StorageKey::item("Timestamp", "Now").into_bytes());
    let (root, nodes) = timeless.prove();
    node.header.state_root = root;
    node.evidence = Some(evidence(&node.header, 0));
    node.nodes = nodes;
    let refused = node.ask(&agents(&[BERT])).await.unwrap_err();
    assert_eq!(refused, ProvenError::NoTime(BLOCK));
}

#[tokio::test]
async fn keys_are_judged_at_the_proven_block() {
    let mut world = World::new();
    let window = |valid_from, valid_to| EncryptionKeyRecord {
        window: ValidityWindow {
            valid_from,
            valid_to,
        },
        ..record(5)
    };
    for (record, usable) in [
        (window(Some(NOW_MS), Some(NOW_MS)), true),
        (window(Some(NOW_MS + 1), None), false),
        (window(None, Some(NOW_MS - 1)), false),
        (revoked(5), false),
    ] {
        world.agent(BERT, false, &[(1, record)]);
        let found = Node::honest(&world).ask(&agents(&[BERT])).await.unwrap();
        assert_eq!(found.keys(TENANT, BERT).unwrap().len(), usize::from(usable));
    }
}

#[tokio::test]
async fn a_recipient_number_leads_to_its_agent_and_to_the_key_that_is_used_now() {
    let node = Node::honest(&World::new());
    let wanted = |kid| Wanted {
        numbers: vec![RecipientKid(kid)],
        ..Wanted::default()
    };
    for (kid, used) in [(3, Some(3)), (2, Some(2)), (1, Some(2)), (77, None)] {
        let found = node.ask(&wanted(kid)).await.unwrap();
        let used_now = found.in_place_of(RecipientKid(kid));
        assert_eq!(used_now.map(|entry| entry.record.kid.0), used, "{kid}");
    }
}

/// Keys, values and the trie are those of the chain's own runtime.
#[tokio::test]
async fn the_runtimes_own_state_is_what_is_read() {
    let world = World::new();
    let mut copy = State::default();
    let (root, recipients) = TestExternalities::default().execute_with(|| {
        frame_system::Pallet::<Runtime>::set_block_number(BLOCK);
        pallet_timestamp::Now::<Runtime>::put(world.time_ms);
        registry::Groups::<Runtime>::insert(TENANT, GROUP, &world.group);
        for (agent, reader) in &world.agents {
            let entry = registry::Agent {
                suspended: reader.suspended,
                encryption_keys: reader.keys.len() as u32,
                ..registry::Agent::default()
            };
            registry::Agents::<Runtime>::insert(TENANT, *agent, entry);
            for (key, record) in &reader.keys {
                registry::EncryptionKeys::<Runtime>::insert((TENANT, *agent), *key, record);
                let named = (TENANT, *agent, *key);
                registry::Recipients::<Runtime>::insert(record.kid, named);
            }
        }
        let mut key = Vec::new();
        while let Some(next) = sp_io::storage::next_key(&key) {
            let value = sp_io::storage::get(&next).unwrap();
            copy.put_bytes(next.clone(), value.to_vec());
            key = next;
        }
        (
            sp_io::storage::root(StateVersion::V1),
            AgentRegistry::group_recipients(TENANT, GROUP).unwrap(),
        )
    });
    let (copied, nodes) = copy.prove();
    assert_eq!(copied.to_vec(), root);
    let mut node = Node::honest(&world);
    node.header.state_root = copied;
    node.evidence = Some(evidence(&node.header, 0));
    node.nodes = nodes;
    let found = node.ask(&group()).await.unwrap();
    assert_eq!(found.group(TENANT, GROUP).unwrap(), recipients);
    let numbers = Wanted {
        numbers: vec![RecipientKid(3)],
        ..Wanted::default()
    };
    let found = node.ask(&numbers).await.unwrap();
    assert_eq!(kids(&found.keys(TENANT, BERT).unwrap()), [3]);
}
