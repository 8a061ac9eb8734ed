// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real node as a source of proven state.

use super::live::Live;
use ves_client::{BlockHash, ClientError, Header, StateSource};
use ves_primitives::{AgentId, FinalityProof, TenantId, registry::DirectoryEntry};

impl StateSource for Live {
    async fn newest_header(&self) -> Result<Header, ClientError> {
        self.client().newest_header().await
    }

    async fn evidence(&self, number: u32) -> Result<Option<FinalityProof>, ClientError> {
        self.client().evidence(number).await
    }

    async fn trie_nodes(
        &self,
        keys: &[Vec<u8>],
        at: BlockHash,
    ) -> Result<Vec<Vec<u8>>, ClientError> {
        self.client().trie_nodes(keys, at).await
    }

    async fn claimed_keys(
        &self,
        tenant: TenantId,
        agent: AgentId,
        at: BlockHash,
    ) -> Result<Vec<DirectoryEntry>, ClientError> {
        self.client().claimed_keys(tenant, agent, at).await
    }
}
