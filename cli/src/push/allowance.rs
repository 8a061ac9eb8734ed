// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How many new events each key may sign in this push, by the policies of its owner.

use crate::{
    error::{Failure, Result},
    keys::{KeyStore, Purpose, policy_of, uses_of},
};
use chrono::Utc;
use sqlx::SqlitePool;
use std::collections::HashMap;
use ves_primitives::{AgentId, KeyId};

/// What is left of each key, looked up when it is first to sign.
#[derive(Default)]
pub(super) struct Allowances {
    /// None where there is no limit.
    left: HashMap<(AgentId, KeyId), Option<(u64, Failure)>>,
    /// What was said first to an event that is not signed.
    pub(super) refusal: Option<Failure>,
}

impl Allowances {
    /// Takes one signature; says whether there was one left.
    pub(super) async fn take(
        &mut self,
        pool: &SqlitePool,
        store: &KeyStore,
        agent: AgentId,
        key: KeyId,
    ) -> Result<bool> {
        use std::collections::hash_map::Entry as Slot;
        let left = match self.left.entry((agent, key)) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => {
                let allowance = match policy_of(pool, agent, Purpose::Signing).await? {
                    None => None,
                    Some(policy) => {
                        let uses = uses_of(pool, agent).await?;
                        let file = store.load(agent, Purpose::Signing, key)?;
                        let uses = uses.get(&key).copied().unwrap_or(0);
                        policy.allowance(&file, uses, Utc::now())
                    }
                };
                slot.insert(allowance)
            }
        };
        let Some((left, failure)) = left else {
            return Ok(true);
        };
        let Some(fewer) = left.checked_sub(1) else {
            self.refusal.get_or_insert_with(|| failure.clone());
            return Ok(false);
        };
        *left = fewer;
        Ok(true)
    }
}
