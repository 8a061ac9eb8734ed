// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A bundle, judged.

use crate::{Answer, answers::height, json, parse, unhex};
use serde::Deserialize;
use serde_json::json;
use ves_finality::BlockHash;
use ves_primitives::{AuthoritySetHash, EventsRoot, GenesisHash, SigningPublicKey};
use ves_verify::{
    FollowedSets, TrustAnchors, TrustedAuthorities, Verification, caveats, offline, parse_bundle,
};

/// What the reader trusts, as typed: empty text pins nothing.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pins {
    genesis: String,
    agent_key: String,
    events_root: String,
    block_hash: String,
    authorities: String,
    finality_demanded: bool,
}

fn pin(name: &str, text: &str) -> Result<Option<[u8; 32]>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = unhex(text).map_err(|error| format!("{name}: {error}"))?;
    let length = bytes.len();
    let bytes = bytes
        .try_into()
        .map_err(|_| format!("{name}: expected 32 bytes in hex, found {length}"))?;
    Ok(Some(bytes))
}

fn anchors(pins: &Pins) -> Result<TrustAnchors, String> {
    let authorities = pin("authorities", &pins.authorities)?.map(AuthoritySetHash);
    Ok(TrustAnchors {
        genesis: pin("genesis", &pins.genesis)?.map(GenesisHash),
        agent_key: pin("agent_key", &pins.agent_key)?.map(SigningPublicKey),
        events_root: pin("events_root", &pins.events_root)?.map(EventsRoot),
        block_hash: pin("block_hash", &pins.block_hash)?,
        finality_demanded: pins.finality_demanded || authorities.is_some(),
        authorities: authorities.map(TrustedAuthorities::Named),
        ..TrustAnchors::default()
    })
}

/// `sets`, if there are any, say whom to trust unless the pins do.
pub(crate) fn bundle(bytes: &[u8], pins: &str, sets: Option<&FollowedSets>) -> Answer {
    let mut trust = anchors(&parse("pins", pins)?)?;
    let bundle = match parse_bundle(bytes) {
        Ok(bundle) => bundle,
        Err(why) => return json(&json!({ "holds": false, "not_a_bundle": why.to_string() })),
    };
    if let (Some(sets), Ok(Some(height))) = (sets, height(&bundle)) {
        trust.authorities = trust.authorities.or_else(|| sets.trust(height));
    }
    let verification = offline(&bundle, &trust);
    let (record, batch) = (&bundle.event, &bundle.inclusion.batch);
    let authorities = bundle
        .finality
        .as_ref()
        .and_then(|finality| finality.authorities.as_ref())
        .map(|set| set.hash(bundle.genesis_hash));
    let mut answer = outcome(&verification);
    answer["bundle"] = json!({
        "event_id": record.event.event_id,
        "stream_id": record.stream_id,
        "sequence": record.sequence.to_string(),
        "receipt_hash": record.receipt_hash,
        "block_number": record.block_number,
        "block_hash": BlockHash(record.block_hash),
        "batch_id": batch.batch.batch_id,
        "events_root": batch.batch.events_root,
        "genesis_hash": bundle.genesis_hash,
        "agent_key": bundle.signing_key.public_key,
        "authority_set": authorities,
        "proofs": bundle.proofs.len(),
    });
    json(&answer)
}

/// The checks, and what the verdict rests on.
pub(crate) fn outcome(verification: &Verification) -> serde_json::Value {
    json!({
        "holds": verification.holds(),
        "checks": verification.checks,
        "relies_on": caveats(verification),
    })
}
