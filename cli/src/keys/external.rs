// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Signing by a program of the user's, for keys that must not be on this machine's disk.
//!
//! The program gets one JSON object on standard input and answers with one on standard output. It has
//! half a minute. Its answer is verified before anybody uses it.

use crate::{
    error::{Exit, Failure, Result},
    program,
};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use ves_primitives::{AgentId, KeyId, Signature, SigningPublicKey, verify_ed25519};

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4096;

#[derive(Deserialize)]
struct Answer {
    signature: Signature,
}

fn failed(program: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Key,
        "signer_failed",
        format!("the signer {program} failed: {why}"),
    )
    .hint("run it by hand; its own messages are on stderr")
}

fn wrong(program: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Key,
        "signer_wrong",
        format!("the signer {program} gave no valid signature: {why}"),
    )
    .hint("it must answer {\"signature\":\"0x…\"}: Ed25519 over the 32 bytes of `hash`")
}

pub(super) fn sign(
    command: &[String],
    agent: AgentId,
    key_id: KeyId,
    public_key: &SigningPublicKey,
    hash: &[u8; 32],
) -> Result<Signature> {
    let program = command.first().map_or("", String::as_str);
    let request = json!({
        "schema": "ves.signer.request",
        "version": 1,
        "agent_id": agent,
        "key_id": key_id,
        "public_key": public_key,
        "hash": format!("0x{}", hex::encode(hash)),
    });
    let bytes = program::ask(
        command,
        Some(&request.to_string()),
        PATIENCE,
        MAX_ANSWER_BYTES,
    )
    .map_err(|why| failed(program, why))?;
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|error| wrong(program, error))?;
    if !verify_ed25519(public_key, hash, &answer.signature) {
        return Err(wrong(program, "it does not verify with the public key"));
    }
    Ok(answer.signature)
}
