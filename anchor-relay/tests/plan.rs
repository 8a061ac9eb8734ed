// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The decision core against a model of the contract, under random schedules.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use anchor_relay::plan::{Action, BatchView, Conflict, Head, Limits, Record, StreamView, plan};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::{Script, id};
use ves_primitives::{BatchCommitment, StateRoot, StreamId};

const OPEN: Limits = Limits {
    open: true,
    free: 8,
    per_stream: 4,
    strict_genesis: false,
};

fn batches(stream: u8, count: u32) -> Vec<BatchCommitment> {
    let mut script = Script::new();
    for n in 0..count {
        script = script.block(&[(stream, 1 + n % 3)]);
    }
    script.batches().cloned().collect()
}

fn head_after(batch: &BatchCommitment) -> Head {
    Head {
        sequence: batch.sequence_end,
        state_root: batch.new_state_root,
    }
}

fn item(batch: &BatchCommitment) -> BatchView {
    let unknown = Record::Unknown;
    BatchView {
        taken_ms: 0,
        batch: batch.clone(),
        in_flight: false,
        latest: unknown,
        confirmed: unknown,
    }
}

fn view(stream: u8, head: Head, batches: &[BatchCommitment]) -> StreamView {
    StreamView {
        stream: id(stream),
        may_submit: true,
        head,
        confirmed: head,
        batches: batches.iter().map(item).collect(),
    }
}

fn submitted(actions: &[Action]) -> Vec<(StreamId, u64)> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Submit { stream, index, .. } => Some((*stream, *index)),
            _ => None,
        })
        .collect()
}

mod one_stream {
    use super::*;

    #[test]
    fn the_contract_gets_the_batches_in_order_up_to_the_limit() {
        let batches = batches(0, 7);
        let head = head_after(&batches[0]);
        let actions = plan(&[view(0, head, &batches[1..])], OPEN);
        let expected: Vec<_> = (1..5).map(|index| (id(0), index)).collect();
        assert_eq!(submitted(&actions), expected);
        assert!(matches!(actions[0], Action::Submit { simulate: true, .. }));
        assert!(matches!(
            actions[1],
            Action::Submit {
                simulate: false,
                ..
            }
        ));
    }

    /// A contract without strict genesis would take the second batch as the first.
    #[test]
    fn nothing_follows_the_first_batch_of_a_stream_before_the_contract_holds_it() {
        let mut view = view(0, Head::EMPTY, &batches(0, 3));
        assert_eq!(
            submitted(&plan(std::slice::from_ref(&view), OPEN)),
            [(id(0), 0)]
        );
        view.batches[0].in_flight = true;
        assert!(plan(&[view], OPEN).is_empty());
    }

    /// A reorg could take it back, and another relay's second batch be first then.
    #[test]
    fn nothing_follows_the_first_batch_before_it_is_confirmed() {
        let batches = batches(0, 2);
        let mut view = view(0, head_after(&batches[0]), &batches[1..]);
        view.confirmed = Head::EMPTY;
        assert!(plan(std::slice::from_ref(&view), OPEN).is_empty());
        view.confirmed = view.head;
        assert_eq!(submitted(&plan(&[view], OPEN)), [(id(0), 1)]);
    }

    #[test]
    fn with_strict_genesis_the_first_batch_is_followed_at_once() {
        let strict = Limits {
            strict_genesis: true,
            ..OPEN
        };
        let mut view = view(0, Head::EMPTY, &batches(0, 3));
        view.batches[0].in_flight = true;
        let sent = submitted(&plan(&[view], strict));
        assert_eq!(sent, [(id(0), 1), (id(0), 2)]);
    }

    #[test]
    fn nothing_is_submitted_while_the_gate_is_closed() {
        let closed = Limits {
            open: false,
            ..OPEN
        };
        assert!(plan(&[view(0, Head::EMPTY, &batches(0, 2))], closed).is_empty());
    }

    #[test]
    fn a_batch_in_flight_is_not_submitted_again_and_its_successor_follows() {
        let batches = batches(0, 3);
        let mut view = view(0, head_after(&batches[0]), &batches[1..]);
        view.batches[0].in_flight = true;
        assert_eq!(submitted(&plan(&[view], OPEN)), [(id(0), 2)]);
    }

