// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Answers to "who may write?" and "whose key is this?".

use crate::{Agents, Config, EncryptionKeys, Pallet, Recipients, SigningKeys, Stores, Tenants};
use alloc::vec::Vec;
use ves_primitives::{
    AgentId, KeyId, RecipientKid, SigningPublicKey, StoreId, TenantId,
    registry::{
        AuthorDirectory, AuthorProblem, DirectoryEntry, EncryptionKeyRecord, KeyProblem,
        SigningKeyRecord,
    },
};

impl<T: Config> AuthorDirectory for Pallet<T> {
    fn author_key(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<SigningPublicKey, AuthorProblem> {
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
            .check_now(&Self::recorded_now())
            .map_err(AuthorProblem::Key)?;
        Ok(record.public_key)
    }
}

/// Reads behind the runtime API. Listings are bounded by `MAX_KEYS_PER_AGENT`.
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

#[cfg(any(feature = "std", feature = "try-runtime"))]
impl<T: Config> Pallet<T> {
    /// The registry's invariants, each a named check.
    ///
    /// # Errors
    /// The name of the first invariant that does not hold.
    pub fn do_try_state() -> Result<(), crate::sp_runtime::TryRuntimeError> {
        Self::every_key_belongs_to_a_counted_agent()?;
        Self::recipient_numbers_and_encryption_keys_agree()
    }

    fn every_key_belongs_to_a_counted_agent() -> Result<(), crate::sp_runtime::TryRuntimeError> {
        for (tenant, agent, entry) in Agents::<T>::iter() {
            if !Tenants::<T>::contains_key(tenant) {
                return Err("agent of an unknown tenant".into());
            }
            let signing = SigningKeys::<T>::iter_prefix((tenant, agent)).count();
            let encryption = EncryptionKeys::<T>::iter_prefix((tenant, agent)).count();
            if signing != entry.signing_keys as usize
                || encryption != entry.encryption_keys as usize
            {
                return Err("agent's key counts are wrong".into());
            }
        }
        for ((tenant, agent), _, _) in SigningKeys::<T>::iter() {
            if !Agents::<T>::contains_key(tenant, agent) {
                return Err("signing key of an unknown agent".into());
            }
        }
        Ok(())
    }

    fn recipient_numbers_and_encryption_keys_agree()
    -> Result<(), crate::sp_runtime::TryRuntimeError> {
        let last = crate::LastRecipientKid::<T>::get();
        let mut seen = 0u32;
        for (agent, key_id, record) in EncryptionKeys::<T>::iter() {
            seen = seen.saturating_add(1);
            if record.kid.0 == 0
                || record.kid.0 > last
                || Recipients::<T>::get(record.kid) != Some((agent.0, agent.1, key_id))
            {
                return Err("recipient number does not lead back to its key".into());
            }
        }
        if seen != last {
            return Err("recipient numbers have gaps".into());
        }
        Ok(())
    }
}
