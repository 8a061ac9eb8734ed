// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Validators with known keys, who sign what they are told to.

use crate::{
    BlockHash, DigestItem, Header, Justification, Precommit, SignedPrecommit, sets::announcement,
    vote_message,
};
use codec::Encode;
use ed25519_zebra::{SigningKey, VerificationKey};
use ves_primitives::{Authority, AuthorityKey, AuthoritySet, FinalityProof, Signature};

/// One validator, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validator(pub u32);

impl Validator {
    fn secret(self) -> SigningKey {
        let mut seed = [0x5e; 32];
        seed[..4].copy_from_slice(&self.0.to_le_bytes());
        SigningKey::from(seed)
    }

    /// The key it votes with.
    pub fn key(self) -> AuthorityKey {
        AuthorityKey(VerificationKey::from(&self.secret()).into())
    }

    /// Its signed vote.
    pub fn vote(self, vote: Precommit, round: u64, set_id: u64) -> SignedPrecommit {
        let signature = self.secret().sign(&vote_message(&vote, round, set_id));
        SignedPrecommit {
            precommit: vote,
            signature: Signature(signature.into()),
            voter: self.key(),
        }
    }
}

/// The set of these validators, each of weight 1.
pub fn set(set_id: u64, validators: &[Validator]) -> AuthoritySet {
    AuthoritySet {
        set_id,
        authorities: members(validators),
    }
}

fn members(validators: &[Validator]) -> Vec<Authority> {
    validators
        .iter()
        .map(|validator| Authority {
            key: validator.key(),
            weight: 1,
        })
        .collect()
}

/// A header with this digest on top of a block.
pub fn header(parent: BlockHash, number: u32, digest: Vec<DigestItem>) -> Header {
    Header {
        parent_hash: parent,
        number,
        state_root: [2; 32],
        extrinsics_root: [3; 32],
        digest,
    }
}

/// The digest item that announces a set.
pub fn change(next: &[Validator], delay: u32) -> DigestItem {
    announcement(members(next), delay, None)
}

/// The digest item that forces a set upon the chain, after this block of the set before.
pub fn forced_change(next: &[Validator], last: u32, delay: u32) -> DigestItem {
    announcement(members(next), delay, Some(last))
}

/// A vote for a header's block.
pub fn for_block(header: &Header) -> Precommit {
    Precommit {
        target_hash: header.hash(),
        target_number: header.number,
    }
}

/// The justification of a block by these voters.
pub fn justify(target: &Header, round: u64, set_id: u64, voters: &[Validator]) -> Justification {
    let vote = for_block(target);
    Justification {
        round,
        target: vote,
        precommits: voters
            .iter()
            .map(|voter| voter.vote(vote, round, set_id))
            .collect(),
        votes_ancestries: Vec::new(),
    }
}

/// A chain of headers: `digest` gives each block's own.
pub fn chain(
    genesis: BlockHash,
    length: u32,
    digest: impl Fn(u32) -> Vec<DigestItem>,
) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for number in 1..=length {
        let parent = headers.last().map_or(genesis, Header::hash);
        headers.push(header(parent, number, digest(number)));
    }
    headers
}

/// Evidence out of headers and a justification of the last block.
pub fn proof(headers: &[Header], justification: &Justification) -> FinalityProof {
    FinalityProof {
        headers: headers.iter().map(Header::bytes).collect(),
        justification: justification.encode(),
    }
}
