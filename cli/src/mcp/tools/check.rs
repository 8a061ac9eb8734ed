// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tools that verify, and that gather what others can verify.

use super::{Call, Nature, Outcome, Tool, flag, foreign, takes, words};
use crate::{
    commands::served,
    error::{Exit, Failure, Result},
    mcp::{access::Mode, input, schema},
    output::Report,
    rules, verify,
};
use serde_json::{Map, Value};
use ves_primitives::{InclusionProof, SubmittedEvent, wire::EventJson};

const CHECKS: Tool = Tool {
    name: "",
    title: "",
    description: "",
    needs: Mode::Read,
    decrypts: false,
    nature: Nature::LOCAL,
    input: takes::<input::Nothing>,
    output: schema::anything,
    run: |_| Box::pin(async { Err(Failure::unexpected("no tool")) }),
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "ves_verify_event",
        title: "Verify an event",
        description: "Fetches the evidence of one event from the node and verifies all of it: \
                      payload hash, author's signature and key, receipt, inclusion in the batch, \
                      batch, block header, finality. Returns each check as claim, evidence and \
                      verdict, and what is left to trust.",
        nature: Nature::ASKS,
        input: takes::<input::VerifyEvent>,
        output: schema::verification,
        run: |call| Box::pin(event(call)),
        ..CHECKS
    },
    Tool {
        name: "ves_verify_bundle",
        title: "Verify a bundle",
        description: "Verifies a proof bundle without asking any node. Pin what you know from \
                      elsewhere (genesis, author's key, authorities): a bundle proves nothing \
                      about what is not pinned or trusted by this project.",
        input: takes::<input::VerifyBundle>,
        output: schema::verification,
        run: |call| Box::pin(bundle(call)),
        ..CHECKS
    },
    Tool {
        name: "ves_verify_receipt",
        title: "Verify a receipt",
        description: "Whether a receipt hash is the receipt of this event at this sequence, for \
                      plain and encrypted events alike; with the author's key also whether the \
                      signature holds. Says nothing about inclusion: ves_verify_event does.",
        input: takes::<input::VerifyReceipt>,
        output: schema::receipt,
        run: |call| Box::pin(receipt(call)),
        ..CHECKS
    },
    Tool {
        name: "ves_verify_inclusion",
        title: "Verify an inclusion proof",
        description: "Whether a leaf stands at its index under an events root (SHA-256, VES \
                      rules). The root must come from a batch that you trust otherwise.",
        input: takes::<input::VerifyInclusion>,
        output: schema::inclusion,
        run: |call| Box::pin(inclusion(call)),
        ..CHECKS
    },
    Tool {
        name: "ves_proof_export",
        title: "Export a proof bundle",
        description: "Gathers and verifies a self-contained bundle that proves one event to \
                      somebody without a node. Returns it as bundle, to be handed on whole.",
        nature: Nature::ASKS,
        input: takes::<input::Export>,
        output: schema::export,
        run: |call| Box::pin(export(call)),
        ..CHECKS
    },
    Tool {
        name: "ves_proofs_list",
        title: "Compliance proofs",
        description: "Zero-knowledge proofs about hidden amounts: with event_id fetched from the \
                      node and verified here, without it what push and pull noted.",
        nature: Nature::ASKS,
        input: takes::<input::Proofs>,
        output: schema::proofs,
        run: |call| Box::pin(proofs(call)),
        ..CHECKS
    },
];

fn pins(words: &mut Vec<String>, pins: &input::Pins) {
    flag(words, "genesis", pins.genesis);
    flag(words, "authorities", pins.authorities);
    flag(words, "agent-key", pins.agent_key);
    flag(words, "events-root", pins.events_root);
    flag(words, "block-hash", pins.block_hash.as_ref());
    if pins.anchor {
        words.push("--anchor".into());
    }
}

async fn event(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::VerifyEvent = call.input()?;
    let mut words = words(["verify", &input.event_id.0]);
    pins(&mut words, &input.pins);
    Ok(served::command(&call.context, words).await?.into())
}

async fn bundle(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::VerifyBundle = call.input()?;
    let bundle = verify::parse_bundle(Value::Object(input.bundle).to_string().as_bytes())?;
    let mut flags = Vec::new();
    pins(&mut flags, &input.pins);
    let report = served::verify_bundle(&call.context, &bundle, flags).await?;
    Ok(foreign(report, false).into())
}

fn read_event(event: Map<String, Value>) -> Result<SubmittedEvent> {
    let invalid = |why: String| {
        Failure::new(Exit::NotVerified, "event_malformed", why)
            .hint("give the object that ves_event_get returns as event")
    };
    let json: EventJson =
        serde_json::from_value(Value::Object(event)).map_err(|e| invalid(e.to_string()))?;
    SubmittedEvent::try_from(&json).map_err(|e| invalid(e.to_string()))
}

async fn receipt(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::VerifyReceipt = call.input()?;
    let event = read_event(input.event)?;
    let malformed = |problem: rules::Problem| {
        let why = format!("{}: {}", problem.reason.name(), problem.detail);
        Failure::new(Exit::NotVerified, "event_malformed", why)
    };
    rules::payload_hash(&event).map_err(malformed)?;
    let hash = event
        .envelope
        .signing_hash()
        .map_err(|e| Failure::new(Exit::NotVerified, "event_malformed", e.to_string()))?;
    let expected = event.envelope.receipt_hash(input.sequence, &hash);
    let signature = input
        .agent_key
        .map(|key| rules::author_signature(&event, &key).is_ok());
    let matches = expected == input.receipt_hash;
    let failure = match (matches, signature) {
        (false, _) => Some((
            "receipt_invalid",
            "the receipt is of another event or sequence",
        )),
        (true, Some(false)) => Some(("signature_invalid", "the signature does not verify")),
        (true, _) => None,
    };
    let failure = failure
        .map(|(code, why)| Failure::new(Exit::NotVerified, code, why).hint("do not rely on it"));
    Ok(Report::new("ves.mcp.receipt")
        .field("valid", failure.is_none())
        .field("receipt_matches", matches)
        .field("signature_holds", signature)
        .field("event_id", event.envelope.event_id)
        .field("sequence", input.sequence)
        .field("event_signing_hash", hash)
        .field("expected_receipt_hash", expected)
        .failing(failure)
        .into())
}

async fn inclusion(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::VerifyInclusion = call.input()?;
    let proof = InclusionProof {
        leaf_index: input.leaf_index,
        leaf_count: input.leaf_count,
        path: input.path,
    };
    let problem = proof.verify(&input.events_root.0, &input.leaf_hash.0).err();
    let failure = problem.map(|problem| {
        Failure::new(Exit::NotVerified, "inclusion_invalid", problem.to_string())
            .hint("do not rely on it")
    });
    Ok(Report::new("ves.mcp.inclusion")
        .field("valid", failure.is_none())
        .field("leaf_hash", input.leaf_hash)
        .field("events_root", input.events_root)
        .failing(failure)
        .into())
}

async fn export(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Export = call.input()?;
    let report = served::bundle(&call.context, &input.event_id.0, input.anchor).await?;
    Ok(foreign(report, true).into())
}

async fn proofs(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Proofs = call.input()?;
    let mut words = words(["proofs"]);
    words.extend(input.event_id.map(|event| event.0));
    Ok(served::command(&call.context, words).await?.into())
}
