// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::testing::{self, Validator, for_block, header, justify};
use proptest::prelude::*;
use std::collections::BTreeSet;
use ves_primitives::AuthoritySetError;

const SET_ID: u64 = 3;
const ROUND: u64 = 17;

fn validators(count: u32) -> Vec<Validator> {
    (0..count).map(Validator).collect()
}

fn set(count: u32) -> AuthoritySet {
    testing::set(SET_ID, &validators(count))
}

/// Block 9, and 10, 11 on top of it.
fn blocks() -> [Header; 3] {
    let nine = header(BlockHash([1; 32]), 9, vec![]);
    let ten = header(nine.hash(), 10, vec![]);
    let eleven = header(ten.hash(), 11, vec![]);
    [nine, ten, eleven]
}

/// Of block 9 by these of the validators.
fn by(voters: &[u32]) -> Justification {
    let voters: Vec<_> = voters.iter().copied().map(Validator).collect();
    justify(&blocks()[0], ROUND, SET_ID, &voters)
}

fn vote(voter: u32, block: &Header) -> SignedPrecommit {
    Validator(voter).vote(for_block(block), ROUND, SET_ID)
}

#[track_caller]
fn too_few(justification: &Justification, weight: u64, elsewhere: usize, strangers: usize) {
    match justification.verify(&set(4)) {
        Err(FinalityError::NotEnoughWeight {
            weight: w,
            threshold: 3,
            total: 4,
            elsewhere: e,
            strangers: s,
            ..
        }) => assert_eq!((w, e, s), (weight, elsewhere, strangers)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_than_two_thirds_make_a_block_final() {
    for (count, needed) in [(1, 1), (3, 3), (4, 3), (64, 43)] {
        let voters: Vec<u32> = (0..needed).collect();
        let tally = by(&voters).verify(&set(count)).unwrap();
        assert_eq!(
            (tally.voters, tally.weight, tally.total, tally.authorities),
            (
                needed as usize,
                u64::from(needed),
                u64::from(count),
                count as usize
            )
        );
        let fewer = by(&voters[1..]).verify(&set(count));
        assert!(matches!(fewer, Err(FinalityError::NotEnoughWeight { .. })));
    }
}

#[test]
fn weights_count_not_heads() {
    let mut set = set(4);
    set.authorities[0].weight = 7;
    assert!(by(&[0]).verify(&set).is_ok());
    assert!(by(&[1, 2, 3]).verify(&set).is_err());
}

#[test]
fn a_justification_survives_its_bytes_and_has_the_layout_of_the_chain() {
    let [nine, ten, _] = blocks();
    let mut justification = by(&[0, 1]);
    justification.precommits.push(vote(2, &ten));
    justification.votes_ancestries.push(ten.clone());
    let bytes = justification.encode();
    assert_eq!(Justification::decode(&bytes).unwrap(), justification);

    let mut expected = ROUND.to_le_bytes().to_vec();
    expected.extend(nine.hash().0);
    expected.extend(9u32.to_le_bytes());
    expected.push(3 << 2);
    for signed in &justification.precommits {
        expected.extend(signed.precommit.target_hash.0);
        expected.extend(signed.precommit.target_number.to_le_bytes());
        expected.extend(signed.signature.0);
        expected.extend(signed.voter.0);
    }
    expected.push(1 << 2);
    expected.extend(ten.bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn votes_for_descendants_count_if_headers_link_them() {
    let [_, ten, eleven] = blocks();
    let mut justification = by(&[0]);
    justification.precommits.push(vote(1, &ten));
    justification.precommits.push(vote(2, &eleven));
    justification.votes_ancestries = vec![eleven.clone(), ten.clone()];
    assert_eq!(justification.verify(&set(4)).unwrap().voters, 3);

    justification.votes_ancestries = vec![eleven];
    too_few(&justification, 1, 2, 0);
    justification.votes_ancestries = vec![ten];
    too_few(&justification, 2, 1, 0);
    justification.votes_ancestries = vec![];
    too_few(&justification, 1, 2, 0);
}

#[test]
fn votes_for_ancestors_other_forks_and_wrong_heights_do_not_count() {
    let [nine, ten, _] = blocks();
    let eight = header(BlockHash([7; 32]), 8, vec![]);
    let fork = header(BlockHash([8; 32]), 10, vec![]);
    for (other, number) in [
        (&eight, 8),
        (&fork, 10),
        (&ten, 11),
        (&nine, 10),
        (&nine, 8),
    ] {
        let mut justification = by(&[0, 1]);
        let mut vote = for_block(other);
        vote.target_number = number;
        let signed = Validator(2).vote(vote, ROUND, SET_ID);
        justification.precommits.push(signed);
        justification.votes_ancestries = vec![ten.clone(), fork.clone(), nine.clone()];
        too_few(&justification, 2, 1, 0);
    }
}

#[test]
fn votes_of_another_set_or_round_are_not_signed() {
    let justification = by(&[0, 1, 2]);
    let mut other_set = set(4);
    other_set.set_id += 1;
    let found = justification.verify(&other_set);
    assert!(matches!(
        found,
        Err(FinalityError::SignatureInvalid { set_id: 4, .. })
    ));
    let mut other_round = justification;
    other_round.round += 1;
    let found = other_round.verify(&set(4));
    assert!(matches!(
        found,
        Err(FinalityError::SignatureInvalid { round: 18, .. })
    ));
}

#[test]
fn a_signature_of_another_target_or_of_another_voter_is_refused() {
    let [nine, ten, _] = blocks();
    let mut moved = by(&[0, 1, 2]);
    moved.precommits[1].signature = vote(1, &ten).signature;
    let mut lent = by(&[0, 1, 2]);
    lent.precommits[1].signature = vote(3, &nine).signature;
    for justification in [moved, lent] {
        assert_eq!(
            justification.verify(&set(4)),
            Err(FinalityError::SignatureInvalid {
                voter: Validator(1).key(),
                round: ROUND,
                set_id: SET_ID
            })
        );
    }
}

#[test]
fn a_bad_signature_is_refused_even_if_the_others_suffice() {
    let mut justification = by(&[0, 1, 2, 3]);
    justification.precommits[3].signature.0[10] ^= 1;
    assert!(matches!(
        justification.verify(&set(4)),
        Err(FinalityError::SignatureInvalid { .. })
    ));
}

#[test]
fn a_vote_that_comes_twice_counts_once() {
    let mut justification = by(&[0, 1]);
    for _ in 0..10 {
        justification.precommits.push(vote(1, &blocks()[0]));
    }
    too_few(&justification, 2, 0, 0);
}

#[test]
fn strangers_do_not_count() {
    too_few(&by(&[0, 1, 4, 5, 6, 7]), 2, 0, 4);
    assert_eq!(by(&[0, 1, 2, 9]).verify(&set(4)).unwrap().voters, 3);
}

#[test]
fn who_equivocates_supports_everything_once() {
    let [_, ten, eleven] = blocks();
    let mut justification = by(&[0, 1]);
    justification.precommits.push(vote(2, &ten));
    too_few(&justification, 2, 1, 0);
    justification.precommits.push(vote(2, &eleven));
    assert_eq!(justification.verify(&set(4)).unwrap().weight, 3);

    // One of the two is not signed: then it is no equivocation.
    let mut half = justification.clone();
    half.precommits[3].signature.0[0] ^= 1;
    assert!(matches!(
        half.verify(&set(4)),
        Err(FinalityError::SignatureInvalid { .. })
    ));
    // Its two votes weigh no more than one.
    let mut two = by(&[0]);
    two.precommits.extend([vote(2, &ten), vote(2, &eleven)]);
    too_few(&two, 2, 0, 0);

    // A third vote adds nothing, and takes nothing away.
    let third = header(BlockHash([9; 32]), 12, vec![]);
    justification.precommits.push(vote(2, &third));
    assert_eq!(justification.verify(&set(4)).unwrap().weight, 3);
}

#[test]
fn if_more_than_a_third_equivocate_nothing_is_final() {
    let [_, ten, eleven] = blocks();
    let mut justification = by(&[0, 1]);
    for voter in [2, 3] {
        justification
            .precommits
            .extend([vote(voter, &ten), vote(voter, &eleven)]);
    }
    assert_eq!(
        justification.verify(&set(4)),
        Err(FinalityError::TooManyEquivocate {
            weight: 2,
            tolerated: 1
        })
    );
    // Such votes would support a block that nobody ever saw.
    justification.precommits.drain(..2);
    justification.target.target_hash = BlockHash([0xde; 32]);
    assert!(justification.verify(&set(2)).is_err());
}

#[test]
fn missing_votes_and_an_empty_set_are_named() {
    too_few(&by(&[]), 0, 0, 0);
    assert_eq!(
        by(&[0]).verify(&set(0)),
        Err(FinalityError::Authorities(AuthoritySetError::Empty))
    );
}

#[test]
fn oversized_truncated_extended_and_non_canonical_bytes_are_refused() {
    let too_long = vec![0; MAX_JUSTIFICATION_BYTES as usize + 1];
    assert!(matches!(
        Justification::decode(&too_long),
        Err(FinalityError::TooMuch { .. })
    ));
    let bytes = by(&[0, 1]).encode();
    for end in 0..bytes.len() {
        assert!(Justification::decode(&bytes[..end]).is_err());
    }
    let mut extended = bytes.clone();
    extended.push(0);
    assert!(Justification::decode(&extended).is_err());
    // The number of votes in two bytes instead of one.
    let mut long_form = bytes.clone();
    long_form.splice(44..45, [(2 << 2) | 1, 0]);
    assert!(Justification::decode(&long_form).is_err());
    // A number of votes that no memory holds.
    let mut many = bytes;
    many.splice(44..45, [0xfe, 0xff, 0xff, 0xff]);
    assert!(matches!(
        Justification::decode(&many),
        Err(FinalityError::Malformed(_))
    ));
}

#[test]
fn headers_that_lead_nowhere_are_walked_once_however_many_votes_there_are() {
    let mut headers = Vec::new();
    let mut parent = BlockHash([0xee; 32]);
    for number in 10..1_000 {
        let header = header(parent, number, vec![]);
        parent = header.hash();
        headers.push(header);
    }
    let target = for_block(&blocks()[0]);
    let mut descent = Descent::new(target, &headers);
    let tip = for_block(headers.last().unwrap());
    assert!(!descent.reaches_target(&tip));
    assert_eq!(descent.known.len(), headers.len());
    assert!(!descent.reaches_target(&tip));
    assert_eq!(descent.known.len(), headers.len());
}

/// The rule that nodes run.
mod library {
    use super::*;
    use finality_grandpa::{
        Chain, Commit, Error, SignedPrecommit as TheirVote, voter_set::VoterSet,
    };

    struct Known<'a>(&'a [Header]);

    impl Chain<BlockHash, u32> for Known<'_> {
        fn ancestry(&self, base: BlockHash, block: BlockHash) -> Result<Vec<BlockHash>, Error> {
            let mut route = Vec::new();
            let mut at = block;
            while at != base {
                let header = self.0.iter().find(|header| header.hash() == at);
                at = header.ok_or(Error::NotDescendent)?.parent_hash;
                route.push(at);
            }
            route.pop();
            Ok(route)
        }
    }

    pub(super) fn accepts(
        votes: &[SignedPrecommit],
        target: Precommit,
        set: &AuthoritySet,
        headers: &[Header],
    ) -> bool {
        let commit = Commit {
            target_hash: target.target_hash,
            target_number: target.target_number,
            precommits: votes
                .iter()
                .map(|vote| TheirVote {
                    precommit: finality_grandpa::Precommit {
                        target_hash: vote.precommit.target_hash,
                        target_number: vote.precommit.target_number,
                    },
                    signature: vote.signature,
                    id: vote.voter,
                })
                .collect(),
        };
        let voters = set.authorities.iter().map(|a| (a.key, a.weight));
        let voters = VoterSet::new(voters).unwrap();
        finality_grandpa::validate_commit(&commit, &voters, &Known(headers))
            .is_ok_and(|result| result.is_valid())
    }
}

/// A tree of blocks on block 9: each hangs on an earlier one.
fn tree(parents: &[prop::sample::Index]) -> Vec<Header> {
    let mut headers = vec![blocks()[0].clone()];
    for (n, parent) in (0u8..).zip(parents) {
        let parent = &headers[parent.index(headers.len())];
        let mut next = header(parent.hash(), parent.number + 1, vec![]);
        next.state_root = [n; 32];
        headers.push(next);
    }
    headers
}

fn tallies(
    votes: &[SignedPrecommit],
    target: Precommit,
    set: &AuthoritySet,
    all: &[Header],
) -> bool {
    let justification = Justification {
        round: ROUND,
        target,
        precommits: votes.to_vec(),
        votes_ancestries: all.to_vec(),
    };
    let electorate = set.electorate().unwrap();
    let votes = justification.votes(&electorate);
    justification.tally(&votes, &electorate, set.set_id).is_ok()
}

fn descends(from: &Header, target: &Header, all: &[Header]) -> bool {
    let mut at = from.hash();
    loop {
        if at == target.hash() {
            return true;
        }
        match all.iter().find(|header| header.hash() == at) {
            Some(header) => at = header.parent_hash,
            None => return false,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What the library calls final, this calls final; and what this calls final, the library does
    /// too, as an ancestor of what it finds. Unless more equivocate than either is made for.
    #[test]
    fn the_weight_is_counted_as_by_the_library_that_nodes_run(
        parents in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        weights in prop::collection::vec(1u64..4, 1..7),
        votes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..10),
    ) {
        let all = tree(&parents);
        let mut set = set(u32::try_from(weights.len()).unwrap());
        for (authority, weight) in set.authorities.iter_mut().zip(&weights) {
            authority.weight = *weight;
        }
        let votes: Vec<SignedPrecommit> = votes
            .iter()
            .map(|(voter, block)| SignedPrecommit {
                precommit: for_block(&all[block.index(all.len())]),
                signature: Signature([0; 64]),
                voter: set.authorities[voter.index(weights.len())].key,
            })
            .collect();
        let equivocating: u64 = set
            .authorities
            .iter()
            .filter(|authority| {
                let own = votes.iter().filter(|vote| vote.voter == authority.key);
                own.map(|vote| vote.precommit).collect::<BTreeSet<_>>().len() > 1
            })
            .map(|authority| authority.weight)
            .sum();
        let electorate = set.electorate().unwrap();
        prop_assume!(equivocating <= electorate.total - electorate.threshold);
        let theirs: Vec<bool> = all
            .iter()
            .map(|block| library::accepts(&votes, for_block(block), &set, &all))
            .collect();
        let ours: Vec<bool> = all
            .iter()
            .map(|block| tallies(&votes, for_block(block), &set, &all))
            .collect();
        for (block, (ours, theirs)) in all.iter().zip(ours.iter().zip(&theirs)) {
            prop_assert!(*ours || !theirs, "only the library takes block {}", block.number);
        }
        // The library wants all votes on one branch from the lowest: compare where it judges at all.
        if theirs.iter().any(|accepted| *accepted) {
            for (block, ours) in all.iter().zip(&ours) {
                let above = all
                    .iter()
                    .zip(&theirs)
                    .any(|(other, theirs)| *theirs && descends(other, block, &all));
                prop_assert_eq!(*ours, above, "block {}", block.number);
            }
        }
    }

    #[test]
    fn random_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        if let Ok(justification) = Justification::decode(&bytes) {
            prop_assert!(justification.verify(&set(4)).is_err());
        }
    }

    /// Signatures cover everything that counts: a change is refused, or changes nothing.
    #[test]
    fn a_changed_byte_is_refused(position in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut justification = by(&[0, 1]);
        justification.precommits.push(vote(2, &blocks()[1]));
        justification.votes_ancestries.push(blocks()[1].clone());
        let mut bytes = justification.encode();
        let at = position.index(bytes.len());
        bytes[at] ^= flip;
        let found = Justification::decode(&bytes).and_then(|found| found.verify(&set(4)));
        prop_assert!(found.is_err(), "byte {at}");
    }

    /// Votes with any height and hash, signed by those who may: no arithmetic goes wrong.
    #[test]
    fn hostile_authorities_are_an_error_and_never_a_panic(
        votes in prop::collection::vec((0u32..4, any::<u8>(), prop::sample::select(vec![0, 1, 8, 9, 10, u32::MAX - 1, u32::MAX])), 0..12),
        target in prop::sample::select(vec![0, 9, u32::MAX]),
        heights in prop::collection::vec(prop::sample::select(vec![0, 9, 10, u32::MAX]), 0..6),
    ) {
        let headers: Vec<Header> = heights
            .iter()
            .map(|number| header(BlockHash([1; 32]), *number, vec![]))
            .collect();
        let hash = |n: u8| {
            let index = usize::from(n) % (headers.len() + 1);
            headers.get(index).map_or(BlockHash([1; 32]), Header::hash)
        };
        let justification = Justification {
            round: ROUND,
            target: Precommit { target_hash: BlockHash([1; 32]), target_number: target },
            precommits: votes
                .iter()
                .map(|(voter, block, number)| {
                    let vote = Precommit { target_hash: hash(*block), target_number: *number };
                    Validator(*voter).vote(vote, ROUND, SET_ID)
                })
                .collect(),
            votes_ancestries: headers.clone(),
        };
        let _ = justification.verify(&set(4));
    }
}
