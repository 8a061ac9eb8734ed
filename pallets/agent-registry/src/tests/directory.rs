// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The answer to "may this author write, and with which key?".

use crate::mock::*;
use polkadot_sdk::frame_support::assert_ok;
use ves_primitives::{
    KeyId, StoreId, TenantId,
    registry::{AuthorDirectory, AuthorProblem, AuthorProblem::*, KeyProblem, ValidityWindow},
};

fn ask() -> Result<(), AuthorProblem> {
    Registry::author_key(TENANT, STORE, AGENT, KEY).map(|_| ())
}

#[test]
fn a_registered_key_of_an_active_agent_may_sign() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_eq!(
            Registry::author_key(TENANT, STORE, AGENT, KEY),
            Ok(public(&signer(1)))
        );
    });
}

#[test]
fn every_missing_link_has_its_own_name() {
    chain(|| {
        let nowhere = TenantId([99; 16]);
        assert_eq!(
            Registry::author_key(nowhere, STORE, AGENT, KEY),
            Err(UnknownTenant)
        );
        let store = StoreId([99; 16]);
        assert_eq!(
            Registry::author_key(TENANT, store, AGENT, KEY),
            Err(UnknownStore)
        );
        assert_eq!(
            Registry::author_key(TENANT, STORE, OTHER_AGENT, KEY),
            Err(UnknownAgent)
        );
        assert_eq!(ask(), Err(Key(KeyProblem::NotFound)));
    });
}

#[test]
fn a_key_of_one_tenant_is_none_of_another_tenants_agent() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_eq!(
            Registry::author_key(OTHER_TENANT, STORE, AGENT, KEY),
            Err(Key(KeyProblem::NotFound))
        );
    });
}

#[test]
fn suspension_stops_an_author_at_once_and_revocation_with_the_next_block() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let admin = || RuntimeOrigin::signed(ADMIN);
        assert_ok!(Registry::set_agent_suspended(admin(), TENANT, AGENT, true));
        assert_eq!(ask(), Err(AgentSuspended));
        assert_ok!(Registry::set_agent_suspended(admin(), TENANT, AGENT, false));
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            true
        ));
        assert_eq!(ask(), Err(TenantSuspended));
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            false
        ));
        assert_eq!(ask(), Ok(()));
        assert_ok!(Registry::revoke_signing_key(
            admin(),
            TENANT,
            AGENT,
            KEY,
            None
        ));
        assert_eq!(ask(), Ok(()), "this block may hold its events already");
        go_to(2, NOW_MS + 2_000);
        assert_eq!(ask(), Err(Key(KeyProblem::Revoked)));
    });
}

#[test]
fn a_window_is_judged_by_chain_time_at_both_ends() {
    chain(|| {
        let window = ValidityWindow {
            valid_from: Some(NOW_MS + 10),
            valid_to: Some(NOW_MS + 20),
        };
        register(KEY, &signer(1), window);
        for (time, verdict) in [
            (9, Err(Key(KeyProblem::NotYetValid))),
            (10, Ok(())),
            (20, Ok(())),
            (21, Err(Key(KeyProblem::Expired))),
        ] {
            go_to(2, NOW_MS + time);
            assert_eq!(ask(), verdict, "{time} ms after the start");
        }
    });
}

#[test]
fn listings_are_in_key_order() {
    chain(|| {
        for id in [5, 1, 3] {
            register(KeyId(id), &signer(id as u8), ALWAYS);
        }
        let ids: Vec<_> = Registry::signing_keys(TENANT, AGENT)
            .into_iter()
            .map(|(id, _)| id.0)
            .collect();
        assert_eq!(ids, [1, 3, 5]);
    });
}
