// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the RPCs ask of the node.

use crate::{Grandpa, finality::NodeFinality};
use pallet_agent_registry_runtime_api::AgentRegistryApi;
use pallet_stark_verifier_runtime_api::StarkVerifierApi;
use pallet_ves_sequencer_runtime_api::VesSequencerApi;
use polkadot_sdk::{
    sc_client_api::BlockBackend,
    sp_api::{ApiError, ProvideRuntimeApi},
    sp_blockchain::HeaderBackend,
    sp_core::H256,
    sp_runtime::traits::Block as BlockT,
};
use std::{
    marker::PhantomData,
    sync::{Arc, Mutex},
};
use ves_event_store::rpc::ChainSource;
use ves_primitives::{
    AgentId, EventId, FinalityProof, KeyId, SigningPublicKey, StoreId, StreamId, TenantId,
    proof::{BatchProofRecord, ProofRecord},
    registry::{AuthorProblem, SigningKeyRecord},
    sequencer::KeptBatches,
};

/// A node's registry, sequencer and proofs at its newest finalized block, and its finality.
pub struct NodeChain<Block, Client>(NodeFinality<Block, Client>);

impl<Block, Client> NodeChain<Block, Client>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block> + HeaderBackend<Block>,
{
    /// Of a client and what its GRANDPA knows.
    pub fn new(client: Arc<Client>, grandpa: Arc<dyn Grandpa>) -> Self {
        Self(NodeFinality {
            client,
            grandpa,
            forced: Mutex::default(),
            block: PhantomData,
        })
    }

    /// Asks the runtime at the newest finalized block.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Client::Api, H256) -> Result<T, ApiError>,
    ) -> Result<T, String> {
        let client = &self.0.client;
        let finalized = client.info().finalized_hash;
        question(&client.runtime_api(), finalized).map_err(|error| error.to_string())
    }
}

impl<Block, Client> ChainSource for NodeChain<Block, Client>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block>
        + HeaderBackend<Block>
        + BlockBackend<Block>
        + Send
        + Sync
        + 'static,
    Client::Api: AgentRegistryApi<Block> + StarkVerifierApi<Block> + VesSequencerApi<Block>,
{
    fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Option<SigningKeyRecord>, String> {
        self.ask(|runtime, at| runtime.signing_key(at, tenant, agent, key))
    }

    fn author(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Result<SigningPublicKey, AuthorProblem>, String> {
        let author = self.ask(|runtime, at| runtime.author(at, tenant, store, agent, key))?;
        Ok(author.map(|author| author.key))
    }

    fn kept_batches(&self, stream: StreamId) -> Result<KeptBatches, String> {
        self.ask(|runtime, at| runtime.kept_batches(at, stream))
    }

    fn proofs_of_event(
        &self,
        stream: StreamId,
        event: EventId,
    ) -> Result<Vec<ProofRecord>, String> {
        self.ask(|runtime, at| runtime.proofs_of_event(at, stream, event))
    }

    fn batch_proof(
        &self,
        stream: StreamId,
        index: u64,
    ) -> Result<Option<BatchProofRecord>, String> {
        self.ask(|runtime, at| runtime.batch_proof(at, stream, index))
    }

    fn prove(&self, number: u32) -> Result<Option<FinalityProof>, String> {
        self.0.prove(number)
    }

    fn set_changes(&self, above: u32, limit: usize) -> Result<Vec<FinalityProof>, String> {
        self.0.set_changes(above, limit)
    }
}
