// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bundles of blocks behind many changes of the authority set, and behind one that was forced, put
//! together out of a node's answers by a reader who keeps nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{GENESIS, commitment};
use ves_finality::{
    BlockHash, FinalityError, Header,
    testing::{self, Validator, change, forced_change, justify, proof},
};
use ves_primitives::{
    AuthoritySet, AuthoritySetHash, FinalityProof, limits::MAX_SET_CHANGES, wire::BundleJson,
};
use ves_verify::{
    FollowedSets, Question, TrustAnchors, TrustedAuthorities, Verdict, Verification,
    justified_height, offline, rules::Reason, unjudged,
};

/// How a set ends.
#[derive(Clone, Copy)]
struct End {
    /// Its last block.
    last: u32,
    /// The block that says so: the same one, or a later one that forces the next set.
    by: u32,
}

const fn end(last: u32) -> End {
    End { last, by: last }
}

/// A chain with an event in each block; its sets have three validators each and share none.
struct World {
    headers: Vec<Header>,
    ends: Vec<End>,
    /// What the node answers at most at once.
    page: usize,
    /// The node spoils the change with this number.
    lie: Option<usize>,
}

fn validators(set: usize) -> Vec<Validator> {
    let first = u32::try_from(set * 3).unwrap();
    (first..first + 3).map(Validator).collect()
}

fn world(length: u32, ends: Vec<End>) -> World {
    let headers = testing::chain(BlockHash(GENESIS.0), length, |number| {
        let mut digest = vec![commitment(number)];
        for (at, end) in ends.iter().enumerate().filter(|(_, end)| end.by == number) {
            let next = validators(at + 1);
            digest.push(match end.last == end.by {
                true => change(&next, 0),
                false => forced_change(&next, end.last, 0),
            });
        }
        digest
    });
    World {
        headers,
        ends,
        page: MAX_SET_CHANGES as usize,
        lie: None,
    }
}

/// Set 1 from block 5 on, set 2 from 9 on by force of block 11, set 3 from 15 on.
fn forced() -> World {
    world(20, vec![end(4), End { last: 8, by: 11 }, end(14)])
}

impl World {
    fn block(&self, number: u32) -> &Header {
        &self.headers[number as usize - 1]
    }

    /// The set that finalizes a block.
    fn set_at(&self, number: u32) -> usize {
        self.ends.iter().filter(|end| end.last < number).count()
    }

    fn set(&self, number: u32) -> AuthoritySet {
        let set = self.set_at(number);
        testing::set(set as u64, &validators(set))
    }

    /// `ves_finality`, if `target` is the next justified block.
    fn finality(&self, number: u32, target: u32) -> FinalityProof {
        let set = self.set_at(target);
        let justification = justify(self.block(target), 5, set as u64, &validators(set));
        proof(
            &self.headers[number as usize..target as usize],
            &justification,
        )
    }

    /// `ves_setChanges`.
    fn changes(&self, above: u32) -> Vec<FinalityProof> {
        let ends = self.ends.iter().enumerate();
        ends.filter(|(_, end)| end.last > above)
            .take(self.page)
            .map(|(set, end)| {
                let header = self.block(end.by);
                let mut change = FinalityProof {
                    headers: vec![header.bytes()],
                    justification: Vec::new(),
                };
                if end.last == end.by {
                    change = proof(
                        std::slice::from_ref(header),
                        &justify(header, 5, set as u64, &validators(set)),
                    );
                }
                if self.lie == Some(set) {
                    change.headers[0][0] ^= 1;
                }
                change
            })
            .collect()
    }

    fn reader(&self) -> FollowedSets {
        FollowedSets::new(GENESIS, self.set(1)).unwrap()
    }

    /// Follows the sets to a block that is justified at `target`; says how often the node was asked.
    fn follow(&self, sets: &mut FollowedSets, target: u32) -> Result<usize, FinalityError> {
        let mut asked = 0;
        let mut next = sets.ask(target);
        while let Some(question) = next {
            asked += 1;
            next = match question {
                Question::Changes(above) => sets.take(self.changes(above), target)?,
                Question::Finality(block) => {
                    sets.confirm(&self.finality(block, block + 1))?;
                    sets.ask(target)
                }
            };
        }
        Ok(asked)
    }

    /// The bundle of a block's event, as the sets tell it.
    fn bundle(&self, sets: &FollowedSets, number: u32, target: u32) -> BundleJson {
        let (header, proof) = (self.block(number), self.finality(number, target));
        assert_eq!(justified_height(header, &proof), Ok(target));
        BundleJson {
            finality: Some(sets.evidence(target, proof)),
            ..common::bundle(header)
        }
    }

    /// What the reader is shown of a block.
    fn shown(&self, sets: &FollowedSets, number: u32, target: u32) -> Verification {
        judge(&self.bundle(sets, number, target), sets.trust(target))
    }
}

