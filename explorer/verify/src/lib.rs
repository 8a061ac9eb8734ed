// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the explorer page computes in the browser, so that it need not believe its node: bundles and
//! proofs are judged by `ves-verify`, the code of the command line; what the node answers in SCALE is
//! read with the protocol's own types.
//!
//! Text in, text out: JSON, and hex for bytes. An error is thrown as a string.

#![forbid(unsafe_code)]

mod answers;
mod judge;
mod proofs;
mod sets;

pub use sets::Sets;

use wasm_bindgen::prelude::wasm_bindgen;

/// Outcome of a function: JSON, or why there is none.
type Answer = Result<String, String>;

/// Judges the bytes of a bundle. `pins` is a JSON object of what is trusted: `genesis`, `agent_key`,
/// `events_root`, `block_hash`, `authorities`, each as hex or empty, and `finality_demanded`.
///
/// # Errors
/// If a pin is malformed. What is wrong with the bundle is part of the answer.
#[wasm_bindgen]
pub fn verify(bundle: &[u8], pins: &str) -> Answer {
    judge::bundle(bundle, pins, None)
}

/// Reads a runtime API's SCALE answer: `batches`, `kept`, `proofs`, `batch_proofs`, `authorities` or
/// `signing_key`.
///
/// # Errors
/// If the bytes are something else.
#[wasm_bindgen]
pub fn read(kind: &str, answer: &str) -> Answer {
    answers::read(kind, answer)
}

/// Recomputes a header's hash from its JSON, and reads its commitment to batches.
///
/// # Errors
/// If it is not a header.
#[wasm_bindgen]
pub fn header(json: &str) -> Answer {
    answers::header(json)
}

/// The height of the justified block in a node's answer to `ves_bundle`, or `null` if it has no
/// evidence of finality.
///
/// # Errors
/// If the answer holds no bundle, or a malformed header.
#[wasm_bindgen]
pub fn justified(answer: &str) -> Answer {
    answers::justified(answer)
}

/// A bundle as `stateset-sync export` writes it, from a node's answer to `ves_bundle` (its whole
/// text, so that no number passes through the page) and the further `evidence`. Without a set of
/// authorities to start from: see [`Sets::assemble`].
///
/// # Errors
/// If the answer holds no bundle, or the evidence is malformed.
#[wasm_bindgen]
pub fn assemble(answer: &str, evidence: &str) -> Answer {
    answers::assemble(answer, evidence, None)
}

/// The submission behind a record of a proof, out of its block's extrinsics (a JSON list of hex).
/// Its bytes and the key it names, or `null`.
///
/// # Errors
/// If the arguments are malformed.
#[wasm_bindgen]
pub fn submission(extrinsics: &str, record: &str) -> Answer {
    proofs::submission(extrinsics, record)
}

/// Which agents' keys are needed to judge a batch's proof, or `null` if the block does not hold it.
///
/// # Errors
/// If the arguments are malformed.
#[wasm_bindgen]
pub fn batch_proof_keys(extrinsics: &str, record: &str) -> Answer {
    proofs::batch_keys(extrinsics, record)
}

/// Judges a batch's proof. `keys` are the records asked for, in that order.
///
/// # Errors
/// If the arguments are malformed.
#[wasm_bindgen]
pub fn verify_batch_proof(
    genesis: &str,
    batch: &str,
    extrinsics: &str,
    record: &str,
    keys: &str,
) -> Answer {
    proofs::judge_batch(genesis, batch, extrinsics, record, keys)
}

/// Bytes from hex, `0x` optional.
fn unhex(text: &str) -> Result<Vec<u8>, String> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| error.to_string())
}

fn json(value: &impl serde::Serialize) -> Answer {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{what}: {error}"))
}
