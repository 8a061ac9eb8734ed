// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whether a history keeps the promises R1 to R6. A pure function: it asks nobody, believes no hash
//! that it can compute, and reports everything that it finds.

use crate::history::{Ack, EventDigest, Export, Finality, History};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use ves_client::BlockHash;
use ves_primitives::{
    BatchCommitment, BatchId, EventId, LeafHash, StreamId, StreamTip, SubmittedEvent, events_root,
    wire::SequencedEventJson,
};

mod held;
mod refused;
#[cfg(test)]
mod tests;

/// Longest time from healing until finality goes on.
pub(crate) const RESUME_MAX_MS: u64 = 60_000;
/// Longest time from healing until every node has what the others have.
pub(crate) const CATCH_UP_MAX_MS: u64 = 300_000;
/// Whoever has looked for this time at least must have seen finality go on if there was a quorum. Rounds
/// without one of four validators take some seconds.
const JUDGED_MS: u64 = 20_000;
/// Violations of one rule that are told apart; the rest is counted.
const SHOWN_MAX: usize = 20;

/// The promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Rule {
    /// What was acknowledged as final is readable everywhere, unaltered, in its place.
    R1,
    /// Sequences are 1 to k, each event once.
    R2,
    /// One final hash at one height.
    R3,
    /// Each final batch is anchored once, in order, and nothing else is.
    R4,
    /// Finality goes on soon after healing, and never without a quorum.
    R5,
    /// Who comes back catches up, and signs nothing twice.
    R6,
    /// No promise: there was something to look at. Else nothing was shown.
    Empty,
}

/// A broken promise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Violation {
    /// Which one.
    pub(crate) rule: Rule,
    /// How.
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// How much was looked at, so that an empty history does not pass for a good one.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Scope {
    /// Events that clients made.
    pub(crate) offered: usize,
    /// Events of which a client was told that they are final.
    pub(crate) acknowledged: usize,
    /// Nodes whose exports were compared.
    pub(crate) nodes: usize,
    /// Events in the longest export.
    pub(crate) events: usize,
    /// Final blocks in the longest export.
    pub(crate) blocks: usize,
    /// Batches in the longest export.
    pub(crate) batches: usize,
    /// Anchors in the contract.
    pub(crate) anchors: usize,
    /// Answers about final heads.
    pub(crate) heads: usize,
    /// Blocks whose contents every node has told, or has failed to.
    pub(crate) contents: usize,
    /// Faults.
    pub(crate) faults: usize,
}

/// What a check came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Broken promises, at most so many of each rule.
    pub(crate) violations: Vec<Violation>,
    /// Broken promises that are not listed.
    pub(crate) more: usize,
    /// What was looked at.
    pub(crate) scope: Scope,
}

#[derive(Default)]
struct Findings {
    listed: Vec<Violation>,
    counts: BTreeMap<Rule, usize>,
}

impl Findings {
    fn add(&mut self, rule: Rule, what: String) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        if *count <= SHOWN_MAX {
            self.listed.push(Violation { rule, what });
        }
    }
}

/// Checks a history.
pub(crate) fn check(history: &History) -> Report {
    check_since(history, &Scope::default())
}

/// Checks a history all of which must be good, and in which more must have happened than before.
pub(crate) fn check_since(history: &History, before: &Scope) -> Report {
    let mut findings = Findings::default();
    let clients = Clients::read(history, &mut findings);
    for export in &history.exports {
        numbering(export, &mut findings);
        contents(export, &clients, &mut findings);
        batches(export, &mut findings);
    }
    agreement(history, &mut findings);
    same_events(history, &mut findings);
    acknowledged(history, &clients, &mut findings);
    anchors(history, &mut findings);
    liveness(history, &mut findings);
    recovery(history, &mut findings);
    held::blocks(history, &mut findings);
    refused::all(history, &mut findings);
    let longest = |length: fn(&Export) -> usize| {
        let lengths = history.exports.iter().map(length);
        lengths.max().unwrap_or_default()
    };
    let contents = history.exports.iter().map(|export| export.held.len());
    let scope = Scope {
        offered: clients.offered.len(),
        acknowledged: clients.places.len(),
        nodes: history.exports.len(),
        events: longest(|export| export.events.len()),
        blocks: longest(|export| export.blocks.len()),
        batches: longest(|export| export.batches.len()),
        anchors: history.anchors.len(),
        heads: history.heads.len(),
        contents: contents.min().unwrap_or_default(),
        faults: history.faults.len(),
    };
    substance(&scope, before, &mut findings);
    let total: usize = findings.counts.values().sum();
    Report {
        more: total - findings.listed.len(),
        violations: findings.listed,
        scope,
    }
}

