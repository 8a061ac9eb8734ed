// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! To whose keys a payload is encrypted, out of the registry's proven state.
//!
//! Whoever can put a key of his own among the recipients reads everything that is encrypted to them, so
//! nothing here is a node's word. A group is one value of state, with all its members. An agent's keys
//! are one value each, under numbers that the agent chose; that all of them were shown follows from the
//! registry's own count, since a key is never removed.

use crate::{
    BlockHash, ChainClient,
    proven::{Freshness, ProvenError, ProvenState, StateSource},
    state::StorageKey,
};
use codec::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use ves_finality::TrackedSets;
use ves_primitives::{
    AgentId, GroupId, KeyId, RecipientKid, TenantId,
    limits::MAX_KEYS_PER_AGENT,
    registry::{
        DirectoryEntry, EncryptionKeyRecord, Group, GroupRecipient, GroupRecipients, Quota,
        RecordedAt,
    },
};

const PALLET: &str = "AgentRegistry";

/// Where the registry keeps an agent.
pub fn agent_key(tenant: TenantId, agent: AgentId) -> Vec<u8> {
    StorageKey::item(PALLET, "Agents")
        .blake2(&tenant.0)
        .blake2(&agent.0)
        .into_bytes()
}

/// Where the registry keeps an encryption key of an agent.
pub fn encryption_key_key(tenant: TenantId, agent: AgentId, key: KeyId) -> Vec<u8> {
    StorageKey::item(PALLET, "EncryptionKeys")
        .blake2(&(tenant, agent).encode())
        .twox(&key.encode())
        .into_bytes()
}

/// Where the registry keeps a group.
pub fn group_key(tenant: TenantId, group: GroupId) -> Vec<u8> {
    StorageKey::item(PALLET, "Groups")
        .blake2(&tenant.0)
        .blake2(&group.0)
        .into_bytes()
}

/// Where the registry keeps whose key a recipient number names.
pub fn recipient_key(kid: RecipientKid) -> Vec<u8> {
    StorageKey::item(PALLET, "Recipients")
        .twox(&kid.encode())
        .into_bytes()
}

/// An agent as the registry keeps it (`pallet_agent_registry::Agent`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct AgentRecord {
    /// Whether the tenant's admin has stopped the agent from writing.
    pub suspended: bool,
    /// What it may have sequenced in a window; none is the default.
    pub quota: Option<Quota>,
    /// Signing keys ever registered.
    pub signing_keys: u32,
    /// Encryption keys ever registered.
    pub encryption_keys: u32,
}

/// An agent as a sender has to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ReaderRecord {
    /// Whether the tenant's admin has stopped the agent.
    pub suspended: bool,
    /// Every encryption key in order of its number, revoked ones included.
    pub keys: Vec<(KeyId, EncryptionKeyRecord)>,
}

/// Whom to look up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Agents by their full names.
    pub agents: Vec<(TenantId, AgentId)>,
    /// Groups by their full names, with all their members.
    pub groups: Vec<(TenantId, GroupId)>,
    /// Agents whose keys have these recipient numbers.
    pub numbers: Vec<RecipientKid>,
}

/// The part of the registry that was looked up. `None` is what it does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The block at which keys are judged: their validity windows by its time.
    pub at: RecordedAt,
    /// The block's hash.
    pub hash: BlockHash,
    /// Agents, members of groups included.
    pub readers: BTreeMap<(TenantId, AgentId), Option<ReaderRecord>>,
    /// Groups.
    pub groups: BTreeMap<(TenantId, GroupId), Option<Group>>,
}

impl Directory {
    /// Every key of an agent that senders may use, in order of its number; `None` if the registry does
    /// not have the agent.
    pub fn keys(&self, tenant: TenantId, agent: AgentId) -> Option<Vec<DirectoryEntry>> {
        let reader = self.readers.get(&(tenant, agent))?.as_ref()?;
        let usable = reader
            .keys
            .iter()
            .filter(|(_, record)| record.check_now(&self.at).is_ok());
        Some(
            usable
                .map(|(key_id, record)| DirectoryEntry {
                    tenant_id: tenant,
                    agent_id: agent,
                    key_id: *key_id,
                    record: record.clone(),
                })
                .collect(),
        )
    }

    /// A group with the newest key of each member that senders may use, as the registry itself puts it
    /// together: a suspended member has none.
    pub fn group(&self, tenant: TenantId, group: GroupId) -> Option<GroupRecipients> {
        let group = self.groups.get(&(tenant, group))?.as_ref()?;
        let members = group.members.iter().map(|member| GroupRecipient {
            member: *member,
            key: self.newest_key(tenant, member.agent_id),
        });
        Some(GroupRecipients {
            epoch: group.epoch,
            dissolved: group.dissolved,
            members: members.collect(),
        })
    }

