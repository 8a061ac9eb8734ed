// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The named checks see what they are there to see.

use crate::{
    Agents, Groups, KeyPolicies, LastRecipientKid, Successors, Tenants, frame_support::storage,
    mock::*,
};
use polkadot_sdk::sp_runtime::TryRuntimeError;
use ves_primitives::{
    GroupId, KeyId, TenantId,
    registry::{Group, KeyPolicy},
};

/// What the check says, and what was done.
type Damage = (&'static str, Box<dyn Fn()>);

/// What the checks say of a change, which is undone afterwards.
fn after(change: impl FnOnce()) -> Result<(), TryRuntimeError> {
    let mut verdict = Ok(());
    storage::with_transaction_unchecked(|| {
        change();
        verdict = Registry::do_try_state();
        polkadot_sdk::sp_runtime::TransactionOutcome::Rollback(())
    });
    verdict
}

#[test]
fn every_kind_of_damage_is_named() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_eq!(after(|| ()), Ok(()));
        let name = (TENANT, AGENT);
        let damages: [Damage; 9] = [
            (
                "agent of no tenant",
                Box::new(|| {
                    Agents::<Test>::insert(TenantId([9; 16]), AGENT, crate::Agent::default())
                }),
            ),
            (
                "an agent's key counts are wrong",
                Box::new(|| {
                    Agents::<Test>::mutate(TENANT, AGENT, |a| {
                        a.as_mut().expect("there").signing_keys = 2;
                    });
                }),
            ),
            (
                "a successor is no key",
                Box::new(move || Successors::<Test>::insert(name, KEY, KeyId(9))),
            ),
            (
                "policy of no key",
                Box::new(move || {
                    let policy = KeyPolicy {
                        enabled: true,
                        event_types: Default::default(),
                        entity_types: Default::default(),
                        require_base_version: false,
                        max_payload_bytes: 1,
                    };
                    KeyPolicies::<Test>::insert(name, KeyId(9), policy);
                }),
            ),
            (
                "malformed policy",
                Box::new(move || {
                    let policy = KeyPolicy {
                        enabled: true,
                        event_types: Default::default(),
                        entity_types: Default::default(),
                        require_base_version: false,
                        max_payload_bytes: 0,
                    };
                    KeyPolicies::<Test>::insert(name, KEY, policy);
                }),
            ),
            (
                "recipient numbers have gaps",
                Box::new(|| LastRecipientKid::<Test>::put(1)),
            ),
            (
                "a tenant's count of groups is wrong",
                Box::new(|| Groups::<Test>::insert(TENANT, GroupId([1; 16]), Group::default())),
            ),
            (
                "a tenant's count of schemas is wrong",
                Box::new(|| {
                    Tenants::<Test>::mutate(TENANT, |t| t.as_mut().expect("there").schemas = 1);
                }),
            ),
            (
                "an administrator's account does not live",
                Box::new(|| {
                    Tenants::<Test>::mutate(TENANT, |t| t.as_mut().expect("there").admin = 99);
                }),
            ),
        ];
        for (what, damage) in damages {
            assert_eq!(after(damage), Err(what.into()), "{what}");
        }
    });
}
