// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The authority sets of the chain that the page shows, for as long as it is open.

use crate::{
    Answer,
    answers::{assemble, scale},
    json,
    judge::bundle,
    parse, unhex,
};
use serde_json::json;
use ves_finality::FinalityError;
use ves_primitives::{Authority, AuthoritySet, FinalityProof, GenesisHash};
use ves_verify::{FollowedSets, Question};
use wasm_bindgen::prelude::wasm_bindgen;

/// The authority sets from the chain's first one on, followed as far as blocks needed them.
#[wasm_bindgen]
pub struct Sets {
    genesis: GenesisHash,
    followed: FollowedSets,
}

fn refused(error: FinalityError) -> String {
    format!("the node does not prove a change of the authority set: {error}")
}

/// `{"changes": above}`, `{"finality": block}`, or `null`.
fn question(question: Option<Question>) -> Answer {
    json(&question.map(|question| match question {
        Question::Changes(above) => json!({ "changes": above }),
        Question::Finality(block) => json!({ "finality": block }),
    }))
}

#[wasm_bindgen]
impl Sets {
    /// Starts with the chain's first set, SCALE in hex.
    ///
    /// # Errors
    /// If the arguments are malformed, or the set is none.
    #[wasm_bindgen(constructor)]
    pub fn new(genesis: &str, authorities: &str) -> Result<Self, String> {
        let genesis = genesis.parse().map_err(|_| "genesis: not a hash")?;
        let first = AuthoritySet {
            set_id: 0,
            authorities: scale::<Vec<Authority>>(&unhex(authorities)?)?,
        };
        let followed = FollowedSets::new(genesis, first).map_err(|error| error.to_string())?;
        Ok(Self { genesis, followed })
    }

    /// What to ask the node for a justified block at `height`: the `changes` above a height, or
    /// `null`.
    ///
    /// # Errors
    /// None.
    pub fn ask(&self, height: u32) -> Answer {
        question(self.followed.ask(height))
    }

    /// Takes the answer to `ves_setChanges`, and says what to ask next: also the `finality` of a block
    /// that forces another set.
    ///
    /// # Errors
    /// If a change that matters is not proven; those before it were taken.
    pub fn take(&mut self, changes: &str, height: u32) -> Answer {
        let changes: Vec<FinalityProof> = parse("ves_setChanges", changes)?;
        question(self.followed.take(changes, height).map_err(refused)?)
    }

    /// Takes the answer to `ves_finality`.
    ///
    /// # Errors
    /// If the set does not vouch for the block that forces it.
    pub fn confirm(&mut self, proof: &str) -> Result<(), String> {
        let proof: FinalityProof = parse("ves_finality", proof)?;
        self.followed.confirm(&proof).map_err(refused)
    }

    /// The forced set on which a justified block at `height` rests, or `null`.
    ///
    /// # Errors
    /// None.
    pub fn forced(&self, height: u32) -> Answer {
        json(&self.followed.forced(height).map(|forced| {
            json!({
                "set_id": forced.era.set.set_id.to_string(),
                "hash": forced.era.set.hash(self.genesis),
                "after": forced.era.after,
                "block": forced.block,
                "accepted": forced.accepted,
            })
        }))
    }

    /// Accepts a set to which the chain was forced, by its hash; says whether there is one.
    ///
    /// # Errors
    /// If it is not a hash.
    pub fn accept(&mut self, hash: &str) -> Result<bool, String> {
        let hash = hash.trim().parse();
        let hash = hash.map_err(|_| "expected 32 bytes in hex".to_string())?;
        Ok(self.followed.accept(hash))
    }

    /// As [`crate::assemble`], with the sets that lead to the bundle's block.
    ///
    /// # Errors
    /// As there.
    pub fn assemble(&self, answer: &str, evidence: &str) -> Answer {
        assemble(answer, evidence, Some(&self.followed))
    }

    /// As [`crate::verify`]. A block that rests on a forced set fails unless that set is accepted.
    ///
    /// # Errors
    /// As there.
    pub fn verify(&self, bytes: &[u8], pins: &str) -> Answer {
        bundle(bytes, pins, Some(&self.followed))
    }
}
