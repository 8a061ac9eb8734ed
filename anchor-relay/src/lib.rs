// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Anchors exactly the finalized batches of the appchain, in order, in a `SetRegistry` on an EVM
//! chain.
//!
//! * [`source`], [`node`]: finalized blocks, every height, checked against the headers.
//! * [`read_proof`]: what the node reads from its state, checked against a header's state root.
//! * [`proofs`]: verified proofs of batches, checked against them.
//! * [`view`]: what the contract holds of the open batches.
//! * [`plan`]: what to do next, as a pure function.
//! * [`sink`]: reads of the destination, fees, signing, sending, following transactions.
//! * [`journal`]: what must survive a crash, written before the network sees it.
//! * [`relay`]: the loops that join them; they decide nothing themselves.
//! * [`verify`]: the audit: every finalized batch anchored, with equal fields.
//! * [`secret_url`]: keys in the URLs of nodes, and what keeps them inside.
//!
//! The contract is the source of truth for what is anchored, the finalized chain for what is to be
//! anchored. The journal only remembers what was signed, so that no nonce is used twice.

#![forbid(unsafe_code)]

mod clock;
pub mod config;
pub mod dry_run;
pub mod http;
pub mod journal;
pub mod metrics;
pub mod node;
pub mod plan;
pub mod proofs;
pub mod read_proof;
pub mod relay;
pub mod report;
pub mod secret_url;
mod seen;
pub mod sink;
pub mod source;
pub mod verify;
pub mod view;

use std::{fmt, sync::Arc};

/// A step after which the outside world or the journal has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Finalized blocks are in the journal.
    Taken,
    /// A nonce is reserved in the journal.
    Reserved,
    /// A signed transaction is in the journal, the network has not seen it.
    Signed,
    /// The network has a transaction, the journal does not say so yet.
    Announced,
    /// The journal says that the network has it.
    Sent,
    /// A dearer replacement is in the journal, the network has not seen it.
    Bumped,
    /// The journal says in which block a transaction is.
    Included,
    /// The journal says that a transaction is final.
    Settled,
    /// The journal says that a batch is anchored.
    Anchored,
    /// The journal says that a proof is anchored.
    ProofAnchored,
}

/// Told of every [`Point`]. For tests that stop the process there; the program uses the default,
/// which does nothing.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<dyn Fn(Point) + Send + Sync>>);

impl Observer {
    /// Calls `f` at every point.
    pub fn new(f: impl Fn(Point) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(f)))
    }

    pub(crate) fn at(&self, point: Point) {
        if let Some(f) = &self.0 {
            f(point);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Observer(set)"
        } else {
            "Observer(none)"
        })
    }
}
