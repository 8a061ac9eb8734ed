// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Following finalized blocks, with a scripted node and a real journal.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use anchor_relay::{
    Observer,
    journal::{Journal, JournalError},
    sink::{Chain, Confirmation, Identity},
    source::{Commitment, Halt, Progress, WalkError, Walker},
};
use std::time::Duration;
use support::{
    GENESIS, Script, ScriptedSource, id,
    running::{Running, settings, start_on},
};
use tempfile::TempDir;
use ves_primitives::{BlockCommitment, GenesisHash, SPEC_NAME, StateRoot, StreamTip, limits};

async fn journal() -> (TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("relay.db")).await.unwrap();
    (dir, journal)
}

async fn walk_all(source: &ScriptedSource, journal: &Journal) -> Result<Progress, WalkError> {
    let mut walker = Walker::new(source.clone(), None);
    loop {
        let progress = walker.advance(journal).await?;
        if !progress.behind() {
            return Ok(progress);
        }
    }
}

fn halt(result: Result<Progress, WalkError>) -> Halt {
    match result {
        Err(WalkError::Halt(halt)) => halt,
        other => panic!("expected a halt, found {other:?}"),
    }
}

#[tokio::test]
async fn s1_every_height_is_walked_although_the_finalized_head_jumps() {
    let (_dir, journal) = journal().await;
    let script = Script::regular(3, 300);
    let source = ScriptedSource::new(script.clone(), 1);
    walk_all(&source, &journal).await.unwrap();
    source.change(|inner| inner.finalized = 300);
    let progress = walk_all(&source, &journal).await.unwrap();
    assert_eq!(progress.cursor, 300);
    assert_eq!(journal.totals().await.unwrap(), (900, 0));
    let tip = journal.tip(id(2)).await.unwrap().unwrap();
    let last = script
        .batches()
        .filter(|b| b.stream_id() == id(2))
        .last()
        .unwrap();
    assert_eq!(tip, last.tip());
}

#[tokio::test]
async fn s3_batches_that_the_head_no_longer_lists_are_read_at_their_own_block() {
    let (_dir, journal) = journal().await;
    let mut script = Script::regular(1, 2);
    for _ in 0..limits::ANCHORED_RETENTION_BLOCKS {
        script.push(Vec::new());
    }
    let source = ScriptedSource::all(script.block(&[(0, 1)]));
    walk_all(&source, &journal).await.unwrap();
    assert_eq!(journal.totals().await.unwrap(), (3, 0));
}

#[tokio::test]
async fn s2_a_node_of_another_chain_stops_the_relay() {
    let (_dir, journal) = journal().await;
    let source = ScriptedSource::all(Script::regular(1, 2));
    walk_all(&source, &journal).await.unwrap();
    source.change(|inner| inner.genesis = GenesisHash([8; 32]));
    let halt = halt(walk_all(&source, &journal).await);
    let expected = Halt::Genesis {
        expected: GENESIS,
        found: GenesisHash([8; 32]),
    };
    assert_eq!(halt, expected);
    assert!(halt.to_string().contains("source.node_url"));
}

#[tokio::test]
async fn s2_the_operators_pin_is_checked_before_anything_is_stored() {
    let (_dir, journal) = journal().await;
    let source = ScriptedSource::all(Script::regular(1, 2));
    let mut walker = Walker::new(source, Some(GenesisHash([9; 32])));
    assert!(matches!(
        halt(walker.advance(&journal).await),
        Halt::Genesis { .. }
    ));
    assert_eq!(journal.genesis().await.unwrap(), None);
}

#[tokio::test]
async fn s2_a_node_with_the_runtime_of_something_else_stops_the_relay_before_anything_is_stored() {
    let (_dir, journal) = journal().await;
    let source = ScriptedSource::all(Script::regular(1, 2));
    source.change(|inner| inner.spec_name = "ves-appchain-2");
    let found = halt(walk_all(&source, &journal).await);
    let expected = Halt::Runtime {
        found: "ves-appchain-2".into(),
    };
    assert_eq!(found, expected);
    assert!(found.to_string().contains("source.node_url"), "{found}");
    assert_eq!(journal.genesis().await.unwrap(), None);
    assert_eq!(journal.cursor().await.unwrap(), None);
    // Nor does a relay that ran before go on, when it looks again after an error.
    source.change(|inner| inner.spec_name = SPEC_NAME);
    let mut walker = Walker::new(source.clone(), None);
    walker.advance(&journal).await.unwrap();
    source.change(|inner| inner.down = true);
    assert!(walker.advance(&journal).await.is_err());
    source.change(|inner| {
        inner.down = false;
        inner.spec_name = "ves-appchain-2";
    });
    assert_eq!(halt(walker.advance(&journal).await), expected);
}

#[tokio::test]
async fn s1_a_finalized_block_that_changes_stops_the_relay() {
    let (_dir, journal) = journal().await;
    let source = ScriptedSource::all(Script::regular(1, 3));
    walk_all(&source, &journal).await.unwrap();
    for length in [3, 4] {
        let mut fork = Script::new().forked(1);
        for _ in 0..length {
            fork = fork.block(&[(0, 1)]);
        }
        source.change(|inner| {
            inner.script = fork;
            inner.finalized = length;
        });
        assert!(matches!(
            halt(walk_all(&source, &journal).await),
            Halt::Fork { number: 3, .. }
        ));
    }
}

#[tokio::test]
async fn s1_a_node_that_is_behind_is_waited_for() {
    let (_dir, journal) = journal().await;
    let source = ScriptedSource::all(Script::regular(1, 5));
    walk_all(&source, &journal).await.unwrap();
    source.change(|inner| inner.finalized = 2);
    assert_eq!(walk_all(&source, &journal).await.unwrap().cursor, 5);
    source.change(|inner| inner.down = true);
    assert!(matches!(
        walk_all(&source, &journal).await,
        Err(WalkError::Unavailable(_))
    ));
    source.change(|inner| {
        inner.down = false;
        inner.finalized = 5;
    });
    assert_eq!(walk_all(&source, &journal).await.unwrap().cursor, 5);
}

