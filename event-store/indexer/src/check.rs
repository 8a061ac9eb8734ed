// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whether the store holds what the chain says, block by block.

use crate::{IngestError, ingest::prepare_step};
use pallet_ves_sequencer_runtime_api::VesSequencerApi;
use polkadot_sdk::{
    sc_client_api::BlockBackend, sp_api::ProvideRuntimeApi, sp_blockchain::HeaderBackend,
    sp_core::H256, sp_runtime::traits::Block as BlockT,
};
use std::sync::Arc;
use ves_event_store::{Store, StoreError};
use ves_primitives::sha256;

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The last block that was compared: the store's newest.
    pub to: u32,
    /// Checksum over the checksums of all blocks that hold anything. The same for every node of the
    /// chain that stands at this block, whatever database it keeps and whatever payloads it pruned.
    pub checksum: [u8; 32],
}

/// Why a comparison did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The chain could not be read.
    #[error(transparent)]
    Chain(#[from] IngestError),
    /// The rows of a block contradict themselves, or could not be read.
    #[error("block {number}: {source}")]
    Rows {
        /// The block.
        number: u32,
        /// What is wrong.
        source: StoreError,
    },
    /// The rows of a block are not what the chain says.
    #[error(
        "block {number}: the store holds something else than the chain says. Move the store away; the \
         node rebuilds it from its blocks"
    )]
    Differs {
        /// The block.
        number: u32,
    },
    /// What no block says alone is wrong.
    #[error("the store as a whole: {0}")]
    Ends(#[source] StoreError),
}

/// Compares each block that the store has indexed with the node's finalized chain, and calls `progress`
/// now and then with the height it is at.
///
/// # Errors
/// The first contradiction.
pub async fn check<Block, Client>(
    client: &Arc<Client>,
    store: &Store,
    mut progress: impl FnMut(u32, u32),
) -> Result<Checked, CheckError>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block>
        + HeaderBackend<Block>
        + BlockBackend<Block>
        + Send
        + Sync
        + 'static,
    Client::Api: VesSequencerApi<Block>,
{
    let cursor = store.cursor().await.map_err(IngestError::from)?;
    crate::ingest::check_cursor(client.as_ref(), &cursor)?;
    let to = cursor.number;
    let mut checksum = [0; 32];
    let mut next = 1;
    while next <= to {
        let step_client = Arc::clone(client);
        let blocks =
            // Refused proofs are no part of what is compared.
            tokio::task::spawn_blocking(move || {
                prepare_step(step_client.as_ref(), &|_| Ok(Vec::new()), next, to)
            })
                .await
                .map_err(|_| IngestError::Stopped)??;
        for block in blocks {
            let number = block.number();
            let stored = store.block_checksum(number).await;
            let stored = stored.map_err(|source| CheckError::Rows { number, source })?;
            if stored != block.checksum() {
                return Err(CheckError::Differs { number });
            }
            if let Some(stored) = stored {
                checksum = sha256(&[checksum, stored].concat());
            }
            next = number.saturating_add(1);
        }
        progress(next.saturating_sub(1), to);
    }
    store.check_ends().await.map_err(CheckError::Ends)?;
    Ok(Checked { to, checksum })
}
