// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The node's own RPC modules, beside those of the SDK.

use crate::service::{FullBackend, FullClient, FullPool};
use jsonrpsee::RpcModule;
use polkadot_sdk::{
    sc_consensus_grandpa::{
        FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState,
    },
    sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer},
    sc_rpc::SubscriptionTaskExecutor,
    substrate_frame_rpc_system::{System, SystemApiServer},
};
use std::sync::Arc;
use ves_runtime::{BlockNumber, Hash, opaque::Block};

/// What the GRANDPA RPCs need.
#[derive(Clone)]
pub(crate) struct GrandpaDeps {
    pub(crate) authority_set: SharedAuthoritySet<Hash, BlockNumber>,
    pub(crate) voter_state: SharedVoterState,
    pub(crate) justifications: GrandpaJustificationStream<Block>,
    pub(crate) finality_proofs: Arc<FinalityProofProvider<FullBackend, Block>>,
}

/// What all modules need.
#[derive(Clone)]
pub(crate) struct Deps {
    pub(crate) client: Arc<FullClient>,
    pub(crate) pool: Arc<FullPool>,
    pub(crate) grandpa: GrandpaDeps,
    pub(crate) event_store: Option<ves_event_store::Store>,
}

/// Builds the modules: account nonces, finality proofs, and `ves_*` if there is an event store.
pub(crate) fn module(
    deps: Deps,
    executor: SubscriptionTaskExecutor,
) -> Result<RpcModule<()>, Box<dyn std::error::Error + Send + Sync>> {
    let Deps {
        client,
        pool,
        grandpa,
        event_store,
    } = deps;
    let mut module = RpcModule::new(());
    module.merge(System::new(client.clone(), pool).into_rpc())?;
    module.merge(
        Grandpa::new(
            executor,
            grandpa.authority_set,
            grandpa.voter_state,
            grandpa.justifications,
            grandpa.finality_proofs,
        )
        .into_rpc(),
    )?;
    if let Some(store) = event_store {
        module.merge(ves_event_store::rpc::module(store, client))?;
    }
    Ok(module)
}
