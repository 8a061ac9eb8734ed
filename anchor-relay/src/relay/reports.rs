// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tells the appchain which batches are anchored, so that it may forget them (ADR 0012).
//!
//! The chain's own number is asked first, so a report is only made when it says something new or
//! lets the chain prune more. A report that fails is made again; anchoring never depends on it.

use super::{pause, stopping};
use crate::{journal::Journal, metrics::Shared, secret_url::SecretUrl};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use ves_client::{AdminCall, ChainClient, ClientError, Signer, Wait};
use ves_primitives::StreamId;

/// Reports that travel as one transaction.
const REPORTS_PER_TRANSACTION: usize = 32;
/// How often all streams are looked at, for those that stand still and can be pruned further.
const SWEEP: Duration = Duration::from_secs(600);

/// How to report.
#[derive(Clone, Debug)]
pub struct ReporterSettings {
    /// The appchain node; a WebSocket.
    pub node_url: SecretUrl,
    /// Pause between reports.
    pub every: Duration,
}

/// Reports anchored batches with an account that governance named by `set_relays`.
#[derive(Debug)]
pub struct Reporter {
    settings: ReporterSettings,
    signer: Signer,
    client: Option<ChainClient>,
    /// What was reported last, by stream.
    reported: BTreeMap<StreamId, u64>,
    swept: Option<Instant>,
}

impl Reporter {
    /// Will report with `signer`. Does not connect yet.
    pub const fn new(settings: ReporterSettings, signer: Signer) -> Self {
        Self {
            settings,
            signer,
            client: None,
            reported: BTreeMap::new(),
            swept: None,
        }
    }

    pub(super) async fn run(
        mut self,
        journal: &Journal,
        shared: &Shared,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut failing = false;
        while !stopping(&stop) {
            let round = async {
                tokio::select! {
                    done = self.round(journal) => Some(done),
                    // Harmless to cut short: what the chain knows is asked next time.
                    _ = stop.wait_for(|stop| *stop) => None,
                }
            };
            match round.await {
                None => return,
                Some(Ok(count)) => {
                    failing = false;
                    shared.reported(Ok(count));
                }
                Some(Err(error)) => {
                    if !failing {
                        tracing::warn!(%error, "anchored batches cannot be reported now, trying again");
                    }
                    failing = true;
                    shared.reported(Err(error));
                    self.client = None;
                }
            }
            pause(&mut stop, self.settings.every).await;
        }
    }

    async fn client(&mut self) -> Result<ChainClient, ClientError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = ChainClient::connect(self.settings.node_url.expose(), None).await?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// One look; gives how many streams were reported.
    ///
    /// # Errors
    /// What kept it from being done, in words.
    pub async fn round(&mut self, journal: &Journal) -> Result<u64, String> {
        let text = |error: ClientError| error.to_string();
        let sweep = self.swept.is_none_or(|at| at.elapsed() > SWEEP);
        let prefixes = journal
            .anchored_prefixes()
            .await
            .map_err(|e| e.to_string())?;
        let changed: Vec<(StreamId, u64)> = prefixes
            .into_iter()
            .filter(|(stream, count)| {
                *count > 0 && (sweep || self.reported.get(stream) != Some(count))
            })
            .collect();
        if changed.is_empty() {
            return Ok(0);
        }
        let client = self.client().await.map_err(text)?;
        if journal.genesis().await.map_err(|e| e.to_string())? != Some(client.genesis_hash()) {
            return Err("the node belongs to another chain than the journal".into());
        }
        let head = client.finalized_header().await.map_err(text)?;
        let at = Some(head.hash());
        let mut calls = Vec::new();
        for (stream, count) in &changed {
            let kept = client.kept_batches(*stream, at).await.map_err(text)?;
            let oldest = journal
                .batches_from(*stream, kept.oldest, 1)
                .await
                .map_err(|e| e.to_string())?;
            // What the journal has forgotten was older than the chain needs it to be.
            let due = match oldest.first() {
                Some(batch) if batch.batch_index == kept.oldest => {
                    kept.may_drop_oldest(batch.block_number, head.number)
                }
                _ => kept.oldest < *count,
            };
            let prunable = kept.oldest < kept.anchored && due;
            if *count > kept.anchored || prunable {
                calls.push(AdminCall::NoteAnchored {
                    stream: *stream,
                    batch_count: (*count).max(kept.anchored),
                });
            }
        }
        let mut done = 0;
        for part in calls.chunks(REPORTS_PER_TRANSACTION) {
            client
                .execute(&self.signer, part, Wait::Finalized)
                .await
                .map_err(text)?;
            done += u64::try_from(part.len()).unwrap_or(0);
        }
        self.reported.extend(changed);
        if sweep {
            self.swept = Some(Instant::now());
        }
        Ok(done)
    }
}
