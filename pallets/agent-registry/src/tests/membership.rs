// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tenants, stores, agents: who may admit whom.

use crate::{Agents, Error, Event, Stores, Tenants, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    frame_system,
    sp_runtime::DispatchError::BadOrigin,
};
use ves_primitives::{StoreId, TenantId};

const NEW_TENANT: TenantId = TenantId([9; 16]);
const NEW_ADMIN: u64 = 70;

#[test]
fn governance_admits_a_tenant_and_its_admin_can_transact() {
    chain(|| {
        assert_eq!(frame_system::Pallet::<Test>::providers(&NEW_ADMIN), 0);
        assert_ok!(Registry::register_tenant(
            RuntimeOrigin::root(),
            NEW_TENANT,
            NEW_ADMIN
        ));
        assert_eq!(frame_system::Pallet::<Test>::providers(&NEW_ADMIN), 1);
        System::assert_last_event(
            Event::TenantRegistered {
                tenant: NEW_TENANT,
                admin: NEW_ADMIN,
            }
            .into(),
        );
    });
}

#[test]
fn nobody_else_admits_a_tenant() {
    chain(|| {
        assert_noop!(
            Registry::register_tenant(RuntimeOrigin::signed(ADMIN), NEW_TENANT, ADMIN),
            BadOrigin
        );
        assert_noop!(
            Registry::register_tenant(RuntimeOrigin::none(), NEW_TENANT, ADMIN),
            BadOrigin
        );
    });
}

#[test]
fn a_tenant_is_admitted_once() {
    chain(|| {
        assert_noop!(
            Registry::register_tenant(RuntimeOrigin::root(), TENANT, NEW_ADMIN),
            Error::<Test>::TenantExists
        );
        assert_eq!(
            Tenants::<Test>::get(TENANT).map(|entry| entry.admin),
            Some(ADMIN)
        );
    });
}

#[test]
fn only_the_tenants_own_admin_opens_stores_and_admits_agents() {
    chain(|| {
        let store = StoreId([33; 16]);
        assert_noop!(
            Registry::register_store(RuntimeOrigin::signed(OTHER_ADMIN), TENANT, store),
            Error::<Test>::NotTenantAdmin
        );
        assert_noop!(
            Registry::register_agent(RuntimeOrigin::signed(OTHER_ADMIN), TENANT, OTHER_AGENT),
            Error::<Test>::NotTenantAdmin
        );
        assert_noop!(
            Registry::register_store(RuntimeOrigin::signed(ADMIN), NEW_TENANT, store),
            Error::<Test>::TenantNotFound
        );
        assert_ok!(Registry::register_store(
            RuntimeOrigin::signed(ADMIN),
            TENANT,
            store
        ));
        assert!(Stores::<Test>::contains_key(TENANT, store));
        assert!(!Stores::<Test>::contains_key(OTHER_TENANT, store));
    });
}

#[test]
fn stores_and_agents_are_registered_once() {
    chain(|| {
        assert_noop!(
            Registry::register_store(RuntimeOrigin::signed(ADMIN), TENANT, STORE),
            Error::<Test>::StoreExists
        );
        assert_noop!(
            Registry::register_agent(RuntimeOrigin::signed(ADMIN), TENANT, AGENT),
            Error::<Test>::AgentExists
        );
    });
}

#[test]
fn a_suspended_tenant_changes_nothing_but_may_revoke() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            true
        ));
        assert_noop!(
            Registry::register_agent(RuntimeOrigin::signed(ADMIN), TENANT, OTHER_AGENT),
            Error::<Test>::TenantSuspended
        );
        assert_ok!(Registry::revoke_signing_key(
            RuntimeOrigin::signed(ADMIN),
            TENANT,
            AGENT,
            KEY,
            None
        ));
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            false
        ));
        assert_ok!(Registry::register_agent(
            RuntimeOrigin::signed(ADMIN),
            TENANT,
            OTHER_AGENT
        ));
    });
}

#[test]
fn suspending_what_does_not_exist_is_an_error() {
    chain(|| {
        assert_noop!(
            Registry::set_tenant_suspended(RuntimeOrigin::root(), NEW_TENANT, true),
            Error::<Test>::TenantNotFound
        );
        assert_noop!(
            Registry::set_agent_suspended(RuntimeOrigin::signed(ADMIN), TENANT, OTHER_AGENT, true),
            Error::<Test>::AgentNotFound
        );
        assert!(!Agents::<Test>::contains_key(TENANT, OTHER_AGENT));
    });
}
