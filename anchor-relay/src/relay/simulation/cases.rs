// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Schedules written by hand: a reorg takes back what counted as done. Random ones seldom do it just so.

use super::{
    FUNDS, PATIENCE, Running,
    bugs::key,
    l2::{L2, Owner, Rules},
    runtime, settings,
    world::{Shared, World},
};
use crate::{
    journal::{Item, ItemKind, SendState},
    sink::Confirmation,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Rules under which a block that counts as confirmed can leave the chain.
const LOOSE: [Confirmation; 3] = [
    Confirmation::Blocks(1),
    Confirmation::Blocks(3),
    Confirmation::Safe,
];

/// A quiet world without faults, in which transactions of blocks that are gone are mined again.
pub(super) fn quiet(confirmation: Confirmation, pool_survives_reorgs: bool) -> Shared {
    let addresses = [key(0, None).address(), key(1, None).address()];
    let mut world = World::new(4, &addresses, false);
    let rules = Rules {
        final_after: 12,
        pool_survives_reorgs,
        refuses_cheap: false,
        strict_genesis: true,
        reorgs: true,
        remembers_orphans: false,
        block_gas: 30_000_000,
    };
    world.l2 = L2::new(rules, &addresses, FUNDS);
    world.confirmation = confirmation;
    (world.appchain.streams, world.appchain.proves) = (1, false);
    world.troubled = false;
    for actor in &mut world.actors {
        actor.budget = None;
    }
    Shared(Arc::new(Mutex::new(world)))
}

pub(super) async fn relay(world: &Shared, number: usize) -> Running {
    let settings = settings(&mut world.lock());
    Running::start(world, number, settings, None).await
}

/// Makes the only batch final on the appchain.
pub(super) fn one_batch(world: &Shared) {
    let mut world = world.lock();
    let world = &mut *world;
    while world.appchain.final_batches.is_empty() {
        world.appchain.produce(&mut world.rng);
        world.appchain.finalize(u32::MAX);
    }
}

pub(super) fn mine(world: &Shared, blocks: u32) {
    for _ in 0..blocks {
        world.lock().mine();
    }
}

pub(super) fn in_contract(world: &Shared) -> usize {
    world.lock().l2.head().state.registry.batches.len()
}

/// Lets a relay look, and the chain go on, until all that is final is in the contract.
pub(super) async fn until_in_contract(world: &Shared, relay: &mut Running) {
    let all = world.lock().appchain.final_batches.len();
    for _ in 0..PATIENCE {
        if in_contract(world) == all {
            return;
        }
        relay.look().await;
        mine(world, 1);
        world.lock().pass(Duration::from_secs(20));
    }
    panic!("not in the contract after {PATIENCE} looks");
}

/// Anchored by the rule, and not final.
pub(super) async fn anchored(world: &Shared, relay: &mut Running) {
    let _ = relay.walk().await;
    until_in_contract(world, relay).await;
    mine(world, 6);
    relay.look().await;
    assert!(relay.is_done().await);
    assert_eq!(relay.journal.final_to().await.unwrap(), 0);
}

/// The chain goes back to before the batches.
fn take_back(world: &Shared) {
    let mut world = world.lock();
    let world = &mut *world;
    let depth = world.l2.reorg(&mut world.rng, 10, 0);
    assert!(depth > 6, "{depth}");
    assert_eq!(world.l2.head().state.registry.batches.len(), 0);
}

/// The chain goes back to before the batches; their transactions are mined again while the contract is
/// paused, and fail, in a block that counts as confirmed.
fn fails_elsewhere(world: &Shared) {
    take_back(world);
    world.lock().owner(Owner::Pause(true));
    while world.lock().wasted().1 == 0 {
        mine(world, 1);
    }
    mine(world, 12);
}

/// After all of it everything is anchored, and the journal knows it.
pub(super) async fn ends_well(world: &Shared, relay: &mut Running) {
    until_in_contract(world, relay).await;
    for _ in 0..PATIENCE {
        mine(world, 1);
        world.lock().pass(Duration::from_secs(20));
        relay.look().await;
        let missing = world.lock().unanchored();
        if missing.is_empty() && relay.is_done().await {
            assert_eq!(world.lock().violations, Vec::<String>::new());
            return;
        }
    }
    panic!("{:?} after {PATIENCE} looks", world.lock().unanchored());
}

#[test]
fn d9_a_settled_transaction_that_fails_in_its_new_block_is_seen_and_its_batch_sent_again() {
    for (confirmation, stopped) in LOOSE
        .into_iter()
        .flat_map(|rule| [(rule, false), (rule, true)])
    {
        runtime().block_on(async {
            let world = quiet(confirmation, true);
            one_batch(&world);
            let mut relay = relay(&world, 0).await;
            anchored(&world, &mut relay).await;
            fails_elsewhere(&world);
            if stopped {
                relay.restart().await;
            }
            relay.look().await;
            let (all, anchored) = relay.journal.totals().await.unwrap();
            assert!(anchored < all, "{confirmation}: it is not in the contract");
            let batch = world.lock().appchain.final_batches.values().next().cloned();
            let batch = batch.unwrap();
            let carried = relay.journal.carried(batch.stream_id(), 0).await.unwrap();
            assert_eq!(
                (carried[0].state, carried[0].ok),
                (SendState::Final, Some(false))
            );
            world.lock().owner(Owner::Pause(false));
            ends_well(&world, &mut relay).await;
        });
    }
}

#[test]
fn d9_without_knowing_where_it_was_done_nobody_would_see_it() {
    for confirmation in LOOSE {
        runtime().block_on(async {
            let world = quiet(confirmation, true);
            one_batch(&world);
            let mut relay = relay(&world, 0).await;
            anchored(&world, &mut relay).await;
            // A relay that takes for final what counts as anchored.
            let forget = "UPDATE batches SET anchored_in = NULL, final = 1";
            relay.journal.tamper(forget).await.unwrap();
            fails_elsewhere(&world);
            relay.look().await;
            assert_eq!(relay.journal.totals().await.unwrap(), (1, 1));
            assert_eq!(in_contract(&world), 0, "{confirmation}");
        });
    }
}

#[test]
fn d9_a_settled_transaction_that_succeeds_in_its_new_block_is_not_sent_again() {
    for confirmation in LOOSE {
        runtime().block_on(async {
            let world = quiet(confirmation, true);
            one_batch(&world);
            let mut relay = relay(&world, 0).await;
            anchored(&world, &mut relay).await;
            let before = world.lock().stats.transactions;
            take_back(&world);
            while in_contract(&world) == 0 {
                mine(&world, 1);
            }
            relay.look().await;
            ends_well(&world, &mut relay).await;
            assert_eq!(world.lock().stats.transactions, before, "{confirmation}");
            assert_eq!(world.lock().wasted(), (0, 0));
        });
    }
}

#[test]
fn d9_a_batch_that_somebody_else_anchored_is_taken_up_when_a_reorg_takes_it_back() {
    for confirmation in LOOSE {
        runtime().block_on(async {
            let world = quiet(confirmation, false);
            one_batch(&world);
            let mut other = relay(&world, 1).await;
            anchored(&world, &mut other).await;
            let mut relay = relay(&world, 0).await;
            let _ = relay.walk().await;
            relay.look().await;
            assert!(relay.is_done().await, "{confirmation}: it is there");
            assert_eq!(
                relay.journal.next_nonce().await.unwrap(),
                0,
                "not by this one"
            );
            take_back(&world);
            // The other one does not come back.
            mine(&world, 12);
            ends_well(&world, &mut relay).await;
            let item = Item {
                kind: ItemKind::Batch,
                stream: world
                    .lock()
                    .appchain
                    .final_batches
                    .values()
                    .next()
                    .unwrap()
                    .stream_id(),
                batch_index: 0,
            };
            assert!(relay.journal.items(0).await.unwrap().contains(&item));
        });
    }
}

#[test]
fn d9_a_reorg_asks_about_no_transaction_that_is_final() {
    runtime().block_on(async {
        let world = quiet(Confirmation::Safe, true);
        one_batch(&world);
        let mut relay = relay(&world, 0).await;
        anchored(&world, &mut relay).await;
        mine(&world, 20);
        relay.look().await;
        let to = relay.journal.final_to().await.unwrap();
        assert!(to > 0);
        assert!(relay.journal.checkpoints().await.unwrap().is_empty());
        {
            let mut world = world.lock();
            let world = &mut *world;
            world.l2.reorg(&mut world.rng, 10, 11);
        }
        relay.look().await;
        assert!(relay.is_done().await, "nothing was opened again");
        assert!(relay.journal.live_sends().await.unwrap().is_empty());
        assert_eq!(relay.journal.final_to().await.unwrap(), to);
    });
}