/// A run in which nothing happened keeps every promise and shows nothing.
fn substance(scope: &Scope, before: &Scope, findings: &mut Findings) {
    let happened = [
        (scope.offered > before.offered, "no client made an event"),
        (
            scope.acknowledged > before.acknowledged,
            "no client was told that an event is final",
        ),
        (scope.events > before.events, "no node has a new event"),
        (scope.anchors > before.anchors, "the relay anchored nothing"),
        (scope.faults > before.faults, "there was no fault"),
        (scope.heads > before.heads, "no node said what is final"),
        (scope.nodes > 1, "fewer than two nodes were compared"),
        (scope.contents > 0, "of no block the contents were compared"),
    ];
    for (_, what) in happened.iter().filter(|(happened, _)| !happened) {
        findings.add(Rule::Empty, (*what).to_owned());
    }
}

type Id = (StreamId, EventId);

/// Where an event stands.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    sequence: u64,
    block_number: u32,
    block_hash: BlockHash,
}

/// What clients know, by event.
struct Clients {
    offered: BTreeMap<Id, EventDigest>,
    places: BTreeMap<Id, Place>,
}

impl Clients {
    /// Two answers about one event must be the same.
    fn read(history: &History, findings: &mut Findings) -> Self {
        let (mut offered, mut places) = (BTreeMap::new(), BTreeMap::new());
        for entry in &history.clients {
            let id = (entry.stream, entry.event);
            match &entry.ack {
                Ack::Offered { digest } => {
                    offered.insert(id, *digest);
                }
                Ack::Accepted { .. } => {}
                Ack::Finalized {
                    node,
                    sequence,
                    block_number,
                    block_hash,
                } => {
                    let place = Place {
                        sequence: *sequence,
                        block_number: *block_number,
                        block_hash: *block_hash,
                    };
                    let known = *places.entry(id).or_insert(place);
                    if known != place {
                        findings.add(
                            Rule::R1,
                            format!(
                                "event {} was final at sequence {}, block {}, and by {node} at \
                                 sequence {sequence}, block {block_number} {block_hash}",
                                entry.event, known.sequence, known.block_number
                            ),
                        );
                    }
                }
            }
        }
        Self { offered, places }
    }
}

/// R2: per stream exactly 1 to k, each id once, in blocks that do not go back.
fn numbering(export: &Export, findings: &mut Findings) {
    let node = &export.node;
    let mut last: BTreeMap<StreamId, (u64, u32)> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in &export.events {
        let (stream, id) = (event.stream_id, event.event.event_id);
        let (sequence, block) = last.entry(stream).or_default();
        if event.sequence != *sequence + 1 {
            let found = event.sequence;
            findings.add(
                Rule::R2,
                format!("{node}: sequence {found} follows {sequence} in stream {stream}"),
            );
        }
        if event.block_number < *block {
            let found = event.block_number;
            findings.add(
                Rule::R2,
                format!("{node}: event {id} is of block {found}, the one before of {block}"),
            );
        }
        (*sequence, *block) = (event.sequence, event.block_number);
        if !ids.insert((stream, id)) {
            findings.add(
                Rule::R2,
                format!("{node}: event {id} is in stream {stream} more than once"),
            );
        }
    }
}

/// R1: each event is what its hashes say, and what a client made; its block is the final one.
fn contents(export: &Export, clients: &Clients, findings: &mut Findings) {
    let node = &export.node;
    for event in &export.events {
        let id = event.event.event_id;
        if let Err(why) = genuine(event, clients) {
            findings.add(Rule::R1, format!("{node}: event {id}: {why}"));
        }
        let block = usize::try_from(event.block_number).ok();
        let hash = block.and_then(|number| export.blocks.get(number));
        if hash != Some(&BlockHash(event.block_hash)) {
            let number = event.block_number;
            findings.add(
                Rule::R3,
                format!("{node}: event {id} is of a block {number} that is not the final one"),
            );
        }
    }
}

fn genuine(json: &SequencedEventJson, clients: &Clients) -> Result<(), String> {
    let event =
        SubmittedEvent::try_from(&json.event).map_err(|why| format!("unreadable: {why}"))?;
    let envelope = &event.envelope;
    let signed = envelope.signing_hash().map_err(|why| why.to_string())?;
    if signed != json.event_signing_hash {
        return Err("its envelope is not what was signed".into());
    }
    event
        .check_payload_hashes()
        .map_err(|why| format!("its payload is not what was signed: {why}"))?;
    if envelope.leaf_hash(json.sequence, &signed) != json.leaf_hash {
        return Err("its leaf does not follow from it".into());
    }
    if envelope.receipt_hash(json.sequence, &signed) != json.receipt_hash {
        return Err("its receipt does not follow from it".into());
    }
    match clients.offered.get(&(json.stream_id, envelope.event_id)) {
        None => Err("no client has made it".into()),
        Some(digest) if *digest != EventDigest::of(&event) => {
            Err("it is not byte for byte what the client has made".into())
        }
        Some(_) => Ok(()),
    }
}

