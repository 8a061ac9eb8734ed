// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The registry of the reference. Each call answers whether it succeeds.

use super::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};
use ves_primitives::{
    AgentId, KeyId, SigningPublicKey, StoreId, TenantId, limits,
    registry::{KeyProblem, Quota},
};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    window: u32,
    pub(super) events: u32,
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) enabled: bool,
    pub(super) events: &'static [&'static str],
    pub(super) entities: &'static [&'static str],
    pub(super) base_version: bool,
    pub(super) bytes: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) public: SigningPublicKey,
    valid_from: Option<u64>,
    valid_to: Option<u64>,
    revoked_from: Option<u32>,
    has_handed_over: bool,
    pub(super) policy: Option<Policy>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Agent {
    pub(super) suspended: bool,
    pub(super) quota: Option<Quota>,
    pub(super) used: Used,
    pub(super) keys: BTreeMap<KeyId, Key>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tenant {
    pub(super) suspended: bool,
    pub(super) quota: Option<Quota>,
    pub(super) used: Used,
    pub(super) stores: BTreeSet<StoreId>,
    pub(super) agents: BTreeMap<AgentId, Agent>,
}

pub(super) fn within(patterns: &[&str], text: &[u8]) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => text.starts_with(prefix.as_bytes()),
            None => pattern.as_bytes() == text,
        })
}

impl Used {
    pub(super) fn in_block(self, block: u32) -> Self {
        let window = block / limits::EVENT_QUOTA_WINDOW_BLOCKS;
        if self.window == window {
            self
        } else {
            Self {
                window,
                ..Self::default()
            }
        }
    }

    pub(super) const fn allows(self, quota: Quota, bytes: u64) -> bool {
        self.events < quota.events && self.bytes + bytes <= quota.payload_bytes
    }

    pub(super) fn left(self, quota: Quota) -> u64 {
        let share = |used: u64, of: u64| match of {
            0 => 0,
            _ => u64::try_from(u128::from(of.saturating_sub(used)) * 1_000 / u128::from(of))
                .expect("at most a thousand"),
        };
        share(self.events.into(), quota.events.into()).min(share(self.bytes, quota.payload_bytes))
    }
}

pub(super) const fn default_quota() -> Quota {
    Quota {
        events: limits::DEFAULT_QUOTA_EVENTS,
        payload_bytes: limits::DEFAULT_QUOTA_PAYLOAD_BYTES,
    }
}

impl Key {
    pub(super) fn objection(&self, block: u32, now_ms: u64) -> Result<(), KeyProblem> {
        if self.revoked_from.is_some_and(|from| block >= from) {
            return Err(KeyProblem::Revoked);
        }
        if self.valid_from.is_some_and(|from| now_ms < from) {
            return Err(KeyProblem::NotYetValid);
        }
        if self.valid_to.is_some_and(|to| now_ms > to) {
            return Err(KeyProblem::Expired);
        }
        Ok(())
    }
}

impl Reference {
    pub(super) fn open_store(&mut self, tenant: TenantId, store: StoreId) {
        self.tenants.entry(tenant).or_default().stores.insert(store);
    }

    pub(super) fn admit_agent(&mut self, tenant: TenantId, agent: AgentId) {
        let tenant = self.tenants.entry(tenant).or_default();
        tenant.agents.insert(agent, Agent::default());
    }

    pub(super) fn suspend_tenant(&mut self, tenant: TenantId, suspended: bool) -> bool {
        let found = self.tenants.get_mut(&tenant);
        found.map(|tenant| tenant.suspended = suspended).is_some()
    }

    pub(super) fn limit_tenant(&mut self, tenant: TenantId, quota: Option<Quota>) -> bool {
        let found = self.tenants.get_mut(&tenant);
        found.map(|tenant| tenant.quota = quota).is_some()
    }

