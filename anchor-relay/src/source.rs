// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The appchain's side: finalized blocks only, every height, each checked before it is believed.
//!
//! [`Walker::advance`] goes from the journal's cursor to the finalized head height by height.
//! Each block must be the child of the one before, down to the pinned genesis; the batches read
//! from state must reproduce the commitment in the block's header; each batch must follow from
//! its own fields and continue its stream.

use crate::{
    journal::{BlockBatches, Cursor, Journal, JournalError, now_ms},
    proofs::ProofScan,
    seen::Seen,
};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use std::{collections::BTreeMap, sync::Arc};
use ves_primitives::{
    BatchCommitment, BlockCommitment, GenesisHash, SPEC_NAME, StreamId, StreamTip, limits,
    proof::BatchProofRecord,
};

/// Headers asked for at the same time while catching up.
const CONCURRENT_HEADERS: usize = 16;
/// Blocks taken into the journal per transaction.
const BLOCKS_PER_STEP: u32 = 128;

pub use ves_client::BlockHash;

/// What a header says about the block's batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commitment {
    /// The block has no batches.
    Absent,
    /// The block has these batches.
    Present(BlockCommitment),
    /// The header says something that this program cannot read.
    Unreadable,
}

/// What the walk needs to know about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceBlock {
    /// Height.
    pub number: u32,
    /// Its hash.
    pub hash: BlockHash,
    /// Hash of the block before.
    pub parent: BlockHash,
    /// What its header says about its batches.
    pub commitment: Commitment,
    /// When it was made by its header, Unix milliseconds; `None` if that does not say.
    pub time_ms: Option<u64>,
}

/// Why the node gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The node cannot be asked now; asking again later may work.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is not what is final, or not what finalized state holds.
    #[error("{0}")]
    Contradicted(String),
}

/// A node of the appchain, reduced to what the relay asks it.
#[async_trait]
pub trait Source: Send + Sync {
    /// Hash of block 0.
    async fn genesis_hash(&self) -> Result<GenesisHash, SourceError>;
    /// `spec_name` of its runtime.
    async fn spec_name(&self) -> Result<String, SourceError>;
    /// Height and hash of the last finalized block.
    async fn finalized_head(&self) -> Result<(u32, BlockHash), SourceError>;
    /// The block at a height that is finalized.
    async fn block(&self, number: u32) -> Result<SourceBlock, SourceError>;
    /// The batches that block `number` committed, read from the state at `at`.
    async fn batches(
        &self,
        number: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchCommitment>, SourceError>;
    /// The verified proofs among at most 256 batches of a stream, read from the state at `at`.
    async fn batch_proofs(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchProofRecord>, SourceError>;
    /// Every proof about the batch in the block that a verdict names; `None` if the node does not
    /// have the block's body any more.
    async fn proof_bytes(
        &self,
        stream: StreamId,
        record: &BatchProofRecord,
    ) -> Result<Option<Vec<Vec<u8>>>, SourceError>;
}

#[async_trait]
impl<T: Source + ?Sized> Source for Arc<T> {
    async fn genesis_hash(&self) -> Result<GenesisHash, SourceError> {
        (**self).genesis_hash().await
    }
    async fn spec_name(&self) -> Result<String, SourceError> {
        (**self).spec_name().await
    }
    async fn finalized_head(&self) -> Result<(u32, BlockHash), SourceError> {
        (**self).finalized_head().await
    }
    async fn block(&self, number: u32) -> Result<SourceBlock, SourceError> {
        (**self).block(number).await
    }
    async fn batches(
        &self,
        number: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchCommitment>, SourceError> {
        (**self).batches(number, at).await
    }
    async fn batch_proofs(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchProofRecord>, SourceError> {
        (**self).batch_proofs(stream, from, count, at).await
    }
    async fn proof_bytes(
        &self,
        stream: StreamId,
        record: &BatchProofRecord,
    ) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        (**self).proof_bytes(stream, record).await
    }
}

/// The node contradicts what is final or what its own header says. Nothing from it may be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The node belongs to another chain.
    #[error(
        "the node's genesis is {found}, expected {expected}: it belongs to another chain. Point \
         source.node_url at a node of the right chain, or use a new journal for the new chain"
    )]
    Genesis {
        /// Pinned by the journal or the configuration.
        expected: GenesisHash,
        /// Reported by the node.
        found: GenesisHash,
    },
    /// The node runs no runtime of ours.
    #[error(
        "the node's runtime is {found:?}, expected {SPEC_NAME:?}: it belongs to another chain. Point \
         source.node_url at a node of the right chain"
    )]
    Runtime {
        /// `spec_name` as the node reports it.
        found: String,
    },
    /// A finalized block was replaced.
    #[error(
        "finalized block {number} was {expected} and is now {found}: the node follows another \
         fork, or finality was broken. Nothing more is anchored. Check the node against others \
         before starting the relay again"
    )]
    Fork {
        /// Height.
        number: u32,
        /// Stored hash.
        expected: BlockHash,
        /// Reported hash.
        found: BlockHash,
    },
    /// The node's answer is not what finalized state or another node says.
    #[error(
        "the node's answer is contradicted: {what}. Nothing more is anchored. Compare the node with \
         others before starting the relay again"
    )]
    Contradicted {
        /// The contradiction.
        what: String,
    },
    /// The node's answer about a block contradicts itself.
    #[error(
        "the node's data about block {number} contradicts its header: {what}. Nothing more is \
         anchored. Check the node's version and database"
    )]
    Inconsistent {
        /// Height.
        number: u32,
        /// The contradiction.
        what: String,
    },
}

