// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The withdrawal of signing keys, now and ahead.

use crate::{Error, Event, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    sp_runtime::DispatchResult,
};
use ves_primitives::{
    KeyId, limits,
    registry::{AuthorDirectory, AuthorProblem, KeyProblem, RecordedAt, Revocation},
};

fn revoke(effective_from: Option<u32>) -> DispatchResult {
    Registry::revoke_signing_key(
        RuntimeOrigin::signed(ADMIN),
        TENANT,
        AGENT,
        KEY,
        effective_from,
    )
}

fn may_sign() -> bool {
    match Registry::author(TENANT, STORE, AGENT, KEY) {
        Ok(_) => true,
        Err(AuthorProblem::Key(KeyProblem::Revoked)) => false,
        Err(other) => unreachable!("refused for another reason: {other}"),
    }
}

#[test]
fn a_revocation_records_when_it_was_decided_and_from_which_block_it_counts() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        go_to(5, NOW_MS + 8_000);
        assert_ok!(revoke(None));
        System::assert_last_event(
            Event::SigningKeyRevoked {
                tenant: TENANT,
                agent: AGENT,
                key_id: KEY,
                effective_from: 6,
            }
            .into(),
        );
        let record = Registry::signing_key(TENANT, AGENT, KEY).expect("kept");
        assert_eq!(
            record.revocation,
            Some(Revocation {
                effective_from: 6,
                decided_at: RecordedAt {
                    block: 5,
                    time_ms: NOW_MS + 8_000
                },
            })
        );
    });
}

#[test]
fn the_chain_and_a_later_reader_judge_every_block_alike() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        go_to(3, NOW_MS + 4_000);
        assert_ok!(revoke(Some(7)));
        let mut verdicts = Vec::new();
        for block in 3..10u32 {
            let time_ms = NOW_MS + u64::from(block) * 2_000;
            go_to(block.into(), time_ms);
            verdicts.push((RecordedAt { block, time_ms }, may_sign()));
        }
        let record = Registry::signing_key(TENANT, AGENT, KEY).expect("kept");
        for (at, on_chain) in verdicts {
            assert_eq!(on_chain, at.block < 7, "block {}", at.block);
            assert_eq!(record.check_at(&at).is_ok(), on_chain, "block {}", at.block);
        }
    });
}

#[test]
fn a_revocation_ahead_is_brought_forward_but_not_postponed() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_ok!(revoke(Some(100)));
        assert_noop!(revoke(Some(100)), Error::<Test>::KeyRevoked);
        assert_noop!(revoke(Some(101)), Error::<Test>::KeyRevoked);
        assert_ok!(revoke(Some(50)));
        go_to(10, NOW_MS);
        assert_ok!(revoke(None));
        go_to(11, NOW_MS);
        assert!(!may_sign());
        for later in [None, Some(5), Some(1_000)] {
            assert_noop!(revoke(later), Error::<Test>::KeyRevoked);
        }
    });
}

#[test]
fn a_revocation_lies_at_most_the_notice_ahead() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let last = 1 + limits::MAX_REVOCATION_NOTICE_BLOCKS;
        assert_noop!(revoke(Some(last + 1)), Error::<Test>::RevocationTooFarAhead);
        assert_ok!(revoke(Some(last)));
    });
}

#[test]
fn only_the_tenants_admin_revokes_and_only_keys_there_are() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_noop!(
            Registry::revoke_signing_key(
                RuntimeOrigin::signed(OTHER_ADMIN),
                TENANT,
                AGENT,
                KEY,
                None
            ),
            Error::<Test>::NotTenantAdmin
        );
        assert_noop!(
            Registry::revoke_signing_key(
                RuntimeOrigin::signed(ADMIN),
                TENANT,
                AGENT,
                KeyId(9),
                None
            ),
            Error::<Test>::KeyNotFound
        );
    });
}
