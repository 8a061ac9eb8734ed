// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which authority sets lead from a chain's first one to a block, out of a node's answers.
//!
//! For a reader who keeps nothing and trusts no set beforehand, as the explorer page. Ordinary changes
//! are followed by signatures. A set to which the chain was forced is followed too, so that its blocks
//! can be shown with their evidence; trusted it is only once the reader accepts it by its hash.

use crate::TrustedAuthorities;
use ves_finality::{Announced, Era, FinalityError, Header, TrackedSets, announced};
use ves_primitives::{
    AuthoritySet, AuthoritySetHash, FinalityProof, GenesisHash, wire::FinalityJson,
};

/// Most changes that are followed; consortia decide on each of theirs.
const MAX_FOLLOWED: usize = 4_096;

/// What to ask the node next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The changes above this height.
    Changes(u32),
    /// The evidence that this block is final, which forces another set upon the chain.
    Finality(u32),
}

/// A set to which the chain was forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forced<'a> {
    /// The set, and where it begins.
    pub era: &'a Era,
    /// The block that says so.
    pub block: u32,
    /// Whether the reader accepts it.
    pub accepted: bool,
}

/// A forced set that waits for the evidence of its own members.
#[derive(Clone, Debug)]
struct Waiting {
    era: Era,
    header: Header,
    change: FinalityProof,
}

/// The authority sets from a chain's first one on, as far as blocks needed them.
#[derive(Clone, Debug)]
pub struct FollowedSets {
    genesis: GenesisHash,
    /// Forced sets among them are not trusted for that: see [`Self::trust`].
    sets: TrackedSets,
    /// What leads from each set to the next.
    changes: Vec<FinalityProof>,
    waiting: Option<Waiting>,
    accepted: Vec<AuthoritySetHash>,
}

/// The height of the justified block in the evidence for this one: its set is the one that counts.
///
/// # Errors
/// If the last header is none.
pub fn justified_height(block: &Header, proof: &FinalityProof) -> Result<u32, FinalityError> {
    match proof.headers.last() {
        Some(last) => Ok(Header::decode(last)?.number),
        None => Ok(block.number),
    }
}

/// Of these changes the ones that lead to the set of a justified block at `height`, for whoever does
/// not know the first set and so can judge none of them. After a forced one, those that follow it.
pub fn unjudged(changes: Vec<FinalityProof>, height: u32) -> Vec<FinalityProof> {
    let mut needed = Vec::new();
    for change in changes {
        match announcement(&change) {
            Ok((_, Announced::Change { last, .. })) if last < height => needed.push(change),
            Ok((_, Announced::Forced { last, .. })) if last < height => needed.clear(),
            _ => break,
        }
    }
    needed
}

/// The header that announces a change, and what it announces.
fn announcement(change: &FinalityProof) -> Result<(Header, Announced), FinalityError> {
    let first = change.headers.first().ok_or(FinalityError::Missing)?;
    let header = Header::decode(first)?;
    let announced = announced(&header)?.ok_or(FinalityError::NoChange(header.number))?;
    Ok((header, announced))
}

impl FollowedSets {
    /// Starts with the chain's first set.
    ///
    /// # Errors
    /// If GRANDPA would not use it.
    pub fn new(genesis: GenesisHash, first: AuthoritySet) -> Result<Self, FinalityError> {
        Ok(Self {
            genesis,
            sets: TrackedSets::new(first, 0)?,
            changes: Vec::new(),
            waiting: None,
            accepted: Vec::new(),
        })
    }

    /// What to ask for a justified block at `height`; nothing if its set is known for certain.
    pub fn ask(&self, height: u32) -> Option<Question> {
        let above = self.sets.latest().after;
        (above < height).then_some(Question::Changes(above))
    }

