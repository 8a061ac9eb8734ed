// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A good history, and one test for each bug planted in it.

use super::*;
use crate::history::{
    Anchor, ClientEntry, Contents, FaultRecord, Head, HeldBlock, Values, Verdicts,
};
use ves_primitives::{
    AgentId, Envelope, KeyId, Payload, PayloadCipherHash, PayloadKind, Signature, StoreId,
    TenantId, payload_plain_hash, stream_id,
    wire::{BatchJson, EventJson},
};

mod refused;
mod substance;

const TENANT: TenantId = TenantId([1; 16]);
const STORES: [StoreId; 2] = [StoreId([2; 16]), StoreId([3; 16])];
const BLOCKS: u32 = 5;
const EVENTS_PER_BATCH: u64 = 3;
const NODES: [&str; 3] = ["alice", "bob", "archive"];

fn block(number: u32) -> BlockHash {
    BlockHash([u8::try_from(number).unwrap() + 100; 32])
}

fn text<T: TryFrom<Vec<u8>, Error: std::fmt::Debug>>(text: &str) -> T {
    text.as_bytes().to_vec().try_into().unwrap()
}

fn event(store: StoreId, sequence: u64) -> SubmittedEvent {
    let json = format!(r#"{{"n":{sequence}}}"#).into_bytes();
    let mut id = [store.0[0]; 16];
    id[8..].copy_from_slice(&sequence.to_be_bytes());
    SubmittedEvent {
        envelope: Envelope {
            ves_version: 2,
            event_id: EventId(id),
            tenant_id: TENANT,
            store_id: store,
            source_agent_id: AgentId([4; 16]),
            agent_key_id: KeyId(1),
            entity_type: text("order"),
            entity_id: text("A-1"),
            event_type: text("order.created"),
            created_at: text("2026-01-01T00:00:00.000Z"),
            payload_kind: PayloadKind::Plaintext,
            payload_plain_hash: payload_plain_hash(None, &json),
            payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
            command_id: None,
            base_version: None,
            agent_signature: Signature([5; 64]),
        },
        payload: Payload::Plain(json.try_into().unwrap()),
    }
}

fn sequenced(event: &SubmittedEvent, sequence: u64, number: u32) -> SequencedEventJson {
    let envelope = &event.envelope;
    let signed = envelope.signing_hash().unwrap();
    SequencedEventJson {
        stream_id: envelope.stream_id(),
        sequence,
        block_number: number,
        block_hash: block(number).0,
        block_time_ms: u64::from(number) * 2_000,
        extrinsic_index: 1,
        event_signing_hash: signed,
        leaf_hash: envelope.leaf_hash(sequence, &signed),
        receipt_hash: envelope.receipt_hash(sequence, &signed),
        event: EventJson::from(event),
    }
}

/// Batches over an export's events, as the chain would have made them.
fn commit(events: &[SequencedEventJson]) -> Vec<BatchJson> {
    let mut batches = Vec::new();
    for store in STORES {
        let mut tip = StreamTip::EMPTY;
        for number in 1..=BLOCKS {
            let of_block = |event: &&SequencedEventJson| {
                event.event.store_id == store && event.block_number == number
            };
            let leaves: Vec<_> = events
                .iter()
                .filter(of_block)
                .map(|e| e.leaf_hash)
                .collect();
            let batch = BatchCommitment::commit(TENANT, store, number, &tip, &leaves).unwrap();
            tip = batch.tip();
            batches.push(BatchJson {
                stream_id: batch.stream_id(),
                block_hash: block(number).0,
                batch,
            });
        }
    }
    batches
}

fn anchor(json: &BatchJson) -> Anchor {
    let batch = &json.batch;
    Anchor {
        batch_id: batch.batch_id,
        events_root: batch.events_root,
        new_state_root: batch.new_state_root,
        sequence_start: batch.sequence_start,
        sequence_end: batch.sequence_end,
        count: batch.leaf_count,
        l2_block: u64::from(batch.block_number),
    }
}

fn held(number: u32) -> HeldBlock {
    HeldBlock {
        number,
        contents: Ok(Contents {
            state_root: block(number).0,
            extrinsics: 2,
            body: [7; 32],
            values: (number == BLOCKS).then_some(Values {
                entries: 90,
                digest: [8; 32],
            }),
        }),
    }
}

fn good() -> History {
    let mut history = History::default();
    let mut events = Vec::new();
    for store in STORES {
        for number in 1..=BLOCKS {
            for place in 1..=EVENTS_PER_BATCH {
                let sequence = u64::from(number - 1) * EVENTS_PER_BATCH + place;
                let event = event(store, sequence);
                let entry = |ack| ClientEntry {
                    at_ms: 1,
                    stream: event.envelope.stream_id(),
                    event: event.envelope.event_id,
                    ack,
                };
                let digest = EventDigest::of(&event);
                history.clients.push(entry(Ack::Offered { digest }));
                history
                    .clients
                    .push(entry(Ack::Accepted { node: "bob".into() }));
                history.clients.push(entry(Ack::Finalized {
                    node: "bob".into(),
                    sequence,
                    block_number: number,
                    block_hash: block(number),
                }));
                events.push(sequenced(&event, sequence, number));
            }
        }
    }
    let batches = commit(&events);
    history.anchors = batches.iter().map(anchor).collect();
    for node in NODES {
        for number in 0..=BLOCKS {
            history.heads.push(Head {
                at_ms: u64::from(number),
                node: node.into(),
                life: 0,
                number,
                hash: block(number),
            });
        }
        history.exports.push(Export {
            node: node.into(),
            blocks: (0..=BLOCKS).map(block).collect(),
            events: events.clone(),
            batches: batches.clone(),
            held: [2, BLOCKS].map(held).to_vec(),
        });
    }
    history.faults.push(FaultRecord {
        seed: 1,
        fault: "kill alice".into(),
        began_ms: 0,
        healed_ms: 90_000,
        finality: Finality::GoesOn,
        notes: Vec::new(),
        began_at: 1,
        finalized_during: 30,
        observed_ms: 80_000,
        resumed_after_ms: Some(4_000),
        caught_up_after_ms: Some(9_000),
    });
    history.verdicts = Verdicts {
        relay_settled: true,
        ..Verdicts::default()
    };
    history
}

/// Which rules are found broken once this was done to a good history.
fn broken(plant: impl FnOnce(&mut History)) -> BTreeSet<Rule> {
    let mut history = good();
    plant(&mut history);
    check(&history).violations.iter().map(|v| v.rule).collect()
}

#[track_caller]
fn breaks(rule: Rule, plant: impl FnOnce(&mut History)) {
    let found = broken(plant);
    assert!(found.contains(&rule), "found {found:?}");
}

/// Numbers events anew after a change, with leaves, receipts and batches that fit: a node that lies
/// consistently.
fn reseal(export: &mut Export) {
    let mut next: BTreeMap<StreamId, u64> = BTreeMap::new();
    for json in &mut export.events {
        let sequence = next.entry(json.stream_id).or_default();
        *sequence += 1;
        let event = SubmittedEvent::try_from(&json.event).unwrap();
        *json = sequenced(&event, *sequence, json.block_number);
    }
    export.batches = commit(&export.events);
}

/// The same lie by every node, and in the contract.
fn everywhere(history: &mut History, lie: impl Fn(&mut Vec<SequencedEventJson>)) {
    for export in &mut history.exports {
        lie(&mut export.events);
        reseal(export);
    }
    history.anchors = history.exports[0].batches.iter().map(anchor).collect();
}

#[test]
fn a_good_history_passes_and_all_of_it_was_looked_at() {
    let report = check(&good());
    assert!(report.violations.is_empty(), "{:?}", report.violations);
    let events = STORES.len() * BLOCKS as usize * EVENTS_PER_BATCH as usize;
    assert_eq!(report.scope.offered, events);
    assert_eq!(report.scope.acknowledged, events);
    assert_eq!(report.scope.events, events);
    assert_eq!(report.scope.nodes, NODES.len());
    assert_eq!(report.scope.anchors, STORES.len() * BLOCKS as usize);
    assert_eq!(report.scope.contents, 2);
    assert_eq!(report.scope.faults, 1);
}

#[test]
fn a_good_history_survives_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let history = good();
    history.save(dir.path()).unwrap();
    let read = History::load(dir.path()).unwrap();
    let mut exports = history.exports;
    exports.sort_by(|a, b| a.node.cmp(&b.node));
    assert_eq!(read.exports, exports);
    assert_eq!(read.anchors, history.anchors);
    assert!(check(&read).violations.is_empty());
}