/// R2 and R4's source: batches continue each other, cover the events, and have their roots.
fn batches(export: &Export, findings: &mut Findings) {
    let node = &export.node;
    let mut leaves: BTreeMap<StreamId, Vec<LeafHash>> = BTreeMap::new();
    for event in &export.events {
        leaves
            .entry(event.stream_id)
            .or_default()
            .push(event.leaf_hash);
    }
    let mut tips: BTreeMap<StreamId, StreamTip> = BTreeMap::new();
    for json in &export.batches {
        let batch = &json.batch;
        let (stream, index) = (json.stream_id, batch.batch_index);
        let tip = tips.entry(stream).or_insert(StreamTip::EMPTY);
        if let Err(why) = batch.check_continues(tip) {
            findings.add(
                Rule::R2,
                format!("{node}: batch {index} of {stream}: {why}"),
            );
        }
        *tip = batch.tip();
        let covered = leaves.get(&stream).and_then(|leaves| {
            let start = usize::try_from(batch.sequence_start.checked_sub(1)?).ok()?;
            leaves.get(start..usize::try_from(batch.sequence_end).ok()?)
        });
        if covered.and_then(events_root) != Some(batch.events_root) {
            findings.add(
                Rule::R2,
                format!("{node}: the events of batch {index} of {stream} have another root"),
            );
        }
        let number = usize::try_from(batch.block_number).ok();
        if number.and_then(|n| export.blocks.get(n)) != Some(&BlockHash(json.block_hash)) {
            findings.add(
                Rule::R3,
                format!("{node}: batch {index} of {stream} is of a block that is not final"),
            );
        }
    }
    for (stream, leaves) in &leaves {
        let end = tips.get(stream).map_or(0, |tip| tip.sequence);
        if u64::try_from(leaves.len()).ok() != Some(end) {
            let count = leaves.len();
            findings.add(
                Rule::R2,
                format!("{node}: {count} events, batches up to {end} in {stream}"),
            );
        }
    }
}

/// R3: over all that nodes ever called final.
fn agreement(history: &History, findings: &mut Findings) {
    let mut known: BTreeMap<u32, (BlockHash, &str)> = BTreeMap::new();
    let mut see = |number: u32, hash: BlockHash, node, findings: &mut Findings| {
        let (first, by) = *known.entry(number).or_insert((hash, node));
        if first != hash {
            findings.add(
                Rule::R3,
                format!("block {number} is {first} for {by} and {hash} for {node}"),
            );
        }
    };
    let mut last: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    for head in &history.heads {
        see(head.number, head.hash, &head.node, findings);
        let before = last.entry((&head.node, head.life)).or_default();
        if head.number < *before {
            let (node, number) = (&head.node, head.number);
            findings.add(
                Rule::R3,
                format!("{node} went back from final block {before} to {number}"),
            );
        }
        *before = head.number;
    }
    for export in &history.exports {
        for (number, hash) in (0u32..).zip(&export.blocks) {
            see(number, *hash, &export.node, findings);
        }
    }
}

/// R1 and R3: nodes hold the same events, as far as the shorter one goes.
fn same_events(history: &History, findings: &mut Findings) {
    let mut known: BTreeMap<(StreamId, u64), (&SequencedEventJson, &str)> = BTreeMap::new();
    for export in &history.exports {
        for event in &export.events {
            let key = (event.stream_id, event.sequence);
            let (first, by) = *known.entry(key).or_insert((event, &export.node));
            if first != event {
                let (node, sequence) = (&export.node, event.sequence);
                findings.add(
                    Rule::R1,
                    format!("{by} and {node} hold different events at sequence {sequence}"),
                );
            }
        }
    }
}

/// R1: what a client was told is in every export.
fn acknowledged(history: &History, clients: &Clients, findings: &mut Findings) {
    for export in &history.exports {
        let held: BTreeMap<Id, Place> = export
            .events
            .iter()
            .map(|event| {
                let place = Place {
                    sequence: event.sequence,
                    block_number: event.block_number,
                    block_hash: BlockHash(event.block_hash),
                };
                ((event.stream_id, event.event.event_id), place)
            })
            .collect();
        for ((stream, id), place) in &clients.places {
            let node = &export.node;
            let (sequence, block) = (place.sequence, place.block_number);
            let told = format!("event {id}, final at sequence {sequence} in block {block}");
            match held.get(&(*stream, *id)) {
                None => findings.add(Rule::R1, format!("{node} lacks {told}")),
                Some(held) if held != place => {
                    let (sequence, block) = (held.sequence, held.block_number);
                    findings.add(
                        Rule::R1,
                        format!("{node} has {told}, at {sequence} in block {block}"),
                    );
                }
                Some(_) => {}
            }
        }
    }
}