    /// Takes the changes that were asked for, as far as a justified block at `height` needs them, and
    /// says what to ask next: nothing if there are no more, or none of them matters to the block.
    ///
    /// # Errors
    /// The first rule broken by a change that matters; those before it were taken.
    pub fn take(
        &mut self,
        changes: Vec<FinalityProof>,
        height: u32,
    ) -> Result<Option<Question>, FinalityError> {
        if changes.is_empty() {
            return Ok(None);
        }
        for change in changes {
            let (header, announced) = announcement(&change)?;
            let (Announced::Change { last, .. } | Announced::Forced { last, .. }) = announced;
            if last >= height {
                return Ok(None);
            }
            if self.changes.len() >= MAX_FOLLOWED {
                return Err(FinalityError::TooMuch {
                    what: "changes of the authority set",
                    found: self.changes.len().saturating_add(1),
                    max: MAX_FOLLOWED,
                });
            }
            if let Some(era) = self.sets.forced_by(&change)? {
                let block = header.number;
                self.waiting = Some(Waiting {
                    era,
                    header,
                    change,
                });
                return Ok(Some(Question::Finality(block)));
            }
            self.sets.follow(&change)?;
            self.changes.push(change);
        }
        Ok(self.ask(height))
    }

    /// Takes the evidence that was asked for: the members of a forced set have to vouch for the block
    /// that forces it, so that nobody is asked to accept what never came to be.
    ///
    /// # Errors
    /// The first rule broken; the set was not taken then.
    pub fn confirm(&mut self, proof: &FinalityProof) -> Result<(), FinalityError> {
        let waiting = self.waiting.take().ok_or(FinalityError::Missing)?;
        self.sets
            .accept_proven(waiting.era, &waiting.header, proof)?;
        self.changes.push(waiting.change);
        Ok(())
    }

    /// The evidence for a block whose justified one stands at `height`: the set to start from, and the
    /// changes up to the one that finalized it. It starts with the set to which the chain was forced
    /// last, since nothing leads there, or as early as the number of changes allows.
    pub fn evidence(&self, height: u32, proof: FinalityProof) -> FinalityJson {
        let last = self.at(height).set.set_id;
        let start = &self.sets.start_of_evidence(last).set;
        let leading = self.sets.eras().iter().zip(&self.changes);
        FinalityJson {
            authorities: Some(start.clone()),
            set_changes: leading
                .filter(|(era, _)| (start.set_id..last).contains(&era.set.set_id))
                .map(|(_, change)| change.clone())
                .collect(),
            proof,
        }
    }

    /// The forced set on which a justified block at `height` rests, if it rests on one.
    pub fn forced(&self, height: u32) -> Option<Forced<'_>> {
        let era = self.sets.root_of(self.at(height).set.set_id);
        if !era.forced {
            return None;
        }
        let mut before = self.sets.eras().iter().zip(&self.changes);
        let (_, change) = before.rfind(|(before, _)| before.set.set_id < era.set.set_id)?;
        let (header, _) = announcement(change).ok()?;
        Some(Forced {
            era,
            block: header.number,
            accepted: self.accepted.contains(&era.set.hash(self.genesis)),
        })
    }

    /// Accepts a set to which the chain was forced, because the reader trusts it; says whether there
    /// is one with this hash.
    pub fn accept(&mut self, hash: AuthoritySetHash) -> bool {
        let named = |era: &Era| era.forced && era.set.hash(self.genesis) == hash;
        let found = self.sets.eras().iter().any(named);
        if found {
            self.accepted.push(hash);
        }
        found
    }

    /// Who is to be trusted for a justified block at `height`. Nobody is named if the sets lead back to
    /// the chain's first one. If they lead to a forced one, these are trusted once that one is accepted;
    /// until then the chain's first set is named, from which no evidence leads to the block.
    pub fn trust(&self, height: u32) -> Option<TrustedAuthorities> {
        let forced = self.forced(height)?;
        Some(if forced.accepted {
            TrustedAuthorities::Sets(self.sets.clone())
        } else {
            TrustedAuthorities::Named(self.sets.first().set.hash(self.genesis))
        })
    }

    fn at(&self, height: u32) -> &Era {
        self.sets.at(height).unwrap_or_else(|| self.sets.first())
    }
}
