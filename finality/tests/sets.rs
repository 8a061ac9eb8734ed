// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Fabricated chains with real keys: blocks proven final across changes of the authority set.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ves_finality::{
    Announced, BlockHash, DigestItem, Era, FinalityError, Header, TrackedSets, announced,
    testing::{self, Validator, change, forced_change, justify, proof},
};
use ves_primitives::{
    Authority, AuthoritySet, FinalityProof,
    limits::{MAX_AUTHORITIES, MAX_FINALITY_HEADERS, MAX_SET_CHANGES},
};

const GENESIS: BlockHash = BlockHash([0xaa; 32]);

fn validators(range: std::ops::Range<u32>) -> Vec<Validator> {
    range.map(Validator).collect()
}

/// Sets 0, 1 and 2 have four validators each and share none. Block 10 announces set 1 at once,
/// block 20 set 2 with a delay of three blocks.
struct World {
    headers: Vec<Header>,
    sets: [Vec<Validator>; 3],
}

fn world() -> World {
    let sets = [validators(0..4), validators(4..8), validators(8..12)];
    let headers = testing::chain(GENESIS, 40, |number| match number {
        10 => vec![other_engine(), change(&sets[1], 0)],
        20 => vec![change(&sets[2], 3)],
        _ => vec![],
    });
    World { headers, sets }
}

fn other_engine() -> DigestItem {
    DigestItem::Consensus(*b"VESB", vec![1, 2, 3])
}

impl World {
    fn block(&self, number: u32) -> &Header {
        &self.headers[number as usize - 1]
    }

    fn span(&self, from: u32, to: u32) -> &[Header] {
        &self.headers[from as usize - 1..to as usize]
    }

    fn trusted(&self) -> TrackedSets {
        TrackedSets::new(testing::set(0, &self.sets[0]), 0).unwrap()
    }

    /// Of the blocks from `from` to `to` by the first three of a set.
    fn by(&self, set: usize, from: u32, to: u32) -> FinalityProof {
        let voters = &self.sets[set][..3];
        let justification = justify(self.block(to), 5, set as u64, voters);
        proof(self.span(from, to), &justification)
    }

    /// That block `number` is final, by the justification of `target`.
    fn proof(&self, set: usize, number: u32, target: u32) -> FinalityProof {
        let mut proof = self.by(set, number, target);
        proof.headers.remove(0);
        proof
    }

    /// Whether these sets accept that.
    fn prove(
        &self,
        sets: &TrackedSets,
        set: usize,
        number: u32,
        target: u32,
    ) -> Result<(), FinalityError> {
        let evidence = self.proof(set, number, target);
        sets.prove(self.block(number), &evidence).map(|_| ())
    }

    fn changes(&self) -> [FinalityProof; 2] {
        [self.by(0, 10, 10), self.by(1, 20, 23)]
    }

    fn tracked(&self) -> TrackedSets {
        let mut sets = self.trusted();
        for change in self.changes() {
            sets.follow(&change).unwrap();
        }
        sets
    }
}

#[test]
fn a_block_is_final_by_its_own_justification_or_by_that_of_a_descendant() {
    let world = world();
    let sets = world.trusted();
    for target in [3, 4, 9, 10] {
        let proven = sets
            .prove(world.block(3), &world.proof(0, 3, target))
            .unwrap();
        let expected: Vec<_> = world
            .span(3, target)
            .iter()
            .map(|header| (header.number, header.hash()))
            .collect();
        assert_eq!(proven.blocks, expected);
        assert_eq!((proven.tally.voters, proven.tally.set_id), (3, 0));
    }
}

#[test]
fn the_set_is_followed_through_its_changes() {
    let world = world();
    let sets = world.tracked();
    let eras: Vec<_> = sets
        .eras()
        .iter()
        .map(|era| (era.set.set_id, era.after))
        .collect();
    assert_eq!(eras, [(0, 0), (1, 10), (2, 23)]);
    assert_eq!(sets.latest().set, testing::set(2, &world.sets[2]));
    for (set, block, target) in [
        (0, 10, 10),
        (1, 11, 11),
        (1, 20, 23),
        (2, 24, 24),
        (2, 30, 40),
    ] {
        let evidence = world.proof(set, block, target);
        assert!(sets.prove(world.block(block), &evidence).is_ok(), "{block}");
    }
    let again = TrackedSets::resume(sets.eras().to_vec()).unwrap();
    assert_eq!(again, sets);
}