/// R4: the contract's log against the batches of the export that goes furthest.
fn anchors(history: &History, findings: &mut Findings) {
    let longest = history
        .exports
        .iter()
        .max_by_key(|export| export.batches.len());
    let Some(export) = longest else { return };
    let batches: BTreeMap<BatchId, &BatchCommitment> = export
        .batches
        .iter()
        .map(|json| (json.batch.batch_id, &json.batch))
        .collect();
    let mut anchored = BTreeSet::new();
    let mut next: BTreeMap<StreamId, u64> = BTreeMap::new();
    for anchor in &history.anchors {
        let id = anchor.batch_id;
        let (start, end) = (anchor.sequence_start, anchor.sequence_end);
        let Some(batch) = batches.get(&id) else {
            findings.add(
                Rule::R4,
                format!("batch {id} ({start} to {end}) is anchored and not final"),
            );
            continue;
        };
        if !anchored.insert(id) {
            findings.add(Rule::R4, format!("batch {id} is anchored more than once"));
            continue;
        }
        let same = (anchor.events_root, anchor.new_state_root)
            == (batch.events_root, batch.new_state_root)
            && (start, end, anchor.count)
                == (batch.sequence_start, batch.sequence_end, batch.leaf_count);
        if !same {
            findings.add(
                Rule::R4,
                format!("batch {id} is anchored with other values than the chain's"),
            );
        }
        let next = next.entry(batch.stream_id()).or_insert(1);
        if start != *next {
            findings.add(
                Rule::R4,
                format!("batch {id} is anchored from {start} on, the one before up to {next}"),
            );
        }
        *next = end + 1;
    }
    if history.verdicts.relay_settled {
        for (id, batch) in &batches {
            if !anchored.contains(id) {
                let block = batch.block_number;
                findings.add(
                    Rule::R4,
                    format!("batch {id} of final block {block} is not anchored"),
                );
            }
        }
    } else {
        findings.add(
            Rule::R4,
            "the relay did not anchor what is final in the time it had".into(),
        );
    }
}

/// R5.
fn liveness(history: &History, findings: &mut Findings) {
    for record in &history.faults {
        let (seed, fault) = (record.seed, &record.fault);
        match record.resumed_after_ms {
            Some(ms) if ms <= RESUME_MAX_MS => {}
            Some(ms) => findings.add(
                Rule::R5,
                format!("seed {seed}, {fault}: finality resumed after {ms} ms"),
            ),
            None => findings.add(
                Rule::R5,
                format!("seed {seed}, {fault}: finality did not resume"),
            ),
        }
        match (record.finality, record.finalized_during) {
            (Finality::Stops, blocks @ 1..) => findings.add(
                Rule::R5,
                format!("seed {seed}, {fault}: {blocks} blocks became final without a quorum"),
            ),
            (Finality::GoesOn, 0) if record.observed_ms >= JUDGED_MS => findings.add(
                Rule::R5,
                format!(
                    "seed {seed}, {fault}: nothing became final for {} ms though there was a quorum",
                    record.observed_ms
                ),
            ),
            _ => {}
        }
    }
    let unknown = history.verdicts.unknown;
    if unknown > 0 {
        findings.add(
            Rule::R5,
            format!("{unknown} events are not final though clients kept trying"),
        );
    }
}

/// R6.
fn recovery(history: &History, findings: &mut Findings) {
    for record in &history.faults {
        let (seed, fault) = (record.seed, &record.fault);
        match record.caught_up_after_ms {
            Some(ms) if ms <= CATCH_UP_MAX_MS => {}
            _ => findings.add(
                Rule::R6,
                format!("seed {seed}, {fault}: not every node has caught up in time"),
            ),
        }
    }
    let verdicts = &history.verdicts;
    for crash in &verdicts.crashed {
        findings.add(Rule::R6, crash.clone());
    }
    for name in &verdicts.expelled {
        if !verdicts.duplicated.contains(name) {
            findings.add(Rule::R6, format!("{name} was expelled for signing twice"));
        }
    }
    for name in &verdicts.duplicated {
        if !verdicts.expelled.contains(name) {
            findings.add(
                Rule::R6,
                format!("{name} was run twice, and the chain has not noticed"),
            );
        }
    }
}
