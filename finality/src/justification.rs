// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! One GRANDPA justification against one authority set.
//!
//! Who counts is GRANDPA's own rule (`docs/adr/0015-finality.md` says why it is written out here, and
//! the tests compare it with the library that nodes run): an authority counts for the target if its
//! one vote is for the target or a descendant of it, or if it voted twice, since it then supports
//! everything. If more vote twice than GRANDPA tolerates, nothing is final.

use crate::{BlockHash, FinalityError, Header};
use codec::{Decode, DecodeAll, Encode};
use std::collections::BTreeMap;
use ves_primitives::{
    AuthorityKey, AuthoritySet, Electorate, Signature, SigningPublicKey,
    limits::MAX_JUSTIFICATION_BYTES, verify_ed25519,
};

/// SCALE index of a precommit among GRANDPA's messages.
const PRECOMMIT: u8 = 1;

/// A vote for a block and everything before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Precommit {
    /// The block.
    pub target_hash: BlockHash,
    /// Its height.
    pub target_number: u32,
}

/// A vote with its author.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedPrecommit {
    /// The vote.
    pub precommit: Precommit,
    /// Over [`vote_message`].
    pub signature: Signature,
    /// Who votes.
    pub voter: AuthorityKey,
}

/// Votes that finalize a block. SCALE layout of sp-consensus-grandpa's `GrandpaJustification`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Justification {
    /// Round of the votes, within the authority set's time.
    pub round: u64,
    /// The block that is final.
    pub target: Precommit,
    /// The votes.
    pub precommits: Vec<SignedPrecommit>,
    /// Headers that link the blocks voted for to the target, in any order.
    pub votes_ancestries: Vec<Header>,
}

/// What an authority signs when it votes.
pub fn vote_message(vote: &Precommit, round: u64, set_id: u64) -> Vec<u8> {
    (PRECOMMIT, vote, round, set_id).encode()
}

/// Who made a block final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The authority set.
    pub set_id: u64,
    /// The round.
    pub round: u64,
    /// Authorities whose vote counts.
    pub voters: usize,
    /// Authorities there are.
    pub authorities: usize,
    /// Weight of the votes.
    pub weight: u64,
    /// Weight of all authorities.
    pub total: u64,
}

impl Justification {
    /// Reads a justification from its SCALE bytes.
    ///
    /// # Errors
    /// What is wrong with the bytes; they must be its one canonical form and no more.
    pub fn decode(bytes: &[u8]) -> Result<Self, FinalityError> {
        let max = MAX_JUSTIFICATION_BYTES as usize;
        if bytes.len() > max {
            return Err(FinalityError::TooMuch {
                what: "bytes of a justification",
                found: bytes.len(),
                max,
            });
        }
        let justification = Self::decode_all(&mut &*bytes)
            .map_err(|error| FinalityError::Malformed(error.to_string()))?;
        if justification.encode() != bytes {
            return Err(FinalityError::NonCanonical);
        }
        Ok(justification)
    }

    /// Checks that more than two thirds of this set finalized the target. What the set must be, and
    /// that the target's height is the one stated, is the caller's part.
    ///
    /// # Errors
    /// The first rule broken. Signatures come last: nothing is verified that could not suffice.
    pub fn verify(&self, set: &AuthoritySet) -> Result<Tally, FinalityError> {
        let electorate = set.electorate()?;
        let votes = self.votes(&electorate);
        let tally = self.tally(&votes, &electorate, set.set_id)?;
        for signed in votes.values().flatten() {
            let message = vote_message(&signed.precommit, self.round, set.set_id);
            let key = SigningPublicKey(signed.voter.0);
            if !verify_ed25519(&key, &message, &signed.signature) {
                return Err(FinalityError::SignatureInvalid {
                    voter: signed.voter,
                    round: self.round,
                    set_id: set.set_id,
                });
            }
        }
        Ok(tally)
    }