fn judge(bundle: &BundleJson, authorities: Option<TrustedAuthorities>) -> Verification {
    let trust = TrustAnchors {
        authorities,
        finality_demanded: true,
        ..TrustAnchors::default()
    };
    offline(bundle, &trust)
}

fn verdict(v: &Verification, name: &str) -> (Verdict, Option<Reason>) {
    let check = v.checks.iter().find(|check| check.name == name).unwrap();
    (check.verdict, check.reason)
}

/// The block is final by sets that the chain's first one vouches for, which is nobody's but the node's.
fn assert_followed(world: &World, sets: &FollowedSets, number: u32) {
    let v = world.shown(sets, number, number);
    assert!(v.holds(), "block {number}: {v:#?}");
    assert_eq!(verdict(&v, "justification"), (Verdict::Pass, None));
    assert_eq!(verdict(&v, "trust_authorities"), (Verdict::Trusted, None));
}

#[test]
fn a_block_gets_the_changes_that_lead_to_it_and_no_others() {
    let world = world(12, vec![end(3), end(6), end(9)]);
    let mut sets = world.reader();
    for (number, changes) in [
        (12, 3),
        (10, 3),
        (9, 2),
        (7, 2),
        (6, 1),
        (4, 1),
        (3, 0),
        (1, 0),
    ] {
        world.follow(&mut sets, number).unwrap();
        assert_followed(&world, &sets, number);
        let finality = world.bundle(&sets, number, number).finality.unwrap();
        assert_eq!(finality.set_changes.len(), changes, "block {number}");
        assert_eq!(finality.authorities, Some(world.set(1)));
    }
}

#[test]
fn no_change_is_asked_for_that_the_block_does_not_need() {
    let world = world(12, vec![end(3), end(6), end(9)]);
    let mut sets = world.reader();
    assert_eq!(world.follow(&mut sets, 7), Ok(1));
    assert_eq!(sets.ask(6), None);
    assert_eq!(world.follow(&mut sets, 4), Ok(0));
    // Whether the newest set has ended only the node can tell.
    assert_eq!(sets.ask(8), Some(Question::Changes(6)));
    assert_eq!(world.follow(&mut sets, 8), Ok(1));
    assert_eq!(world.follow(&mut sets, 12), Ok(2));
    assert_eq!(sets.ask(9), None);
}

#[test]
fn a_block_behind_more_changes_than_a_bundle_holds_is_reached_from_a_later_set() {
    let max = MAX_SET_CHANGES;
    let count = max + 6;
    for page in [max as usize, 1] {
        let mut world = world(count + 3, (1..=count).map(end).collect());
        world.page = page;
        let mut sets = world.reader();
        world.follow(&mut sets, count + 3).unwrap();
        for (number, begins, changes) in [
            (1, 0, 0),
            (max, 0, max - 1),
            (max + 1, 0, max),
            (max + 2, 1, max),
            (count + 3, 6, max),
        ] {
            assert_followed(&world, &sets, number);
            let bundle = world.bundle(&sets, number, number);
            let finality = bundle.finality.as_ref().unwrap();
            assert_eq!(finality.set_changes.len(), changes as usize);
            let first = finality.authorities.as_ref().unwrap();
            assert_eq!(first.set_id, begins, "block {number}");
            let named = TrustedAuthorities::Named(first.hash(GENESIS));
            assert!(judge(&bundle, Some(named)).holds(), "block {number}");
        }
    }
}

#[test]
fn blocks_before_a_forced_change_are_verified_as_if_there_were_none() {
    let world = forced();
    let mut sets = world.reader();
    world.follow(&mut sets, 20).unwrap();
    for number in 1..=8 {
        assert_followed(&world, &sets, number);
        assert_eq!(sets.forced(number), None);
        assert_eq!(sets.trust(number), None);
    }
}

