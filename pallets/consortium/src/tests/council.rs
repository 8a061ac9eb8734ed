// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The council's members, and the next code.

use crate::{Error, Event, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, traits::Get},
    frame_system,
};

fn set_council(members: &[u64]) -> polkadot_sdk::frame_support::pallet_prelude::DispatchResult {
    let members = members.to_vec().try_into().expect("few members");
    Consortium::set_council(RuntimeOrigin::root(), members)
}

#[test]
fn members_may_transact_exactly_as_long_as_they_are_members() {
    chain(|| {
        assert_ok!(set_council(&[103, 101, 102]));
        assert_eq!(CouncilMembers::get(), [101, 102, 103]);
        assert_eq!(events(), [Event::CouncilChanged { members: 3 }]);
        for member in [101, 102, 103] {
            assert_eq!(frame_system::Pallet::<Test>::providers(&member), 1);
        }
        assert!(!frame_system::Pallet::<Test>::account_exists(&100));
        assert_ok!(set_council(&[101, 104]));
        assert_eq!(frame_system::Pallet::<Test>::providers(&101), 1);
        assert_eq!(frame_system::Pallet::<Test>::providers(&104), 1);
        assert_eq!(frame_system::Pallet::<Test>::providers(&102), 0);
    });
}

#[test]
fn a_council_is_neither_empty_nor_has_it_an_account_twice() {
    chain(|| {
        assert_noop!(set_council(&[]), Error::<Test>::EmptyCouncil);
        assert_noop!(set_council(&[7, 8, 7]), Error::<Test>::DuplicateMember);
        assert_eq!(CouncilMembers::get(), [100]);
    });
}

#[test]
fn a_member_that_validates_too_keeps_its_account_when_it_leaves_the_council() {
    chain(|| {
        assert_ok!(set_council(&[1, 100]));
        assert_ok!(set_council(&[100]));
        assert_eq!(frame_system::Pallet::<Test>::providers(&1), 1);
    });
}

#[test]
fn the_next_code_is_authorized_by_its_hash_and_its_version_is_checked() {
    chain(|| {
        let code_hash = [7; 32].into();
        assert_ok!(Consortium::authorize_upgrade(
            RuntimeOrigin::root(),
            code_hash
        ));
        let authorized = frame_system::Pallet::<Test>::authorized_upgrade().expect("is stored");
        assert_eq!(*authorized.code_hash(), code_hash);
        System::assert_last_event(RuntimeEvent::System(
            frame_system::Event::UpgradeAuthorized {
                code_hash,
                check_version: true,
            },
        ));
    });
}
