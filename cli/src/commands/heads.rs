// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Newly finalized blocks: by subscription, or by asking again where a node has none.

use super::Context;
use crate::{
    chain::{Chain, live::Live},
    error::{Exit, Failure, Result},
    outbox,
};
use std::time::Duration;

/// How often a node without subscriptions is asked.
const POLL: Duration = Duration::from_secs(1);
/// Whoever cannot reach the node tries again after a random part of this, doubled each time.
const MAX_RECONNECT: u32 = 8;

/// Whether it passes by itself.
pub(super) const fn passes(failure: &Failure) -> bool {
    matches!(failure.exit, Exit::Unreachable | Exit::Database)
}

/// Tells of a failure that passes, and waits before the next attempt; nothing if interrupted.
pub(super) async fn pause(context: &Context, failure: &Failure, failures: &mut u32) -> Option<()> {
    *failures = failures.saturating_add(1).min(MAX_RECONNECT);
    context.ui.warn(&failure.to_string());
    let wait = outbox::backoff(*failures, &mut rand::thread_rng());
    let pause = tokio::time::sleep(wait.max(Duration::from_millis(200)));
    context.ui.unless_interrupted(pause).await
}

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
                None => None,
            };
            let number = match told {
                Some(number) => number,
                None => {
                    // Ended by the node, or never there. If the connection ended too, the question says so.
                    tokio::time::sleep(POLL).await;
                    self.subscription = self.chain.client().finalized_heads().await.ok();
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
