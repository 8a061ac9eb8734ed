// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::testing::{
    FakeChain, GENESIS, TENANT, pool,
    registry::{Lie, Registry, record},
    ui, validators_of,
};
use ves_primitives::registry::{EncryptionKeyRecord, GroupRecipients};

const ANNA: AgentId = AgentId([2; 16]);
const BERT: AgentId = AgentId([3; 16]);
const MALLORY: AgentId = AgentId([6; 16]);
const NOBODY: AgentId = AgentId([7; 16]);
const GROUP: GroupId = GroupId([9; 16]);
const HOUR_MS: u64 = 3_600_000;

fn limits() -> Limits {
    Limits {
        patience: Duration::ZERO,
        ..Limits::new(None, None)
    }
}

fn honest() -> Registry {
    Registry::default()
        .with(ANNA, &[record(1)])
        .with(BERT, &[record(2)])
        .with(MALLORY, &[record(66)])
        .with_group(GROUP, &[ANNA, BERT])
}

/// A chain whose blocks from the second on have this registry.
fn chain(registry: Registry) -> FakeChain {
    let chain = FakeChain::with_seed();
    chain.lock().auto = false;
    chain.commit(vec![]);
    chain.lock().registry = registry;
    chain.commit(vec![]);
    chain
}

fn lying(lie: Lie) -> FakeChain {
    let mut chain = chain(honest());
    chain.registry_lie = Some(lie);
    chain
}

fn to(agents: &[AgentId]) -> Wanted {
    Wanted {
        agents: agents.iter().map(|agent| (TENANT, *agent)).collect(),
        ..Wanted::default()
    }
}

fn to_group() -> Wanted {
    Wanted {
        groups: vec![(TENANT, GROUP)],
        ..Wanted::default()
    }
}

/// Asks at the time of the newest block.
async fn ask_at(
    db: &SqlitePool,
    chain: &FakeChain,
    wanted: &Wanted,
    now_ms: u64,
) -> Result<Directory> {
    ask(db, chain, None, &ui(), wanted, limits(), now_ms).await
}

async fn asked(db: &SqlitePool, chain: &FakeChain, wanted: &Wanted) -> Result<Directory> {
    ask_at(db, chain, wanted, 6_000).await
}

async fn entries(db: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM ves_proven_recipients")
        .fetch_one(db)
        .await
        .unwrap()
}

async fn nodeless(db: &SqlitePool, wanted: &Wanted, now_ms: u64) -> Result<Directory> {
    kept(db, GENESIS, wanted, limits(), now_ms).await
}

/// The code with which a fresh project refuses what this node says, and that nothing of it was kept.
async fn refusal(lie: Lie, wanted: &Wanted) -> &'static str {
    let (_dir, db) = pool().await;
    let failure = asked(&db, &lying(lie), wanted).await.unwrap_err();
    assert_eq!(failure.exit, Exit::NotVerified);
    assert_eq!(entries(&db).await, 0);
    failure.code
}

fn kids(directory: &Directory, agent: AgentId) -> Vec<u32> {
    let keys = directory.keys(TENANT, agent).unwrap();
    keys.iter().map(|entry| entry.record.kid.0).collect()
}

fn members(directory: &Directory) -> Vec<(AgentId, Option<u32>)> {
    let group: GroupRecipients = directory.group(TENANT, GROUP).unwrap();
    let members = group.members.into_iter();
    members
        .map(|one| (one.member.agent_id, one.key.map(|key| key.record.kid.0)))
        .collect()
}

#[tokio::test]
async fn keys_and_members_are_those_that_are_proven_and_a_repeated_question_sees_changes() {
    let (_dir, db) = pool().await;
    let chain = chain(honest());
    let found = asked(&db, &chain, &to(&[ANNA, NOBODY])).await.unwrap();
    assert_eq!(kids(&found, ANNA), [1]);
    assert_eq!(found.keys(TENANT, NOBODY), None);
    let found = asked(&db, &chain, &to_group()).await.unwrap();
    assert_eq!(members(&found), [(ANNA, Some(1)), (BERT, Some(2))]);

    let revoked = EncryptionKeyRecord {
        revoked_at: Some(RecordedAt {
            block: 3,
            time_ms: 6_000,
        }),
        ..record(1)
    };
    chain.lock().registry = honest()
        .with(ANNA, &[revoked, record(5)])
        .with_group(GROUP, &[ANNA]);
    chain.commit(vec![]);
    let found = asked(&db, &chain, &to_group()).await.unwrap();
    assert_eq!(members(&found), [(ANNA, Some(5))]);
    let again = nodeless(&db, &to_group(), 9_000).await.unwrap();
    assert_eq!(members(&again), [(ANNA, Some(5))]);
}

