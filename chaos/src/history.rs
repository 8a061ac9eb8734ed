// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a run leaves behind, and all that the checker looks at: what clients were told, what nodes
//! said and hold, what the contract holds, what was done to them.

use anyhow::{Context, Result};
use codec::Encode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};
use ves_client::{BlockHash, blake2_256};
use ves_primitives::{
    BatchId, EventId, EventsRoot, StateRoot, StreamId, SubmittedEvent,
    wire::{BatchJson, SequencedEventJson, hex32},
};

/// BLAKE2b-256 of an event's SCALE bytes, payload included: equal if and only if every byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EventDigest(#[serde(with = "hex32")] pub(crate) [u8; 32]);

impl EventDigest {
    /// Of an event.
    pub(crate) fn of(event: &SubmittedEvent) -> Self {
        Self(blake2_256(&event.encode()))
    }
}

/// How far an event has come by a client's knowledge. Only the last promises anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Ack {
    /// The client made it and is about to send it.
    Offered {
        /// What it sends.
        digest: EventDigest,
    },
    /// A node's pool took it.
    Accepted {
        /// The node.
        node: String,
    },
    /// A node said that it is final, and where.
    Finalized {
        /// The node.
        node: String,
        /// Its place in the stream.
        sequence: u64,
        /// Its block.
        block_number: u32,
        /// Hash of that block.
        block_hash: BlockHash,
    },
}

/// A line of a client's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientEntry {
    /// When, milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// The stream.
    pub(crate) stream: StreamId,
    /// The event.
    pub(crate) event: EventId,
    /// What was learnt.
    #[serde(flatten)]
    pub(crate) ack: Ack,
}

impl ClientEntry {
    /// The block in which the event is final.
    pub(crate) const fn block(&self) -> Option<u32> {
        match self.ack {
            Ack::Finalized { block_number, .. } => Some(block_number),
            Ack::Offered { .. } | Ack::Accepted { .. } => None,
        }
    }
}

/// What a node said about its newest final block at some moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    /// When, milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// The node.
    pub(crate) node: String,
    /// Counts its starts and the losses of its data: within one life finality never goes back.
    pub(crate) life: u32,
    /// Height.
    pub(crate) number: u32,
    /// Hash.
    pub(crate) hash: BlockHash,
}

/// Entries of a state, some or all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Values {
    /// How many.
    pub(crate) entries: u32,
    /// Over keys and values, in order.
    #[serde(with = "hex32")]
    pub(crate) digest: [u8; 32],
}

/// What a node's database says of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    /// Root of the state after it, from a header whose hash was checked.
    #[serde(with = "hex32")]
    pub(crate) state_root: [u8; 32],
    /// Number of its extrinsics.
    pub(crate) extrinsics: u32,
    /// BLAKE2b-256 of their SCALE bytes.
    #[serde(with = "hex32")]
    pub(crate) body: [u8; 32],
    /// State after it, where that was asked for.
    pub(crate) values: Option<Values>,
}

/// A final block as a node holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBlock {
    /// Height.
    pub(crate) number: u32,
    /// What is in it, or why the node does not say.
    pub(crate) contents: Result<Contents, String>,
}

/// All that a node holds at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Export {
    /// The node.
    pub(crate) node: String,
    /// Hashes of its final blocks, from block 0 on.
    pub(crate) blocks: Vec<BlockHash>,
    /// Every event of every stream, in order within a stream.
    pub(crate) events: Vec<SequencedEventJson>,
    /// Every batch of every stream, in order within a stream.
    pub(crate) batches: Vec<BatchJson>,
    /// Some final blocks as they are in its database, from the lowest on.
    pub(crate) held: Vec<HeldBlock>,
}

/// A `BatchCommitted` in the contract's canonical log, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    /// Its id.
    pub(crate) batch_id: BatchId,
    /// Merkle root.
    pub(crate) events_root: EventsRoot,
    /// State root after the batch.
    pub(crate) new_state_root: StateRoot,
    /// First sequence.
    pub(crate) sequence_start: u64,
    /// Last sequence.
    pub(crate) sequence_end: u64,
    /// Number of events.
    pub(crate) count: u32,
    /// Height on the EVM chain.
    pub(crate) l2_block: u64,
}

/// What finality must do while a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finality {
    /// At most f validators are affected: it goes on.
    GoesOn,
    /// No quorum is connected: nothing becomes final.
    Stops,
    /// Slow or lossy links: either.
    MayLag,
}

/// One fault and what came after it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FaultRecord {
    /// Seed of the schedule.
    pub(crate) seed: u64,
    /// Name and parameters.
    pub(crate) fault: String,
    /// When it began, milliseconds since the Unix epoch.
    pub(crate) began_ms: u64,
    /// When all was as before.
    pub(crate) healed_ms: u64,
    /// What finality had to do meanwhile.
    pub(crate) finality: Finality,
    /// What chance decided about it, and what came of it.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// Highest final block when it began.
    #[serde(default)]
    pub(crate) began_at: u32,
    /// Blocks that became final while it lasted, from some seconds after its begin.
    pub(crate) finalized_during: u32,
    /// How long that was looked at, milliseconds.
    #[serde(default)]
    pub(crate) observed_ms: u64,
    /// Milliseconds from healing until blocks made after it were final; none if that took too long.
    pub(crate) resumed_after_ms: Option<u64>,
    /// Milliseconds from healing until every node was within a few blocks of the others.
    pub(crate) caught_up_after_ms: Option<u64>,
}

