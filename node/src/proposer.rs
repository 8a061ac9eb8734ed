// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Blocks that fit what the network can keep up with (ADR 0058).

use crate::back_off;
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use polkadot_sdk::{
    sp_blockchain::HeaderBackend,
    sp_consensus::{Environment, ProposeArgs, Proposer},
    sp_runtime::traits::{Block as BlockT, Header as HeaderT, UniqueSaturatedInto},
};
use std::{marker::PhantomData, sync::Arc};

/// Makes proposers that build shorter while finality lags.
pub(crate) struct Factory<E, C, B> {
    inner: E,
    client: Arc<C>,
    block: PhantomData<fn() -> B>,
}

impl<E, C, B> Factory<E, C, B> {
    pub(crate) const fn new(inner: E, client: Arc<C>) -> Self {
        Self {
            inner,
            client,
            block: PhantomData,
        }
    }
}

impl<B, E, C> Environment<B> for Factory<E, C, B>
where
    B: BlockT,
    E: Environment<B>,
    E::CreateProposer: 'static,
    C: HeaderBackend<B>,
{
    type Proposer = Moderate<E::Proposer>;
    type CreateProposer = BoxFuture<'static, Result<Self::Proposer, Self::Error>>;
    type Error = E::Error;

    fn init(&mut self, parent: &B::Header) -> Self::CreateProposer {
        let finalized = self.client.info().finalized_number;
        let behind: u64 = (*parent.number()).unique_saturated_into();
        let behind = behind.saturating_sub(finalized.unique_saturated_into());
        self.inner
            .init(parent)
            .map_ok(move |inner| Moderate { inner, behind })
            .boxed()
    }
}

/// A proposer that builds no longer than it should.
pub(crate) struct Moderate<P> {
    inner: P,
    /// Blocks without finality below the one that it builds.
    behind: u64,
}

impl<B: BlockT, P: Proposer<B>> Proposer<B> for Moderate<P> {
    type Error = P::Error;
    type Proposal = P::Proposal;

    fn propose(self, mut args: ProposeArgs<B>) -> Self::Proposal {
        args.max_duration = back_off::building_time(args.max_duration, self.behind);
        self.inner.propose(args)
    }
}