#[tokio::test]
async fn a_node_that_substitutes_a_key_is_refused() {
    let forged = || honest().with(BERT, &[record(66)]);
    for wanted in [to(&[BERT]), to_group()] {
        let code = refusal(Lie::Shows(forged()), &wanted).await;
        assert_eq!(code, "recipient_key_contradicted");
        let code = refusal(Lie::Proves(forged()), &wanted).await;
        assert_eq!(code, "recipients_not_proven");
    }
    let more = || honest().with(BERT, &[record(2), record(66)]);
    let code = refusal(Lie::Shows(more()), &to(&[BERT])).await;
    assert_eq!(code, "recipient_key_contradicted");
    let none = || honest().with(BERT, &[]);
    let code = refusal(Lie::Shows(none()), &to(&[BERT])).await;
    assert_eq!(code, "recipient_keys_withheld");
}

#[tokio::test]
async fn a_node_that_adds_or_omits_a_member_is_refused() {
    for members in [&[ANNA][..], &[ANNA, BERT, MALLORY]] {
        let forged = || honest().with_group(GROUP, members);
        let code = refusal(Lie::Proves(forged()), &to_group()).await;
        assert_eq!(code, "recipients_not_proven");
        let code = refusal(Lie::Forges(forged()), &to_group()).await;
        assert_eq!(code, "recipients_not_final");
    }
}

#[tokio::test]
async fn a_proof_of_another_block_a_forged_header_and_a_stale_one_are_refused() {
    let wanted = to(&[BERT]);
    // The state before anybody was registered.
    let code = refusal(Lie::ProvesAt(1), &wanted).await;
    assert_eq!(code, "recipients_not_proven");
    let forged = honest().with(BERT, &[record(66)]);
    let code = refusal(Lie::Forges(forged), &wanted).await;
    assert_eq!(code, "recipients_not_final");

    let (_dir, db) = pool().await;
    let stands = lying(Lie::StandsAt(2));
    let late = 4_000 + 15 * 60_000;
    assert!(ask_at(&db, &stands, &wanted, late).await.is_ok());
    let failure = ask_at(&db, &stands, &wanted, late + 1).await.unwrap_err();
    assert_eq!(failure.code, "recipients_stale");
    assert!(failure.hint.unwrap().contains("state-max-age-minutes"));

    let ui = ui();
    let exact = Limits {
        state: Duration::ZERO,
        ..limits()
    };
    let at = |now_ms| ask(&db, &stands, None, &ui, &wanted, exact, now_ms);
    assert!(at(4_000).await.is_ok());
    assert_eq!(at(3_999).await.unwrap_err().code, "clock_behind");
}

#[tokio::test]
async fn a_block_without_evidence_or_by_other_authorities_is_refused() {
    let (_dir, db) = pool().await;
    let chain = chain(honest());
    chain.lock().unjustified = true;
    let failure = asked(&db, &chain, &to(&[BERT])).await.unwrap_err();
    assert_eq!(failure.code, "recipients_not_final");
    chain.lock().unjustified = false;

    let other = ves_finality::testing::set(0, &validators_of(7));
    let pin = Some(Pinned::Set(other));
    let (_dir, other_db) = pool().await;
    let wanted = to(&[BERT]);
    let quiet = ui();
    let refused = ask(
        &other_db,
        &chain,
        pin.as_ref(),
        &quiet,
        &wanted,
        limits(),
        6_000,
    );
    assert_eq!(refused.await.unwrap_err().code, "recipients_not_final");
    asked(&db, &chain, &wanted).await.unwrap();
}

#[tokio::test]
async fn the_authorities_are_followed_to_the_set_that_finalized_the_state() {
    let (_dir, db) = pool().await;
    let chain = FakeChain::with_seed();
    chain.lock().set_ends = vec![2, 4];
    chain.lock().registry = honest();
    for _ in 0..6 {
        chain.commit(vec![]);
    }
    let found = asked(&db, &chain, &to(&[BERT])).await.unwrap();
    assert_eq!(kids(&found, BERT), [2]);
    let sets = finality::load(&db, GENESIS).await.unwrap().unwrap();
    assert_eq!(sets.latest().set.set_id, 2);
}

#[tokio::test]
async fn an_older_state_than_was_proven_before_is_refused() {
    let (_dir, db) = pool().await;
    let mut chain = chain(honest());
    chain.commit(vec![]);
    asked(&db, &chain, &to(&[ANNA])).await.unwrap();
    chain.registry_lie = Some(Lie::StandsAt(2));
    let failure = asked(&db, &chain, &to(&[BERT])).await.unwrap_err();
    assert_eq!(failure.code, "recipients_regressed");
}

