// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Reading a batch's anchor from the `SetRegistry` contract.

use crate::error::{Exit, Failure, Result};
use alloy::{
    primitives::{Address, B256},
    providers::{Provider, ProviderBuilder},
    sol,
};
use std::time::Duration;
use ves_primitives::BatchId;

pub use ves_verify::AnchoredBatch;

sol! {
    /// What the contract stores of a batch.
    #[derive(Debug)]
    struct StoredBatch {
        bytes32 eventsRoot;
        bytes32 newStateRoot;
        uint64 sequenceStart;
        uint64 sequenceEnd;
        uint32 eventCount;
        uint64 timestamp;
    }

    /// The one view this tool needs.
    #[sol(rpc)]
    interface SetRegistryView {
        function getBatchCommitment(bytes32 batchId) external view returns (StoredBatch memory);
    }
}

/// How long the endpoint may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where to ask.
#[derive(Clone, Debug)]
pub struct Contract {
    /// HTTP endpoint.
    pub rpc_url: String,
    /// Contract address.
    pub address: Address,
}

impl Contract {
    /// Parses endpoint and address.
    ///
    /// # Errors
    /// `usage` failures naming the value.
    pub fn new(rpc_url: &str, address: &str) -> Result<Self> {
        let address = address.parse().map_err(|e| {
            Failure::usage(
                "registry_invalid",
                format!("{address} is not a contract address: {e}"),
            )
        })?;
        Ok(Self {
            rpc_url: rpc_url.to_owned(),
            address,
        })
    }

    /// Reads a batch; nothing if the contract does not know it.
    ///
    /// # Errors
    /// `l1_unreachable`, or `l1_error` when the address holds no such contract.
    pub async fn read(&self, batch: BatchId) -> Result<Option<AnchoredBatch>> {
        tokio::time::timeout(TIMEOUT, self.read_now(batch))
            .await
            .unwrap_or_else(|_| {
                Err(unreachable(
                    &self.rpc_url,
                    format!("no answer within {TIMEOUT:?}"),
                ))
            })
    }

    async fn read_now(&self, batch: BatchId) -> Result<Option<AnchoredBatch>> {
        let url = self.rpc_url.parse().map_err(|e| {
            Failure::usage(
                "l1_rpc_invalid",
                format!("{} is not a URL: {e}", self.rpc_url),
            )
        })?;
        let provider = ProviderBuilder::new().connect_http(url);
        let chain_id = provider
            .get_chain_id()
            .await
            .map_err(|e| unreachable(&self.rpc_url, e))?;
        let read_at_block = provider
            .get_block_number()
            .await
            .map_err(|e| unreachable(&self.rpc_url, e))?;
        let stored = SetRegistryView::new(self.address, &provider)
            .getBatchCommitment(B256::from(batch.0))
            .block(read_at_block.into())
            .call()
            .await
            .map_err(|e| {
                Failure::new(
                    Exit::Unreachable,
                    "l1_error",
                    format!("{} did not answer as a SetRegistry: {e}", self.address),
                )
                .hint("check --registry and that --l1-rpc is the chain it lives on")
            })?;
        if stored.timestamp == 0 {
            return Ok(None);
        }
        Ok(Some(AnchoredBatch {
            chain_id,
            registry: self.address.to_string(),
            read_at_block,
            events_root: stored.eventsRoot.0,
            new_state_root: stored.newStateRoot.0,
            sequence_start: stored.sequenceStart,
            sequence_end: stored.sequenceEnd,
            event_count: stored.eventCount,
        }))
    }
}

fn unreachable(url: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Unreachable,
        "l1_unreachable",
        format!("{url} cannot be asked: {why}"),
    )
    .hint("start the EVM node or correct --l1-rpc")
}
