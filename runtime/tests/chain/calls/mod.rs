// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Every call of the runtime, made by everybody: what happens stands in the table.

mod examples;
mod scene;
mod table;

use crate::metadata;
use examples::example;
use polkadot_sdk::{frame_support::traits::GetCallMetadata, pallet_utility};
use scene::{Scene, Who};
use std::collections::BTreeSet;
use ves_runtime::RuntimeCall;

/// Calls of the one list that the other lacks, and the other way round.
fn differences(runtime: &BTreeSet<String>, table: &BTreeSet<String>) -> Vec<String> {
    let missing = runtime.difference(table);
    let missing = missing.map(|call| format!("{call} is in the runtime and not in the table"));
    let gone = table.difference(runtime);
    let gone = gone.map(|call| format!("{call} is in the table and not in the runtime"));
    missing.chain(gone).collect()
}

fn calls_of_the_runtime() -> BTreeSet<String> {
    metadata::calls().into_iter().collect()
}

fn calls_of_the_table() -> BTreeSet<String> {
    table::rows().into_iter().map(|row| row.call).collect()
}

#[test]
fn every_call_of_the_runtime_is_in_the_table_and_no_other() {
    let found = differences(&calls_of_the_runtime(), &calls_of_the_table());
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(
        table::rows().len(),
        calls_of_the_table().len(),
        "a call twice"
    );
}

#[test]
fn a_call_that_is_added_taken_away_or_renamed_is_found() {
    let (mut runtime, table) = (calls_of_the_runtime(), calls_of_the_table());
    runtime.insert("Consortium.seize".to_owned());
    assert_eq!(
        differences(&runtime, &table),
        ["Consortium.seize is in the runtime and not in the table"]
    );
    runtime.remove("Consortium.seize");
    runtime.remove("System.remark");
    assert_eq!(
        differences(&runtime, &table),
        ["System.remark is in the table and not in the runtime"]
    );
}

#[test]
fn each_example_is_of_the_call_that_it_stands_for() {
    let mut scene = Scene::new();
    for name in calls_of_the_table() {
        let of = scene.call(&name).get_call_metadata();
        assert_eq!(format!("{}.{}", of.pallet_name, of.function_name), name);
    }
}

#[test]
fn every_call_does_for_everybody_what_the_table_says() {
    let mut scene = Scene::new();
    let mut wrong = Vec::new();
    for row in table::rows() {
        for (who, expected) in Who::ALL.into_iter().zip(&row.cells) {
            let found = scene.outcome(who, || example(&row.call));
            if found != *expected {
                wrong.push(format!("{} by {who:?}: {found}, not {expected}", row.call));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The runtime has no call by which somebody would act as another, and this is why it does not matter in
/// what a call is wrapped.
#[test]
fn in_a_batch_a_call_does_no_more_than_alone() {
    let by = [
        Who::Other,
        Who::Admin,
        Who::Relay,
        Who::Validator,
        Who::Member,
        Who::Execute,
        Who::Half,
        Who::TwoThirds,
    ];
    let mut scene = Scene::new();
    let mut wrong = Vec::new();
    // A batch does not take another one, which says nothing about anybody.
    let rows = table::rows();
    let rows = rows.iter().filter(|row| !row.call.starts_with("Utility."));
    for row in rows {
        for who in by {
            let alone = &row.cells[who as usize];
            let wrapped = scene.outcome(who, || -> RuntimeCall {
                let calls = vec![example(&row.call)];
                pallet_utility::Call::batch_all { calls }.into()
            });
            if wrapped != *alone {
                wrong.push(format!("{} by {who:?}: {wrapped}, not {alone}", row.call));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The rule that the table shows, without looking at each line of it.
#[test]
fn half_of_the_council_and_a_member_alone_do_no_more_than_strangers() {
    for row in table::rows() {
        let cell = |who: Who| row.cells[who as usize].as_str();
        let by_anybody = cell(Who::Own) == "yes" || cell(Who::Other) == "yes";
        for who in [Who::Execute, Who::Half] {
            assert!(cell(who) != "yes" || by_anybody, "{}: {who:?}", row.call);
        }
    }
}
