// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::testing::{FakeChain, GENESIS, STORE, TENANT, pool, signed_events, ui, validators_of};
use ves_finality::testing;

fn first_set() -> AuthoritySet {
    testing::set(0, &validators_of(0))
}

/// Six blocks with an event each, two sets ended.
fn chain() -> FakeChain {
    let chain = FakeChain::with_seed();
    chain.lock().set_ends = vec![2, 4];
    for n in 0..6 {
        chain.commit(signed_events(n..n + 1));
    }
    chain
}

#[test]
fn a_set_is_pinned_by_hash_or_by_file() {
    let dir = tempfile::tempdir().unwrap();
    let hash = first_set().hash(GENESIS);
    assert_eq!(
        Pinned::read(&hash.to_string()).unwrap(),
        Pinned::Named(hash)
    );
    let path = dir.path().join("set.json");
    std::fs::write(&path, serde_json::to_vec(&first_set()).unwrap()).unwrap();
    let read = |path: &Path| Pinned::read(path.to_str().unwrap());
    assert_eq!(read(&path).unwrap(), Pinned::Set(first_set()));
    assert_eq!(Pinned::Set(first_set()).hash(GENESIS), hash);
    for text in ["{}", r#"{"set_id":0,"authorities":[]}"#, "0x12"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path).unwrap_err().code, "authorities_invalid");
    }
}

#[tokio::test]
async fn the_first_set_is_trusted_on_first_sight_and_never_replaced() {
    let (_dir, db) = pool().await;
    let chain = chain();
    let sets = track(Some(&db), &chain, None, &ui()).await.unwrap();
    assert_eq!(sets.first().set, first_set());
    assert_eq!(sets.latest().set.set_id, 2);
    assert_eq!(load(&db, GENESIS).await.unwrap(), Some(sets));
    assert_eq!(load(&db, GenesisHash([1; 32])).await.unwrap(), None);

    let other = Pinned::Set(testing::set(0, &validators_of(9)));
    let failure = track(Some(&db), &chain, Some(&other), &ui())
        .await
        .unwrap_err();
    assert_eq!(failure.code, "authorities_conflict");
    let update = sqlx::query("UPDATE ves_authority_sets SET after_block = 9")
        .execute(&db)
        .await;
    assert!(update.is_err());
}

#[tokio::test]
async fn a_change_that_is_not_proven_is_named_and_nothing_is_kept() {
    let (_dir, db) = pool().await;
    let stranger = Pinned::Set(testing::set(0, &validators_of(7)));
    let failure = track(Some(&db), &chain(), Some(&stranger), &ui())
        .await
        .unwrap_err();
    assert_eq!(
        (failure.code, failure.exit),
        ("authorities_not_proven", Exit::NotVerified)
    );
    assert_eq!(load(&db, GENESIS).await.unwrap(), None);
}

#[tokio::test]
async fn evidence_holds_every_set_between_the_trusted_one_and_the_block() {
    let chain = chain();
    let sets = track(None, &chain, None, &ui()).await.unwrap();
    for (sequence, changes) in [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)] {
        let inclusion = chain.inclusion(TENANT, STORE, sequence).await.unwrap();
        let header = Header::decode(&inclusion.unwrap().header).unwrap();
        let found = evidence(&chain, &sets, &header, &ui())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.set_changes.len(), changes, "sequence {sequence}");
        let mut reader = TrackedSets::new(found.authorities.unwrap(), 0).unwrap();
        for change in &found.set_changes {
            reader.follow(change).unwrap();
        }
        reader.prove(&header, &found.proof).unwrap();
    }
}