    /// The agent, if its tenant's admin may act.
    fn agent_of_admin(&mut self, tenant: TenantId, agent: AgentId) -> Option<&mut Agent> {
        let tenant = self.tenants.get_mut(&tenant).filter(|t| !t.suspended)?;
        tenant.agents.get_mut(&agent)
    }

    pub(super) fn suspend_agent(&mut self, t: TenantId, a: AgentId, suspended: bool) -> bool {
        let found = self.agent_of_admin(t, a);
        found.map(|agent| agent.suspended = suspended).is_some()
    }

    pub(super) fn limit_agent(&mut self, t: TenantId, a: AgentId, quota: Option<Quota>) -> bool {
        let found = self.agent_of_admin(t, a);
        found.map(|agent| agent.quota = quota).is_some()
    }

    pub(super) fn limit_key(
        &mut self,
        (t, a, key): (TenantId, AgentId, KeyId),
        policy: Option<Policy>,
    ) -> bool {
        let found = self.agent_of_admin(t, a);
        found
            .and_then(|agent| agent.keys.get_mut(&key))
            .map(|key| key.policy = policy)
            .is_some()
    }

    pub(super) fn register_key(
        &mut self,
        (t, a, key): (TenantId, AgentId, KeyId),
        public: SigningPublicKey,
        (valid_from, valid_to): (Option<u64>, Option<u64>),
    ) -> bool {
        let has_moments = valid_to.is_none_or(|to| valid_from.is_none_or(|from| from <= to));
        let found = self.agent_of_admin(t, a);
        let Some(agent) =
            found.filter(|agent| has_moments && !agent.suspended && !agent.keys.contains_key(&key))
        else {
            return false;
        };
        let record = Key {
            public,
            valid_from,
            valid_to,
            revoked_from: None,
            has_handed_over: false,
            policy: None,
        };
        agent.keys.insert(key, record);
        true
    }

    /// The key with the highest number; the first for whom has none.
    pub(super) fn newest_key(&self, tenant: TenantId, agent: AgentId) -> KeyId {
        let agent = self.tenants.get(&tenant).and_then(|t| t.agents.get(&agent));
        let newest = agent.and_then(|agent| agent.keys.keys().next_back());
        newest.copied().unwrap_or(KeyId(1))
    }

    /// Works for a suspended tenant too.
    pub(super) fn revoke_key(
        &mut self,
        (t, a, key): (TenantId, AgentId, KeyId),
        from: Option<u32>,
    ) -> bool {
        let next = self.block + 1;
        let from = from.map_or(next, |from| from.max(next));
        let agent = self.tenants.get_mut(&t).and_then(|t| t.agents.get_mut(&a));
        let Some(key) = agent.and_then(|agent| agent.keys.get_mut(&key)) else {
            return false;
        };
        if key.revoked_from.is_some_and(|earlier| earlier <= from) {
            return false;
        }
        key.revoked_from = Some(from);
        true
    }

    pub(super) fn rotate_key(
        &mut self,
        (t, a, outgoing): (TenantId, AgentId, KeyId),
        (successor, public): (KeyId, SigningPublicKey),
        grace_seconds: u32,
    ) -> bool {
        let (block, now_ms) = (self.block, self.now_ms);
        let found = self.agent_of_admin(t, a).filter(|agent| !agent.suspended);
        let Some(agent) = found.filter(|agent| !agent.keys.contains_key(&successor)) else {
            return false;
        };
        let Some(key) = agent.keys.get_mut(&outgoing) else {
            return false;
        };
        if key.objection(block, now_ms).is_err()
            || key.revoked_from.is_some()
            || key.has_handed_over
        {
            return false;
        }
        let heir = Key {
            public,
            valid_from: None,
            has_handed_over: false,
            ..key.clone()
        };
        let end = now_ms + 1_000 * u64::from(grace_seconds);
        key.valid_to = Some(key.valid_to.map_or(end, |before| before.min(end)));
        key.has_handed_over = true;
        agent.keys.insert(successor, heir);
        true
    }
}
