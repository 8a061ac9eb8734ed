// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which authority set finalizes which blocks, and whether a block is final.

use crate::{BlockHash, DigestItem, FinalityError, Header, Justification, Tally};
use codec::{Decode, Encode};
use ves_primitives::{
    Authority, AuthoritySet, FinalityProof,
    limits::{MAX_AUTHORITIES, MAX_FINALITY_HEADERS},
};

/// Engine id of GRANDPA's messages in digests.
pub const GRANDPA_ENGINE: [u8; 4] = *b"FRNK";

/// GRANDPA's messages in digests, sp-consensus-grandpa's `ConsensusLog`. Those that change nothing
/// about who finalizes are left out.
#[derive(Encode, Decode)]
enum Message {
    #[codec(index = 1)]
    ScheduledChange(Vec<Authority>, u32),
    #[codec(index = 2)]
    ForcedChange(u32, Vec<Authority>, u32),
}

/// What a header says about the authorities to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The next set finalizes what comes after `last`.
    Change {
        /// Who is in it.
        next: Vec<Authority>,
        /// Last block of the present set.
        last: u32,
    },
    /// The chain is forced to another set without the present one's consent.
    Forced,
}

/// What a header announces, by the rule of nodes: a forced change goes before others, of several the
/// first counts, what cannot be read counts nothing.
///
/// # Errors
/// If the next set is larger than any that is verified, or the change lies beyond the last possible
/// height.
pub fn announced(header: &Header) -> Result<Option<Announced>, FinalityError> {
    let mut change = None;
    for item in &header.digest {
        let DigestItem::Consensus(GRANDPA_ENGINE, data) = item else {
            continue;
        };
        match Message::decode(&mut data.as_slice()) {
            Ok(Message::ForcedChange(..)) => return Ok(Some(Announced::Forced)),
            Ok(Message::ScheduledChange(next, delay)) if change.is_none() => {
                change = Some((next, delay));
            }
            _ => {}
        }
    }
    let Some((next, delay)) = change else {
        return Ok(None);
    };
    if next.len() > MAX_AUTHORITIES as usize {
        return Err(FinalityError::TooMuch {
            what: "authorities of the next set",
            found: next.len(),
            max: MAX_AUTHORITIES as usize,
        });
    }
    let last = header
        .number
        .checked_add(delay)
        .ok_or(FinalityError::NoChange(header.number))?;
    Ok(Some(Announced::Change { next, last }))
}

/// The SCALE form of the digest message that announces a set.
#[cfg(feature = "testing")]
pub(crate) fn announcement(next: Vec<Authority>, delay: u32, forced: bool) -> DigestItem {
    let message = match forced {
        false => Message::ScheduledChange(next, delay),
        true => Message::ForcedChange(0, next, delay),
    };
    DigestItem::Consensus(GRANDPA_ENGINE, message.encode())
}

/// A set and the blocks it finalizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Era {
    /// The set.
    pub set: AuthoritySet,
    /// It finalizes the blocks above this one.
    pub after: u32,
}

/// The authority sets since one that is trusted, each vouched for by the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedSets {
    /// Never empty; set numbers rise by one, `after` strictly.
    eras: Vec<Era>,
}

/// What a proof proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalized {
    /// Who signed.
    pub tally: Tally,
    /// The block asked about and those after it, up to the justified one: all final.
    pub blocks: Vec<(u32, BlockHash)>,
}

impl TrackedSets {
    /// Starts with a set that is trusted for the blocks above `after`: 0 for a chain's first set.
    ///
    /// # Errors
    /// If GRANDPA would not use the set.
    pub fn new(set: AuthoritySet, after: u32) -> Result<Self, FinalityError> {
        Self::resume(vec![Era { set, after }])
    }

    /// Goes on with eras that were verified before.
    ///
    /// # Errors
    /// If they do not follow one another.
    pub fn resume(eras: Vec<Era>) -> Result<Self, FinalityError> {
        if eras.is_empty() {
            return Err(FinalityError::Missing);
        }
        for era in &eras {
            era.set.electorate()?;
        }
        for (era, next) in eras.iter().zip(eras.iter().skip(1)) {
            let follows = era.set.set_id.checked_add(1) == Some(next.set.set_id);
            if !follows || next.after <= era.after {
                return Err(FinalityError::SetsBroken {
                    previous: era.set.set_id,
                    found: next.set.set_id,
                });
            }
        }
        Ok(Self { eras })
    }

    /// All eras, oldest first.
    pub fn eras(&self) -> &[Era] {
        &self.eras
    }

