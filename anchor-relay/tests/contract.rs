// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay's picture of the contract against the built contract and the published vectors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{
    primitives::{FixedBytes, hex, keccak256},
    sol_types::{SolCall, SolInterface},
};
use anchor_relay::sink::{Payload, Refusal, SetRegistry, commit_call};
use serde_json::Value;
use std::collections::BTreeSet;
use support::{Script, evm::artifact};

/// A type as signatures spell it: a struct is the list of its members' types.
fn canonical(input: &Value) -> String {
    let name = input["type"].as_str().unwrap();
    let Some(suffix) = name.strip_prefix("tuple") else {
        return name.to_owned();
    };
    let members = input["components"].as_array().unwrap().iter();
    let members: Vec<String> = members.map(canonical).collect();
    format!("({}){suffix}", members.join(","))
}

/// Selectors of all entries of a kind in the built contract's ABI.
fn selectors(kind: &str) -> BTreeSet<FixedBytes<4>> {
    let abi = artifact("SetRegistry");
    let entries = abi["abi"].as_array().unwrap();
    entries
        .iter()
        .filter(|entry| entry["type"] == kind)
        .map(|entry| {
            let inputs = entry["inputs"].as_array().unwrap().iter();
            let types: Vec<String> = inputs.map(canonical).collect();
            let text = format!("{}({})", entry["name"].as_str().unwrap(), types.join(","));
            FixedBytes::from_slice(&keccak256(text)[..4])
        })
        .collect()
}

#[test]
fn every_function_and_error_the_relay_knows_is_in_the_built_contract() {
    let functions = selectors("function");
    for selector in SetRegistry::SetRegistryCalls::selectors() {
        assert!(
            functions.contains(&FixedBytes(selector)),
            "{}",
            hex::encode(selector)
        );
    }
    let errors = selectors("error");
    for selector in SetRegistry::SetRegistryErrors::selectors() {
        assert!(
            errors.contains(&FixedBytes(selector)),
            "{}",
            hex::encode(selector)
        );
    }
}

#[test]
fn the_anchoring_call_has_the_published_selector_and_layout() {
    let script = Script::new().block(&[(3, 2)]);
    let batch = script.batches().next().unwrap();
    let data = commit_call(batch).abi_encode();
    assert_eq!(hex::encode(&data[..4]), "d38f6b8b");
    assert_eq!(data.len(), 4 + 9 * 32);
    assert_eq!(&data[36..52], &batch.tenant_id.0);
    assert_eq!(&data[52..68], &[0; 16]);
    assert_eq!(data[4 + 9 * 32 - 1], 2);
}

#[test]
fn the_proof_calls_have_the_published_selectors() {
    let script = Script::new().block(&[(3, 2)]);
    let batch = script.batches().next().unwrap();
    let (record, ..) = support::proven(batch, 1);
    let selector = |payload: Payload<'_>| hex::encode(&payload.encode()[..4]);
    assert_eq!(selector(Payload::Proof(batch, &record)), "20cb49f9");
    assert_eq!(selector(Payload::Proven(batch, &record)), "df788f5f");
}

#[test]
fn d8_every_published_revert_has_its_published_meaning() {
    let text = include_str!("../../primitives/vectors/set/relay_vectors.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let classes = vectors["revert_classes"].as_object().unwrap();
    assert_eq!(classes.len(), 13);
    for (name, meaning) in classes {
        let meaning = meaning.as_str().unwrap();
        let (selector, rest) = name.split_once(' ').unwrap();
        let mut data = hex::decode(selector).unwrap();
        // Arguments, where there are any: zero words.
        let arguments = if rest.contains("()") {
            0
        } else {
            rest.matches("int").count()
        };
        let arguments = arguments.max(rest.matches("bytes32").count());
        data.resize(data.len() + 32 * arguments, 0);
        let refusal = Refusal::classify(&data);
        let expected = match refusal {
            Refusal::AlreadyCommitted => "compare stored record",
            Refusal::SequenceGap { .. } => "predecessor missing",
            Refusal::StateRootMismatch => "fork or foreign commit",
            Refusal::Permanent(_) => "permanent: quarantine batch",
            Refusal::NotAuthorised => "park all, page, poll authorizedSequencers",
            Refusal::Paused => "park all, poll paused",
            Refusal::WrongContract => "wrong contract",
            Refusal::PermanentProof(_) => "permanent: quarantine proof",
            Refusal::BatchNotCommitted => "batch tx not included yet or reorged",
            Refusal::ProofAlreadyCommitted => "compare proofHash",
            other => panic!("{name}: {other:?}"),
        };
        assert!(meaning.starts_with(expected), "{name}: {meaning}");
    }
}

#[test]
fn unknown_revert_data_of_any_length_is_shown_and_bounded() {
    for length in [1, 3, 4, 5, 10_000] {
        let refusal = Refusal::classify(&vec![0xee; length]);
        assert!(matches!(refusal, Refusal::Unknown(_)), "{refusal:?}");
        assert!(refusal.to_string().len() < 300);
    }
}