#[test]
fn a_file_that_is_cut_short_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    good().save(dir.path()).unwrap();
    let path = dir.path().join("clients.jsonl");
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 9]).unwrap();
    let error = History::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("clients.jsonl"), "{error}");
}

#[test]
fn a_dropped_event_is_found_even_if_every_node_and_the_contract_agree() {
    breaks(Rule::R1, |history| {
        everywhere(history, |events| {
            events.remove(4);
        });
    });
}

#[test]
fn an_event_that_one_node_lacks_is_found() {
    let lack = |history: &mut History| {
        history.exports[1].events.pop();
    };
    breaks(Rule::R1, lack);
    breaks(Rule::R2, lack);
}

#[test]
fn an_export_without_any_event_is_found() {
    breaks(Rule::R1, |history| {
        history.exports[2].events.clear();
        history.exports[2].batches.clear();
    });
}

#[test]
fn a_duplicated_event_is_found_even_if_every_node_and_the_contract_agree() {
    breaks(Rule::R2, |history| {
        everywhere(history, |events| events.insert(5, events[4].clone()));
    });
}

#[test]
fn reordered_events_are_found_even_if_every_node_and_the_contract_agree() {
    breaks(Rule::R1, |history| {
        everywhere(history, |events| events.swap(3, 4));
    });
}