#[test]
fn a_block_behind_a_forced_change_is_not_verified_until_the_reader_accepts_the_set() {
    let world = forced();
    let mut sets = world.reader();
    world.follow(&mut sets, 20).unwrap();
    let (set, name) = (world.set(9), world.set(9).hash(GENESIS));
    // Of block 7 nothing but a block of the forced set is justified, so its finality rests on that.
    let blocks = [
        (7, 12),
        (9, 9),
        (10, 12),
        (11, 11),
        (14, 14),
        (15, 15),
        (20, 20),
    ];
    for (number, target) in blocks {
        let forced = sets.forced(target).unwrap();
        assert_eq!((&forced.era.set, forced.block), (&set, 11));
        assert!(!forced.accepted);
        let v = world.shown(&sets, number, target);
        assert_eq!(verdict(&v, "justification"), (Verdict::Pass, None));
        let refused = (Verdict::Fail, Some(Reason::AuthoritiesMismatch));
        assert_eq!(verdict(&v, "trust_authorities"), refused, "block {number}");
    }

    assert!(!sets.accept(AuthoritySetHash([7; 32])));
    // No forced one.
    assert!(!sets.accept(world.set(1).hash(GENESIS)));
    assert!(!world.shown(&sets, 20, 20).holds());

    assert!(sets.accept(name));
    for (number, target) in blocks {
        assert!(sets.forced(target).unwrap().accepted);
        let v = world.shown(&sets, number, target);
        assert!(v.holds(), "block {number}: {v:#?}");
        assert_eq!(verdict(&v, "trust_authorities"), (Verdict::Pass, None));
        // Who has the bundle alone names the set.
        let bundle = world.bundle(&sets, number, target);
        let finality = bundle.finality.as_ref().unwrap();
        assert_eq!(finality.authorities.as_ref(), Some(&set));
        assert_eq!(finality.set_changes.len(), usize::from(target > 14));
        assert!(judge(&bundle, Some(TrustedAuthorities::Named(name))).holds());
        let first = TrustedAuthorities::Named(world.set(1).hash(GENESIS));
        assert!(!judge(&bundle, Some(first)).holds());
    }
    // It changes nothing for those before.
    assert_followed(&world, &sets, 8);
}

#[test]
fn the_set_that_was_forced_last_is_the_one_to_accept() {
    let world = world(
        20,
        vec![End { last: 4, by: 6 }, end(10), End { last: 13, by: 15 }],
    );
    let mut sets = world.reader();
    world.follow(&mut sets, 20).unwrap();
    assert!(sets.accept(world.set(5).hash(GENESIS)));
    for (number, by, accepted) in [
        (5, 6, true),
        (13, 6, true),
        (14, 15, false),
        (20, 15, false),
    ] {
        let forced = sets.forced(number).unwrap();
        assert_eq!((forced.block, forced.accepted), (by, accepted));
        assert_eq!(world.shown(&sets, number, number).holds(), accepted);
    }
    assert!(sets.accept(world.set(14).hash(GENESIS)));
    assert!(world.shown(&sets, 20, 20).holds());
}

#[test]
fn a_forced_set_that_does_not_vouch_for_its_block_is_not_taken_and_is_asked_for_again() {
    let world = forced();
    let mut sets = world.reader();
    assert_eq!(
        sets.take(world.changes(0), 12),
        Ok(Some(Question::Finality(11)))
    );
    let mut lie = world.finality(11, 12);
    // In the last signature: the voter and an empty list follow.
    let at = lie.justification.len() - 40;
    lie.justification[at] ^= 1;
    assert!(sets.confirm(&lie).is_err());
    // Once.
    assert!(sets.confirm(&world.finality(11, 12)).is_err());
    assert_eq!(sets.forced(12), None);
    assert!(!sets.accept(world.set(9).hash(GENESIS)));
    assert!(!world.shown(&sets, 12, 12).holds());
    assert_followed(&world, &sets, 8);

    assert_eq!(sets.ask(12), Some(Question::Changes(4)));
    world.follow(&mut sets, 12).unwrap();
    assert!(sets.accept(world.set(9).hash(GENESIS)));
    assert!(world.shown(&sets, 12, 12).holds());
}

#[test]
fn a_change_that_is_not_proven_stops_what_comes_after_it_alone() {
    let mut world = world(12, vec![end(3), end(6), end(9)]);
    world.lie = Some(1);
    let mut sets = world.reader();
    let refused = world.follow(&mut sets, 12);
    assert!(
        matches!(refused, Err(FinalityError::OtherBlock { .. })),
        "{refused:?}"
    );
    for number in [1, 3, 4, 6] {
        world.follow(&mut sets, number).unwrap();
        assert_followed(&world, &sets, number);
    }
    assert!(!world.shown(&sets, 7, 7).holds());
    assert!(world.follow(&mut sets, 7).is_err());

    let mut empty = world.reader();
    let refused = empty.take(vec![FinalityProof::default()], 12);
    assert_eq!(refused, Err(FinalityError::Missing));
    // Block 2 announces nothing.
    let refused = empty.take(vec![world.finality(1, 2)], 12);
    assert_eq!(refused, Err(FinalityError::NoChange(2)));
}

#[test]
fn without_the_first_set_the_changes_are_picked_by_what_they_say() {
    let ordinary = world(12, vec![end(3), end(6), end(9)]);
    for (height, count) in [(3, 0), (4, 1), (9, 2), (10, 3), (12, 3)] {
        let needed = unjudged(ordinary.changes(0), height);
        assert_eq!(needed, ordinary.changes(0)[..count], "{height}");
    }
    let forced = forced();
    assert_eq!(unjudged(forced.changes(0), 8), forced.changes(0)[..1]);
    assert_eq!(unjudged(forced.changes(0), 9), []);
    assert_eq!(unjudged(forced.changes(0), 15), forced.changes(0)[2..]);
    assert_eq!(unjudged(vec![FinalityProof::default()], 9), []);
}
