// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Schedules written by hand, over hours and stops: the registry's code is replaced, finality is late.

use super::{
    Running,
    cases::{anchored, ends_well, in_contract, mine, one_batch, quiet},
    l2::Owner,
    runtime, settings,
    world::Shared,
};
use crate::{journal::now_ms, metrics::StreamLag, sink::Confirmation};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// A relay that may put batches of several streams into one transaction.
async fn sharing(world: &Shared) -> Running {
    let mut settings = settings(&mut world.lock());
    (settings.window, settings.per_stream, settings.max_batches) = (5, 5, 5);
    settings.proof_wait = Duration::ZERO;
    Running::start(world, 0, settings, None).await
}

/// More batches, of two streams at least, become final on the appchain.
fn more_batches(world: &Shared) {
    let mut world = world.lock();
    let world = &mut *world;
    let before = world.appchain.final_batches.len();
    while world.appchain.final_batches.len() < before + 2 {
        world.appchain.produce(&mut world.rng);
        world.appchain.finalize(u32::MAX);
    }
}

fn metric(relay: &Running, name: &str) -> u64 {
    let text = String::from_utf8(relay.metrics.text().unwrap()).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn d1_a_registry_without_commit_batches_is_known_and_asked_anew_after_an_upgrade() {
    runtime().block_on(async {
        let world = quiet(Confirmation::Blocks(1), true);
        world.lock().appchain.streams = 3;
        world.lock().owner(Owner::Replace(true));
        mine(&world, 1);
        more_batches(&world);
        let mut relay = sharing(&world).await;
        let _ = relay.walk().await;
        relay.look().await;
        let sent = world.lock().stats.transactions;
        assert!(sent >= 2, "each batch alone: {sent}");
        assert_eq!(metric(&relay, "ves_relay_simulation_refused_total"), 0);
        ends_well(&world, &mut relay).await;
        assert_eq!(world.lock().wasted(), (0, 0));

        world.lock().owner(Owner::Replace(false));
        mine(&world, 1);
        world.lock().pass(HOUR);
        relay.look().await;
        assert_eq!(metric(&relay, "ves_relay_contract_upgrades_total"), 1);
        let before = world.lock().stats.transactions;
        let held = in_contract(&world);
        more_batches(&world);
        let _ = relay.walk().await;
        relay.look().await;
        assert_eq!(
            world.lock().stats.transactions,
            before + 1,
            "they share one"
        );
        ends_well(&world, &mut relay).await;
        assert!(in_contract(&world) >= held + 2);
    });
}

#[test]
fn d1_an_upgrade_during_a_stop_is_seen_after_it_once() {
    runtime().block_on(async {
        let world = quiet(Confirmation::Safe, true);
        one_batch(&world);
        let mut relay = sharing(&world).await;
        anchored(&world, &mut relay).await;
        let before = relay.journal.deployed().await.unwrap().unwrap();
        assert_eq!(before.upgraded_ms, 0, "the first code seen is no upgrade");
        assert_eq!(metric(&relay, "ves_relay_contract_upgraded_seconds"), 0);
        relay.restart().await;
        relay.look().await;
        assert_eq!(relay.journal.deployed().await.unwrap(), Some(before));

        world.lock().owner(Owner::Replace(true));
        mine(&world, 1);
        world.lock().pass(HOUR);
        let at = now_ms();
        relay.restart().await;
        relay.look().await;
        let after = relay.journal.deployed().await.unwrap().unwrap();
        assert_ne!(after.code_hash, before.code_hash);
        assert_eq!(after.upgraded_ms, at);
        let shown = relay.metrics.stats().gate;
        assert_eq!(shown.code_hash.unwrap().0, after.code_hash);
        assert_eq!(
            metric(&relay, "ves_relay_contract_upgraded_seconds"),
            at / 1_000
        );
        assert_eq!(metric(&relay, "ves_relay_contract_upgrades_total"), 1);
        // Told once, and still known after the next start.
        world.lock().pass(HOUR);
        relay.restart().await;
        relay.look().await;
        assert_eq!(relay.journal.deployed().await.unwrap(), Some(after));
        assert_eq!(metric(&relay, "ves_relay_contract_upgrades_total"), 1);
    });
}

async fn lag(relay: &Running) -> u64 {
    let rows = relay.journal.streams().await.unwrap();
    assert_eq!(rows.len(), 1);
    StreamLag::of(&rows[0], now_ms()).lag_seconds
}

#[test]
fn d16_a_lag_counts_from_finality_and_not_from_when_the_relay_came_to_the_batch() {
    runtime().block_on(async {
        let world = quiet(Confirmation::Safe, true);
        one_batch(&world);
        let mut relay = sharing(&world).await;
        anchored(&world, &mut relay).await;
        assert_eq!(lag(&relay).await, 0);
        // Final while the relay stood still: nothing says when, so the whole stop counts.
        relay.restart().await;
        more_batches(&world);
        world.lock().pass(HOUR);
        let _ = relay.walk().await;
        assert!(lag(&relay).await >= 3_600, "{}", lag(&relay).await);
        // It goes on while the batch waits, whatever the relay waits for.
        world.lock().pass(HOUR);
        assert!(lag(&relay).await >= 7_200);
        ends_well(&world, &mut relay).await;
        assert_eq!(lag(&relay).await, 0);
    });
}

#[test]
fn d16_finality_that_is_late_is_no_lag_of_the_relay() {
    runtime().block_on(async {
        let world = quiet(Confirmation::Safe, true);
        one_batch(&world);
        let mut relay = sharing(&world).await;
        anchored(&world, &mut relay).await;
        world.lock().pass(HOUR);
        // The relay looks all the time, nothing new is final.
        let _ = relay.walk().await;
        world.lock().pass(Duration::from_secs(2));
        more_batches(&world);
        let _ = relay.walk().await;
        assert_eq!(lag(&relay).await, 2);
    });
}
