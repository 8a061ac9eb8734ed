// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a reorg of the destination takes back of what counted as done.
//!
//! With any rule but `finalized` a block that counted as confirmed may leave the chain. A transaction
//! of it is perhaps mined again, in another block, and then it may fail: the contract was paused by
//! then, or another relay was first. Its nonce stays used, so the nonce alone tells nothing. So each
//! block at which something came to count as done is remembered by its hash until it is final (see
//! `journal::checkpoints`), and what was done after the last one that is still there is open again.

use super::{
    chain::Block,
    sender::{SendError, Sender},
};
use crate::journal::{Checkpoint, ItemKind, Journal, Send};
use alloy::eips::BlockNumberOrTag;

impl Sender {
    /// Is the block of the last look no longer in the chain? Before the first look nobody knows.
    pub(super) async fn reorg_since_last_look(&self, latest: &Block) -> Result<bool, SendError> {
        let Some(seen) = self.seen else {
            return Ok(true);
        };
        if seen.number == latest.number {
            return Ok(seen.hash != latest.hash);
        }
        Ok(!self.is_there(seen.number, seen.hash.0).await?)
    }

    /// Opens again what counted as done in blocks that are gone, and looks again at the transactions
    /// of what is open.
    pub(super) async fn take_back(&self, journal: &Journal) -> Result<(), SendError> {
        let floor = journal.final_to().await?;
        let mut known = journal.checkpoints().await?;
        known.retain(|checkpoint| checkpoint.number > floor);
        let good = self.last_good(&known).await?.unwrap_or(floor);
        let undone = journal.reopen_after(good).await?;
        if undone.anchored > 0 {
            tracing::warn!(
                after = good,
                count = undone.anchored,
                "reorg: what counted as anchored is looked at again"
            );
        }
        journal.recheck_open().await?;
        Ok(())
    }

    /// The highest of these blocks, lowest first, that is in the chain. A block stands on those below
    /// it: a few questions tell.
    async fn last_good(&self, known: &[Checkpoint]) -> Result<Option<u64>, SendError> {
        let (mut good, mut unknown) = (None, known);
        while let Some(middle) = unknown.get(unknown.len() / 2) {
            let (below, above) = unknown.split_at(unknown.len() / 2);
            if self.is_there(middle.number, middle.hash).await? {
                good = Some(middle.number);
                unknown = &above[1..];
            } else {
                unknown = below;
            }
        }
        Ok(good)
    }

    async fn is_there(&self, number: u64, hash: [u8; 32]) -> Result<bool, SendError> {
        let now = self.chain.block(BlockNumberOrTag::Number(number)).await?;
        Ok(now.is_some_and(|now| now.hash.0 == hash))
    }

    /// Settled transactions whose nonces the chain says are free: what they carried is open again.
    pub(super) async fn undo(&self, journal: &Journal, used: u64) -> Result<Vec<Send>, SendError> {
        let undone = journal.settled_from(used).await?;
        for send in &undone {
            for item in journal.items(send.nonce).await? {
                match item.kind {
                    ItemKind::Batch => journal.reopen_from(item.stream, item.batch_index).await?,
                    ItemKind::Proof => {
                        journal
                            .reopen_proof((item.stream, item.batch_index))
                            .await?;
                    }
                }
            }
        }
        Ok(undone)
    }
}
