// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The HTTP API of the peer's sequencer (VES v1 §9) in front of a node of the chain, so that an agent
//! moves over by changing a URL. What differs, and why: `docs/gateway.md`.
//!
//! | Module | What it does |
//! |---|---|
//! | [`config`] | settings: flag, else environment, else file |
//! | [`keys`], [`limits`], [`extract`] | who may ask what, and how often |
//! | [`node`] | the connection to the node, and its heads |
//! | [`api`] | the routes |
//! | [`stored`] | events as the node's store has them, with or without payloads |
//! | [`server`] | listening, the door in front of every route, ending in good order |
//! | [`openapi`] | the document at `/openapi.json` |
//!
//! The gateway is trusted with nothing but its API keys, and with the keys of administrators if it is
//! given any: events are signed by their agents, and what it answers can be verified against the chain.

#![forbid(unsafe_code)]

pub mod api;
pub mod batches;
pub mod config;
pub mod error;
pub mod extract;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod openapi;
pub mod server;
pub mod stored;
pub mod wire;

use crate::{
    config::Settings,
    keys::KeyRing,
    ledger::{Ledger, Report},
    limits::Limits,
    metrics::Metrics,
    node::Node,
};
use anyhow::Context;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, Semaphore};
use ves_primitives::BatchId;

/// Proofs verified at a time, as with the peer.
const PROOFS_AT_A_TIME: usize = 4;

/// What all requests share.
pub struct App {
    /// The settings.
    pub settings: Settings,
    /// The node.
    pub node: Node,
    /// Who may ask.
    pub keys: KeyRing,
    /// How often.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
    /// What anchor services reported, if they may.
    pub ledger: Option<Ledger>,
    /// Held while an account of the gateway's signs, so that no nonce is used twice.
    pub signing: Mutex<()>,
    /// Room for proofs that are verified.
    pub verifying: Semaphore,
    /// Room for requests.
    pub room: Semaphore,
    draining: AtomicBool,
}

impl App {
    /// From settings.
    ///
    /// # Errors
    /// If the file of keys cannot be used.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        Ok(Self {
            node: Node::new(settings.node.clone(), settings.genesis),
            keys: KeyRing::open(&settings.keys)?,
            limits: Limits::new(settings.per_key, settings.per_address),
            metrics: Metrics::new()?,
            ledger: settings
                .ledger
                .as_deref()
                .map(Ledger::open)
                .transpose()
                .context("the ledger of anchored batches")?,
            signing: Mutex::new(()),
            verifying: Semaphore::new(PROOFS_AT_A_TIME),
            room: Semaphore::new(settings.in_flight),
            draining: AtomicBool::new(false),
            settings,
        })
    }

    /// What was reported of a batch.
    pub fn report(&self, batch: BatchId) -> Option<Report> {
        self.ledger.as_ref()?.find(batch)
    }

    /// Whether the gateway is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Tells everybody that the gateway is about to end.
    pub fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