/// A validator whose clock was wrong, and what became of its blocks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SkewRecord {
    /// Seed of the schedule.
    pub(crate) seed: u64,
    /// The validator.
    pub(crate) node: String,
    /// Its clock less the right time, seconds.
    pub(crate) offset_s: i64,
    /// How often it was its turn meanwhile.
    pub(crate) turns: u32,
    /// Final blocks made meanwhile that are its own.
    pub(crate) in_chain: u32,
    /// Blocks that other nodes refused meanwhile because their time had not come.
    pub(crate) refused: u32,
}

/// A node of another chain that reached this network's nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StrangerRecord {
    /// Seed of the schedule.
    pub(crate) seed: u64,
    /// How often it was looked at.
    pub(crate) looks: u32,
    /// Most peers that it had.
    pub(crate) peers_most: u64,
    /// Whether it was of this chain after all.
    pub(crate) same_genesis: bool,
}

/// What the chain says about its validators at the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdicts {
    /// Validators that the chain has expelled for signing twice.
    pub(crate) expelled: Vec<String>,
    /// Validators whose key a second node has used, by the harness's will.
    pub(crate) duplicated: Vec<String>,
    /// Whether the relay has had the time to anchor everything that is final.
    pub(crate) relay_settled: bool,
    /// Events of which no client knows what became of them, in spite of trying again.
    pub(crate) unknown: usize,
    /// Nodes that ended by themselves though nothing was done to them.
    pub(crate) crashed: Vec<String>,
    /// Clocks that were wrong.
    #[serde(default)]
    pub(crate) skews: Vec<SkewRecord>,
    /// Nodes of other chains.
    #[serde(default)]
    pub(crate) strangers: Vec<StrangerRecord>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Of all clients, in any order.
    pub(crate) clients: Vec<ClientEntry>,
    /// Of all nodes, in the order of time.
    pub(crate) heads: Vec<Head>,
    /// Of every honest node that runs at the end.
    pub(crate) exports: Vec<Export>,
    /// The contract's log.
    pub(crate) anchors: Vec<Anchor>,
    /// What was done.
    pub(crate) faults: Vec<FaultRecord>,
    /// What the chain found.
    pub(crate) verdicts: Verdicts,
}

const CLIENTS: &str = "clients.jsonl";
const HEADS: &str = "heads.jsonl";
const ANCHORS: &str = "anchors.jsonl";
const FAULTS: &str = "faults.jsonl";
const VERDICTS: &str = "verdicts.json";
const EXPORTS: &str = "exports";

fn write_lines<T: Serialize>(path: &Path, items: &[T]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for item in items {
        serde_json::to_writer(&mut file, item)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let what = || path.display().to_string();
    let file = BufReader::new(File::open(path).with_context(what)?);
    let parse = |(number, line): (usize, std::io::Result<String>)| {
        serde_json::from_str(&line?).with_context(|| format!("{}:{}", path.display(), number + 1))
    };
    file.lines().enumerate().map(parse).collect()
}

impl History {
    /// Writes it as lines of JSON.
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir.join(EXPORTS))?;
        write_lines(&dir.join(CLIENTS), &self.clients)?;
        write_lines(&dir.join(HEADS), &self.heads)?;
        write_lines(&dir.join(ANCHORS), &self.anchors)?;
        write_lines(&dir.join(FAULTS), &self.faults)?;
        let verdicts = serde_json::to_vec_pretty(&self.verdicts)?;
        std::fs::write(dir.join(VERDICTS), verdicts)?;
        for export in &self.exports {
            let part = |what: &str| {
                dir.join(EXPORTS)
                    .join(format!("{}.{what}.jsonl", export.node))
            };
            write_lines(&part("blocks"), &export.blocks)?;
            write_lines(&part("events"), &export.events)?;
            write_lines(&part("batches"), &export.batches)?;
            write_lines(&part("held"), &export.held)?;
        }
        Ok(())
    }

    /// Reads what [`History::save`] wrote.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let mut exports = Vec::new();
        let mut names: Vec<_> = std::fs::read_dir(dir.join(EXPORTS))
            .with_context(|| format!("{} has no exports", dir.display()))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".blocks.jsonl")?.to_owned()))
            .collect();
        names.sort();
        for node in names {
            let part = |what: &str| dir.join(EXPORTS).join(format!("{node}.{what}.jsonl"));
            exports.push(Export {
                blocks: read_lines(&part("blocks"))?,
                events: read_lines(&part("events"))?,
                batches: read_lines(&part("batches"))?,
                held: read_lines(&part("held"))?,
                node,
            });
        }
        Ok(Self {
            clients: read_lines(&dir.join(CLIENTS))?,
            heads: read_lines(&dir.join(HEADS))?,
            exports,
            anchors: read_lines(&dir.join(ANCHORS))?,
            faults: read_lines(&dir.join(FAULTS))?,
            verdicts: serde_json::from_slice(&std::fs::read(dir.join(VERDICTS))?)?,
        })
    }
}
