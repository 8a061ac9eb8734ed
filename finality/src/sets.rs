// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which authority set finalizes which blocks, and whether a block is final.

use crate::{BlockHash, DigestItem, FinalityError, Header, Justification, Tally};
use codec::{Decode, Encode};
use ves_primitives::{
    Authority, AuthoritySet, FinalityProof,
    limits::{MAX_AUTHORITIES, MAX_FINALITY_HEADERS, MAX_SET_CHANGES},
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
    /// The chain is forced to another set without the present one's consent. Such a change is found
    /// where it is announced, long after `last`.
    Forced {
        /// Who is in it.
        next: Vec<Authority>,
        /// Last block of the present set that counts.
        last: u32,
    },
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
            Ok(Message::ForcedChange(last, next, _)) => {
                is_no_larger(&next)?;
                return Ok(Some(Announced::Forced { next, last }));
            }
            Ok(Message::ScheduledChange(next, delay)) if change.is_none() => {
                change = Some((next, delay));
            }
            _ => {}
        }
    }
    let Some((next, delay)) = change else {
        return Ok(None);
    };
    is_no_larger(&next)?;
    let last = header
        .number
        .checked_add(delay)
        .ok_or(FinalityError::NoChange(header.number))?;
    Ok(Some(Announced::Change { next, last }))
}

fn is_no_larger(next: &[Authority]) -> Result<(), FinalityError> {
    if next.len() > MAX_AUTHORITIES as usize {
        return Err(FinalityError::TooMuch {
            what: "authorities of the next set",
            found: next.len(),
            max: MAX_AUTHORITIES as usize,
        });
    }
    Ok(())
}

/// The digest item that announces a set; one that is forced upon the chain names the last block of
/// the set before.
#[cfg(feature = "testing")]
pub(crate) fn announcement(next: Vec<Authority>, delay: u32, forced: Option<u32>) -> DigestItem {
    let message = match forced {
        None => Message::ScheduledChange(next, delay),
        Some(last) => Message::ForcedChange(last, next, delay),
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
    /// The chain was forced to it: trust in it does not come from the set before.
    pub forced: bool,
}

impl Era {
    /// That `next` comes after this one.
    fn precedes(&self, next: &Self) -> Result<(), FinalityError> {
        let follows = self.set.set_id.checked_add(1) == Some(next.set.set_id);
        if !follows || next.after <= self.after {
            return Err(FinalityError::SetsBroken {
                previous: self.set.set_id,
                found: next.set.set_id,
            });
        }
        Ok(())
    }
}

/// The authority sets since one that is trusted, each vouched for by the one before, or accepted by
/// whoever trusts them ([`Self::accept`]).
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
        Self::resume(vec![Era {
            set,
            after,
            forced: false,
        }])
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
            era.precedes(next)?;
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

    /// Where trust in this set comes from: the first set, or the last one accepted up to it.
    pub fn root_of(&self, set_id: u64) -> &Era {
        let mut eras = self.eras.iter().rev();
        eras.find(|era| era.forced && era.set.set_id <= set_id)
            .unwrap_or_else(|| self.first())
    }

    /// The set with which evidence for a block of this set begins: the one where trust in it comes from,
    /// or as early as the number of changes in one evidence allows.
    pub fn start_of_evidence(&self, set_id: u64) -> &Era {
        let reach = u64::from(MAX_SET_CHANGES);
        let root = self.root_of(set_id).set.set_id;
        let earliest = root.max(set_id.saturating_sub(reach));
        let mut eras = self.eras.iter();
        eras.find(|era| era.set.set_id >= earliest)
            .unwrap_or_else(|| self.latest())
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
            Some(Announced::Forced { .. }) => {
                return Err(FinalityError::ForcedChange(header.number));
            }
            None => return Err(FinalityError::NoChange(header.number)),
        };
        if header.number <= present.after {
            return Err(FinalityError::BeforeTrust(header.number));
        }
        let blocks = walk(&header, rest)?.in_era(present, self.first())?;
        let found = blocks.last().map_or(header.number, |(number, _)| *number);
        if found != last {
            return Err(FinalityError::ChangeMisplaced { end: last, found });
        }
        let era = self.next_era(next, last, false)?;
        justified(&blocks, &change.justification, &present.set)?;
        self.eras.push(era);
        Ok(())
    }

    /// The set to which this header forces the chain, by the header's word alone: no set vouches for
    /// it. Nothing if the change is an ordinary one.
    ///
    /// # Errors
    /// If there is no header, or its change does not belong after the newest set.
    pub fn forced_by(&self, change: &FinalityProof) -> Result<Option<Era>, FinalityError> {
        let first = change.headers.first().ok_or(FinalityError::Missing)?;
        let header = Header::decode(first)?;
        let Some(Announced::Forced { next, last }) = announced(&header)? else {
            return Ok(None);
        };
        if last > header.number {
            return Err(FinalityError::ChangeMisplaced {
                end: last,
                found: header.number,
            });
        }
        self.next_era(next, last, true).map(Some)
    }

    /// Takes a set to which the chain was forced, because the caller trusts it.
    ///
    /// # Errors
    /// If it does not come after the newest set, or GRANDPA would not use it.
    pub fn accept(&mut self, forced: Era) -> Result<(), FinalityError> {
        self.may_be_next(&forced)?;
        self.eras.push(forced);
        Ok(())
    }

    /// As [`Self::accept`], if the set's own members finalized this block: the one that forces the set
    /// upon the chain, so that nobody takes a set that never came to be.
    ///
    /// # Errors
    /// As there, or the first rule broken by the proof; the set was not taken then.
    pub fn accept_proven(
        &mut self,
        forced: Era,
        block: &Header,
        proof: &FinalityProof,
    ) -> Result<(), FinalityError> {
        self.accept(forced)?;
        if let Err(error) = self.prove(block, proof) {
            self.eras.pop();
            return Err(error);
        }
        Ok(())
    }

    fn may_be_next(&self, era: &Era) -> Result<(), FinalityError> {
        era.set.electorate()?;
        self.latest().precedes(era)
    }

    fn next_era(
        &self,
        authorities: Vec<Authority>,
        after: u32,
        forced: bool,
    ) -> Result<Era, FinalityError> {
        let set_id = self.latest().set.set_id;
        let era = Era {
            set: AuthoritySet {
                set_id: set_id.checked_add(1).ok_or(FinalityError::SetsBroken {
                    previous: set_id,
                    found: set_id,
                })?,
                authorities,
            },
            after,
            forced,
        };
        self.may_be_next(&era)?;
        Ok(era)
    }

    /// Proves a block final.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn prove(&self, block: &Header, proof: &FinalityProof) -> Result<Finalized, FinalityError> {
        let walked = walk(block, &proof.headers)?;
        let target = walked.target();
        let era = self
            .at(target)
            .ok_or(FinalityError::BeforeTrust(block.number))?;
        let blocks = walked.in_era(era, self.first())?;
        let tally = justified(&blocks, &proof.justification, &era.set)?;
        Ok(Finalized { tally, blocks })
    }
}