#[tokio::test]
async fn what_was_proven_serves_without_a_node_for_a_while() {
    let (_dir, db) = pool().await;
    let failure = nodeless(&db, &to(&[ANNA]), 6_000).await.unwrap_err();
    assert_eq!(failure.code, "recipients_not_kept");

    let expiring = EncryptionKeyRecord {
        window: ves_primitives::registry::ValidityWindow {
            valid_from: None,
            valid_to: Some(HOUR_MS),
        },
        ..record(5)
    };
    let chain = chain(honest().with(ANNA, &[record(1), expiring]));
    let proven = asked(&db, &chain, &to_group()).await.unwrap();
    assert_eq!(members(&proven), [(ANNA, Some(5)), (BERT, Some(2))]);

    let found = nodeless(&db, &to_group(), 6_000).await.unwrap();
    assert_eq!(members(&found), members(&proven));
    assert_eq!((found.at.block, found.hash), (proven.at.block, proven.hash));
    // A key that ended meanwhile is not used, though the last proven block knew it as valid.
    let found = nodeless(&db, &to_group(), HOUR_MS + 1).await.unwrap();
    assert_eq!(members(&found), [(ANNA, Some(1)), (BERT, Some(2))]);
    // Members are kept with their group, and found by their numbers.
    let found = nodeless(&db, &to(&[BERT]), 6_000).await.unwrap();
    assert_eq!(kids(&found, BERT), [2]);
    let numbered = |kid| Wanted {
        numbers: vec![RecipientKid(kid)],
        ..Wanted::default()
    };
    let found = nodeless(&db, &numbered(2), 6_000).await.unwrap();
    let used = found.in_place_of(RecipientKid(2)).unwrap();
    assert_eq!(used.agent_id, BERT);
    for unknown in [to(&[NOBODY]), numbered(66)] {
        let failure = nodeless(&db, &unknown, 6_000).await.unwrap_err();
        assert_eq!(failure.code, "recipients_not_kept");
    }

    let last = proven.at.time_ms + 24 * HOUR_MS;
    assert!(nodeless(&db, &to_group(), last).await.is_ok());
    let failure = nodeless(&db, &to_group(), last + 1).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.exit),
        ("recipients_outdated", Exit::Unreachable)
    );
    let hint = failure.hint.unwrap();
    assert!(hint.contains("stateset-sync pull"), "{hint}");
    let (other, wanted) = (GenesisHash([1; 32]), to_group());
    let elsewhere = kept(&db, other, &wanted, limits(), 6_000).await;
    assert_eq!(elsewhere.unwrap_err().code, "recipients_not_kept");
}

#[tokio::test]
async fn that_the_registry_has_nobody_is_kept_too_and_a_dry_run_keeps_nothing() {
    let (_dir, db) = pool().await;
    let chain = chain(honest());
    let unchanging = db::read_only(&db).await.unwrap();
    finality::track(Some(&db), &chain, None, &ui())
        .await
        .unwrap();
    asked(&unchanging, &chain, &to(&[ANNA])).await.unwrap();
    assert_eq!(entries(&db).await, 0);

    asked(&db, &chain, &to(&[ANNA, NOBODY])).await.unwrap();
    let found = nodeless(&db, &to(&[NOBODY]), 6_000).await.unwrap();
    assert_eq!(found.readers[&(TENANT, NOBODY)], None);
    assert_eq!(entries(&db).await, 2);
}

#[tokio::test]
async fn what_is_kept_is_proven_anew_once_an_hour_for_those_who_are_encrypted_to() {
    let (_dir, db) = pool().await;
    let chain = chain(honest());
    let wide = Limits {
        state: FORGOTTEN_AFTER * 2,
        ..limits()
    };
    let nobody = Wanted::default();
    let ui = ui();
    let refresh = async |also: &Wanted, now_ms| {
        let refreshed = refresh(&db, &chain, None, &ui, also, wide, now_ms).await;
        refreshed.unwrap()
    };
    assert!(!refresh(&nobody, 4_000).await, "nobody was encrypted to");
    // Whom the configuration names is proven without having been used.
    assert!(refresh(&to(&[BERT]), 4_000).await);
    assert!(!refresh(&to(&[BERT]), 4_000).await);

    asked(&db, &chain, &to_group()).await.unwrap();
    assert!(!refresh(&nobody, 4_000 + HOUR_MS).await);
    chain.lock().registry = honest().with_group(GROUP, &[ANNA]);
    chain.commit(vec![]);
    assert!(refresh(&nobody, 4_001 + HOUR_MS).await);
    let found = nodeless(&db, &to_group(), 6_000).await.unwrap();
    assert_eq!(members(&found), [(ANNA, Some(1))]);

    let week = 7 * 24 * HOUR_MS;
    assert!(refresh(&nobody, 6_000 + week).await);
    assert!(!refresh(&nobody, 6_001 + week).await, "forgotten");
}
