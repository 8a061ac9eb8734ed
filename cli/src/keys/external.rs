// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Signing by a program of the user's, for keys that must not be on this machine's disk.
//!
//! The program gets one JSON object on standard input and answers with one on standard output. It has
//! half a minute. Its answer is verified before anybody uses it.

use crate::error::{Exit, Failure, Result};
use serde::Deserialize;
use serde_json::json;
use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use ves_primitives::{AgentId, KeyId, Signature, SigningPublicKey, verify_ed25519};

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
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
    let Some((program, args)) = command.split_first() else {
        return Err(failed("", "no program is named"));
    };
    let request = json!({
        "schema": "ves.signer.request",
        "version": 1,
        "agent_id": agent,
        "key_id": key_id,
        "public_key": public_key,
        "hash": format!("0x{}", hex::encode(hash)),
    });
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(program, error))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read its input may still answer.
        let _ = writeln!(pipe, "{request}");
    }
    let bytes = answer(&mut child, program)?;
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|error| wrong(program, error))?;
    if !verify_ed25519(public_key, hash, &answer.signature) {
        return Err(wrong(program, "it does not verify with the public key"));
    }
    Ok(answer.signature)
}

fn answer(child: &mut Child, program: &str) -> Result<Vec<u8>> {
    let pipe = child.stdout.take();
    // On a thread of its own: a program that hangs must not hang us.
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes);
        }
        bytes
    });
    let patience = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| failed(program, error))? {
            Some(status) => break status,
            None if Instant::now() >= patience => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(program, "no answer in time"));
            }
            None => std::thread::sleep(POLL),
        }
    };
    let bytes = reader.join().unwrap_or_default();
    // Who wrote more than anybody reads ends by a broken pipe.
    if !status.success() && bytes.len() as u64 != MAX_ANSWER_BYTES {
        return Err(failed(program, status));
    }
    Ok(bytes)
}
