// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The hand-over of a tenant from one administrator to the next.

use crate::{Error, Event, Tenants, mock::*};
use polkadot_sdk::frame_support::{assert_noop, assert_ok};
use ves_primitives::TenantId;

const HEIR: u64 = 70;
const OTHER_HEIR: u64 = 71;

fn admin() -> RuntimeOrigin {
    RuntimeOrigin::signed(ADMIN)
}

fn providers(account: u64) -> u32 {
    System::providers(&account)
}

fn current_admin() -> u64 {
    Tenants::<Test>::get(TENANT).expect("registered").admin
}

#[test]
fn an_offer_and_its_acceptance_change_the_administrator() {
    chain(|| {
        assert_ok!(Registry::propose_tenant_admin(admin(), TENANT, HEIR));
        System::assert_last_event(
            Event::TenantAdminProposed {
                tenant: TENANT,
                proposed: HEIR,
            }
            .into(),
        );
        assert_eq!(current_admin(), ADMIN, "an offer changes nothing yet");
        assert_eq!(providers(HEIR), 1, "it can sign its acceptance");
        assert_ok!(Registry::accept_tenant_admin(
            RuntimeOrigin::signed(HEIR),
            TENANT
        ));
        System::assert_has_event(
            Event::TenantAdminChanged {
                tenant: TENANT,
                previous: ADMIN,
                admin: HEIR,
            }
            .into(),
        );
        assert_eq!(current_admin(), HEIR);
        assert_noop!(
            Registry::register_agent(admin(), TENANT, OTHER_AGENT),
            Error::<Test>::NotTenantAdmin
        );
        assert_ok!(Registry::register_agent(
            RuntimeOrigin::signed(HEIR),
            TENANT,
            OTHER_AGENT
        ));
    });
}

#[test]
fn accounts_live_exactly_as_long_as_a_tenant_refers_to_them() {
    chain(|| {
        assert_ok!(Registry::propose_tenant_admin(admin(), TENANT, HEIR));
        assert_ok!(Registry::propose_tenant_admin(admin(), TENANT, HEIR));
        assert_eq!(providers(HEIR), 1, "offered twice, referred to once");
        assert_ok!(Registry::propose_tenant_admin(admin(), TENANT, OTHER_HEIR));
        assert_eq!((providers(HEIR), providers(OTHER_HEIR)), (0, 1));
        assert_ok!(Registry::cancel_tenant_admin(admin(), TENANT));
        assert_eq!(providers(OTHER_HEIR), 0);
        assert_ok!(Registry::propose_tenant_admin(admin(), TENANT, HEIR));
        assert_ok!(Registry::accept_tenant_admin(
            RuntimeOrigin::signed(HEIR),
            TENANT
        ));
        assert_eq!((providers(ADMIN), providers(HEIR)), (0, 1));
        // Who administers two tenants lives on when one is handed over.
        assert_ok!(Registry::propose_tenant_admin(
            RuntimeOrigin::signed(OTHER_ADMIN),
            OTHER_TENANT,
            HEIR
        ));
        assert_ok!(Registry::accept_tenant_admin(
            RuntimeOrigin::signed(HEIR),
            OTHER_TENANT
        ));
        assert_eq!((providers(OTHER_ADMIN), providers(HEIR)), (0, 2));
        let heir = || RuntimeOrigin::signed(HEIR);
        assert_ok!(Registry::propose_tenant_admin(heir(), TENANT, ADMIN));
        assert_ok!(Registry::accept_tenant_admin(admin(), TENANT));
        assert_eq!((providers(ADMIN), providers(HEIR)), (1, 1));
    });
}

#[test]
fn only_the_proposed_account_accepts_and_only_a_standing_offer() {
    chain(|| {
        let heir = || RuntimeOrigin::signed(HEIR);
        assert_noop!(
            Registry::accept_tenant_admin(heir(), TENANT),
            Error::<Test>::NotProposedAdmin
        );
        assert_ok!(Registry::propose_tenant_admin(admin(), TENANT, HEIR));
        for stranger in [ADMIN, OTHER_HEIR, OTHER_ADMIN] {
            assert_noop!(
                Registry::accept_tenant_admin(RuntimeOrigin::signed(stranger), TENANT),
                Error::<Test>::NotProposedAdmin
            );
        }
        assert_noop!(
            Registry::accept_tenant_admin(heir(), OTHER_TENANT),
            Error::<Test>::NotProposedAdmin
        );
        assert_ok!(Registry::cancel_tenant_admin(admin(), TENANT));
        System::assert_has_event(
            Event::TenantAdminProposalCancelled {
                tenant: TENANT,
                proposed: HEIR,
            }
            .into(),
        );
        assert_noop!(
            Registry::accept_tenant_admin(heir(), TENANT),
            Error::<Test>::NotProposedAdmin
        );
        assert_noop!(
            Registry::cancel_tenant_admin(admin(), TENANT),
            Error::<Test>::NoProposal
        );
    });
}

#[test]
fn only_the_admin_or_governance_offers_a_tenant() {
    chain(|| {
        for origin in [
            RuntimeOrigin::signed(OTHER_ADMIN),
            RuntimeOrigin::signed(HEIR),
        ] {
            assert_noop!(
                Registry::propose_tenant_admin(origin, TENANT, HEIR),
                Error::<Test>::NotTenantAdmin
            );
        }
        assert_noop!(
            Registry::propose_tenant_admin(admin(), TENANT, ADMIN),
            Error::<Test>::AlreadyTenantAdmin
        );
        assert_noop!(
            Registry::propose_tenant_admin(RuntimeOrigin::root(), TenantId([9; 16]), HEIR),
            Error::<Test>::TenantNotFound
        );
    });
}

/// An admin whose key is stolen: governance stops the tenant and hands it over.
#[test]
fn governance_hands_over_a_suspended_tenant_against_its_admin() {
    chain(|| {
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            true
        ));
        assert_noop!(
            Registry::propose_tenant_admin(admin(), TENANT, OTHER_HEIR),
            Error::<Test>::TenantSuspended
        );
        assert_ok!(Registry::propose_tenant_admin(
            RuntimeOrigin::root(),
            TENANT,
            HEIR
        ));
        assert_noop!(
            Registry::cancel_tenant_admin(admin(), TENANT),
            Error::<Test>::TenantSuspended
        );
        assert_ok!(Registry::accept_tenant_admin(
            RuntimeOrigin::signed(HEIR),
            TENANT
        ));
        assert_eq!(current_admin(), HEIR);
        assert!(Tenants::<Test>::get(TENANT).expect("registered").suspended);
    });
}
