// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The node behind the gateway: one connection, opened again when it breaks, and one look at its
//! heads that all requests share.

use crate::error::{Answer, ApiError};
use std::{
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use ves_client::{BlockHash, ChainClient, ClientError};
use ves_primitives::{GenesisHash, sequencer::SequencerLimits};

/// Between two looks at the node's heads.
const PULSE: Duration = Duration::from_millis(400);
/// After a failed look.
const PAUSE: Duration = Duration::from_secs(2);
/// After this long without an answer the node counts as gone.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// Where the node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Number of the best block.
    pub best: u32,
    /// Number of the newest finalized block.
    pub finalized: u32,
    /// Its hash.
    pub finalized_hash: BlockHash,
    /// Newest block that the event store has; none if it cannot be asked or is catching up.
    pub indexed: Option<u32>,
}

/// What is known of the node.
#[derive(Clone)]
struct Known {
    chain: ChainClient,
    limits: SequencerLimits,
}

/// The node.
pub struct Node {
    url: String,
    genesis: Option<GenesisHash>,
    known: RwLock<Option<Known>>,
    heads: watch::Sender<Option<(Heads, Instant)>>,
}

impl Node {
    /// A node that nobody has asked yet. `genesis` is the chain it must run.
    pub fn new(url: String, genesis: Option<GenesisHash>) -> Self {
        Self {
            url,
            genesis,
            known: RwLock::default(),
            heads: watch::Sender::new(None),
        }
    }

    fn known(&self) -> Answer<Known> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(|| ApiError::unavailable("the node was not reached yet"))
    }

    /// The connection.
    ///
    /// # Errors
    /// 503 until the node was reached.
    pub fn chain(&self) -> Answer<ChainClient> {
        self.known().map(|known| known.chain)
    }

    /// What one submission may hold.
    ///
    /// # Errors
    /// 503 until the node was reached.
    pub fn limits(&self) -> Answer<SequencerLimits> {
        self.known().map(|known| known.limits)
    }

    /// Where the node stood when last asked.
    ///
    /// # Errors
    /// 503 if that is too long ago.
    pub fn heads(&self) -> Answer<Heads> {
        match *self.heads.borrow() {
            Some((heads, at)) if at.elapsed() < STALE_AFTER => Ok(heads),
            _ => Err(ApiError::unavailable("the node does not answer")),
        }
    }

    /// Tells of every new head.
    pub fn watch(&self) -> watch::Receiver<Option<(Heads, Instant)>> {
        self.heads.subscribe()
    }

    /// Follows the node until the future is dropped.
    pub async fn follow(&self) {
        let mut well = true;
        loop {
            match self.look().await {
                Ok(()) => {
                    if !well {
                        tracing::info!("the node answers again");
                    }
                    well = true;
                    tokio::time::sleep(PULSE).await;
                }
                Err(error) => {
                    if well {
                        tracing::warn!(%error, "the node does not answer");
                    }
                    well = false;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn look(&self) -> Result<(), ClientError> {
        let chain = match self.chain() {
            Ok(chain) => {
                // After a reconnect another chain may answer at the same address.
                if let Err(error) = chain.check_chain().await {
                    if matches!(error, ClientError::WrongChain { .. }) {
                        self.set(None);
                    }
                    return Err(error);
                }
                chain
            }
            Err(_) => {
                let chain = ChainClient::connect(&self.url, self.genesis).await?;
                let limits = chain.limits(None).await?;
                tracing::info!(genesis = %chain.genesis_hash(), node = chain.rpc().label(), "connected");
                self.set(Some(Known {
                    chain: chain.clone(),
                    limits,
                }));
                chain
            }
        };
        let finalized_hash = chain.finalized_head().await?;
        let finalized = chain.now(Some(finalized_hash)).await?.block;
        let best = chain.now(None).await?.block;
        let store = chain.store_health().await.ok();
        let heads = Heads {
            best,
            finalized,
            finalized_hash,
            indexed: store
                .filter(|store| !store.backfilling)
                .map(|store| store.indexed_block),
        };
        self.heads.send_replace(Some((heads, Instant::now())));
        Ok(())
    }

    fn set(&self, known: Option<Known>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}