    /// The set that everything rests on.
    pub fn first(&self) -> &Era {
        // Never empty.
        &self.eras[0]
    }

    /// The newest set.
    pub fn latest(&self) -> &Era {
        &self.eras[self.eras.len() - 1]
    }

    /// The set that finalizes the block at this height.
    pub fn at(&self, number: u32) -> Option<&Era> {
        self.eras.iter().rev().find(|era| era.after < number)
    }

    /// Takes one change of the set: the newest set announces and justifies its successor.
    ///
    /// # Errors
    /// The first rule broken; nothing was taken then.
    pub fn follow(&mut self, change: &FinalityProof) -> Result<(), FinalityError> {
        let present = self.latest();
        let (first, rest) = change.headers.split_first().ok_or(FinalityError::Missing)?;
        let header = Header::decode(first)?;
        let (next, last) = match announced(&header)? {
            Some(Announced::Change { next, last }) => (next, last),
            Some(Announced::Forced) => return Err(FinalityError::ForcedChange(header.number)),
            None => return Err(FinalityError::NoChange(header.number)),
        };
        if header.number <= present.after {
            return Err(FinalityError::BeforeTrust(header.number));
        }
        let blocks = walk(&header, rest)?;
        let found = blocks.last().map_or(header.number, |(number, _)| *number);
        if found != last {
            return Err(FinalityError::ChangeMisplaced { end: last, found });
        }
        let set_id = present.set.set_id;
        let set = AuthoritySet {
            set_id: set_id.checked_add(1).ok_or(FinalityError::SetsBroken {
                previous: set_id,
                found: set_id,
            })?,
            authorities: next,
        };
        set.electorate()?;
        justified(&blocks, &change.justification, &present.set)?;
        self.eras.push(Era { set, after: last });
        Ok(())
    }

    /// Proves a block final.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn prove(&self, block: &Header, proof: &FinalityProof) -> Result<Finalized, FinalityError> {
        let blocks = walk(block, &proof.headers)?;
        let target = blocks.last().map_or(block.number, |(number, _)| *number);
        let era = self
            .at(target)
            .ok_or(FinalityError::BeforeTrust(block.number))?;
        let tally = justified(&blocks, &proof.justification, &era.set)?;
        Ok(Finalized { tally, blocks })
    }
}

/// The blocks from `first` over these headers, each the child of the one before. A set does not end
/// on the way: only the last block may be its last.
fn walk(first: &Header, rest: &[Vec<u8>]) -> Result<Vec<(u32, BlockHash)>, FinalityError> {
    let max = MAX_FINALITY_HEADERS as usize;
    if rest.len() > max {
        return Err(FinalityError::TooMuch {
            what: "headers up to the justified block",
            found: rest.len(),
            max,
        });
    }
    let mut blocks = Vec::with_capacity(rest.len().saturating_add(1));
    let (mut hash, mut number) = (first.hash(), first.number);
    let mut end = end_of_set(first)?;
    blocks.push((number, hash));
    for bytes in rest {
        let header = Header::decode(bytes)?;
        if header.parent_hash != hash || number.checked_add(1) != Some(header.number) {
            return Err(FinalityError::HeadersBroken {
                number,
                found: header.number,
            });
        }
        (hash, number) = (header.hash(), header.number);
        if end.is_some_and(|end| end < number) {
            break;
        }
        end = end.or(end_of_set(&header)?);
        blocks.push((number, hash));
    }
    match end {
        Some(end) if end < number => Err(FinalityError::SetEnded {
            end,
            target: number,
        }),
        _ => Ok(blocks),
    }
}

fn end_of_set(header: &Header) -> Result<Option<u32>, FinalityError> {
    match announced(header)? {
        None => Ok(None),
        Some(Announced::Change { last, .. }) => Ok(Some(last)),
        Some(Announced::Forced) => Err(FinalityError::ForcedChange(header.number)),
    }
}

/// The last of these blocks is justified by this set.
fn justified(
    blocks: &[(u32, BlockHash)],
    justification: &[u8],
    set: &AuthoritySet,
) -> Result<Tally, FinalityError> {
    let (number, hash) = blocks.last().copied().ok_or(FinalityError::Missing)?;
    let justification = Justification::decode(justification)?;
    let target = justification.target;
    if (target.target_number, target.target_hash) != (number, hash) {
        return Err(FinalityError::OtherBlock {
            wanted: hash,
            found: target.target_hash,
            found_number: target.target_number,
        });
    }
    justification.verify(set)
}