#[test]
fn a_set_finalizes_nothing_outside_its_time() {
    let world = world();
    let sets = world.tracked();
    // Keys of a former set, stolen later, finalize no new blocks; nor does a set to come.
    for (set, block) in [(0, 11), (0, 30), (1, 24), (2, 23), (1, 10)] {
        let found = sets.prove(world.block(block), &world.proof(set, block, block));
        assert!(
            matches!(found, Err(FinalityError::NotEnoughWeight { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn a_set_whose_end_is_in_the_headers_does_not_justify_beyond_it() {
    let world = world();
    // Not told of the change yet: the headers show it.
    let found = world
        .trusted()
        .prove(world.block(9), &world.proof(0, 9, 12));
    let ended = |target| Err(FinalityError::SetEnded { end: 10, target });
    assert_eq!(found, ended(12));
    let found = world
        .trusted()
        .prove(world.block(10), &world.proof(0, 10, 11));
    assert_eq!(found, ended(11));
    let mut sets = world.trusted();
    sets.follow(&world.changes()[0]).unwrap();
    let found = sets.prove(world.block(19), &world.proof(1, 19, 24));
    assert_eq!(
        found,
        Err(FinalityError::SetEnded {
            end: 23,
            target: 24
        })
    );
}

#[test]
fn a_change_is_taken_from_the_present_set_only_and_at_its_very_end() {
    let world = world();
    let mut sets = world.trusted();
    let refused = |sets: &mut TrackedSets, change: &FinalityProof| {
        let before = sets.clone();
        let error = sets.follow(change).unwrap_err();
        assert_eq!(*sets, before, "nothing is taken from a refused change");
        error
    };
    // Not announced, not justified by the present set, not at its end, of another set.
    let quiet = world.by(0, 9, 9);
    assert_eq!(refused(&mut sets, &quiet), FinalityError::NoChange(9));
    let foreign = world.by(1, 10, 10);
    assert!(matches!(
        refused(&mut sets, &foreign),
        FinalityError::NotEnoughWeight { .. }
    ));
    let late = world.by(0, 10, 11);
    assert!(matches!(
        refused(&mut sets, &late),
        FinalityError::SetEnded { .. }
    ));
    let skipped = world.by(1, 20, 23);
    assert!(matches!(
        refused(&mut sets, &skipped),
        FinalityError::NotEnoughWeight { .. }
    ));
    assert_eq!(
        refused(&mut sets, &FinalityProof::default()),
        FinalityError::Missing
    );

    sets.follow(&world.changes()[0]).unwrap();
    let early = world.by(1, 20, 22);
    assert_eq!(
        refused(&mut sets, &early),
        FinalityError::ChangeMisplaced { end: 23, found: 22 }
    );
    let again = world.by(1, 10, 10);
    assert_eq!(refused(&mut sets, &again), FinalityError::BeforeTrust(10));
}

/// Set 0 finalized up to block 4 and lost its majority. Block 6 announces a change that never becomes
/// final, block 9 forces set 1 upon the chain, which ends with block 20.
fn forced() -> World {
    let sets = [validators(0..4), validators(4..8), validators(8..12)];
    let headers = testing::chain(GENESIS, 30, |number| match number {
        6 => vec![change(&sets[2], 0)],
        9 => vec![change(&sets[2], 0), forced_change(&sets[1], 4, 1)],
        20 => vec![change(&sets[2], 0)],
        _ => vec![],
    });
    World { headers, sets }
}

#[test]
fn a_forced_change_ends_what_can_be_proven_until_its_set_is_accepted() {
    let world = forced();
    let mut sets = world.trusted();
    let evidence = world.by(0, 9, 9);
    assert_eq!(sets.follow(&evidence), Err(FinalityError::ForcedChange(9)));
    assert_eq!(
        world.prove(&sets, 0, 3, 12),
        Err(FinalityError::ForcedChange(9))
    );
    assert!(world.prove(&sets, 1, 12, 13).is_err(), "by an unknown set");

    let era = sets.forced_by(&evidence).unwrap().unwrap();
    assert_eq!((era.after, era.forced), (4, true));
    assert_eq!(era.set, testing::set(1, &world.sets[1]));
    sets.accept(era.clone()).unwrap();
    assert_eq!(sets.latest(), &era);
    assert_eq!(
        sets.accept(era),
        Err(FinalityError::SetsBroken {
            previous: 1,
            found: 1
        })
    );
    world.prove(&sets, 0, 2, 4).unwrap();
    world.prove(&sets, 1, 12, 13).unwrap();
    // What was announced before, and never became final, is void.
    world.prove(&sets, 1, 5, 12).unwrap();
    world.prove(&sets, 1, 3, 12).unwrap();
    assert!(world.prove(&sets, 0, 12, 13).is_err(), "by the set before");
    // Who trusts the new set alone.
    let alone = TrackedSets::new(testing::set(1, &world.sets[1]), 0).unwrap();
    world.prove(&alone, 1, 5, 12).unwrap();
    assert!(world.prove(&alone, 0, 3, 4).is_err(), "by the set before");

    sets.follow(&world.by(1, 20, 20)).unwrap();
    assert_eq!(sets.latest().set, testing::set(2, &world.sets[2]));
    assert!(!sets.latest().forced);
    world.prove(&sets, 2, 21, 25).unwrap();
    let resumed = TrackedSets::resume(sets.eras().to_vec()).unwrap();
    assert_eq!(resumed, sets);
}

#[test]
fn a_forced_set_is_taken_with_its_proof_or_not_at_all() {
    let world = forced();
    let mut sets = world.trusted();
    let before = sets.clone();
    let era = sets.forced_by(&world.by(0, 9, 9)).unwrap().unwrap();
    // By the set before, of another block, and by nobody.
    for evidence in [
        world.proof(0, 9, 12),
        world.proof(1, 10, 12),
        FinalityProof::default(),
    ] {
        let refused = sets.accept_proven(era.clone(), world.block(9), &evidence);
        assert!(refused.is_err());
        assert_eq!(sets, before);
    }
    let evidence = world.proof(1, 9, 12);
    sets.accept_proven(era.clone(), world.block(9), &evidence)
        .unwrap();
    assert_eq!(sets.latest(), &era);
}

#[test]
fn evidence_starts_where_trust_does_and_no_further_back_than_it_may_reach() {
    let era = |set_id: u32, forced| Era {
        set: testing::set(set_id.into(), &validators(set_id..set_id + 1)),
        after: set_id,
        forced,
    };
    let reach = MAX_SET_CHANGES;
    let eras = |forced| -> Vec<Era> {
        let ids = 0..=reach + 2;
        ids.map(|id| era(id, id == forced)).collect()
    };
    let start = |sets: &TrackedSets, id: u32| sets.start_of_evidence(id.into()).set.set_id;
    let ordinary = TrackedSets::resume(eras(u32::MAX)).unwrap();
    for (id, begins) in [(0, 0), (reach, 0), (reach + 1, 1), (reach + 2, 2)] {
        assert_eq!(start(&ordinary, id), begins);
    }
    let forced = TrackedSets::resume(eras(3)).unwrap();
    for (id, begins) in [(2, 0), (3, 3), (4, 3), (reach + 2, 3)] {
        assert_eq!(start(&forced, id), begins);
    }
}

#[test]
fn another_forced_set_than_the_accepted_one_ends_what_can_be_proven() {
    let world = forced();
    for (members, after) in [(2, 4), (1, 5)] {
        let mut sets = world.trusted();
        sets.accept(Era {
            set: testing::set(1, &world.sets[members]),
            after,
            forced: true,
        })
        .unwrap();
        assert_eq!(
            world.prove(&sets, 1, 8, 12),
            Err(FinalityError::ForcedChange(9))
        );
    }
    // A set that is vouched for is not the one that the header means.
    let era = |forced| Era {
        set: testing::set(1, &world.sets[1]),
        after: 4,
        forced,
    };
    let first = TrackedSets::new(testing::set(0, &world.sets[0]), 0).unwrap();
    let with = |forced| TrackedSets::resume([first.eras(), &[era(forced)]].concat()).unwrap();
    world.prove(&with(true), 1, 8, 12).unwrap();
    assert_eq!(
        world.prove(&with(false), 1, 8, 12),
        Err(FinalityError::ForcedChange(9))
    );
}

#[test]
fn a_set_is_forced_upon_a_chain_after_the_newest_set_and_before_its_own_header() {
    let sets = [validators(0..4), validators(4..8)];
    let ask = |trusted_after, last| {
        let headers = testing::chain(GENESIS, 9, |number| match number {
            9 => vec![forced_change(&sets[1], last, 0)],
            _ => vec![],
        });
        let tracked = TrackedSets::new(testing::set(0, &sets[0]), trusted_after).unwrap();
        tracked.forced_by(&proof(&headers[8..], &justify(&headers[8], 1, 0, &sets[0])))
    };
    assert!(ask(0, 9).unwrap().is_some());
    assert_eq!(
        ask(0, 10),
        Err(FinalityError::ChangeMisplaced { end: 10, found: 9 })
    );
    let broken = FinalityError::SetsBroken {
        previous: 0,
        found: 1,
    };
    assert_eq!(ask(4, 4), Err(broken));

    let world = world();
    let sets = world.trusted();
    assert_eq!(sets.forced_by(&world.changes()[0]), Ok(None));
    assert_eq!(
        sets.forced_by(&FinalityProof::default()),
        Err(FinalityError::Missing)
    );
}

#[test]
fn headers_with_a_gap_or_of_another_chain_are_refused() {
    let world = world();
    let sets = world.trusted();
    let mut gap = world.proof(0, 3, 8);
    gap.headers.remove(2);
    assert_eq!(
        sets.prove(world.block(3), &gap),
        Err(FinalityError::HeadersBroken {
            number: 5,
            found: 7
        })
    );
    let mut swapped = world.proof(0, 3, 8);
    swapped.headers.swap(1, 2);
    assert!(sets.prove(world.block(3), &swapped).is_err());
    let other = testing::header(GENESIS, 3, vec![]);
    assert!(matches!(
        sets.prove(&other, &world.proof(0, 3, 8)),
        Err(FinalityError::HeadersBroken { number: 3, .. })
    ));
    let mut short = world.proof(0, 3, 8);
    short.headers.pop();
    assert!(matches!(
        sets.prove(world.block(3), &short),
        Err(FinalityError::OtherBlock {
            found_number: 8,
            ..
        })
    ));
}

#[test]
fn a_height_that_nobody_signed_is_compared_with_the_header() {
    let world = world();
    let target = world.block(5);
    let child = world.block(6);
    // All votes are for block 6; the target's height is the justification's own word.
    let mut justification = justify(child, 5, 0, &world.sets[0]);
    justification.target = testing::for_block(target);
    justification.votes_ancestries.push(child.clone());
    let evidence = proof(&[], &justification);
    assert!(world.trusted().prove(target, &evidence).is_ok());
    justification.target.target_number = 4;
    let evidence = proof(&[], &justification);
    assert!(matches!(
        world.trusted().prove(target, &evidence),
        Err(FinalityError::OtherBlock { .. })
    ));
}

#[test]
fn evidence_is_bounded() {
    let world = world();
    let sets = world.trusted();
    let one_too_many = FinalityProof {
        headers: vec![vec![]; MAX_FINALITY_HEADERS as usize + 1],
        justification: vec![],
    };
    assert!(matches!(
        sets.prove(world.block(3), &one_too_many),
        Err(FinalityError::TooMuch { .. })
    ));
    let next = validators(0..1);
    let many = AuthoritySet {
        set_id: 0,
        authorities: vec![
            Authority {
                key: next[0].key(),
                weight: 1
            };
            MAX_AUTHORITIES as usize + 1
        ],
    };
    assert!(TrackedSets::new(many, 0).is_err());
    assert!(TrackedSets::resume(vec![]).is_err());
}

#[test]
fn announcements_are_read_as_nodes_read_them() {
    let (first, second) = (validators(0..1), validators(1..2));
    let header = |digest| testing::header(GENESIS, 7, digest);
    let next = |header: &Header| match announced(header) {
        Ok(Some(Announced::Change { next, last })) => Some((next[0].key, last)),
        Ok(None) => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(next(&header(vec![])), None);
    let unreadable = DigestItem::Consensus(*b"FRNK", vec![9, 9]);
    let disabled = DigestItem::Consensus(*b"FRNK", [vec![3], vec![0; 8]].concat());
    let sealed = match change(&second, 0) {
        DigestItem::Consensus(engine, data) => DigestItem::Seal(engine, data),
        other => other,
    };
    let items = vec![
        unreadable,
        disabled,
        sealed,
        change(&first, 2),
        change(&second, 5),
    ];
    assert_eq!(next(&header(items)), Some((first[0].key(), 9)));
    assert!(announced(&header(vec![change(&first, u32::MAX)])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// One byte of a proof changed: refused, and no panic.
    #[test]
    fn a_changed_byte_of_a_proof_is_refused(
        position in any::<prop::sample::Index>(),
        flip in 1u8..=255,
        which in 0usize..3,
    ) {
        let world = world();
        let sets = world.tracked();
        let (set, block, target) = [(0, 3, 9), (1, 19, 23), (2, 24, 24)][which];
        let mut evidence = world.proof(set, block, target);
        let parts: usize = evidence.headers.iter().map(Vec::len).sum();
        let at = position.index(parts + evidence.justification.len());
        let all = evidence.headers.iter_mut().chain([&mut evidence.justification]);
        let byte = all.flatten().nth(at).unwrap();
        *byte ^= flip;
        prop_assert!(sets.prove(world.block(block), &evidence).is_err());
    }

    #[test]
    fn random_evidence_is_an_error_and_never_a_panic(
        headers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4),
        justification in prop::collection::vec(any::<u8>(), 0..600),
        as_change in any::<bool>(),
    ) {
        let world = world();
        let mut sets = world.trusted();
        let evidence = FinalityProof { headers, justification };
        let refused = if as_change {
            sets.follow(&evidence).is_err()
        } else {
            sets.prove(world.block(3), &evidence).is_err()
        };
        prop_assert!(refused);
    }
}
