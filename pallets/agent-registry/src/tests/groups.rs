// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Encryption groups and what senders learn of them.

use crate::{Error, Event, Tenants, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    sp_runtime::DispatchResult,
};
use ves_primitives::{
    AgentId, GroupId, KeyId, KeyPurpose, RecipientKid, limits,
    registry::{GroupMember, GroupRecipients, GroupRole},
};

const GROUP: GroupId = GroupId([7; 16]);

fn admin() -> RuntimeOrigin {
    RuntimeOrigin::signed(ADMIN)
}

fn set(agent: AgentId, role: GroupRole) -> DispatchResult {
    Registry::set_group_member(admin(), TENANT, GROUP, agent, role)
}

fn recipients() -> GroupRecipients {
    Registry::group_recipients(TENANT, GROUP).expect("exists")
}

fn register_x25519(key_id: KeyId, scalar: u8) {
    let key = x25519(scalar);
    let proof = sign(
        &signer(1),
        &statement(key_id, KeyPurpose::Encryption, key.0).hash(),
    );
    assert_ok!(Registry::register_encryption_key(
        admin(),
        TENANT,
        AGENT,
        key_id,
        key,
        ALWAYS,
        KEY,
        proof
    ));
}

#[test]
fn members_come_and_go_and_every_change_has_an_epoch() {
    chain(|| {
        assert_ok!(Registry::register_agent(admin(), TENANT, OTHER_AGENT));
        assert_ok!(Registry::create_group(admin(), TENANT, GROUP));
        assert_eq!(recipients().epoch, 0);
        assert_ok!(set(OTHER_AGENT, GroupRole::Manager));
        assert_ok!(set(AGENT, GroupRole::Reader));
        System::assert_last_event(
            Event::GroupMemberSet {
                tenant: TENANT,
                group: GROUP,
                agent: AGENT,
                role: GroupRole::Reader,
                epoch: 2,
            }
            .into(),
        );
        assert_noop!(
            set(AGENT, GroupRole::Reader),
            Error::<Test>::GroupMemberUnchanged
        );
        let members: Vec<_> = recipients().members.into_iter().map(|m| m.member).collect();
        assert_eq!(
            members,
            [
                GroupMember {
                    agent_id: AGENT,
                    role: GroupRole::Reader
                },
                GroupMember {
                    agent_id: OTHER_AGENT,
                    role: GroupRole::Manager
                },
            ]
        );
        assert_ok!(Registry::remove_group_member(admin(), TENANT, GROUP, AGENT));
        System::assert_last_event(
            Event::GroupMemberRemoved {
                tenant: TENANT,
                group: GROUP,
                agent: AGENT,
                epoch: 3,
            }
            .into(),
        );
        assert_noop!(
            Registry::remove_group_member(admin(), TENANT, GROUP, AGENT),
            Error::<Test>::NotAGroupMember
        );
        assert_eq!(recipients().members.len(), 1);
    });
}

#[test]
fn senders_learn_each_members_newest_key_that_is_valid_now() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_ok!(Registry::create_group(admin(), TENANT, GROUP));
        assert_ok!(set(AGENT, GroupRole::Reader));
        let kid = || {
            let mut members = recipients().members;
            members.remove(0).key.map(|entry| entry.record.kid)
        };
        assert_eq!(kid(), None, "no key yet");
        register_x25519(KeyId(1), 1);
        register_x25519(KeyId(2), 2);
        assert_eq!(kid(), Some(RecipientKid(2)));
        assert_ok!(Registry::revoke_encryption_key(
            admin(),
            TENANT,
            AGENT,
            KeyId(2)
        ));
        assert_eq!(kid(), Some(RecipientKid(1)));
        assert_ok!(Registry::set_agent_suspended(admin(), TENANT, AGENT, true));
        assert_eq!(kid(), None, "nothing new is encrypted to the suspended");
    });
}