    #[test]
    fn a_failed_batch_waits_until_its_successors_in_flight_have_failed_too() {
        let batches = batches(0, 4);
        let mut view = view(0, head_after(&batches[0]), &batches[1..]);
        view.batches[1].in_flight = true;
        assert!(plan(std::slice::from_ref(&view), OPEN).is_empty());
        view.batches[1].in_flight = false;
        assert_eq!(submitted(&plan(&[view], OPEN)).len(), 3);
    }

    #[test]
    fn a_batch_on_chain_is_compared_before_it_counts_as_anchored() {
        let batches = batches(0, 1);
        let mut view = view(0, head_after(&batches[0]), &batches);
        let compare = Action::Compare {
            stream: id(0),
            index: 0,
        };
        assert_eq!(plan(std::slice::from_ref(&view), OPEN), [compare]);
        view.batches[0].latest = Record::Equal;
        view.batches[0].confirmed = Record::Equal;
        let anchored = Action::Anchored {
            stream: id(0),
            index: 0,
        };
        assert_eq!(plan(&[view], OPEN), [anchored]);
    }

    #[test]
    fn a_batch_that_is_not_confirmed_yet_waits() {
        let batches = batches(0, 1);
        let mut view = view(0, head_after(&batches[0]), &batches);
        view.confirmed = Head::EMPTY;
        view.batches[0].latest = Record::Equal;
        assert!(plan(&[view], OPEN).is_empty());
    }

    /// Where blocks are final after half an hour hundreds of batches wait for that.
    #[test]
    fn what_follows_the_head_is_submitted_however_many_before_it_are_not_confirmed() {
        let batches = batches(0, 9);
        let known = [&batches[..2], &batches[6..]].concat();
        let mut view = view(0, head_after(&batches[6]), &known);
        view.confirmed = head_after(&batches[0]);
        for item in &mut view.batches[..3] {
            item.latest = Record::Equal;
        }
        view.batches[0].confirmed = Record::Equal;
        let actions = plan(&[view], OPEN);
        assert!(matches!(actions[0], Action::Anchored { index: 0, .. }));
        assert_eq!(submitted(&actions), [(id(0), 7), (id(0), 8)]);
        assert_eq!(actions.len(), 3, "{actions:?}");
    }

    #[test]
    fn nothing_counts_as_anchored_behind_batches_that_were_not_looked_at() {
        let batches = batches(0, 7);
        let known = [&batches[..2], &batches[5..]].concat();
        let mut view = view(0, head_after(&batches[6]), &known);
        for item in &mut view.batches {
            (item.latest, item.confirmed) = (Record::Equal, Record::Equal);
        }
        let anchored = |index| Action::Anchored {
            stream: id(0),
            index,
        };
        assert_eq!(plan(&[view], OPEN), [anchored(0), anchored(1)]);
    }

    #[test]
    fn a_contract_that_lost_anchored_batches_gets_them_again() {
        let batches = batches(0, 4);
        let view = view(0, head_after(&batches[0]), &batches[3..]);
        let above = batches[0].sequence_end;
        assert_eq!(
            plan(&[view], OPEN),
            [Action::Reopen {
                stream: id(0),
                above
            }]
        );
    }
}

mod d3_a_conflict {
    use super::*;

