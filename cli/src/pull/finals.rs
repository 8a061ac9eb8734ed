// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which blocks are final by the signatures of the tracked authorities, whatever a node says. One proof
//! covers every block on its way, so there is one for many.

use crate::{
    chain::Chain,
    error::Result,
    finality,
    rules::{self, Problem, Reason, Ruling},
};
use sqlx::SqlitePool;
use std::collections::HashMap;
use ves_client::Header;
use ves_finality::TrackedSets;
use ves_primitives::FinalityProof;

/// Blocks proven final so far.
pub(super) struct FinalBlocks {
    /// Who finalizes blocks, tracked from the set this project trusts.
    sets: TrackedSets,
    proven: HashMap<u32, [u8; 32]>,
    /// The newest proof, and the block that it begins with.
    proof: Option<(u32, FinalityProof)>,
}

impl FinalBlocks {
    pub(super) fn new(sets: TrackedSets) -> Self {
        Self {
            sets,
            proven: HashMap::new(),
            proof: None,
        }
    }

    /// The tracked authorities finalized the block.
    pub(super) async fn judge<C: Chain>(
        &mut self,
        pool: &SqlitePool,
        chain: &C,
        header: &Header,
        hash: [u8; 32],
    ) -> Result<Ruling<()>> {
        let number = header.number;
        // Whoever judges also keeps the proof: known without one is not enough.
        if let Some(known) = self.proven.get(&number)
            && self.proof_of(number).is_some()
        {
            return Ok(if *known == hash {
                Ok(())
            } else {
                Err(Problem::new(
                    Reason::NotCanonical,
                    format!("another block {number} was proven final"),
                ))
            });
        }
        let Some(proof) = chain.finality(number).await? else {
            return Ok(Err(Problem::new(
                Reason::NotFinal,
                format!("the node does not prove block {number} final"),
            )));
        };
        let mut ruling = self.sets.prove(header, &proof);
        // The set may have changed since it was looked at.
        if ruling.is_err() && finality::follow(&mut self.sets, chain).await? > 0 {
            finality::save(pool, chain.genesis_hash(), &self.sets).await?;
            ruling = self.sets.prove(header, &proof);
        }
        Ok(match ruling {
            Ok(finalized) => {
                // Batches come in the order of their blocks, mostly.
                self.proven.retain(|known, _| *known > number);
                self.proof = Some((number, proof));
                let blocks = finalized.blocks.into_iter();
                self.proven
                    .extend(blocks.map(|(number, hash)| (number, hash.0)));
                Ok(())
            }
            Err(error) => Err(rules::not_final(&error)),
        })
    }

    /// Why a block that was proven is final: what is left of the newest proof from there on.
    pub(super) fn proof_of(&self, number: u32) -> Option<FinalityProof> {
        let (first, proof) = self.proof.as_ref()?;
        let covered = usize::try_from(number.checked_sub(*first)?).ok()?;
        Some(FinalityProof {
            headers: proof.headers.get(covered..)?.to_vec(),
            justification: proof.justification.clone(),
        })
    }
}
