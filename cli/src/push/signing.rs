// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From due to signed. The database decides which signature an event has: another push may have been first.

use super::{EntityKey, Push, Signers, allowance::Allowances, entity_key, options::CrashPoint};
use crate::{
    chain::Chain,
    error::Result,
    outbox::{self, Entry, State},
};
use sqlx::SqlitePool;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Whether it is still here, and was made on top of an earlier event of one of these entities.
pub(super) fn builds_on_one_of(entry: &Entry, entities: &HashSet<EntityKey>) -> bool {
    matches!(entry.state, State::Queued | State::Signed)
        && entry.event.envelope.base_version.is_some()
        && entities.contains(&entity_key(entry))
}

/// Signs an event in memory, with the key that it has or else with its agent's current one. Says whether that
/// key had a signature left; without one the event is as it was.
pub(super) async fn sign_in_memory<C: Chain>(
    pool: &SqlitePool,
    chain: &C,
    signers: &mut Signers<'_>,
    allowances: &mut Allowances,
    entry: &mut Entry,
) -> Result<bool> {
    let envelope = &entry.event.envelope;
    let (tenant, agent) = (envelope.tenant_id, envelope.source_agent_id);
    let key = match entry.key_id {
        Some(key) => key,
        None => signers.current(chain, tenant, agent).await?,
    };
    if !allowances.take(pool, signers.store(), agent, key).await? {
        return Ok(false);
    }
    entry.sign(signers.open(agent, key)?)?;
    entry.state = State::Signed;
    Ok(true)
}

impl<C: Chain> Push<'_, C> {
    /// Signs what is not signed yet. What a key may not sign any more is left as it is, and what builds on
    /// it waits.
    pub(super) async fn sign(
        &mut self,
        due: Vec<Entry>,
        signers: &mut Signers<'_>,
    ) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(due.len());
        let mut fresh = Vec::new();
        for mut entry in due {
            if builds_on_one_of(&entry, &self.unsigned) {
                continue;
            }
            if !entry.signed {
                let allowances = &mut self.allowances;
                if !sign_in_memory(self.pool, self.chain, signers, allowances, &mut entry).await? {
                    self.unsigned.insert(entity_key(&entry));
                    continue;
                }
                fresh.push(entries.len());
            }
            entries.push(entry);
        }
        self.options.check(&entries)?;
        self.options.reach(CrashPoint::BeforeSign)?;
        let fresh: BTreeSet<i64> = {
            let fresh: Vec<&Entry> = fresh.iter().filter_map(|i| entries.get(*i)).collect();
            outbox::store_signatures(self.pool, &fresh).await?;
            fresh.iter().map(|entry| entry.local_seq).collect()
        };
        let entries = self.as_stored(entries, &fresh).await?;
        // Another push may have signed with another key than the approved one.
        self.options.check(&entries)?;
        Ok(entries)
    }

    /// The same events with the signatures that the database holds for the fresh ones, and without those
    /// that somebody decided about meanwhile; what was made on top of these waits.
    async fn as_stored(
        &mut self,
        entries: Vec<Entry>,
        fresh: &BTreeSet<i64>,
    ) -> Result<Vec<Entry>> {
        let stored = outbox::by_local_seq(self.pool, fresh).await?;
        let mut stored: BTreeMap<i64, Entry> = stored
            .into_iter()
            .map(|entry| (entry.local_seq, entry))
            .collect();
        let mut kept = Vec::with_capacity(entries.len());
        // Apart from the others, which came after what is here of their entities.
        let mut gone: HashSet<EntityKey> = HashSet::new();
        for entry in entries {
            let entry = stored.remove(&entry.local_seq).unwrap_or(entry);
            if builds_on_one_of(&entry, &gone) {
                self.held.push(entry);
                continue;
            }
            match entry.state {
                State::Signed | State::Submitted | State::InBlock => kept.push(entry),
                // A pull settled it.
                State::Finalized => {}
                State::Queued | State::Rejected | State::Dead | State::Superseded => {
                    gone.insert(entity_key(&entry));
                }
            }
        }
        self.unsigned.extend(gone);
        Ok(kept)
    }
}
