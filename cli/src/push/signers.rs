// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which key signs, and opening it.

use crate::{
    chain::Chain,
    error::{Exit, Failure, Result},
    keys::{KeyStore, Purpose, Signer},
    vault::Passphrase,
};
use std::collections::HashMap;
use ves_primitives::{AgentId, KeyId, TenantId};

/// The signing keys of this machine, opened at most once.
pub struct Signers<'a> {
    store: &'a KeyStore,
    unlock: &'a (dyn Fn() -> Result<Passphrase> + Sync),
    opened: HashMap<(AgentId, KeyId), Signer>,
    /// The key each agent signs new events with, found once.
    current: HashMap<(TenantId, AgentId), KeyId>,
}

impl<'a> Signers<'a> {
    /// Signers from this store; `unlock` is asked when a locked key is needed.
    pub fn new(store: &'a KeyStore, unlock: &'a (dyn Fn() -> Result<Passphrase> + Sync)) -> Self {
        Self {
            store,
            unlock,
            opened: HashMap::new(),
            current: HashMap::new(),
        }
    }

    pub(super) const fn store(&self) -> &'a KeyStore {
        self.store
    }

    pub(crate) fn open(&mut self, agent: AgentId, key: KeyId) -> Result<&Signer> {
        use std::collections::hash_map::Entry as Slot;
        match self.opened.entry((agent, key)) {
            Slot::Occupied(slot) => Ok(slot.into_mut()),
            Slot::Vacant(slot) => {
                let file = self.store.load(agent, Purpose::Signing, key)?;
                Ok(slot.insert(file.signer(self.unlock)?))
            }
        }
    }

    /// The newest local key that the registry accepts now.
    pub(crate) async fn current<C: Chain>(
        &mut self,
        chain: &C,
        tenant: TenantId,
        agent: AgentId,
    ) -> Result<KeyId> {
        if let Some(key) = self.current.get(&(tenant, agent)) {
            return Ok(*key);
        }
        let key = current_signing_key(self.store, chain, tenant, agent).await?;
        self.current.insert((tenant, agent), key);
        Ok(key)
    }
}

/// The newest local signing key that may sign now.
///
/// # Errors
/// `key_missing` without any key, `key_not_registered` when the registry accepts none of them.
pub async fn current_signing_key<C: Chain>(
    store: &KeyStore,
    chain: &C,
    tenant: TenantId,
    agent: AgentId,
) -> Result<KeyId> {
    store.preferred(agent, Purpose::Signing)?;
    let best = chain.best().await?;
    let now = chain.now(best).await?;
    for file in store.list(agent, Purpose::Signing)?.iter().rev() {
        let record = chain.signing_key(tenant, agent, file.key_id, best).await?;
        // Not one that expired, as a key does when the grace after its rotation is over.
        if record.is_some_and(|record| {
            record.public_key.0 == file.public_key && record.check_at(&now).is_ok()
        }) {
            return Ok(file.key_id);
        }
    }
    Err(Failure::new(
        Exit::Key,
        "key_not_registered",
        format!("the registry accepts no signing key that agent {agent} has on this machine"),
    )
    .hint("register one with `stateset-sync keys:register`"))
}
