// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Watches for two blocks of one author for one slot, and reports them to the chain. The SDK's Aura
//! notices them and only writes a line into its log.

use crate::service::FullClient;
use futures::StreamExt;
use pallet_consortium_runtime_api::ConsortiumApi;
use polkadot_sdk::{
    sc_client_api::BlockchainEvents,
    sc_consensus_aura::find_pre_digest,
    sc_service::TaskManager,
    sc_transaction_pool_api::OffchainTransactionPoolFactory,
    sp_api::{ApiError, ApiExt, ProvideRuntimeApi},
    sp_blockchain::HeaderBackend,
    sp_consensus_aura::{
        AuraApi, Slot,
        sr25519::{AuthorityId, AuthoritySignature},
    },
};
use std::{collections::VecDeque, sync::Arc};
use ves_runtime::opaque::{Block, Header};

/// Blocks that are remembered: some minutes of them.
const REMEMBERED: usize = 256;

type Pools = OffchainTransactionPoolFactory<Block>;

/// Starts watching. It is not essential: the other nodes watch too.
pub(crate) fn spawn(client: Arc<FullClient>, pools: Pools, task_manager: &TaskManager) {
    task_manager
        .spawn_handle()
        .spawn("double-blocks", "ves", watch(client, pools));
}

async fn watch(client: Arc<FullClient>, pools: Pools) {
    let mut imports = client.every_import_notification_stream();
    let mut seen = VecDeque::with_capacity(REMEMBERED);
    while let Some(import) = imports.next().await {
        let header = import.header;
        let Ok(slot) = find_pre_digest::<Block, AuthoritySignature>(&header) else {
            continue;
        };
        let hash = header.hash();
        let other = seen
            .iter()
            .find(|(at, other): &&(Slot, Header)| *at == slot && other.hash() != hash);
        if let Some((_, other)) = other
            && let Err(error) = report(&client, &pools, slot, other, &header)
        {
            log::warn!("two blocks for slot {} are not reported: {error}", *slot);
        }
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back((slot, header));
    }
}

/// Whose turn the slot was, by the block before.
fn author(
    client: &FullClient,
    slot: Slot,
    header: &Header,
) -> Result<Option<AuthorityId>, ApiError> {
    let authorities = client.runtime_api().authorities(header.parent_hash)?;
    let turn = u64::from(slot).checked_rem(authorities.len() as u64);
    Ok(turn.and_then(|turn| authorities.get(usize::try_from(turn).ok()?).cloned()))
}

fn report(
    client: &FullClient,
    pools: &Pools,
    slot: Slot,
    first: &Header,
    second: &Header,
) -> Result<(), ApiError> {
    let Some(offender) = author(client, slot, second)? else {
        return Ok(());
    };
    // On two forks with two sets the slot may have been two validators' turn.
    if author(client, slot, first)?.as_ref() != Some(&offender) {
        return Ok(());
    }
    log::warn!("{offender} has made two blocks for slot {}", *slot);
    let best = client.info().best_hash;
    let mut api = client.runtime_api();
    api.register_extension(pools.offchain_transaction_pool(best));
    let submitted =
        api.submit_block_equivocation(best, offender.into(), first.clone(), second.clone())?;
    if submitted.is_none() {
        // As a rule: it is expelled, or another node was faster.
        log::info!("the report about slot {} was not taken", *slot);
    }
    Ok(())
}
