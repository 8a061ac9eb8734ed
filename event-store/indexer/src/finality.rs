// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Evidence that blocks are final, out of what the node keeps anyway.
//!
//! The node keeps a justification of at least one block of each `JUSTIFICATION_PERIOD_BLOCKS`, of
//! the last block of each authority set, and of the newest final block. Headers lead to the next of
//! them (`docs/adr/0015-finality.md`).

use codec::Encode;
use polkadot_sdk::{
    sc_client_api::BlockBackend,
    sp_blockchain::HeaderBackend,
    sp_core::H256,
    sp_runtime::{
        SaturatedConversion,
        traits::{Block as BlockT, NumberFor},
    },
};
use std::{marker::PhantomData, sync::Arc};
use ves_finality::{Announced, GRANDPA_ENGINE, Header, announced};
use ves_primitives::{FinalityProof, limits::MAX_FINALITY_HEADERS};

/// What only the node's GRANDPA knows.
pub trait Grandpa: Send + Sync + 'static {
    /// Height and SCALE bytes of the newest justification.
    ///
    /// # Errors
    /// The database's failure, in words.
    fn newest(&self) -> Result<Option<(u32, Vec<u8>)>, String>;

    /// Last blocks of the authority sets that ended above this height, in order.
    ///
    /// # Errors
    /// If the node does not know them.
    fn set_ends(&self, above: u32) -> Result<Vec<u32>, String>;
}

/// The evidence of a node.
pub(crate) struct NodeFinality<Block, Client> {
    pub(crate) client: Arc<Client>,
    pub(crate) grandpa: Arc<dyn Grandpa>,
    pub(crate) block: PhantomData<fn() -> Block>,
}

impl<Block, Client> NodeFinality<Block, Client>
where
    Block: BlockT<Hash = H256>,
    Client: HeaderBackend<Block> + BlockBackend<Block>,
{
    fn hash(&self, number: u32) -> Result<H256, String> {
        self.client
            .hash(NumberFor::<Block>::from(number))
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("block {number} is not in the node's database"))
    }

    fn header(&self, number: u32) -> Result<Vec<u8>, String> {
        let hash = self.hash(number)?;
        self.client
            .header(hash)
            .map_err(|error| error.to_string())?
            .map(|header| header.encode())
            .ok_or_else(|| format!("the header of block {number} is missing"))
    }

    /// The justification that the node keeps with this block.
    fn kept(&self, number: u32) -> Result<Option<Vec<u8>>, String> {
        let justifications = self
            .client
            .justifications(self.hash(number)?)
            .map_err(|error| error.to_string())?;
        Ok(justifications.and_then(|all| all.into_justification(GRANDPA_ENGINE)))
    }

    /// The headers of a change of the set: from the one that announces it to `end`.
    fn change(&self, end: u32) -> Result<FinalityProof, String> {
        let justification = self
            .kept(end)?
            // No signatures of the old set lead to the new one.
            .ok_or_else(|| {
                format!(
                    "the authority set that ends with block {end} has justified nothing after it: the next one \
                     took over by force, and no signatures lead on"
                )
            })?;
        let mut headers = Vec::new();
        for number in (end.saturating_sub(MAX_FINALITY_HEADERS)..=end).rev() {
            let header = self.header(number)?;
            let decoded = Header::decode(&header).map_err(|error| error.to_string())?;
            headers.push(header);
            match announced(&decoded) {
                Ok(Some(Announced::Change { last, .. })) if last == end => {
                    headers.reverse();
                    return Ok(FinalityProof {
                        headers,
                        justification,
                    });
                }
                Ok(None) => {}
                _ => break,
            }
        }
        Err(format!(
            "no header announces the change of the authority set after block {end}"
        ))
    }
}

impl<Block, Client> NodeFinality<Block, Client>
where
    Block: BlockT<Hash = H256>,
    Client: HeaderBackend<Block> + BlockBackend<Block>,
{
    /// That the canonical block at this height is final; nothing if it is not yet.
    pub(crate) fn prove(&self, number: u32) -> Result<Option<FinalityProof>, String> {
        let newest = self.grandpa.newest()?;
        let end = match &newest {
            Some((target, _)) => *target,
            None => self.client.info().finalized_number.saturated_into(),
        };
        if number > end {
            return Ok(None);
        }
        let end = end.min(number.saturating_add(MAX_FINALITY_HEADERS));
        let mut headers = Vec::new();
        for at in number..=end {
            if at > number {
                headers.push(self.header(at)?);
            }
            let justification = match self.kept(at)? {
                Some(kept) => Some(kept),
                None => newest
                    .as_ref()
                    .filter(|(target, _)| *target == at)
                    .map(|(_, justification)| justification.clone()),
            };
            if let Some(justification) = justification {
                return Ok(Some(FinalityProof {
                    headers,
                    justification,
                }));
            }
        }
        Err(format!(
            "the node has no justification of a block from {number} to {end}"
        ))
    }

    /// The changes of the authority set above this height, oldest first, at most `limit`.
    pub(crate) fn set_changes(
        &self,
        above: u32,
        limit: usize,
    ) -> Result<Vec<FinalityProof>, String> {
        self.grandpa
            .set_ends(above)?
            .into_iter()
            .take(limit)
            .map(|end| self.change(end))
            .collect()
    }
}

#[cfg(test)]
mod tests;