    /// The different votes of each authority: one, or two of those who equivocate; more add nothing.
    /// Votes that came twice count once, strangers are passed over, as nodes do.
    fn votes(&self, electorate: &Electorate) -> BTreeMap<AuthorityKey, Vec<&SignedPrecommit>> {
        let mut votes: BTreeMap<AuthorityKey, Vec<&SignedPrecommit>> = BTreeMap::new();
        for signed in &self.precommits {
            if !electorate.weights.contains_key(&signed.voter) {
                continue;
            }
            let own = votes.entry(signed.voter).or_default();
            let known = own.iter().any(|vote| vote.precommit == signed.precommit);
            if !known && own.len() < 2 {
                own.push(signed);
            }
        }
        votes
    }

    fn tally(
        &self,
        votes: &BTreeMap<AuthorityKey, Vec<&SignedPrecommit>>,
        electorate: &Electorate,
        set_id: u64,
    ) -> Result<Tally, FinalityError> {
        let mut descent = Descent::new(self.target, &self.votes_ancestries);
        let (mut weight, mut voters, mut elsewhere) = (0u64, 0usize, 0usize);
        let mut equivocating = 0u64;
        for (voter, votes) in votes {
            let own = electorate.weights.get(voter).copied().unwrap_or_default();
            match votes.as_slice() {
                [vote] if !descent.reaches_target(&vote.precommit) => {
                    elsewhere = elsewhere.saturating_add(1);
                    continue;
                }
                [_] => {}
                _ => equivocating = equivocating.saturating_add(own),
            }
            voters = voters.saturating_add(1);
            weight = weight.saturating_add(own);
        }
        let tolerated = electorate.total.saturating_sub(electorate.threshold);
        if equivocating > tolerated {
            return Err(FinalityError::TooManyEquivocate {
                weight: equivocating,
                tolerated,
            });
        }
        if weight < electorate.threshold {
            let is_stranger =
                |signed: &&SignedPrecommit| !electorate.weights.contains_key(&signed.voter);
            return Err(FinalityError::NotEnoughWeight {
                number: self.target.target_number,
                weight,
                threshold: electorate.threshold,
                total: electorate.total,
                elsewhere,
                strangers: self.precommits.iter().filter(is_stranger).count(),
                set_id,
            });
        }
        Ok(Tally {
            set_id,
            round: self.round,
            voters,
            authorities: electorate.weights.len(),
            weight,
            total: electorate.total,
        })
    }
}

/// Which blocks descend from the target, by the headers at hand.
struct Descent {
    target: Precommit,
    /// Height and parent by hash.
    headers: BTreeMap<BlockHash, (u32, BlockHash)>,
    /// What was found out: each header is walked over once, however many votes there are.
    known: BTreeMap<BlockHash, bool>,
}

impl Descent {
    fn new(target: Precommit, headers: &[Header]) -> Self {
        let parents = |header: &Header| (header.hash(), (header.number, header.parent_hash));
        Self {
            target,
            headers: headers.iter().map(parents).collect(),
            known: BTreeMap::new(),
        }
    }

    /// Whether the vote is for the target or a descendant, with the right height.
    fn reaches_target(&mut self, vote: &Precommit) -> bool {
        let (mut hash, mut number) = (vote.target_hash, vote.target_number);
        let mut walked = Vec::new();
        let reaches = loop {
            if number <= self.target.target_number {
                break number == self.target.target_number && hash == self.target.target_hash;
            }
            let Some((found, parent)) = self.headers.get(&hash).copied() else {
                break false;
            };
            if found != number {
                break false;
            }
            if let Some(known) = self.known.get(&hash) {
                break *known;
            }
            walked.push(hash);
            hash = parent;
            // Above the target's height, so above zero.
            number = number.saturating_sub(1);
        };
        self.known
            .extend(walked.into_iter().map(|hash| (hash, reaches)));
        reaches
    }
}

#[cfg(test)]
mod tests;
