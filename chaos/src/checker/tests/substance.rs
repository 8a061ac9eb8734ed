// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bugs in what nodes' databases hold, and runs that show nothing.

use super::*;

#[test]
fn a_block_that_a_damaged_database_gives_otherwise_or_not_at_all_is_found() {
    fn contents(history: &mut History) -> &mut Contents {
        history.exports[1].held[1].contents.as_mut().unwrap()
    }
    breaks(Rule::R1, |history| contents(history).body[0] ^= 1);
    breaks(Rule::R1, |history| contents(history).extrinsics -= 1);
    breaks(Rule::R3, |history| contents(history).state_root[0] ^= 1);
    breaks(Rule::R3, |history| {
        contents(history).values.as_mut().unwrap().digest[0] ^= 1;
    });
    breaks(Rule::R3, |history| {
        contents(history).values.as_mut().unwrap().entries -= 1;
    });
    breaks(Rule::R1, |history| {
        history.exports[2].held[0].contents = Err("State already discarded".into());
    });
}

#[track_caller]
fn is_empty(what: &str, plant: impl FnOnce(&mut History)) {
    let mut history = good();
    plant(&mut history);
    let report = check(&history);
    let named = |v: &Violation| v.rule == Rule::Empty && v.what.contains(what);
    assert!(report.violations.iter().any(named), "{what}");
}

#[test]
fn a_run_in_which_nothing_happened_is_found_by_what_is_missing() {
    is_empty("made an event", |history| history.clients.clear());
    is_empty("told that an event is final", |history| {
        history
            .clients
            .retain(|entry| !matches!(entry.ack, Ack::Finalized { .. }));
    });
    is_empty("no node has a new event", |history| {
        for export in &mut history.exports {
            export.events.clear();
        }
    });
    is_empty("the relay anchored nothing", |history| {
        history.anchors.clear();
    });
    is_empty("no fault", |history| history.faults.clear());
    is_empty("contents", |history| history.exports[1].held.clear());
    is_empty("fewer than two nodes", |history| {
        history.exports.truncate(1);
    });
}

#[test]
fn nothing_at_all_is_no_good_history() {
    let rules: BTreeSet<Rule> = check(&History::default())
        .violations
        .iter()
        .map(|violation| violation.rule)
        .collect();
    assert!(rules.contains(&Rule::Empty));
}

#[test]
fn a_schedule_that_adds_nothing_to_those_before_it_is_found() {
    let history = good();
    let before = check(&history).scope;
    let found = check_since(&history, &before).violations;
    let named = |what: &str| found.iter().any(|v| v.what.contains(what));
    assert!(found.iter().all(|v| v.rule == Rule::Empty));
    assert!(named("new event") && named("anchored nothing") && named("no fault"));
    let less = Scope {
        offered: before.offered - 1,
        acknowledged: before.acknowledged - 1,
        events: before.events - 1,
        anchors: before.anchors - 1,
        heads: before.heads - 1,
        faults: 0,
        ..before
    };
    assert!(check_since(&history, &less).violations.is_empty());
}