#[test]
fn reordered_lines_of_an_export_are_found() {
    breaks(Rule::R2, |history| history.exports[0].events.swap(1, 2));
}

#[test]
fn a_gap_in_the_numbers_is_found() {
    breaks(Rule::R2, |history| {
        for export in &mut history.exports {
            for json in &mut export.events[4..] {
                let event = SubmittedEvent::try_from(&json.event).unwrap();
                *json = sequenced(&event, json.sequence + 1, json.block_number);
            }
        }
    });
}

#[test]
fn a_flipped_byte_of_a_payload_is_found() {
    breaks(Rule::R1, |history| {
        history.exports[1].events[7].event.payload = Some(serde_json::json!({ "n": 9 }));
    });
}

#[test]
fn a_flipped_byte_of_an_envelope_a_signature_and_each_hash_is_found() {
    let flips: [fn(&mut SequencedEventJson); 5] = [
        |json| json.event.entity_id = "B-1".into(),
        |json| json.event.agent_signature.0[0] ^= 1,
        |json| json.event_signing_hash.0[0] ^= 1,
        |json| json.leaf_hash.0[0] ^= 1,
        |json| json.receipt_hash.0[0] ^= 1,
    ];
    for flip in flips {
        breaks(Rule::R1, |history| flip(&mut history.exports[1].events[7]));
    }
}

#[test]
fn an_event_forged_by_all_nodes_with_fitting_hashes_is_found() {
    breaks(Rule::R1, |history| {
        everywhere(history, |events| {
            let mut event = SubmittedEvent::try_from(&events[2].event).unwrap();
            let json = br#"{"n":77}"#.to_vec();
            event.envelope.payload_plain_hash = payload_plain_hash(None, &json);
            event.payload = Payload::Plain(json.try_into().unwrap());
            events[2].event = EventJson::from(&event);
        });
    });
}

#[test]
fn an_event_that_no_client_made_is_found() {
    breaks(Rule::R1, |history| {
        let stray = history.exports[0].events[0].event.event_id;
        history.clients.retain(|entry| entry.event != stray);
    });
}

#[test]
fn two_answers_about_the_place_of_one_event_are_found() {
    breaks(Rule::R1, |history| {
        let mut entry = history.clients[2].clone();
        if let Ack::Finalized { sequence, .. } = &mut entry.ack {
            *sequence += 1;
        }
        history.clients.push(entry);
    });
}

#[test]
fn an_acknowledgement_from_another_block_is_found() {
    breaks(Rule::R1, |history| {
        for entry in &mut history.clients {
            if let Ack::Finalized { block_hash, .. } = &mut entry.ack {
                block_hash.0[0] ^= 1;
            }
        }
    });
}

#[test]
fn a_fork_at_a_height_is_found_in_exports_and_in_what_nodes_said_in_passing() {
    breaks(Rule::R3, |history| history.exports[1].blocks[3].0[0] ^= 1);
    breaks(Rule::R3, |history| history.heads[9].hash.0[0] ^= 1);
}

#[test]
fn finality_that_goes_back_is_found_unless_the_node_lost_its_data() {
    let back = |life| {
        move |history: &mut History| {
            let mut head = history.heads[1].clone();
            head.life = life;
            history.heads.push(head);
        }
    };
    breaks(Rule::R3, back(0));
    assert_eq!(broken(back(1)), BTreeSet::new());
}

#[test]
fn an_event_of_a_block_that_is_not_final_is_found() {
    breaks(Rule::R3, |history| {
        history.exports[0].events[3].block_hash[0] ^= 1;
    });
}

#[test]
fn batches_that_do_not_fit_their_events_are_found() {
    breaks(Rule::R2, |history| {
        history.exports[0].batches.remove(2);
    });
    breaks(Rule::R2, |history| {
        history.exports[0].batches.pop();
    });
    breaks(Rule::R2, |history| {
        history.exports[0].batches[1].batch.events_root.0[0] ^= 1;
    });
    breaks(Rule::R3, |history| {
        history.exports[0].batches[1].block_hash[0] ^= 1;
    });
}

