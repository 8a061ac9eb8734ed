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
use std::{
    collections::BTreeMap,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use ves_finality::{Announced, GRANDPA_ENGINE, Header, announced};
use ves_primitives::{
    FinalityProof,
    limits::{MAX_BLOCKS_WITHOUT_FINALITY, MAX_FINALITY_HEADERS},
};

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
    /// Final blocks that forced the chain to another set, by the last block of the set before.
    pub(crate) forced: Mutex<BTreeMap<u32, u32>>,
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

    /// The change of the set after block `end`; nothing if the chain was forced to the next set by a
    /// block that is not final yet.
    fn change(&self, end: u32) -> Result<Option<FinalityProof>, String> {
        // Found once, it is not looked for again, nor for an announcement that is not there.
        let known = self.known_forced().get(&end).copied();
        let forced = match known {
            Some(number) => Some(number),
            None => match self.announced_until(end)? {
                Some(headers) => {
                    let justification = self
                        .kept(end)?
                        .ok_or_else(|| format!("the justification of block {end} is missing"))?;
                    return Ok(Some(FinalityProof {
                        headers,
                        justification,
                    }));
                }
                None => self.search_forced(end)?,
            },
        };
        let Some(number) = forced else {
            return Ok(None);
        };
        self.known_forced().insert(end, number);
        Ok(Some(FinalityProof {
            headers: vec![self.header(number)?],
            justification: Vec::new(),
        }))
    }

    fn known_forced(&self) -> MutexGuard<'_, BTreeMap<u32, u32>> {
        self.forced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers from the one that announces that a set ends with block `end`, up to that.
    fn announced_until(&self, end: u32) -> Result<Option<Vec<Vec<u8>>>, String> {
        let mut headers = Vec::new();
        for number in (end.saturating_sub(MAX_FINALITY_HEADERS)..=end).rev() {
            let header = self.header(number)?;
            let decoded = Header::decode(&header).map_err(|error| error.to_string())?;
            headers.push(header);
            match announced(&decoded) {
                Ok(Some(Announced::Change { last, .. })) if last == end => {
                    headers.reverse();
                    return Ok(Some(headers));
                }
                Ok(None) => {}
                _ => break,
            }
        }
        Ok(None)
    }

    /// The final block that forced the chain to the set after block `end`, if there is one yet.
    fn search_forced(&self, end: u32) -> Result<Option<u32>, String> {
        let final_one: u32 = self.client.info().finalized_number.saturated_into();
        let until = end.saturating_add(MAX_BLOCKS_WITHOUT_FINALITY);
        for number in end.saturating_add(1)..=until.min(final_one) {
            let header = self.header(number)?;
            let header = Header::decode(&header).map_err(|error| error.to_string())?;
            if let Ok(Some(Announced::Forced { last, .. })) = announced(&header)
                && last == end
            {
                return Ok(Some(number));
            }
        }
        if until < final_one {
            return Err(format!(
                "no header announces the change of the authority set after block {end}"
            ));
        }
        Ok(None)
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

    /// The changes of the authority set above this height, oldest first, at most `limit`. A forced one
    /// is the header that forces it, without a justification.
    pub(crate) fn set_changes(
        &self,
        above: u32,
        limit: usize,
    ) -> Result<Vec<FinalityProof>, String> {
        let mut changes = Vec::new();
        for end in self.grandpa.set_ends(above)?.into_iter().take(limit) {
            match self.change(end)? {
                Some(change) => changes.push(change),
                None => break,
            }
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests;
