// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::testing::{FakeChain, GENESIS, STORE, TENANT, pool, signed_events, ui, validators_of};
use ves_finality::testing;

fn first_set() -> AuthoritySet {
    testing::set(0, &validators_of(0))
}

/// Six blocks with an event each, two sets ended; the second one by force if `by` is its last block and
/// the one that says so.
fn chain_ended(by: Option<(u32, u32)>) -> FakeChain {
    let chain = FakeChain::with_seed();
    chain.lock().set_ends = vec![2, 4];
    chain.lock().forced = by;
    for n in 0..6 {
        chain.commit(signed_events(n..n + 1));
    }
    chain
}

fn chain() -> FakeChain {
    chain_ended(None)
}

fn forced() -> FakeChain {
    chain_ended(Some((4, 5)))
}

/// The block of the event at `sequence`, with the evidence for it.
async fn evidence_of(
    chain: &FakeChain,
    sets: &TrackedSets,
    sequence: u64,
) -> (Header, FinalityJson) {
    let inclusion = chain.inclusion(TENANT, STORE, sequence).await.unwrap();
    let header = Header::decode(&inclusion.unwrap().header).unwrap();
    let found = evidence(chain, sets, &header, &ui()).await.unwrap();
    (header, found.unwrap())
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
        let (header, found) = evidence_of(&chain, &sets, sequence).await;
        assert_eq!(found.set_changes.len(), changes, "sequence {sequence}");
        let mut reader = TrackedSets::new(found.authorities.unwrap(), 0).unwrap();
        for change in &found.set_changes {
            reader.follow(change).unwrap();
        }
        reader.prove(&header, &found.proof).unwrap();
    }
}

fn forced_set() -> AuthoritySetHash {
    testing::set(2, &validators_of(2)).hash(GENESIS)
}

async fn accepted(db: &SqlitePool, chain: &FakeChain, wanted: AuthoritySetHash) -> Result<()> {
    let known = ask(Some(db), chain, None, &ui()).await?;
    accept(Some(db), chain, known, wanted).await.map(|_| ())
}

#[tokio::test]
async fn a_set_to_which_the_chain_was_forced_is_trusted_on_the_users_word_only() {
    let (_dir, db) = pool().await;
    let chain = forced();
    let failure = track(Some(&db), &chain, None, &ui()).await.unwrap_err();
    assert_eq!((failure.code, failure.exit), (FORCED, Exit::NotVerified));
    let hint = failure.hint.unwrap();
    assert!(hint.contains(&forced_set().to_string()), "{hint}");
    let kept = load(&db, GENESIS).await.unwrap().unwrap();
    assert_eq!(
        kept.latest().set.set_id,
        1,
        "what signatures lead to is kept"
    );

    let other = testing::set(2, &validators_of(9)).hash(GENESIS);
    let failure = accepted(&db, &chain, other).await.unwrap_err();
    assert_eq!(failure.code, "authorities_conflict");
    assert_eq!(load(&db, GENESIS).await.unwrap(), Some(kept));

    accepted(&db, &chain, forced_set()).await.unwrap();
    let sets = track(Some(&db), &chain, None, &ui()).await.unwrap();
    assert_eq!((sets.latest().set.set_id, sets.latest().after), (2, 4));
    assert!(sets.latest().forced);
    assert_eq!(load(&db, GENESIS).await.unwrap(), Some(sets));
    // Again, it changes nothing.
    accepted(&db, &chain, forced_set()).await.unwrap();
}

#[tokio::test]
async fn a_set_is_accepted_only_where_the_chain_was_forced_to_it_and_where_its_members_say() {
    let (_dir, db) = pool().await;
    let failure = accepted(&db, &chain(), forced_set()).await.unwrap_err();
    assert_eq!(failure.code, "authorities_unknown");

    let (_dir, db) = pool().await;
    let chain = forced();
    let mut lying = forced();
    lying.finality_lie = Some(Box::new(|_, proof| {
        let last = proof.justification.len() - 1;
        proof.justification[last] ^= 1;
    }));
    let failure = accepted(&db, &lying, forced_set()).await.unwrap_err();
    assert_eq!(failure.code, "authorities_not_proven");
    let kept = load(&db, GENESIS).await.unwrap().unwrap();
    assert_eq!(kept.latest().set.set_id, 1);
    accepted(&db, &chain, forced_set()).await.unwrap();
}

#[tokio::test]
async fn evidence_behind_a_forced_change_begins_with_the_accepted_set() {
    let (_dir, db) = pool().await;
    let chain = forced();
    accepted(&db, &chain, forced_set()).await.unwrap();
    let sets = track(Some(&db), &chain, None, &ui()).await.unwrap();
    for (sequence, begins, changes) in [(2, 0, 0), (3, 0, 1), (4, 0, 1), (5, 2, 0), (6, 2, 0)] {
        let (_, found) = evidence_of(&chain, &sets, sequence).await;
        let first = found.authorities.unwrap();
        assert_eq!((first.set_id, found.set_changes.len()), (begins, changes));
    }
}
