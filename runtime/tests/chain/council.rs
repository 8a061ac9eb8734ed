// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the council decides, and what it cannot.

use crate::blocks::{Chain, FOUNDERS, executed};
use codec::Encode;
use polkadot_sdk::{
    frame_support::{dispatch::GetDispatchInfo, traits::Get},
    frame_system::{self, offchain::CreateBare},
    pallet_grandpa,
    sp_keyring::Sr25519Keyring,
    sp_runtime::{
        Digest,
        traits::{BlakeTwo256, Hash},
        transaction_validity::TransactionSource,
    },
};
use ves_runtime::{
    AccountId, Council, Executive, Header, Runtime, RuntimeCall, RuntimeEvent, RuntimeOrigin,
    System,
};

/// More than half, but less than two thirds, however long they wait for the others' votes.
#[test]
fn who_does_not_vote_has_not_agreed() {
    use polkadot_sdk::pallet_collective;
    use ves_runtime::configs::CouncilCollective;

    let mut chain = Chain::new();
    let mut members: Vec<AccountId> = FOUNDERS.map(|(who, _)| who.to_account_id()).into();
    members.push(Sr25519Keyring::Eve.to_account_id());
    let call: RuntimeCall = pallet_consortium::Call::set_council {
        members: members.try_into().unwrap(),
    }
    .into();
    assert!(executed(&chain.decide(3, call)), "a council of five");
    let call: RuntimeCall = pallet_consortium::Call::authorize_upgrade {
        code_hash: Default::default(),
    }
    .into();
    chain.state.execute_with(|| {
        let hash = BlakeTwo256::hash_of(&call);
        let length = call.encoded_size() as u32;
        let weight = call.get_dispatch_info().call_weight;
        let index = pallet_collective::ProposalCount::<Runtime, CouncilCollective>::get();
        let signed = |who: Sr25519Keyring| RuntimeOrigin::signed(who.to_account_id());
        let three = [0, 1, 2].map(|n: usize| FOUNDERS[n].0);
        Council::propose(signed(three[0]), 4, Box::new(call), length).unwrap();
        for who in three {
            Council::vote(signed(who), hash, index, true).unwrap();
        }
        let end = System::block_number()
            + <Runtime as pallet_collective::Config<CouncilCollective>>::MotionDuration::get();
        System::set_block_number(end);
        Council::close(signed(three[0]), hash, index, weight, length).unwrap();
        let events = System::events();
        let disapproved = pallet_collective::Event::Disapproved {
            proposal_hash: hash,
        };
        let wanted = RuntimeEvent::Council(disapproved);
        assert!(
            events.iter().any(|record| record.event == wanted),
            "{events:?}"
        );
    });
}

#[test]
fn half_of_the_council_decides_nothing() {
    let mut chain = Chain::new();
    let calls: [RuntimeCall; 6] = [
        pallet_consortium::Call::add_validator {
            validator: [9; 32].into(),
        }
        .into(),
        pallet_consortium::Call::set_council {
            members: vec![[9; 32].into()].try_into().unwrap(),
        }
        .into(),
        pallet_consortium::Call::authorize_upgrade {
            code_hash: Default::default(),
        }
        .into(),
        pallet_consortium::Call::recover_finality {
            delay: 1,
            best_finalized: 1,
        }
        .into(),
        // The root's own calls are nobody's, whoever votes for them.
        frame_system::Call::set_code { code: vec![] }.into(),
        pallet_grandpa::Call::note_stalled {
            delay: 1,
            best_finalized_block_number: 1,
        }
        .into(),
    ];
    for (n, call) in calls.into_iter().enumerate() {
        let by_two = chain.decide(2, call.clone());
        assert!(!executed(&by_two), "two of four: {call:?}");
        let by_three = chain.decide(3, call.clone());
        // The second one makes another council, so that it stands for the others that it could.
        assert_eq!(executed(&by_three), n < 4, "three of four: {call:?}");
        if n == 1 {
            chain = Chain::new();
        }
    }
}

#[test]
fn the_council_replaces_its_members() {
    let mut chain = Chain::new();
    let members: Vec<AccountId> = vec![[9; 32].into(), FOUNDERS[1].0.to_account_id()];
    let events = chain.decide(
        3,
        pallet_consortium::Call::set_council {
            members: members.clone().try_into().unwrap(),
        },
    );
    assert!(executed(&events));
    let mut now = chain
        .state
        .execute_with(<<Runtime as pallet_consortium::Config>::CouncilMembers as Get<_>>::get);
    now.sort();
    let mut expected = members;
    expected.sort();
    assert_eq!(now, expected);
    // Alice still validates, so that her account lives, but she decides nothing any more.
    let call = ves_runtime::pallet_collective::Call::propose {
        threshold: 1,
        proposal: Box::new(
            pallet_consortium::Call::add_validator {
                validator: [8; 32].into(),
            }
            .into(),
        ),
        length_bound: 100,
    };
    let by_alice = chain.signed(FOUNDERS[0].0, call);
    let refused = chain.state.execute_with(|| {
        Executive::initialize_block(&Header {
            parent_hash: chain.head.hash(),
            number: chain.head.number + 1,
            state_root: Default::default(),
            extrinsics_root: Default::default(),
            digest: Digest::default(),
        });
        Executive::apply_extrinsic(by_alice).unwrap()
    });
    assert_eq!(
        refused,
        Err(polkadot_sdk::pallet_collective::Error::<
            Runtime,
            ves_runtime::configs::CouncilCollective,
        >::NotMember
            .into())
    );
}

#[test]
fn an_upgrade_takes_a_motion_and_then_the_code_from_anybody() {
    let mut chain = Chain::new();
    let code = vec![1; 64];
    let bring = |chain: &mut Chain, code: Vec<u8>| {
        let call = frame_system::Call::<Runtime>::apply_authorized_upgrade { code };
        let transaction =
            <Runtime as CreateBare<frame_system::Call<Runtime>>>::create_bare(call.into());
        chain.pool(TransactionSource::External, &transaction)
    };
    assert!(bring(&mut chain, code.clone()).is_err());
    let code_hash = BlakeTwo256::hash(&code);
    assert!(executed(&chain.decide(
        3,
        pallet_consortium::Call::authorize_upgrade { code_hash }
    )));
    assert!(bring(&mut chain, vec![2; 64]).is_err());
    // That it is no runtime at all is found when it is applied.
    assert_eq!(bring(&mut chain, code), Ok(()));
    let authorized = chain.state.execute_with(System::authorized_upgrade);
    assert_eq!(*authorized.unwrap().code_hash(), code_hash);
}

#[test]
fn the_councils_calls_are_the_only_way_to_root_powers() {
    // Nobody is root: neither the council nor anybody else dispatches as it.
    let mut chain = Chain::new();
    let root_only: [RuntimeCall; 2] =
        [
            frame_system::Call::kill_storage { keys: vec![] }.into(),
            polkadot_sdk::pallet_collective::Call::<
                Runtime,
                ves_runtime::configs::CouncilCollective,
            >::set_members {
                new_members: vec![],
                prime: None,
                old_count: 4,
            }
            .into(),
        ];
    for call in root_only {
        assert!(!executed(&chain.decide(4, call.clone())), "{call:?}");
    }
    let members = chain.state.execute_with(|| {
        polkadot_sdk::pallet_collective::Members::<
            Runtime,
            ves_runtime::configs::CouncilCollective,
        >::get()
        .len()
    });
    assert_eq!(members, 4);
}
