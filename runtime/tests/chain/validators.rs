// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Validators come, and readers follow.

use crate::blocks::{Chain, FOUNDERS, NEWCOMER, add, announced};
use codec::Encode;
use polkadot_sdk::{
    frame_support::traits::Contains, frame_system,
    sp_consensus_grandpa::runtime_decl_for_grandpa_api::GrandpaApi, sp_runtime::Digest,
};
use ves_finality::{TrackedSets, testing};
use ves_runtime::{Executive, Header, Runtime};

#[test]
fn a_validator_joins_by_three_of_four_votes_and_its_own_keys() {
    let mut chain = Chain::new();
    let newcomer = add(&mut chain);
    chain.session();
    assert_eq!(announced(&chain.head), None);
    chain.session();
    assert_eq!(chain.set().len(), 5);
    assert!(chain.set().contains(&newcomer));
    assert_eq!(announced(&chain.head).map(|set| set.len()), Some(5));
    let set_id = chain.state.execute_with(Runtime::current_set_id);
    assert_eq!(set_id, 1);
}

#[test]
fn readers_follow_the_change_by_header_and_votes_alone() {
    let mut chain = Chain::new();
    add(&mut chain);
    let header = |chain: &Chain| ves_finality::Header::decode(&chain.head.encode()).unwrap();
    chain.session();
    chain.session();
    let change = header(&chain);
    assert_eq!(change.hash().0, chain.head.hash().0);
    chain.block(vec![]);
    let after = header(&chain);

    let first: Vec<_> = FOUNDERS.map(|(_, votes)| votes).into();
    let second: Vec<_> = first.iter().copied().chain([NEWCOMER]).collect();
    let mut sets = TrackedSets::new(testing::set(0, &first), 0).unwrap();
    let by = |target, set_id, voters| testing::justify(target, 5, set_id, voters);
    // The old set's votes for the block that announces the new one; two of four are too few.
    let too_few = testing::proof(std::slice::from_ref(&change), &by(&change, 0, &first[..2]));
    assert!(sets.follow(&too_few).is_err());
    let enough = testing::proof(std::slice::from_ref(&change), &by(&change, 0, &first[..3]));
    sets.follow(&enough).unwrap();
    assert_eq!(sets.latest().set, testing::set(1, &second));
    assert_eq!(sets.latest().after, change.number);
    // From then on four of five, under the new number.
    for (set_id, voters, holds) in [
        (1, &second[1..], true),
        (1, &second[2..], false),
        (0, &first[..], false),
    ] {
        let proof = testing::proof(&[], &by(&after, set_id, voters));
        assert_eq!(sets.prove(&after, &proof).is_ok(), holds, "set {set_id}");
    }
}

#[test]
fn keys_of_a_validator_cannot_be_withdrawn() {
    let call = ves_runtime::pallet_session::Call::<Runtime>::purge_keys {};
    type Filter = <Runtime as frame_system::Config>::BaseCallFilter;
    assert!(!Filter::contains(&call.into()));
    let mut chain = Chain::new();
    let purge = chain.signed(
        FOUNDERS[1].0,
        ves_runtime::pallet_session::Call::purge_keys {},
    );
    let refused = chain.state.execute_with(|| {
        Executive::initialize_block(&Header {
            parent_hash: chain.head.hash(),
            number: chain.head.number + 1,
            state_root: Default::default(),
            extrinsics_root: Default::default(),
            digest: Digest::default(),
        });
        Executive::apply_extrinsic(purge).unwrap()
    });
    assert_eq!(
        refused,
        Err(frame_system::Error::<Runtime>::CallFiltered.into())
    );
}
