// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The registry's invariants, each a named check.

use crate::{
    Agents, Config, EncryptionKeys, Groups, KeyPolicies, LastRecipientKid, Pallet, Recipients,
    Schemas, SigningKeys, Stores, Successors, Tenants, frame_support::ensure, frame_system,
    sp_runtime::TryRuntimeError,
};
use alloc::collections::BTreeMap;
use codec::Encode;
use ves_primitives::{limits, registry::KeyPolicy};

impl<T: Config> Pallet<T> {
    /// Runs every check.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::stores_and_agents_belong_to_tenants()?;
        Self::keys_belong_to_agents_who_count_them()?;
        Self::successors_are_keys_of_the_same_agent()?;
        Self::policies_are_well_formed_and_of_keys()?;
        Self::recipient_numbers_and_encryption_keys_agree()?;
        Self::groups_are_counted_and_their_members_are_agents()?;
        Self::schemas_are_counted()?;
        Self::administrators_can_sign()
    }

    fn stores_and_agents_belong_to_tenants() -> Result<(), TryRuntimeError> {
        for (tenant, _) in Stores::<T>::iter_keys() {
            ensure!(Tenants::<T>::contains_key(tenant), "store of no tenant");
        }
        for (tenant, _) in Agents::<T>::iter_keys() {
            ensure!(Tenants::<T>::contains_key(tenant), "agent of no tenant");
        }
        Ok(())
    }

    fn keys_belong_to_agents_who_count_them() -> Result<(), TryRuntimeError> {
        for (tenant, agent, entry) in Agents::<T>::iter() {
            let signing = SigningKeys::<T>::iter_prefix((tenant, agent)).count();
            let encryption = EncryptionKeys::<T>::iter_prefix((tenant, agent)).count();
            ensure!(
                signing == entry.signing_keys as usize
                    && encryption == entry.encryption_keys as usize,
                "an agent's key counts are wrong"
            );
            ensure!(
                entry.signing_keys.max(entry.encryption_keys) <= limits::MAX_KEYS_PER_AGENT,
                "an agent has too many keys"
            );
        }
        for (name, _) in SigningKeys::<T>::iter_keys() {
            ensure!(
                Agents::<T>::contains_key(name.0, name.1),
                "signing key of no agent"
            );
        }
        for (name, _) in EncryptionKeys::<T>::iter_keys() {
            ensure!(
                Agents::<T>::contains_key(name.0, name.1),
                "encryption key of no agent"
            );
        }
        Ok(())
    }

    fn successors_are_keys_of_the_same_agent() -> Result<(), TryRuntimeError> {
        for (name, outgoing, successor) in Successors::<T>::iter() {
            let outgoing = SigningKeys::<T>::get(name, outgoing).ok_or("no key handed over")?;
            let successor =
                SigningKeys::<T>::get(name, successor).ok_or("a successor is no key")?;
            ensure!(
                outgoing.window.valid_to.is_some(),
                "a key that handed over does not end"
            );
            ensure!(
                outgoing.registered_at.block <= successor.registered_at.block,
                "a successor is older than its key"
            );
        }
        Ok(())
    }

    fn policies_are_well_formed_and_of_keys() -> Result<(), TryRuntimeError> {
        for (name, key, policy) in KeyPolicies::<T>::iter() {
            ensure!(
                SigningKeys::<T>::contains_key(name, key),
                "policy of no key"
            );
            ensure!(KeyPolicy::is_well_formed(&policy), "malformed policy");
        }
        Ok(())
    }

    fn recipient_numbers_and_encryption_keys_agree() -> Result<(), TryRuntimeError> {
        let last = LastRecipientKid::<T>::get();
        let mut seen = 0u32;
        for (agent, key_id, record) in EncryptionKeys::<T>::iter() {
            seen = seen.saturating_add(1);
            ensure!(
                (1..=last).contains(&record.kid.0)
                    && Recipients::<T>::get(record.kid) == Some((agent.0, agent.1, key_id)),
                "a recipient number does not lead back to its key"
            );
        }
        ensure!(seen == last, "recipient numbers have gaps");
        Ok(())
    }

    fn groups_are_counted_and_their_members_are_agents() -> Result<(), TryRuntimeError> {
        for (tenant, _, entry) in Groups::<T>::iter() {
            ensure!(Tenants::<T>::contains_key(tenant), "group of no tenant");
            let ordered = entry
                .members
                .iter()
                .zip(entry.members.iter().skip(1))
                .all(|(a, b)| a.agent_id < b.agent_id);
            ensure!(ordered, "members of a group are out of order");
            ensure!(
                !entry.dissolved || entry.members.is_empty(),
                "a dissolved group has members"
            );
            for member in entry.members {
                ensure!(
                    Agents::<T>::contains_key(tenant, member.agent_id),
                    "a member is no agent"
                );
            }
        }
        for (tenant, entry) in Tenants::<T>::iter() {
            ensure!(
                Groups::<T>::iter_key_prefix(tenant).count() == entry.groups as usize
                    && entry.groups <= limits::MAX_GROUPS_PER_TENANT,
                "a tenant's count of groups is wrong"
            );
        }
        Ok(())
    }

    fn schemas_are_counted() -> Result<(), TryRuntimeError> {
        for (tenant, _) in Schemas::<T>::iter_keys() {
            ensure!(Tenants::<T>::contains_key(tenant), "schema of no tenant");
        }
        for (tenant, entry) in Tenants::<T>::iter() {
            ensure!(
                Schemas::<T>::iter_key_prefix(tenant).count() == entry.schemas as usize
                    && entry.schemas <= limits::MAX_SCHEMAS_PER_TENANT,
                "a tenant's count of schemas is wrong"
            );
        }
        Ok(())
    }

    fn administrators_can_sign() -> Result<(), TryRuntimeError> {
        let mut references = BTreeMap::new();
        for entry in Tenants::<T>::iter_values() {
            for account in core::iter::once(entry.admin).chain(entry.proposed_admin) {
                let (_, count) = references
                    .entry(account.encode())
                    .or_insert((account, 0u32));
                *count = count.saturating_add(1);
            }
        }
        for (account, count) in references.into_values() {
            ensure!(
                frame_system::Pallet::<T>::providers(&account) >= count,
                "an administrator's account does not live"
            );
        }
        Ok(())
    }
}
