// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What only the audit asks: which batch ends at a stream's head, and how many batches there are in all.
//! While the registry's strict mode is off two batches may cover the same events.

use super::{
    chain::{Block, CONCURRENT, Chain, ChainError},
    contract::SetRegistry,
};
use alloy::{eips::BlockId, primitives::B256};
use futures::{StreamExt, TryStreamExt, stream};
use ves_primitives::{StoreId, TenantId};

impl Chain {
    /// Batches in the registry at a block, of whatever streams.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn total_batches(&self, at: &Block) -> Result<u64, ChainError> {
        let registry = SetRegistry::new(self.identity.registry, self.provider());
        let at = BlockId::hash_canonical(at.hash);
        let found = self.read("totalCommitments", async {
            registry.totalCommitments().block(at).call().await
        });
        match found.await {
            Err(ChainError::NoCode) => Ok(0),
            found => Ok(found?.try_into().unwrap_or(u64::MAX)),
        }
    }

    /// The id of the batch at each stream's head at a block; zero where there is none.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn latest_batches(
        &self,
        streams: &[(TenantId, StoreId)],
        at: &Block,
    ) -> Result<Vec<B256>, ChainError> {
        let at = BlockId::hash_canonical(at.hash);
        stream::iter(streams.to_vec())
            .map(async |(tenant, store)| {
                let registry = SetRegistry::new(self.identity.registry, self.provider());
                let found = self.read("getLatestBatchId", async {
                    registry
                        .getLatestBatchId(tenant.to_bytes32().into(), store.to_bytes32().into())
                        .block(at)
                        .call()
                        .await
                });
                match found.await {
                    Err(ChainError::NoCode) => Ok(B256::ZERO),
                    found => found,
                }
            })
            .buffered(CONCURRENT)
            .try_collect()
            .await
    }
}
