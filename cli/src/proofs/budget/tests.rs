// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::chain::Chain;
use crate::{
    keys::Protection,
    proofs::{
        making::{Claim, prove_event},
        settle::{Settled, settle},
    },
    push::Signers,
    testing::{
        AGENT, pool,
        proofs::{Prover, STREAM, cap, no_passphrase},
        ui,
    },
};
use std::time::Duration;
use ves_primitives::KeyId;

fn budget(limit: u64) -> Wish {
    Wish {
        policy: Policy::AgentBudget {
            budget_limit: limit,
        },
        ..cap(0)
    }
}

async fn total_in(prover: &Prover, db: &SqlitePool, wish: &Wish) -> Result<Total> {
    let mut opener = prover.opener();
    let mut recovery = Recovery {
        pool: db,
        chain: &prover.chain,
        keys: &prover.keys,
        opener: &mut opener,
        unlock: &no_passphrase,
        stream: STREAM,
        agent: AGENT,
    };
    let best = prover.chain.best().await.unwrap();
    recovery.total(wish, best).await
}

/// Captures, pushes and spends an amount, as `prove --budget` does.
async fn spend(prover: &Prover, amount: &str, wish: &Wish) -> Result<EventId> {
    let id = prover.hide(&format!(r#"{{"total":"{amount}"}}"#)).await;
    prover.push().await;
    let subject = find(&prover.pool, STREAM, id).await?.unwrap();
    let total = total_in(prover, &prover.pool, wish).await?;
    let clear = prover.opener().clear(&subject.event)?;
    let (amount, salt) = clear.amount("total", wish.currency)?;
    let mut signers = Signers::new(&prover.keys, &no_passphrase);
    let key = prover.keys.list(AGENT, Purpose::Signing)?.len();
    let signer = signers.open(AGENT, KeyId(u32::try_from(key).unwrap()))?;
    let step = total.step(signer, &subject, wish, amount)?;
    let claim = Claim {
        policy: wish.policy,
        currency: wish.currency,
        amount: &Opening::new(amount, salt),
        step: Some(&step),
    };
    let genesis = prover.chain.genesis_hash();
    let submission = prove_event(signer, &genesis, &subject, &claim, &ui())?;
    let settled = settle(&prover.chain, &[submission], Duration::from_secs(5)).await?;
    assert!(matches!(settled[0], Settled::Proven(_)), "{settled:?}");
    Ok(id)
}

#[tokio::test]
async fn a_total_grows_step_by_step_up_to_its_limit() {
    let prover = Prover::new().await;
    let wish = budget(10_000);
    for amount in ["40.00", "35.00", "25.00"] {
        spend(&prover, amount, &wish).await.unwrap();
    }
    let total = total_in(&prover, &prover.pool, &wish).await.unwrap();
    assert_eq!((total.amount, total.steps), (10_000, 3));
    let refused = spend(&prover, "0.01", &wish).await.unwrap_err();
    assert_eq!((refused.code, refused.exit), ("over_limit", Exit::Refused));
    // Another limit is another budget, which starts at nothing.
    spend(&prover, "0.01", &budget(20_000)).await.unwrap();
    let other = total_in(&prover, &prover.pool, &budget(20_000))
        .await
        .unwrap();
    assert_eq!((other.amount, other.steps), (1, 1));
}

#[tokio::test]
async fn a_lost_database_loses_no_total() {
    let prover = Prover::new().await;
    let wish = budget(10_000);
    spend(&prover, "40.00", &wish).await.unwrap();
    spend(&prover, "35.00", &wish).await.unwrap();
    let (_dir, fresh) = pool().await;
    let nothing = total_in(&prover, &fresh, &wish).await.err().unwrap();
    assert_eq!(nothing.code, "total_unknown");
    prover.pull_events(&fresh).await;
    let total = total_in(&prover, &fresh, &wish).await.unwrap();
    assert_eq!((total.amount, total.steps), (7_500, 2));
}

#[tokio::test]
async fn a_new_signing_key_goes_on_from_the_old_ones_total() {
    let prover = Prover::new().await;
    let wish = budget(10_000);
    spend(&prover, "40.00", &wish).await.unwrap();
    let second = prover
        .keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    prover.chain.register(second.key_id, second.public_key);
    spend(&prover, "35.00", &wish).await.unwrap();
    let total = total_in(&prover, &prover.pool, &wish).await.unwrap();
    assert_eq!((total.amount, total.steps), (7_500, 2));
}

#[tokio::test]
async fn without_the_key_that_made_the_last_step_the_total_stays_closed() {
    let mut prover = Prover::new().await;
    let wish = budget(10_000);
    spend(&prover, "40.00", &wish).await.unwrap();
    let (_dir, other_keys) = crate::testing::key_store();
    let path = other_keys.path(AGENT, Purpose::Signing, KeyId(1));
    std::fs::copy(path, prover.keys.path(AGENT, Purpose::Signing, KeyId(1))).unwrap();
    let failure = total_in(&prover, &prover.pool, &wish).await.err().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("total_unknown", Exit::Refused)
    );
    prover.chain.proofs.record_lie = None;
}