/// Blocks, each the child of the one before, and what their headers say about their set.
struct Walked {
    blocks: Vec<(u32, BlockHash)>,
    /// Last block of the set, if one of the headers announces its end.
    end: Option<u32>,
    /// The header that forces a set upon the chain, with what it announces.
    forced: Option<(u32, Vec<Authority>, u32)>,
}

impl Walked {
    /// Height of the last block.
    fn target(&self) -> u32 {
        self.blocks.last().map_or(0, |(number, _)| *number)
    }

    /// Takes the next block, with what its header announces. Of several announced ends the first counts. A set that is
    /// forced upon the chain makes void what was announced before.
    fn take(&mut self, header: &Header, hash: BlockHash) -> Result<(), FinalityError> {
        match announced(header)? {
            None => {}
            Some(Announced::Change { last, .. }) => self.end = self.end.or(Some(last)),
            Some(Announced::Forced { .. }) if self.forced.is_some() => {
                return Err(FinalityError::ForcedChange(header.number));
            }
            Some(Announced::Forced { next, last }) => {
                self.end = None;
                self.forced = Some((header.number, next, last));
            }
        }
        self.blocks.push((header.number, hash));
        Ok(())
    }

    /// The blocks, if this era's set may finalize the last of them: it does not end on the way, and no
    /// other set is forced upon the chain. Where the first of the trusted sets began is not known: it
    /// may be one to which the chain was forced. Votes name the set's number, so that they are never
    /// about another set with the same members.
    fn in_era(self, era: &Era, first: &Era) -> Result<Vec<(u32, BlockHash)>, FinalityError> {
        let target = self.target();
        if let Some((number, next, last)) = self.forced {
            let begins = era == first || (era.forced && last == era.after);
            if !begins || next != era.set.authorities {
                return Err(FinalityError::ForcedChange(number));
            }
        }
        match self.end {
            Some(end) if end < target => Err(FinalityError::SetEnded { end, target }),
            _ => Ok(self.blocks),
        }
    }
}

/// The blocks from `first` over these headers.
fn walk(first: &Header, rest: &[Vec<u8>]) -> Result<Walked, FinalityError> {
    let max = MAX_FINALITY_HEADERS as usize;
    if rest.len() > max {
        return Err(FinalityError::TooMuch {
            what: "headers up to the justified block",
            found: rest.len(),
            max,
        });
    }
    let (mut hash, mut number) = (first.hash(), first.number);
    let mut walked = Walked {
        blocks: Vec::with_capacity(rest.len().saturating_add(1)),
        end: None,
        forced: None,
    };
    walked.take(first, hash)?;
    for bytes in rest {
        let header = Header::decode(bytes)?;
        if header.parent_hash != hash || number.checked_add(1) != Some(header.number) {
            return Err(FinalityError::HeadersBroken {
                number,
                found: header.number,
            });
        }
        (hash, number) = (header.hash(), header.number);
        walked.take(&header, hash)?;
    }
    Ok(walked)
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
