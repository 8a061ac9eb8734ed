// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Authors' keys: asked of the node, compared with what is pinned, and pinned with what verified.

use super::{Pull, is_about_payload};
use crate::{
    chain::Chain,
    error::Result,
    inbox::{self, Judged, VerifiedKeys},
    rules::{Problem, Reason, Ruling},
};
use std::collections::HashMap;
use ves_primitives::{AgentId, KeyId, registry::SigningKeyRecord};

/// Authors' keys, judged.
pub(super) type Keys = HashMap<(AgentId, KeyId), Ruling<SigningKeyRecord>>;

impl<C: Chain> Pull<'_, C> {
    /// The keys with which events of a verified batch verified: a pruned one's envelope did too.
    pub(super) fn verified_keys(&self, judged: &[Judged]) -> VerifiedKeys {
        let holds = |item: &&Judged| item.problem.as_ref().is_none_or(is_about_payload);
        judged
            .iter()
            .filter(holds)
            .filter_map(|item| {
                let event = &item.record.event;
                let author = (event.source_agent_id, event.agent_key_id);
                let record = self.keys.get(&author)?.as_ref().ok()?;
                Some((author, record.clone()))
            })
            .collect()
    }

    /// The author's key as the registry shows it at the finalized state, unless another one is pinned.
    /// Nothing is pinned here: so far it is the node's word.
    pub(super) async fn key(
        &mut self,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Ruling<SigningKeyRecord>> {
        if let Some(known) = self.keys.get(&(agent, key)) {
            return Ok(known.clone());
        }
        let ruling = self.resolve_key(agent, key).await?;
        self.keys.insert((agent, key), ruling.clone());
        Ok(ruling)
    }

    async fn resolve_key(&self, agent: AgentId, key: KeyId) -> Result<Ruling<SigningKeyRecord>> {
        let (tenant, genesis) = (self.stream.tenant, self.chain.genesis_hash());
        let found = self
            .chain
            .signing_key(tenant, agent, key, self.finalized)
            .await?;
        let Some(record) = found else {
            return Ok(Err(Problem::new(
                Reason::KeyUnresolved,
                format!("the registry does not know key {key} of agent {agent}"),
            )));
        };
        let shown = record.public_key;
        let pinned = inbox::pinned_key(self.pool, genesis, tenant, (agent, key)).await?;
        Ok(match pinned {
            Some(pinned) if pinned != shown => Err(Problem::new(
                Reason::PeerKeyConflict,
                format!("key {key} of agent {agent} was {pinned}, the node now shows {shown}"),
            )),
            _ => Ok(record),
        })
    }
}
