// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Finalized blocks and proofs into the journal.

use super::{Settings, backoff, pause, stopping};
use crate::{
    Observer, Point,
    journal::Journal,
    metrics::Shared,
    source::{Halt, Source, WalkError, Walker},
};
use tokio::sync::{Notify, watch};

pub(super) async fn walk_loop<S: Source>(
    mut walker: Walker<S>,
    journal: &Journal,
    settings: &Settings,
    shared: &Shared,
    observer: &Observer,
    wake: &Notify,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Halt> {
    let mut failures = 0u32;
    while !stopping(&stop) {
        match walker.advance(journal).await {
            Ok(progress) => {
                failures = 0;
                shared.source_progress(&progress);
                if progress.batches > 0 {
                    observer.at(Point::Taken);
                    wake.notify_one();
                }
                if progress.behind() {
                    continue;
                }
                match walker.collect_proofs(journal).await {
                    Ok(0) => {}
                    Ok(new) => {
                        tracing::info!(new, "verified proofs taken over");
                        wake.notify_one();
                    }
                    Err(WalkError::Halt(halt)) => return Err(stopped(halt)),
                    Err(error) => {
                        tracing::warn!(%error, "proofs cannot be read now, trying again");
                        shared.source_error(&error.to_string());
                    }
                }
                pause(&mut stop, settings.poll).await;
            }
            Err(WalkError::Halt(halt)) => return Err(stopped(halt)),
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(%error, "finalized blocks cannot be followed now, trying again");
                }
                shared.source_error(&error.to_string());
                failures = failures.saturating_add(1);
                pause(&mut stop, backoff(failures, settings.poll)).await;
            }
        }
    }
    Ok(())
}

fn stopped(halt: Halt) -> Halt {
    tracing::error!(%halt, "stopped: the appchain node contradicts finality");
    halt
}