#[test]
fn a_group_is_created_once_and_a_dissolved_one_never_again() {
    chain(|| {
        assert_ok!(Registry::create_group(admin(), TENANT, GROUP));
        assert_noop!(
            Registry::create_group(admin(), TENANT, GROUP),
            Error::<Test>::GroupExists
        );
        assert_ok!(set(AGENT, GroupRole::Reader));
        assert_ok!(Registry::dissolve_group(admin(), TENANT, GROUP));
        System::assert_last_event(
            Event::GroupDissolved {
                tenant: TENANT,
                group: GROUP,
                epoch: 2,
            }
            .into(),
        );
        assert!(recipients().dissolved && recipients().members.is_empty());
        assert_noop!(set(AGENT, GroupRole::Reader), Error::<Test>::GroupDissolved);
        assert_noop!(
            Registry::create_group(admin(), TENANT, GROUP),
            Error::<Test>::GroupExists
        );
        assert_noop!(
            Registry::dissolve_group(admin(), TENANT, GROUP),
            Error::<Test>::GroupDissolved
        );
        assert_eq!(Registry::groups(TENANT), [GROUP]);
    });
}

#[test]
fn groups_are_the_tenants_own() {
    chain(|| {
        assert_ok!(Registry::create_group(admin(), TENANT, GROUP));
        for call in [
            Registry::create_group(RuntimeOrigin::signed(OTHER_ADMIN), TENANT, GROUP),
            Registry::set_group_member(
                RuntimeOrigin::signed(OTHER_ADMIN),
                TENANT,
                GROUP,
                AGENT,
                GroupRole::Reader,
            ),
            Registry::dissolve_group(RuntimeOrigin::signed(OTHER_ADMIN), TENANT, GROUP),
        ] {
            assert_eq!(call, Err(Error::<Test>::NotTenantAdmin.into()));
        }
        assert_noop!(
            set(OTHER_AGENT, GroupRole::Reader),
            Error::<Test>::AgentNotFound
        );
        assert_eq!(Registry::group_recipients(OTHER_TENANT, GROUP), None);
        assert_noop!(
            Registry::set_group_member(
                RuntimeOrigin::signed(OTHER_ADMIN),
                OTHER_TENANT,
                GROUP,
                AGENT,
                GroupRole::Reader
            ),
            Error::<Test>::GroupNotFound
        );
    });
}

#[test]
fn a_suspended_tenant_removes_members_but_admits_none() {
    chain(|| {
        assert_ok!(Registry::create_group(admin(), TENANT, GROUP));
        assert_ok!(set(AGENT, GroupRole::Reader));
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            true
        ));
        assert_noop!(
            set(AGENT, GroupRole::Manager),
            Error::<Test>::TenantSuspended
        );
        assert_ok!(Registry::remove_group_member(admin(), TENANT, GROUP, AGENT));
        assert_ok!(Registry::dissolve_group(admin(), TENANT, GROUP));
    });
}

#[test]
fn members_and_groups_are_bounded() {
    chain(|| {
        assert_ok!(Registry::create_group(admin(), TENANT, GROUP));
        for n in 0..limits::MAX_RECIPIENTS {
            let agent = AgentId([100 + u8::try_from(n).expect("64 of them"); 16]);
            assert_ok!(Registry::register_agent(admin(), TENANT, agent));
            assert_ok!(set(agent, GroupRole::Reader));
        }
        assert_noop!(set(AGENT, GroupRole::Reader), Error::<Test>::GroupFull);
        let counted = |n| {
            Tenants::<Test>::mutate(TENANT, |entry| {
                entry.as_mut().expect("registered").groups = n;
            });
        };
        counted(limits::MAX_GROUPS_PER_TENANT);
        assert_noop!(
            Registry::create_group(admin(), TENANT, GroupId([8; 16])),
            Error::<Test>::MaxGroupsExceeded
        );
        counted(1);
    });
}