#[tokio::test]
async fn s3_batches_that_are_not_those_of_the_header_stop_the_relay_and_leave_nothing() {
    let cases: [fn(&mut Script); 3] = [
        |script| script.blocks[1].1.truncate(1),
        |script| script.blocks[1].1[0].events_root.0[0] ^= 1,
        |script| script.blocks[1].1[0].block_number = 9,
    ];
    for spoil in cases {
        let (_dir, journal) = journal().await;
        let mut script = Script::regular(2, 3);
        spoil(&mut script);
        let source = ScriptedSource::all(script);
        let halt = halt(walk_all(&source, &journal).await);
        assert!(
            matches!(halt, Halt::Inconsistent { number: 2, .. }),
            "{halt}"
        );
        assert_eq!(journal.totals().await.unwrap(), (0, 0));
        assert_eq!(journal.cursor().await.unwrap(), None);
    }
}

#[tokio::test]
async fn s2_an_unknown_commitment_format_stops_the_relay() {
    let (_dir, journal) = journal().await;
    let mut script = Script::regular(1, 1);
    let Commitment::Present(commitment) = script.blocks[0].0.commitment else {
        panic!()
    };
    let newer = Commitment::Present(BlockCommitment {
        version: 2,
        ..commitment
    });
    for unknown in [newer, Commitment::Unreadable] {
        script.blocks[0].0.commitment = unknown;
        let halt = halt(walk_all(&ScriptedSource::all(script.clone()), &journal).await);
        assert!(halt.to_string().contains("newer relay"), "{halt}");
    }
}

#[tokio::test]
async fn d11_a_stream_that_breaks_its_chain_is_set_aside_and_others_go_on() {
    let (_dir, journal) = journal().await;
    let mut script = Script::regular(2, 2);
    // A batch of stream 0 that starts over, well formed in itself.
    let (tenant, store) = support::stream(0);
    let leaf = ves_primitives::LeafHash([1; 32]);
    let tip = StreamTip {
        state_root: StateRoot([5; 32]),
        ..StreamTip::EMPTY
    };
    let broken = ves_primitives::BatchCommitment::commit(tenant, store, 3, &tip, &[leaf]).unwrap();
    script.push(vec![broken]);
    let script = script.block(&[(0, 1), (1, 1)]);
    walk_all(&ScriptedSource::all(script), &journal)
        .await
        .unwrap();
    let rows = journal.streams().await.unwrap();
    let row = |number| rows.iter().find(|row| row.stream == id(number)).unwrap();
    assert!(row(0).quarantine.as_deref().unwrap().contains("block 3"));
    assert_eq!((row(0).open, row(1).open), (2, 3));
    assert!(!journal.release(id(0)).await.unwrap());
}

mod a_journal {
    use super::*;

    #[tokio::test]
    async fn d18_serves_one_relay_at_a_time() {
        let (dir, _journal) = journal().await;
        let path = dir.path().join("relay.db");
        let second = Journal::open(&path).await;
        assert!(matches!(second, Err(JournalError::InUse(_))), "{second:?}");
        Journal::open_read_only(&path).await.unwrap();
    }

    #[tokio::test]
    async fn refuses_another_destination() {
        let (_dir, journal) = journal().await;
        journal
            .pin_destination(10, &[1; 32], &[2; 20], &[3; 20])
            .await
            .unwrap();
        journal
            .pin_destination(10, &[1; 32], &[2; 20], &[3; 20])
            .await
            .unwrap();
        let error = journal
            .pin_destination(11, &[1; 32], &[2; 20], &[3; 20])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("chain id 10"), "{error}");
        assert!(
            journal
                .pin_destination(10, &[9; 32], &[2; 20], &[3; 20])
                .await
                .is_err()
        );
        assert!(
            journal
                .pin_destination(10, &[1; 32], &[9; 20], &[3; 20])
                .await
                .is_err()
        );
        assert!(
            journal
                .pin_destination(10, &[1; 32], &[2; 20], &[9; 20])
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn that_is_no_database_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.db");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let error = Journal::open(&path).await.unwrap_err();
        assert!(matches!(error, JournalError::Damaged(_)), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 8192]);
    }
}

/// The whole relay: an L2 is not needed for that.
#[tokio::test(flavor = "multi_thread")]
async fn s4_a_contradiction_about_proofs_ends_the_relay() {
    let dir = tempfile::tempdir().unwrap();
    let source = ScriptedSource::all(Script::regular(1, 2));
    let identity = Identity {
        chain_id: 1,
        registry: alloy::primitives::Address::repeat_byte(1),
        sender: support::evm::RELAY,
    };
    let chain = Chain::new("http://127.0.0.1:1", identity, Duration::from_secs(1)).unwrap();
    let relay = start_on(
        chain,
        &dir.path().join("relay.db"),
        source.clone(),
        settings(Confirmation::Blocks(1)),
        Observer::default(),
    )
    .await;
    relay
        .until("blocks", async |r: &Running| {
            r.journal.totals().await.unwrap().0 == 2
        })
        .await;
    source.change(|inner| {
        inner.script = inner.script.clone().block(&[]);
        inner.finalized = 3;
        inner.contradicted = true;
    });
    let ended = tokio::time::timeout(Duration::from_secs(30), relay.task).await;
    let halt = ended.expect("it goes on").unwrap().unwrap_err();
    assert!(matches!(halt, Halt::Contradicted { .. }), "{halt}");
}
