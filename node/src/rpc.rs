// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The node's own RPC modules, beside those of the SDK.

use crate::service::{FullBackend, FullClient, FullPool};
use codec::Encode;
use jsonrpsee::RpcModule;
use polkadot_sdk::{
    sc_consensus_grandpa::{
        self, FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet,
        SharedVoterState,
    },
    sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer},
    sc_rpc::SubscriptionTaskExecutor,
    substrate_frame_rpc_system::{System, SystemApiServer},
};
use std::sync::Arc;
use ves_indexer::NodeChain;
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
    let evidence = Evidence {
        client: client.clone(),
        authority_set: grandpa.authority_set.clone(),
    };
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
        let chain = NodeChain::<Block, _>::new(client, Arc::new(evidence));
        module.merge(ves_event_store::rpc::module(store, Arc::new(chain)))?;
    }
    Ok(module)
}

/// What the event store asks of GRANDPA.
struct Evidence {
    client: Arc<FullClient>,
    authority_set: SharedAuthoritySet<Hash, BlockNumber>,
}

impl ves_indexer::Grandpa for Evidence {
    fn newest(&self) -> Result<Option<(u32, Vec<u8>)>, String> {
        sc_consensus_grandpa::best_justification::<_, Block>(&*self.client)
            .map(|newest| newest.map(|found| (found.target().0, found.justification.encode())))
            .map_err(|error| error.to_string())
    }

    fn set_ends(&self, above: u32) -> Result<Vec<u32>, String> {
        let changes = self.authority_set.authority_set_changes();
        let ends = changes
            .iter_from(above)
            .ok_or("the node does not know all earlier authority sets: it has to sync anew")?;
        Ok(ends.map(|(_, last)| *last).collect())
    }
}
