// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What keys may be used for, and how much tenants and agents may write.

use crate::{Error, Event, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    sp_runtime::{DispatchError::BadOrigin, DispatchResult},
};
use ves_primitives::{
    KeyId, TenantId, limits,
    registry::{Author, AuthorDirectory, KeyPolicy, Quota, TypePattern},
};

fn author() -> Author {
    Registry::author(TENANT, STORE, AGENT, KEY).expect("may write")
}

fn policy() -> KeyPolicy {
    KeyPolicy {
        enabled: true,
        event_types: vec!["order.*".parse().expect("a pattern")]
            .try_into()
            .expect("one"),
        entity_types: vec!["*".parse().expect("a pattern")]
            .try_into()
            .expect("one"),
        require_base_version: true,
        max_payload_bytes: limits::MAX_PAYLOAD_BYTES,
    }
}

fn set_policy(policy: Option<KeyPolicy>) -> DispatchResult {
    Registry::set_key_policy(RuntimeOrigin::signed(ADMIN), TENANT, AGENT, KEY, policy)
}

const QUOTA: Quota = Quota {
    events: 7,
    payload_bytes: 8,
};

#[test]
fn a_policy_holds_until_the_admin_lifts_it_and_the_events_tell() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_eq!(author().policy, None);
        for policy in [Some(policy()), None] {
            assert_ok!(set_policy(policy.clone()));
            System::assert_last_event(
                Event::KeyPolicyChanged {
                    tenant: TENANT,
                    agent: AGENT,
                    key_id: KEY,
                    policy: policy.clone(),
                }
                .into(),
            );
            assert_eq!(author().policy, policy);
        }
    });
}

#[test]
fn a_policy_is_of_one_key_only() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        register(KeyId(2), &signer(2), ALWAYS);
        assert_ok!(set_policy(Some(policy())));
        let other = Registry::author(TENANT, STORE, AGENT, KeyId(2)).expect("may write");
        assert_eq!(other.policy, None);
    });
}

#[test]
fn malformed_policies_and_policies_of_no_key_are_refused() {
    chain(|| {
        assert_noop!(set_policy(Some(policy())), Error::<Test>::KeyNotFound);
        register(KEY, &signer(1), ALWAYS);
        let odd = TypePattern(b"or*er".to_vec().try_into().expect("short"));
        for bad in [
            KeyPolicy {
                event_types: vec![odd].try_into().expect("one"),
                ..policy()
            },
            KeyPolicy {
                max_payload_bytes: 0,
                ..policy()
            },
        ] {
            assert_noop!(set_policy(Some(bad)), Error::<Test>::InvalidKeyPolicy);
        }
        assert_noop!(
            Registry::set_key_policy(RuntimeOrigin::signed(OTHER_ADMIN), TENANT, AGENT, KEY, None),
            Error::<Test>::NotTenantAdmin
        );
    });
}

#[test]
fn governance_limits_tenants_and_tenants_limit_agents() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_eq!(author().tenant_quota, Quota::DEFAULT_TENANT);
        assert_eq!(author().agent_quota, Quota::DEFAULT_AGENT);
        assert_ok!(Registry::set_tenant_quota(
            RuntimeOrigin::root(),
            TENANT,
            Some(QUOTA)
        ));
        System::assert_last_event(
            Event::TenantQuotaChanged {
                tenant: TENANT,
                quota: Some(QUOTA),
            }
            .into(),
        );
        assert_eq!(author().tenant_quota, QUOTA);
        assert_eq!(author().agent_quota, Quota::DEFAULT_AGENT);
        let admin = || RuntimeOrigin::signed(ADMIN);
        assert_ok!(Registry::set_agent_quota(
            admin(),
            TENANT,
            AGENT,
            Some(QUOTA)
        ));
        System::assert_last_event(
            Event::AgentQuotaChanged {
                tenant: TENANT,
                agent: AGENT,
                quota: Some(QUOTA),
            }
            .into(),
        );
        assert_eq!(author().agent_quota, QUOTA);
        assert_ok!(Registry::set_agent_quota(admin(), TENANT, AGENT, None));
        assert_eq!(author().agent_quota, Quota::DEFAULT_AGENT);
    });
}

#[test]
fn nobody_sets_his_own_limit() {
    chain(|| {
        assert_noop!(
            Registry::set_tenant_quota(RuntimeOrigin::signed(ADMIN), TENANT, None),
            BadOrigin
        );
        assert_noop!(
            Registry::set_agent_quota(
                RuntimeOrigin::signed(OTHER_ADMIN),
                TENANT,
                AGENT,
                Some(QUOTA)
            ),
            Error::<Test>::NotTenantAdmin
        );
        assert_noop!(
            Registry::set_tenant_quota(RuntimeOrigin::root(), TenantId([9; 16]), None),
            Error::<Test>::TenantNotFound
        );
        assert_noop!(
            Registry::set_agent_quota(
                RuntimeOrigin::signed(ADMIN),
                TENANT,
                OTHER_AGENT,
                Some(QUOTA)
            ),
            Error::<Test>::AgentNotFound
        );
    });
}