/// Why a step of the walk did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// Ask again later.
    #[error("the appchain node does not answer: {0}. Start it or correct source.node_url")]
    Unavailable(String),
    /// Stop for good.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<SourceError> for WalkError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unavailable(reason) => Self::Unavailable(reason),
            SourceError::Contradicted(what) => Halt::Contradicted { what }.into(),
        }
    }
}

/// What a step of the walk did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Finalized height of the node.
    pub finalized: u32,
    /// Height reached.
    pub cursor: u32,
    /// Batches taken over.
    pub batches: usize,
}

impl Progress {
    /// Is there more to walk?
    pub const fn behind(&self) -> bool {
        self.cursor < self.finalized
    }
}

/// Walks finalized blocks into the journal.
#[derive(Debug)]
pub struct Walker<S> {
    source: S,
    expected_genesis: Option<GenesisHash>,
    checked: bool,
    proofs: ProofScan,
    /// Known once the journal was asked.
    seen: Option<Seen>,
}

impl<S: Source> Walker<S> {
    /// Walks `source`. `expected_genesis` is the operator's pin, on top of the journal's.
    pub const fn new(source: S, expected_genesis: Option<GenesisHash>) -> Self {
        Self {
            source,
            expected_genesis,
            checked: false,
            proofs: ProofScan::new(),
            seen: None,
        }
    }

    /// Takes over the next blocks, at most 128.
    ///
    /// # Errors
    /// [`WalkError`]; after any error the next call checks again which chain answers.
    pub async fn advance(&mut self, journal: &Journal) -> Result<Progress, WalkError> {
        let result = self.step(journal).await;
        self.checked = result.is_ok();
        result
    }

    /// Takes over verified proofs of batches that are in the journal. Gives how many are new.
    ///
    /// # Errors
    /// [`WalkError`].
    pub async fn collect_proofs(&mut self, journal: &Journal) -> Result<u64, WalkError> {
        self.proofs.step(&self.source, journal).await
    }

