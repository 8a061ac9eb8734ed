// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How much tenants and agents may have sequenced in a window.

use crate::{
    AgentUsage, Config, Pallet, TenantUsage, Usage, frame_system, sp_runtime::SaturatedConversion,
};
use ves_primitives::{
    AgentId, TenantId, limits,
    registry::{Author, Quota},
    sequencer::Rejection,
};

type Names = (TenantId, AgentId);

/// What one agent and its tenant have used; read once and written once while their events stand
/// together.
struct Page {
    names: Names,
    tenant: Usage,
    agent: Usage,
    changed: bool,
}

/// The usage of the authors of one submission.
pub(crate) struct Ledger {
    window: u32,
    page: Option<Page>,
}

impl Usage {
    const fn within(&self, quota: &Quota, payload_bytes: u64) -> bool {
        self.events < quota.events
            && self.payload_bytes.saturating_add(payload_bytes) <= quota.payload_bytes
    }

    const fn add(&mut self, events: u32, payload_bytes: u64) {
        self.events = self.events.saturating_add(events);
        self.payload_bytes = self.payload_bytes.saturating_add(payload_bytes);
    }

    /// What is left of the quota, in thousandths.
    fn left(&self, quota: &Quota) -> u64 {
        let share = |used: u64, of: u64| {
            u128::from(of.saturating_sub(used))
                .saturating_mul(1_000)
                .checked_div(of.into())
                .map_or(0, SaturatedConversion::saturated_into)
        };
        let events: u64 = share(self.events.into(), quota.events.into());
        events.min(share(self.payload_bytes, quota.payload_bytes))
    }
}

fn bytes(length: usize) -> u64 {
    length.saturated_into()
}

impl Ledger {
    pub(crate) fn open<T: Config>() -> Self {
        let block: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        Self {
            window: block / limits::EVENT_QUOTA_WINDOW_BLOCKS,
            page: None,
        }
    }

    fn page<T: Config>(&mut self, names: Names) -> &mut Page {
        if self.page.as_ref().is_some_and(|page| page.names != names) {
            self.close::<T>();
        }
        let window = self.window;
        self.page.get_or_insert_with(|| {
            let current = |usage: Usage| {
                if usage.window == window {
                    usage
                } else {
                    Usage {
                        window,
                        ..Usage::default()
                    }
                }
            };
            Page {
                names,
                tenant: current(TenantUsage::<T>::get(names.0)),
                agent: current(AgentUsage::<T>::get(names.0, names.1)),
                changed: false,
            }
        })
    }

    /// Whether one more event of this payload is within both quotas.
    pub(crate) fn check<T: Config>(
        &mut self,
        names: Names,
        author: &Author,
        payload: usize,
    ) -> Result<(), Rejection> {
        let page = self.page::<T>(names);
        if !page.tenant.within(&author.tenant_quota, bytes(payload)) {
            Err(Rejection::TenantQuotaExhausted)
        } else if !page.agent.within(&author.agent_quota, bytes(payload)) {
            Err(Rejection::AgentQuotaExhausted)
        } else {
            Ok(())
        }
    }

    /// What is left of the scarcer quota, in thousandths: the pool's order of preference.
    pub(crate) fn left<T: Config>(&mut self, names: Names, author: &Author) -> u64 {
        let page = self.page::<T>(names);
        page.tenant
            .left(&author.tenant_quota)
            .min(page.agent.left(&author.agent_quota))
    }

    pub(crate) fn debit<T: Config>(&mut self, names: Names, events: usize, payload: usize) {
        let page = self.page::<T>(names);
        let events = events.saturated_into();
        page.tenant.add(events, bytes(payload));
        page.agent.add(events, bytes(payload));
        page.changed = true;
    }

    /// Writes what has changed.
    pub(crate) fn close<T: Config>(&mut self) {
        if let Some(page) = self.page.take().filter(|page| page.changed) {
            TenantUsage::<T>::insert(page.names.0, page.tenant);
            AgentUsage::<T>::insert(page.names.0, page.names.1, page.agent);
        }
    }
}

impl<T: Config> Pallet<T> {
    /// What a tenant and one of its agents have used in the current window.
    pub fn usage(tenant: TenantId, agent: AgentId) -> (Usage, Usage) {
        let mut ledger = Ledger::open::<T>();
        let page = ledger.page::<T>((tenant, agent));
        (page.tenant, page.agent)
    }
}
