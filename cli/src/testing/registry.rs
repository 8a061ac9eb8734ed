// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Readers in the state of the chain in memory, and what a node may say of them instead.

use super::{FakeChain, TENANT};
use crate::chain::Chain;
use std::collections::BTreeMap;
use ves_client::{
    BlockHash, ClientError, Header, StateSource,
    recipients::{
        AgentRecord, ReaderRecord, agent_key, encryption_key_key, group_key, recipient_key,
    },
    state::{StorageKey, testing},
};
use ves_primitives::{
    AgentId, EncryptionPublicKey, FinalityProof, GroupId, KeyId, RecipientKid, TenantId,
    registry::{
        DirectoryEntry, EncryptionKeyRecord, Group, GroupMember, GroupRole, RecordedAt,
        ValidityWindow,
    },
};

/// The tenant's agents and groups at one block.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    pub(crate) agents: BTreeMap<AgentId, ReaderRecord>,
    pub(crate) groups: BTreeMap<GroupId, Group>,
}

/// What a node does instead of telling the truth.
pub(crate) enum Lie {
    /// Shows the agents of this registry; the state stays the chain's.
    Shows(Registry),
    /// Proves out of a state with this registry.
    Proves(Registry),
    /// As `Proves`, under a header that it made up.
    Forges(Registry),
    /// Names this block as the newest final one.
    StandsAt(u32),
    /// Proves out of the state of this block, whichever is asked about.
    ProvesAt(u32),
}

/// A key that may be used from the first block on.
pub(crate) fn record(kid: u32) -> EncryptionKeyRecord {
    EncryptionKeyRecord {
        public_key: EncryptionPublicKey([u8::try_from(kid).unwrap(); 32]),
        kid: RecipientKid(kid),
        window: ValidityWindow::default(),
        registered_at: RecordedAt {
            block: 0,
            time_ms: 0,
        },
        revoked_at: None,
    }
}

impl Registry {
    /// Registers an agent with these keys, numbered from 1.
    pub(crate) fn with(mut self, agent: AgentId, keys: &[EncryptionKeyRecord]) -> Self {
        let reader = ReaderRecord {
            suspended: false,
            keys: (1..).map(KeyId).zip(keys.iter().cloned()).collect(),
        };
        self.agents.insert(agent, reader);
        self
    }

    /// Makes a group of these agents.
    pub(crate) fn with_group(mut self, group: GroupId, members: &[AgentId]) -> Self {
        let mut made = Group::default();
        for agent_id in members.iter().copied() {
            let role = GroupRole::Reader;
            made.set_member(GroupMember { agent_id, role }).unwrap();
        }
        self.groups.insert(group, made);
        self
    }

    pub(super) fn state(&self, time_ms: u64) -> testing::State {
        let mut state = testing::State::default();
        state.put(StorageKey::item("Timestamp", "Now").into_bytes(), &time_ms);
        for (agent, reader) in &self.agents {
            let entry = AgentRecord {
                suspended: reader.suspended,
                encryption_keys: u32::try_from(reader.keys.len()).unwrap(),
                ..AgentRecord::default()
            };
            state.put(agent_key(TENANT, *agent), &entry);
            for (key, record) in &reader.keys {
                state.put(encryption_key_key(TENANT, *agent, *key), record);
                let owner = (TENANT, *agent, *key);
                state.put(recipient_key(record.kid), &owner);
            }
        }
        for (group, members) in &self.groups {
            state.put(group_key(TENANT, *group), members);
        }
        state
    }
}

impl StateSource for FakeChain {
    async fn newest_header(&self) -> Result<Header, ClientError> {
        let finalized = self.finalized().await.unwrap();
        let state = self.lock();
        let number = match self.registry_lie {
            Some(Lie::StandsAt(number)) => number,
            _ => finalized.number,
        };
        let block = &state.blocks[number as usize];
        let mut header = block.header.clone().unwrap();
        if let Some(Lie::Forges(registry)) = &self.registry_lie {
            header.state_root = registry.state(block.time_ms).root();
        }
        Ok(header)
    }

    async fn evidence(&self, number: u32) -> Result<Option<FinalityProof>, ClientError> {
        Ok(self.finality(number).await.unwrap())
    }

    async fn trie_nodes(&self, _: &[Vec<u8>], at: BlockHash) -> Result<Vec<Vec<u8>>, ClientError> {
        let state = self.lock();
        let asked = |block: &&super::Block| block.hash == at.0;
        let block = match self.registry_lie {
            Some(Lie::ProvesAt(number)) => &state.blocks[number as usize],
            // A header that was made up is of the newest block.
            _ => state
                .blocks
                .iter()
                .find(asked)
                .unwrap_or(&state.blocks[state.finalized]),
        };
        let registry = match &self.registry_lie {
            Some(Lie::Proves(registry) | Lie::Forges(registry)) => registry,
            _ => &block.registry,
        };
        Ok(registry.state(block.time_ms).prove().1)
    }

    async fn claimed_keys(
        &self,
        tenant_id: TenantId,
        agent_id: AgentId,
        at: BlockHash,
    ) -> Result<Vec<DirectoryEntry>, ClientError> {
        let state = self.lock();
        let block = state.blocks.iter().find(|block| block.hash == at.0);
        let registry = match &self.registry_lie {
            Some(Lie::Shows(registry) | Lie::Proves(registry) | Lie::Forges(registry)) => registry,
            _ => &block.unwrap().registry,
        };
        let shown = registry.agents.get(&agent_id).cloned().unwrap_or_default();
        let entry = |(key_id, record)| DirectoryEntry {
            tenant_id,
            agent_id,
            key_id,
            record,
        };
        Ok(shown.keys.into_iter().map(entry).collect())
    }
}