    fn reason(view: StreamView) -> Conflict {
        match plan(&[view], OPEN).as_slice() {
            [Action::Quarantine { reason, .. }] => *reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn is_an_existing_id_with_other_content() {
        let batches = batches(0, 2);
        let mut view = view(0, head_after(&batches[0]), &batches);
        view.batches[0].latest = Record::Different;
        assert_eq!(reason(view), Conflict::Different);
    }

    #[test]
    fn is_a_head_that_passed_a_batch_which_is_not_there() {
        let batches = batches(0, 2);
        let mut view = view(0, head_after(&batches[1]), &batches);
        view.batches[0].latest = Record::Absent;
        assert_eq!(reason(view), Conflict::Missing);
    }

    #[test]
    fn is_a_head_inside_a_batch() {
        let batches = batches(0, 3);
        let last = &batches[2];
        let mut head = head_after(last);
        head.sequence -= 1;
        assert_eq!(reason(view(0, head, &batches[2..])), Conflict::Straddled);
    }

    #[test]
    fn is_another_state_root_at_the_right_place() {
        let batches = batches(0, 2);
        let mut head = head_after(&batches[0]);
        head.state_root = StateRoot([9; 32]);
        assert_eq!(reason(view(0, head, &batches[1..])), Conflict::ForeignRoot);
    }

    #[test]
    fn is_confirmed_once_the_confirmed_block_keeps_the_batch_out_too() {
        let batches = batches(0, 3);
        let last = &batches[2];
        let index = last.batch_index;
        let mut view = view(0, head_after(last), &batches[2..]);
        view.batches[0].latest = Record::Different;
        view.batches[0].confirmed = Record::Absent;
        view.confirmed = Head::EMPTY;
        assert!(!view.conflict_is_confirmed(index));
        view.confirmed = head_after(&batches[1]);
        assert!(!view.conflict_is_confirmed(index), "its place is free");
        view.confirmed.state_root = StateRoot([9; 32]);
        assert!(view.conflict_is_confirmed(index), "another state root");
        view.confirmed.sequence = last.sequence_start;
        assert!(view.conflict_is_confirmed(index), "a head inside it");
        view.confirmed = head_after(last);
        for (record, expected) in [
            (Record::Unknown, false),
            (Record::Equal, false),
            (Record::Absent, true),
            (Record::Different, true),
        ] {
            view.batches[0].confirmed = record;
            assert_eq!(view.conflict_is_confirmed(index), expected, "{record:?}");
        }
    }

    #[test]
    fn of_one_stream_does_not_hold_up_the_others() {
        let poisoned = batches(0, 2);
        let mut bad = view(0, head_after(&poisoned[0]), &poisoned);
        bad.batches[0].latest = Record::Different;
        let mut views = vec![bad];
        views.extend((1..50).map(|n| view(n, Head::EMPTY, &batches(n, 1))));
        let limits = Limits { free: 100, ..OPEN };
        assert_eq!(submitted(&plan(&views, limits)).len(), 49);
    }
}

/// The contract and the network as a model: transactions are mined in nonce order, each either
/// accepted by the contract's rules or reverted.
#[derive(Default)]
struct Model {
    heads: BTreeMap<StreamId, Vec<BatchCommitment>>,
    pending: Vec<BatchCommitment>,
    live: BTreeSet<(StreamId, u64)>,
    reverts: u32,
}

impl Model {
    fn head(&self, stream: StreamId) -> Head {
        self.heads
            .get(&stream)
            .and_then(|list| list.last())
            .map_or(Head::EMPTY, head_after)
    }

    fn mine(&mut self, fail: bool) {
        if self.pending.is_empty() {
            return;
        }
        let batch = self.pending.remove(0);
        let stream = batch.stream_id();
        let head = self.head(stream);
        // Without strict genesis any batch may be the first of a stream.
        let chained = head == Head::EMPTY
            || batch.sequence_start == head.sequence + 1
                && batch.prev_state_root == head.state_root;
        self.live.remove(&(stream, batch.batch_index));
        if chained && !fail {
            self.heads.entry(stream).or_default().push(batch);
        } else {
            self.reverts += 1;
        }
    }

    fn look(
        &self,
        number: u8,
        all: &[BatchCommitment],
        anchored: &BTreeSet<u64>,
        lag: usize,
    ) -> StreamView {
        let stream = id(number);
        let on_chain = self.heads.get(&stream).map_or(&[][..], Vec::as_slice);
        let confirmed = on_chain.len().saturating_sub(lag);
        let record = |batch: &BatchCommitment, upto: usize| {
            let found = on_chain.iter().take(upto).any(|other| other == batch);
            if found { Record::Equal } else { Record::Absent }
        };
        StreamView {
            stream,
            may_submit: true,
            head: self.head(stream),
            confirmed: on_chain[..confirmed].last().map_or(Head::EMPTY, head_after),
            batches: all
                .iter()
                .filter(|batch| !anchored.contains(&batch.batch_index))
                .map(|batch| BatchView {
                    taken_ms: 0,
                    batch: batch.clone(),
                    in_flight: self.live.contains(&(stream, batch.batch_index)),
                    latest: record(batch, on_chain.len()),
                    confirmed: record(batch, confirmed),
                })
                .collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_schedule_anchors_every_batch_once_and_in_order(
        steps in prop::collection::vec((0u8..10, any::<bool>()), 1..80),
        counts in prop::collection::vec(1u32..7, 1..5),
        free in 1usize..6,
        per_stream in 1usize..5,
    ) {
        let all: Vec<Vec<BatchCommitment>> = counts
            .iter()
            .enumerate()
            .map(|(n, count)| batches(u8::try_from(n).unwrap(), *count))
            .collect();
        let mut model = Model::default();
        let mut anchored: BTreeMap<StreamId, BTreeSet<u64>> = BTreeMap::new();
        // The random part, then a quiet part in which everything must come to an end.
        let quiet = (0..200).map(|n| (n % 2, false));
        for (step, lucky) in steps.into_iter().chain(quiet) {
            if step % 2 == 1 {
                model.mine(lucky && step == 9);
                continue;
            }
            let lag = if step > 4 { 1 } else { 0 };
            let views: Vec<StreamView> = all
                .iter()
                .enumerate()
                .map(|(n, list)| {
                    let n = u8::try_from(n).unwrap();
                    model.look(n, list, anchored.entry(id(n)).or_default(), lag)
                })
                .collect();
            let room = free.saturating_sub(model.pending.len());
            let limits = Limits { open: step != 8, free: room, per_stream, ..OPEN };
            let actions = plan(&views, limits);
            let sent = submitted(&actions);
            prop_assert!(limits.open || sent.is_empty());
            prop_assert!(sent.len() <= limits.free);
            for action in &actions {
                match action {
                    Action::Submit { stream, index, .. } => {
                        // Never twice at a time.
                        prop_assert!(model.live.insert((*stream, *index)));
                        let list = all.iter().find(|l| l[0].stream_id() == *stream).unwrap();
                        let batch = &list[usize::try_from(*index).unwrap()];
                        // Never what is on chain, never past a gap.
                        let known = model.heads.get(stream).map_or(0, Vec::len);
                        let waiting = model.pending.iter().filter(|b| b.stream_id() == *stream);
                        prop_assert_eq!(usize::try_from(*index).unwrap(), known + waiting.count());
                        model.pending.push(batch.clone());
                    }
                    Action::Anchored { stream, index } => {
                        let done = anchored.entry(*stream).or_default();
                        // In order, once, and only what the contract holds.
                        prop_assert_eq!(u64::try_from(done.len()).unwrap(), *index);
                        prop_assert!(done.insert(*index));
                        let held = model.heads.get(stream).map_or(0, Vec::len);
                        prop_assert!(*index < u64::try_from(held).unwrap());
                    }
                    other => prop_assert!(false, "unexpected {other:?}"),
                }
            }
        }
        for list in &all {
            let stream = list[0].stream_id();
            prop_assert_eq!(model.heads.get(&stream), Some(list));
            prop_assert_eq!(anchored[&stream].len(), list.len());
        }
    }

    #[test]
    fn any_view_of_the_contract_gives_at_most_one_submission_per_batch_and_no_panic(
        sequence in 0u64..12, root in 0u8..3, confirmed in 0u64..12,
        flags in prop::collection::vec((any::<bool>(), 0u8..4, 0u8..4), 1..6),
        first in 0usize..4,
    ) {
        let all = batches(0, 9);
        let record = |n: u8| match n {
            0 => Record::Unknown,
            1 => Record::Absent,
            2 => Record::Equal,
            _ => Record::Different,
        };
        let state_root = match root {
            0 => StateRoot::GENESIS,
            1 => StateRoot([1; 32]),
            _ => all.iter().find(|b| b.sequence_end == sequence)
                .map_or(StateRoot::GENESIS, |b| b.new_state_root),
        };
        let view = StreamView {
            stream: id(0),
            may_submit: true,
            head: Head { sequence, state_root },
            confirmed: Head { sequence: confirmed.min(sequence), state_root },
            batches: flags.iter().zip(&all[first..]).map(|((in_flight, a, b), batch)| BatchView { taken_ms: 0,
                batch: batch.clone(),
                in_flight: *in_flight,
                latest: record(*a),
                confirmed: record(*b),
            }).collect(),
        };
        let actions = plan(std::slice::from_ref(&view), OPEN);
        let sent = submitted(&actions);
        let distinct: BTreeSet<_> = sent.iter().collect();
        prop_assert_eq!(distinct.len(), sent.len());
        for (_, index) in &sent {
            let item = view.batches.iter().find(|i| i.batch.batch_index == *index).unwrap();
            prop_assert!(!item.in_flight);
            prop_assert!(item.batch.sequence_start > sequence);
        }
        for action in &actions {
            if let Action::Anchored { index, .. } = action {
                let item = view.batches.iter().find(|i| i.batch.batch_index == *index).unwrap();
                prop_assert_eq!(item.confirmed, Record::Equal);
            }
        }
    }
}
