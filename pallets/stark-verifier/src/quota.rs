// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How much verification an agent may ask for.

use crate::{Config, Pallet, ProofsInBlock, QuotaSpent, Spending};
use ves_primitives::{
    AgentId, TenantId, limits,
    proof::{ProofQuota, ProofRefusal},
};

impl<T: Config> Pallet<T> {
    /// What the agent has spent in the current window.
    fn spending(tenant: TenantId, agent: AgentId) -> Spending {
        let window = Self::now() / limits::PROOF_QUOTA_WINDOW_BLOCKS;
        let last = QuotaSpent::<T>::get(tenant, agent);
        if last.window == window {
            last
        } else {
            Spending { window, units: 0 }
        }
    }

    /// Whether the agent may submit. The last submission may overdraw, since what it costs is known
    /// only afterwards.
    pub(crate) fn check_quota(tenant: TenantId, agent: AgentId) -> Result<(), ProofRefusal> {
        if Self::spending(tenant, agent).units < limits::PROOF_QUOTA_UNITS {
            Ok(())
        } else {
            Err(ProofRefusal::QuotaExhausted)
        }
    }

    pub(crate) fn debit(tenant: TenantId, agent: AgentId, units: u32) {
        let mut spending = Self::spending(tenant, agent);
        spending.units = spending.units.saturating_add(units);
        QuotaSpent::<T>::insert(tenant, agent, spending);
    }

    /// Where an agent stands.
    pub fn quota(tenant: TenantId, agent: AgentId) -> ProofQuota {
        let Spending { window, units } = Self::spending(tenant, agent);
        ProofQuota {
            spent: units,
            left: limits::PROOF_QUOTA_UNITS.saturating_sub(units),
            renewed_at: window
                .saturating_add(1)
                .saturating_mul(limits::PROOF_QUOTA_WINDOW_BLOCKS),
        }
    }

    /// Whether this block takes another submission.
    pub(crate) fn block_has_room() -> bool {
        ProofsInBlock::<T>::get() < limits::MAX_PROOFS_PER_BLOCK
    }

    pub(crate) fn count_in_block() {
        ProofsInBlock::<T>::mutate(|count| *count = count.saturating_add(1));
    }
}
