// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Forgetting payloads by themselves as they grow old (`docs/adr/0048-retention.md`). What proves an
//! event stays: envelope, leaf, batch, header.

use crate::{Store, StoreError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long payloads are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Those of the newest so many blocks.
    Blocks(u32),
    /// Those of blocks whose chain time is at most so long ago, by this machine's clock.
    Age(Duration),
}

/// What one step of retention did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The first block whose payloads may be left.
    pub below: u32,
    /// Events whose payloads this step has forgotten.
    pub events: u64,
}

/// Of the time that passes while there is something to forget, the part that is spent on it: indexing
/// waits for the same lock.
const SHARE: u32 = 2;

impl Store {
    /// The block below which this retention keeps no payloads, as of `now`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn retained_from(
        &self,
        retention: Retention,
        now: SystemTime,
    ) -> Result<u32, StoreError> {
        match retention {
            Retention::Blocks(blocks) => {
                let newest = self.cursor().await?.number;
                Ok(newest.saturating_add(1).saturating_sub(blocks))
            }
            Retention::Age(age) => {
                // Before 1970 nothing is old.
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                let bound = now.saturating_sub(age).as_millis();
                self.first_block_since(u64::try_from(bound).unwrap_or(u64::MAX))
                    .await
            }
        }
    }
}

/// Forgets, for ever, whatever grows older than the retention, and looks again every `period`. Tells
/// `report` after each step what it did. What fails is logged, reported and tried again in the next
/// period.
pub async fn run(
    store: &Store,
    retention: Retention,
    period: Duration,
    mut report: impl FnMut(Result<Pruned, &StoreError>),
) {
    loop {
        if let Err(error) = catch_up(store, retention, &mut report).await {
            report(Err(&error));
            log::warn!(target: "ves-store", "retention: {error}; next attempt in {period:?}");
        }
        tokio::time::sleep(period).await;
    }
}

async fn catch_up(
    store: &Store,
    retention: Retention,
    report: &mut impl FnMut(Result<Pruned, &StoreError>),
) -> Result<(), StoreError> {
    let bound = store.retained_from(retention, SystemTime::now()).await?;
    loop {
        let begun = Instant::now();
        let (events, more) = store.prune_step(bound).await?;
        let below = store.pruned_below().await?;
        report(Ok(Pruned { below, events }));
        if !more {
            return Ok(());
        }
        tokio::time::sleep(begun.elapsed().saturating_mul(SHARE - 1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PreparedBlock, both::on_both_databases, testing::*};
    use std::sync::{Arc, Mutex};

    /// Ten blocks, two seconds apart, of two events each.
    fn blocks() -> Vec<PreparedBlock> {
        let mut chain = Chain::default();
        (0..10)
            .map(|_| prepared(chain.block(&[(STORE, 2)], r#"{"a":1}"#)))
            .collect()
    }

    /// Whether each event has its payload, in order.
    async fn payloads(store: &Store) -> Vec<bool> {
        let page = store
            .stored_events(TENANT, STORE, 1, 100, usize::MAX)
            .await
            .unwrap();
        page.0.iter().map(|event| event.payload.is_some()).collect()
    }

    on_both_databases! {
        async fn payloads_are_kept_as_long_as_the_retention_says(place: Place) {
            let store = place.open().await;
            store.append(&blocks()).await.unwrap();
            let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
            let age = |seconds| Retention::Age(Duration::from_secs(seconds));
            for (retention, now, expected) in [
                (Retention::Blocks(3), at(0), 8),
                (Retention::Blocks(0), at(0), 11),
                (Retention::Blocks(11), at(0), 0),
                (Retention::Blocks(u32::MAX), at(0), 0),
                // Block 10 is of second 20.
                (age(4), at(20), 8),
                (age(5), at(20), 8),
                (age(0), at(20), 10),
                (age(0), at(21), 11),
                (age(21), at(20), 1),
                (age(u64::MAX), at(20), 1),
            ] {
                let from = store.retained_from(retention, now).await.unwrap();
                assert_eq!(from, expected, "{retention:?}");
            }
        }

        async fn old_payloads_go_by_themselves_while_blocks_come_and_every_event_is_still_proven(place: Place) {
            let store = place.open().await;
            let reports = Arc::new(Mutex::new((0, 0)));
            let (told, pruning) = (reports.clone(), store.clone());
            let task = tokio::spawn(async move {
                run(&pruning, Retention::Blocks(3), Duration::from_millis(5), |step| {
                    let step = step.unwrap();
                    let mut told = told.lock().unwrap();
                    *told = (step.below, told.1 + step.events);
                }).await;
            });
            let blocks = blocks();
            for block in &blocks {
                store.append(std::slice::from_ref(block)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            let mut left = 2_000;
            while reports.lock().unwrap().0 != 8 {
                left -= 1;
                assert!(left > 0, "{:?}", reports.lock().unwrap());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(payloads(&store).await, [[false; 14].as_slice(), &[true; 6]].concat());
            assert_eq!(*reports.lock().unwrap(), (8, 14));
            // The store is still what the chain says, and proves what it has forgotten.
            for block in &blocks {
                assert_eq!(store.block_checksum(block.number()).await.unwrap(), block.checksum());
            }
            store.check_ends().await.unwrap();
            for sequence in 1..=20 {
                let inclusion = store.inclusion(TENANT, STORE, sequence).await.unwrap().unwrap();
                let root = inclusion.batch.batch.events_root.0;
                inclusion.proof.verify(&root, &inclusion.leaf_hash.0).unwrap();
            }
            task.abort();
        }
    }

    #[tokio::test]
    async fn a_failure_is_reported_and_the_next_period_tries_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        store.append(&blocks()).await.unwrap();
        // A store that cannot be written.
        let config = crate::StoreConfig::Sqlite(folder.path().join("events.sqlite"));
        let replica = Store::open_replica(&config, GENESIS).await.unwrap();
        let failures = std::cell::Cell::new(0);
        let run = run(
            &replica,
            Retention::Blocks(1),
            Duration::from_millis(1),
            |step| {
                assert!(matches!(step, Err(StoreError::ReadOnly)));
                failures.set(failures.get() + 1);
            },
        );
        let twice = async {
            while failures.get() < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let either = async {
            tokio::select! { () = run => false, () = twice => true }
        };
        let both = tokio::time::timeout(Duration::from_secs(60), either).await;
        assert_eq!(both, Ok(true));
        assert_eq!(payloads(&store).await, [true; 20]);
    }
}
