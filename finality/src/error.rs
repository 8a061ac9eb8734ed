// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Why evidence does not prove a block final.

use crate::{BlockHash, HeaderError};
use ves_primitives::{AuthorityKey, AuthoritySetError};

/// Why evidence does not prove a block final.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FinalityError {
    /// More bytes or entries than any honest evidence has.
    #[error("{what}: {found}, more than {max}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much there may be.
        max: usize,
    },
    /// The bytes are not the SCALE form of a justification.
    #[error("not a justification: {0}")]
    Malformed(String),
    /// The bytes are a justification, but not its one canonical form.
    #[error("not the canonical form of a justification")]
    NonCanonical,
    /// A header of the evidence is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The authority set is none.
    #[error(transparent)]
    Authorities(#[from] AuthoritySetError),
    /// More authorities vote twice than GRANDPA tolerates. Their votes support any block whatever,
    /// also one that nobody voted for.
    #[error("authorities of weight {weight} vote twice, {tolerated} is tolerated")]
    TooManyEquivocate {
        /// Weight of those who do.
        weight: u64,
        /// Less than a third of all.
        tolerated: u64,
    },
    /// Too few vote for the justified block.
    #[error(
        "weight {weight} of {total} votes for block {number}, {threshold} is needed ({elsewhere} \
         vote(s) are not for it or a proven descendant, {strangers} by nobody of set {set_id})"
    )]
    NotEnoughWeight {
        /// Height of the justified block.
        number: u32,
        /// Weight of the votes that count.
        weight: u64,
        /// What is needed.
        threshold: u64,
        /// Weight of all authorities.
        total: u64,
        /// Votes of authorities for other blocks, or for blocks that no header links to the target.
        elsewhere: usize,
        /// Votes by keys that are not in the set.
        strangers: usize,
        /// The set.
        set_id: u64,
    },
    /// An authority's vote is not signed by it, or signed for another round, set or block.
    #[error("authority {voter} did not sign its vote for round {round} of set {set_id}")]
    SignatureInvalid {
        /// The authority.
        voter: AuthorityKey,
        /// The justification's round.
        round: u64,
        /// The set.
        set_id: u64,
    },
    /// A header does not follow the one before.
    #[error("header {found} does not follow block {number}")]
    HeadersBroken {
        /// Height of the block before.
        number: u32,
        /// Height that the header states.
        found: u32,
    },
    /// The justification is about another block than the last header.
    #[error("the justification is about block {found} ({found_number}), wanted {wanted}")]
    OtherBlock {
        /// The last header.
        wanted: BlockHash,
        /// The justification's target.
        found: BlockHash,
        /// Its stated height.
        found_number: u32,
    },
    /// The set ended before the justified block, so its votes there count nothing.
    #[error("the set ended with block {end}, its justification is of block {target}")]
    SetEnded {
        /// Last block of the set.
        end: u32,
        /// The justified block.
        target: u32,
    },
    /// The chain was forced to other authorities, which no set vouches for. Trust has to be pinned
    /// anew.
    #[error("block {0} forces another authority set")]
    ForcedChange(u32),
    /// The header that should announce a change of the set announces none.
    #[error("block {0} announces no change of the authority set")]
    NoChange(u32),
    /// The headers of a change do not end with the last block of the set.
    #[error("the change ends the set with block {end}, the evidence ends with block {found}")]
    ChangeMisplaced {
        /// Last block of the set.
        end: u32,
        /// Last block of the evidence.
        found: u32,
    },
    /// The block is older than the first trusted set.
    #[error("no trusted authority set finalizes block {0}")]
    BeforeTrust(u32),
    /// There is no evidence where some is needed.
    #[error("no evidence")]
    Missing,
    /// Sets that do not follow one another.
    #[error("authority set {found} does not follow set {previous}")]
    SetsBroken {
        /// The set before.
        previous: u64,
        /// The set found.
        found: u64,
    },
}