    async fn step(&mut self, journal: &Journal) -> Result<Progress, WalkError> {
        if !self.checked {
            self.check_chain(journal).await?;
        }
        let cursor = match journal.cursor().await? {
            Some(cursor) => cursor,
            None => {
                let genesis = self.source.genesis_hash().await?;
                Cursor {
                    number: 0,
                    hash: BlockHash(genesis.0),
                }
            }
        };
        let asked = now_ms();
        let (finalized, head) = self.source.finalized_head().await?;
        if finalized < cursor.number {
            // A node that restarted or syncs: what it has not seen it cannot contradict.
            return Ok(Progress {
                finalized,
                cursor: cursor.number,
                batches: 0,
            });
        }
        let seen = match &mut self.seen {
            Some(seen) => seen,
            none => none.insert(Seen::new(journal.next_final_ms().await?)),
        };
        seen.saw(finalized, asked, cursor.number);
        if finalized == cursor.number {
            same_hash(cursor.number, cursor.hash, head)?;
            return Ok(Progress {
                finalized,
                cursor: cursor.number,
                batches: 0,
            });
        }
        let last = finalized.min(cursor.number.saturating_add(BLOCKS_PER_STEP));
        let blocks: Vec<SourceBlock> = stream::iter(cursor.number.saturating_add(1)..=last)
            .map(|number| self.source.block(number))
            .buffered(CONCURRENT_HEADERS)
            .try_collect()
            .await?;
        let mut taken = Vec::new();
        let mut tips = BTreeMap::new();
        let mut at = cursor;
        for block in blocks {
            if block.number != at.number.saturating_add(1) {
                return Err(inconsistent(block.number, "it has another height").into());
            }
            same_hash(at.number, at.hash, block.parent)?;
            match block.commitment {
                Commitment::Absent => {}
                Commitment::Present(commitment) => {
                    let number = block.number;
                    // The state of the head lists the batches of late blocks only. That of the block
                    // itself lists its own, on a node that still has it.
                    let late = finalized.saturating_sub(number) < limits::ANCHORED_RETENTION_BLOCKS;
                    let at = if late { head } else { block.hash };
                    let batches = self.source.batches(number, at).await?;
                    let mut batches =
                        accept(journal, &mut tips, number, commitment, batches).await?;
                    let final_ms = seen.since(number).max(block.time_ms.unwrap_or(0));
                    // Of a first look at blocks without a time nothing is known.
                    batches.final_ms = if final_ms == 0 { asked } else { final_ms };
                    taken.push(batches);
                }
                Commitment::Unreadable => {
                    let what = "its statement about batches cannot be read; use a newer relay";
                    return Err(inconsistent(block.number, what).into());
                }
            }
            at = Cursor {
                number: block.number,
                hash: block.hash,
            };
        }
        if at.number == finalized {
            same_hash(finalized, head, at.hash)?;
        }
        let batches = taken.iter().map(|block| block.batches.len()).sum();
        journal
            .take_blocks(at, &taken, seen.since(at.number.saturating_add(1)))
            .await?;
        Ok(Progress {
            finalized,
            cursor: at.number,
            batches,
        })
    }

    async fn check_chain(&self, journal: &Journal) -> Result<(), WalkError> {
        let found = self.source.genesis_hash().await?;
        for expected in [self.expected_genesis, journal.genesis().await?]
            .into_iter()
            .flatten()
        {
            if expected != found {
                return Err(Halt::Genesis { expected, found }.into());
            }
        }
        let name = self.source.spec_name().await?;
        if name != SPEC_NAME {
            return Err(Halt::Runtime { found: name }.into());
        }
        journal.pin_genesis(found).await?;
        Ok(())
    }
}

fn same_hash(number: u32, expected: BlockHash, found: BlockHash) -> Result<(), Halt> {
    if expected == found {
        Ok(())
    } else {
        Err(Halt::Fork {
            number,
            expected,
            found,
        })
    }
}

fn inconsistent(number: u32, what: impl Into<String>) -> Halt {
    Halt::Inconsistent {
        number,
        what: what.into(),
    }
}

/// Checks a block's batches. A block whose batches are not those of its header stops the relay; a
/// batch that does not continue its stream stops that stream only.
async fn accept(
    journal: &Journal,
    tips: &mut BTreeMap<StreamId, Option<StreamTip>>,
    number: u32,
    commitment: BlockCommitment,
    batches: Vec<BatchCommitment>,
) -> Result<BlockBatches, WalkError> {
    if commitment.version != BlockCommitment::VERSION {
        let what = format!(
            "its commitment has format {}, this relay knows {}; use a newer relay",
            commitment.version,
            BlockCommitment::VERSION
        );
        return Err(inconsistent(number, what).into());
    }
    for batch in &batches {
        if batch.block_number != number {
            return Err(inconsistent(number, "a batch names another block").into());
        }
        batch
            .check()
            .map_err(|error| inconsistent(number, format!("batch {}: {error}", batch.batch_id)))?;
    }
    if BlockCommitment::commit(&batches) != Some(commitment) {
        let what = format!(
            "the {} batches in state are not the {} batches its header commits to",
            batches.len(),
            commitment.batch_count
        );
        return Err(inconsistent(number, what).into());
    }
    let mut out = BlockBatches::default();
    for batch in batches {
        let stream = batch.stream_id();
        let tip = match tips.get(&stream) {
            Some(tip) => *tip,
            None => journal.tip(stream).await?,
        };
        // `None`: the stream was set aside before; its later batches are not taken over.
        let Some(tip) = tip else { continue };
        match batch.check_continues(&tip) {
            Ok(()) => {
                tips.insert(stream, Some(batch.tip()));
                out.batches.push(batch);
            }
            Err(error) => {
                tips.insert(stream, None);
                let reason = format!("block {number}, batch {}: {error}", batch.batch_index);
                out.broken.push((batch.tenant_id, batch.store_id, reason));
            }
        }
    }
    Ok(out)
}
