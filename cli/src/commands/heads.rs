// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Newly finalized blocks: by subscription, or by asking again where a node has none.

use super::Context;
use crate::{
    chain::{Chain, live::Live},
    error::Result,
};
use std::time::Duration;

/// How often a node without subscriptions is asked.
const POLL: Duration = Duration::from_secs(1);

/// A view of the finalized chain that goes on.
pub(super) struct Heads {
    chain: Live,
    subscription: Option<ves_client::FinalizedHeads>,
    seen: u32,
}

impl Heads {
    /// Begins to look.
    pub(super) async fn open(context: &Context) -> Result<Self> {
        let chain = context.connect().await?;
        let seen = chain.finalized().await?.number;
        let subscription = chain.client().finalized_heads().await.ok();
        Ok(Self {
            chain,
            subscription,
            seen,
        })
    }

    /// Waits for a block above those seen so far.
    pub(super) async fn next(&mut self) -> Result<u32> {
        loop {
            let told = match &mut self.subscription {
                Some(heads) => heads.next().await,
                None => {
                    tokio::time::sleep(POLL).await;
                    None
                }
            };
            let number = match told {
                Some(number) => number,
                None => {
                    // Ended with its connection, or never there.
                    self.subscription = None;
                    self.chain.finalized().await?.number
                }
            };
            if number > self.seen {
                self.seen = number;
                return Ok(number);
            }
        }
    }
}
