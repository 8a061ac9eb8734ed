// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Answers to "who may write?" and "whose key is this?".

use crate::{
    Agents, Config, EncryptionKeys, Groups, KeyPolicies, Pallet, Recipients, Schemas, SigningKeys,
    Stores, Tenants,
};
use alloc::vec::Vec;
use ves_primitives::{
    AgentId, GroupId, KeyId, RecipientKid, StoreId, TenantId,
    registry::{
        Author, AuthorDirectory, AuthorProblem, DirectoryEntry, EncryptionKeyRecord,
        GroupRecipient, GroupRecipients, KeyProblem, Quota, SchemaEntry, SigningKeyRecord,
    },
};

impl<T: Config> AuthorDirectory for Pallet<T> {
    fn author(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Author, AuthorProblem> {
        let entry = Tenants::<T>::get(tenant).ok_or(AuthorProblem::UnknownTenant)?;
        if entry.suspended {
            return Err(AuthorProblem::TenantSuspended);
        }
        if !Stores::<T>::contains_key(tenant, store) {
            return Err(AuthorProblem::UnknownStore);
        }
        let author = Agents::<T>::get(tenant, agent).ok_or(AuthorProblem::UnknownAgent)?;
        if author.suspended {
            return Err(AuthorProblem::AgentSuspended);
        }
        let record = SigningKeys::<T>::get((tenant, agent), key)
            .ok_or(AuthorProblem::Key(KeyProblem::NotFound))?;
        record
            .check_at(&Self::recorded_now())
            .map_err(AuthorProblem::Key)?;
        Ok(Author {
            key: record.public_key,
            policy: KeyPolicies::<T>::get((tenant, agent), key),
            tenant_quota: entry.quota.unwrap_or(Quota::DEFAULT_TENANT),
            agent_quota: author.quota.unwrap_or(Quota::DEFAULT_AGENT),
        })
    }
}

/// Reads behind the runtime API. Listings are bounded by `limits`: keys of an agent, groups and
/// schemas of a tenant.
impl<T: Config> Pallet<T> {
    /// The signing key with this number.
    pub fn signing_key(tenant: TenantId, agent: AgentId, key: KeyId) -> Option<SigningKeyRecord> {
        SigningKeys::<T>::get((tenant, agent), key)
    }

    /// Every signing key of an agent in key order.
    pub fn signing_keys(tenant: TenantId, agent: AgentId) -> Vec<(KeyId, SigningKeyRecord)> {
        let mut keys: Vec<_> = SigningKeys::<T>::iter_prefix((tenant, agent)).collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        keys
    }

    /// Every encryption key of an agent in key order.
    pub fn encryption_keys(tenant: TenantId, agent: AgentId) -> Vec<DirectoryEntry> {
        let mut keys: Vec<DirectoryEntry> = EncryptionKeys::<T>::iter_prefix((tenant, agent))
            .map(|(key_id, record)| entry(tenant, agent, key_id, record))
            .collect();
        keys.sort_unstable_by_key(|entry| entry.key_id);
        keys
    }

    /// The encryption key with this recipient number.
    pub fn encryption_key_by_kid(kid: RecipientKid) -> Option<DirectoryEntry> {
        let (tenant, agent, key_id) = Recipients::<T>::get(kid)?;
        let record = EncryptionKeys::<T>::get((tenant, agent), key_id)?;
        Some(entry(tenant, agent, key_id, record))
    }

    /// The newest encryption key of an agent that senders may use now.
    fn current_encryption_key(tenant: TenantId, agent: AgentId) -> Option<DirectoryEntry> {
        let now = Self::recorded_now();
        EncryptionKeys::<T>::iter_prefix((tenant, agent))
            .filter(|(_, record)| record.check_now(&now).is_ok())
            .max_by_key(|(key_id, _)| *key_id)
            .map(|(key_id, record)| entry(tenant, agent, key_id, record))
    }

    /// A group with the key of each member that senders may use now.
    pub fn group_recipients(tenant: TenantId, group: GroupId) -> Option<GroupRecipients> {
        let group = Groups::<T>::get(tenant, group)?;
        let members = group
            .members
            .into_iter()
            .map(|member| {
                let suspended =
                    Agents::<T>::get(tenant, member.agent_id).is_none_or(|agent| agent.suspended);
                let key = (!suspended)
                    .then(|| Self::current_encryption_key(tenant, member.agent_id))
                    .flatten();
                GroupRecipient { member, key }
            })
            .collect();
        Some(GroupRecipients {
            epoch: group.epoch,
            dissolved: group.dissolved,
            members,
        })
    }

    /// Every group of a tenant in order of id, dissolved ones included.
    pub fn groups(tenant: TenantId) -> Vec<GroupId> {
        let mut groups: Vec<_> = Groups::<T>::iter_key_prefix(tenant).collect();
        groups.sort_unstable();
        groups
    }

    /// Every schema of a tenant in order of event type and version.
    pub fn schemas(tenant: TenantId) -> Vec<SchemaEntry> {
        let mut schemas: Vec<_> = Schemas::<T>::iter_prefix(tenant)
            .map(|((event_type, version), record)| SchemaEntry {
                event_type,
                version,
                record,
            })
            .collect();
        schemas.sort_unstable_by(|a, b| {
            (a.event_type.as_slice(), a.version).cmp(&(b.event_type.as_slice(), b.version))
        });
        schemas
    }
}

const fn entry(
    tenant_id: TenantId,
    agent_id: AgentId,
    key_id: KeyId,
    record: EncryptionKeyRecord,
) -> DirectoryEntry {
    DirectoryEntry {
        tenant_id,
        agent_id,
        key_id,
        record,
    }
}
