// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which public keys are pinned, and what a node that lies about them leaves behind.

use super::*;
use crate::{
    inbox::VerifiedKeys,
    testing::{AGENT, SEED, prune},
};
use ves_primitives::AgentId;

const AUTHOR: (AgentId, KeyId) = (AGENT, KeyId(1));
const FALSE_KEY: SigningPublicKey = SigningPublicKey([3; 32]);

fn true_key() -> SigningPublicKey {
    crate::keys::Signer::from_seed(KeyId(1), &SEED).public_key()
}

async fn pinned(db: &SqlitePool) -> Option<SigningPublicKey> {
    inbox::pinned_key(db, GENESIS, TENANT, AUTHOR)
        .await
        .unwrap()
}

/// The three batches, and a node whose registry shows a false key.
fn lying() -> FakeChain {
    let chain = chain();
    chain.edit_key(|key| key.public_key = FALSE_KEY);
    chain
}

#[tokio::test]
async fn a_false_key_that_a_node_shows_leaves_nothing_behind() {
    let (_dir, db) = pool().await;
    let chain = lying();
    let report = run(&chain, &db).await;
    assert_eq!((report.quarantined.len(), report.to), (14, 14));
    let reasons: Vec<_> = report.quarantined.iter().map(|q| q.reason).collect();
    assert!(reasons.iter().all(|r| *r == Reason::SignatureInvalid));
    assert_eq!(pinned(&db).await, None);
    let kept = inbox::key_record(&db, GENESIS, TENANT, AUTHOR).await;
    assert_eq!(kept.unwrap(), None, "nor as what the registry says");

    // The same agent's next events, from an honest node, and then the old ones too.
    chain.edit_key(|key| key.public_key = true_key());
    chain.commit(signed_events(14..16));
    let report = run(&chain, &db).await;
    assert_eq!((report.failure(), report.stored), (None, 2));
    assert_eq!(pinned(&db).await, Some(true_key()));
    let again = recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    assert!(again.iter().all(|item| item.promoted), "{again:?}");
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (16, 0));
}

#[tokio::test]
async fn after_a_false_key_its_owner_can_still_vouch_for_the_true_one() {
    let (_dir, db) = pool().await;
    let chain = lying();
    run(&chain, &db).await;
    let vouched = inbox::pin_key(&db, GENESIS, TENANT, AGENT, KeyId(1), true_key()).await;
    assert_eq!(vouched.unwrap(), true_key());
    let again = recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    let problem = again[0].problem.as_deref().unwrap();
    assert!(problem.starts_with("peer_key_conflict"), "{problem}");
}

#[tokio::test]
async fn a_promotion_pins_the_key_and_a_look_alone_does_not() {
    let (_dir, db) = pool().await;
    let chain = lying();
    run(&chain, &db).await;
    chain.edit_key(|key| key.public_key = true_key());
    for (keep, expected) in [(true, None), (false, Some(true_key()))] {
        let again = recheck(&db, &chain, STREAM, None, keep, &ui())
            .await
            .unwrap();
        assert!(again.iter().all(|item| item.promoted));
        assert_eq!(pinned(&db).await, expected, "keep {keep}");
    }
}

#[tokio::test]
async fn a_key_that_changes_after_a_good_pull_is_a_conflict_until_the_true_one_is_back() {
    let (_dir, db) = pool().await;
    let chain = chain();
    run(&chain, &db).await;
    assert_eq!(pinned(&db).await, Some(true_key()));
    chain.commit(signed_events(14..15));
    chain.edit_key(|key| key.public_key = FALSE_KEY);
    let report = run(&chain, &db).await;
    assert_eq!(report.quarantined[0].reason, Reason::PeerKeyConflict);
    assert_eq!(pinned(&db).await, Some(true_key()));
    chain.edit_key(|key| key.public_key = true_key());
    let again = recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    assert!(again[0].promoted, "{again:?}");
}

#[tokio::test]
async fn an_event_without_payload_pins_its_key_too_and_one_outside_the_tree_does_not() {
    let (_dir, db) = pool().await;
    let mut one = FakeChain::with_seed();
    one.commit(signed_events(0..1));
    one.record_lie = Some(Box::new(prune));
    assert_eq!(run(&one, &db).await.pruned.len(), 1);
    assert_eq!(pinned(&db).await, Some(true_key()));

    // All about it holds with the key that the node shows, but it was never sequenced.
    let (_dir, db) = pool().await;
    let forged = signed(&Draft {
        entity_id: "never".into(),
        ..draft()
    });
    one.record_lie = Some(Box::new(move |record| {
        let hash = forged.envelope.signing_hash().unwrap();
        record.event = (&forged).into();
        record.event_signing_hash = hash;
        record.leaf_hash = forged.envelope.leaf_hash(record.sequence, &hash);
        record.receipt_hash = forged.envelope.receipt_hash(record.sequence, &hash);
    }));
    let report = run(&one, &db).await;
    assert_eq!(report.quarantined[0].reason, Reason::InclusionInvalid);
    assert_eq!(pinned(&db).await, None);
}

#[tokio::test]
async fn a_batch_is_not_stored_when_another_key_was_pinned_while_it_was_verified() {
    let (_dir, db) = pool().await;
    let chain = chain();
    let inclusion = chain.inclusion(TENANT, STORE, 1).await.unwrap().unwrap();
    let shown = chain.signing_key(TENANT, AGENT, KeyId(1), chain.finalized().await.unwrap());
    let keys = VerifiedKeys::from([(AUTHOR, shown.await.unwrap().unwrap())]);
    inbox::pin_key(&db, GENESIS, TENANT, AGENT, KeyId(1), FALSE_KEY)
        .await
        .unwrap();
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = inbox::store_batch(&mut tx, STREAM, GENESIS, &inclusion, &[], &keys).await;
    assert_eq!(refused.unwrap_err().code, "peer_key_conflict");
    tx.rollback().await.unwrap();
    assert_eq!(
        inbox::tip(&db, STREAM, GENESIS).await.unwrap(),
        StreamTip::EMPTY
    );
}