    /// The key that senders use for the agent whose key has this recipient number: that one, or the
    /// agent's newest if it may not be used any more.
    pub fn in_place_of(&self, kid: RecipientKid) -> Option<DirectoryEntry> {
        let (tenant, agent) = self.readers.iter().find_map(|(name, reader)| {
            let mut keys = reader.as_ref()?.keys.iter();
            keys.any(|(_, record)| record.kid == kid).then_some(*name)
        })?;
        let mut keys = self.keys(tenant, agent)?;
        match keys.iter().position(|entry| entry.record.kid == kid) {
            Some(same) => Some(keys.swap_remove(same)),
            None => keys.pop(),
        }
    }

    fn newest_key(&self, tenant: TenantId, agent: AgentId) -> Option<DirectoryEntry> {
        let reader = self.readers.get(&(tenant, agent))?.as_ref()?;
        if reader.suspended {
            return None;
        }
        self.keys(tenant, agent)?.pop()
    }
}

impl ChainClient {
    /// Looks recipients up in the state of the newest final block, with proof.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn recipients(
        &self,
        sets: &TrackedSets,
        fresh: Freshness,
        wanted: &Wanted,
    ) -> Result<Directory, ProvenError> {
        read(self, sets, fresh, wanted).await
    }
}

/// Looks recipients up in the state of a node's newest final block, with proof.
///
/// # Errors
/// [`ProvenError`]: the node's silence, or the first thing that it does not prove. Nothing of its answer
/// is to be used then. What the registry does not have is no error: see [`Directory`].
pub async fn read<S: StateSource>(
    source: &S,
    sets: &TrackedSets,
    fresh: Freshness,
    wanted: &Wanted,
) -> Result<Directory, ProvenError> {
    let groups: BTreeSet<_> = wanted.groups.iter().copied().collect();
    let numbers: BTreeSet<_> = wanted.numbers.iter().copied().collect();
    let mut keys: Vec<Vec<u8>> = groups.iter().map(|(t, g)| group_key(*t, *g)).collect();
    keys.extend(numbers.iter().map(|kid| recipient_key(*kid)));
    let mut state = ProvenState::open(source, sets, fresh, &keys).await?;
    let mut directory = Directory {
        at: state.at(),
        hash: state.hash(),
        readers: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    let mut agents: BTreeSet<_> = wanted.agents.iter().copied().collect();
    for (tenant, group) in groups {
        let found: Option<Group> =
            state.get(&format!("group {group}"), &group_key(tenant, group))?;
        let members = found.iter().flat_map(|group| group.members.iter());
        agents.extend(members.map(|member| (tenant, member.agent_id)));
        directory.groups.insert((tenant, group), found);
    }
    for kid in numbers {
        let what = format!("recipient number {kid}");
        let named: Option<(TenantId, AgentId, KeyId)> = state.get(&what, &recipient_key(kid))?;
        agents.extend(named.map(|(tenant, agent, _)| (tenant, agent)));
    }

    let mut claimed = BTreeMap::new();
    let mut keys = Vec::new();
    for (tenant, agent) in agents {
        let mut shown = source.claimed_keys(tenant, agent, state.hash()).await?;
        // The registry has no more; the count that it keeps tells what is missing.
        shown.truncate(MAX_KEYS_PER_AGENT as usize);
        keys.push(agent_key(tenant, agent));
        keys.extend(
            shown
                .iter()
                .map(|entry| encryption_key_key(tenant, agent, entry.key_id)),
        );
        claimed.insert((tenant, agent), shown);
    }
    state.ask(&keys).await?;
    for ((tenant, agent), shown) in claimed {
        let reader = reader(&state, tenant, agent, &shown)?;
        directory.readers.insert((tenant, agent), reader);
    }
    Ok(directory)
}

/// An agent out of a state that was asked for it and for the keys that the node shows.
fn reader<S: StateSource>(
    state: &ProvenState<'_, S>,
    tenant: TenantId,
    agent: AgentId,
    shown: &[DirectoryEntry],
) -> Result<Option<ReaderRecord>, ProvenError> {
    let block = state.at().block;
    let what = format!("agent {agent}");
    let Some(record) = state.get::<AgentRecord>(&what, &agent_key(tenant, agent))? else {
        return Ok(None);
    };
    let mut keys = BTreeMap::new();
    for entry in shown {
        let key = entry.key_id;
        let what = format!("encryption key {key} of agent {agent}");
        let found: Option<EncryptionKeyRecord> =
            state.get(&what, &encryption_key_key(tenant, agent, key))?;
        if found.as_ref() != Some(&entry.record) {
            return Err(ProvenError::KeyContradicted { agent, key, block });
        }
        keys.insert(key, entry.record.clone());
    }
    let registered = record.encryption_keys;
    if u32::try_from(keys.len()) != Ok(registered) {
        return Err(ProvenError::KeysWithheld {
            agent,
            block,
            registered,
            shown: keys.len(),
        });
    }
    Ok(Some(ReaderRecord {
        suspended: record.suspended,
        keys: keys.into_iter().collect(),
    }))
}

#[cfg(test)]
mod tests;