#[test]
fn a_double_anchor_is_found() {
    breaks(Rule::R4, |history| {
        let again = history.anchors[3].clone();
        history.anchors.push(again);
    });
}

#[test]
fn an_anchored_root_that_is_not_final_is_found() {
    breaks(Rule::R4, |history| {
        let mut stray = history.anchors[4].clone();
        stray.batch_id.0[0] ^= 1;
        history.anchors.push(stray);
    });
    // Of a block that one node has seen and that was abandoned.
    breaks(Rule::R4, |history| {
        let tip = history.exports[0].batches.last().unwrap().batch.tip();
        let leaf = LeafHash([9; 32]);
        let batch = BatchCommitment::commit(TENANT, STORES[1], 6, &tip, &[leaf]).unwrap();
        history.anchors.push(anchor(&BatchJson {
            stream_id: stream_id(TENANT, STORES[1]),
            block_hash: [0; 32],
            batch,
        }));
    });
}

#[test]
fn anchors_with_other_values_in_another_order_or_missing_are_found() {
    breaks(Rule::R4, |history| {
        history.anchors[0].new_state_root.0[0] ^= 1
    });
    breaks(Rule::R4, |history| history.anchors[0].events_root.0[0] ^= 1);
    breaks(Rule::R4, |history| history.anchors[0].count += 1);
    breaks(Rule::R4, |history| history.anchors.swap(1, 2));
    breaks(Rule::R4, |history| {
        history.anchors.remove(1);
    });
    breaks(Rule::R4, |history| {
        history.anchors.pop();
    });
    breaks(Rule::R4, |history| history.verdicts.relay_settled = false);
}

#[test]
fn finality_that_resumes_late_or_never_is_found() {
    breaks(Rule::R5, |history| {
        history.faults[0].resumed_after_ms = Some(RESUME_MAX_MS + 1);
    });
    breaks(Rule::R5, |history| {
        history.faults[0].resumed_after_ms = None
    });
}

#[test]
fn finality_without_a_quorum_and_none_with_one_are_found() {
    breaks(Rule::R5, |history| {
        history.faults[0].finality = Finality::Stops
    });
    breaks(Rule::R5, |history| history.faults[0].finalized_during = 0);
    let lagging = broken(|history| {
        history.faults[0].finality = Finality::MayLag;
        history.faults[0].finalized_during = 0;
    });
    assert_eq!(lagging, BTreeSet::new());
}

#[test]
fn finality_that_stops_with_a_quorum_is_judged_by_how_long_it_was_looked_at() {
    let stood = |began_ms, observed_ms| {
        broken(move |history| {
            let fault = &mut history.faults[0];
            (fault.began_ms, fault.observed_ms) = (began_ms, observed_ms);
            fault.finalized_during = 0;
        })
    };
    // A fault of half a minute, looked at for the last 24 s of it.
    assert_eq!(stood(60_000, 24_000), BTreeSet::from([Rule::R5]));
    assert_eq!(stood(60_000, JUDGED_MS), BTreeSet::from([Rule::R5]));
    assert_eq!(stood(60_000, JUDGED_MS - 1), BTreeSet::new());
    // However long it took to begin and to heal.
    assert_eq!(stood(0, 2_000), BTreeSet::new());
}

#[test]
fn events_that_never_become_final_and_nodes_that_crash_are_found() {
    breaks(Rule::R5, |history| history.verdicts.unknown = 1);
    breaks(Rule::R6, |history| {
        history.verdicts.crashed = vec!["bob ended".into()]
    });
}

#[test]
fn a_node_that_never_catches_up_is_found() {
    breaks(Rule::R6, |history| {
        history.faults[0].caught_up_after_ms = None
    });
}

#[test]
fn an_expulsion_that_nobody_caused_and_one_that_did_not_come_are_found() {
    let bob = || vec!["bob".to_owned()];
    breaks(Rule::R6, |history| history.verdicts.expelled = bob());
    breaks(Rule::R6, |history| history.verdicts.duplicated = bob());
    let both = broken(|history| {
        history.verdicts.expelled = bob();
        history.verdicts.duplicated = bob();
    });
    assert_eq!(both, BTreeSet::new());
}

#[test]
fn many_violations_are_counted_and_some_of_them_listed() {
    let mut history = good();
    for export in &mut history.exports {
        export.events.clear();
    }
    let report = check(&history);
    assert!(report.violations.len() <= 7 * SHOWN_MAX);
    assert!(report.more > 0);
}
