// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Public inputs as files: the camelCase JSON of VES-STARK B3.

use crate::{
    error::{Failure, Result},
    files,
    json::{self, Members},
};
use rand::{RngCore, rngs::OsRng};
use serde_json::{Map, Value};
use std::path::Path;
use ves_primitives::{
    AmountCommitment, ComplianceInputs, EventId, EventSigningHash, PayloadCipherHash, PayloadKind,
    PayloadPlainHash, Policy, StoreId, TenantId,
};

const MEMBERS: [&str; 14] = [
    "eventId",
    "tenantId",
    "storeId",
    "sequenceNumber",
    "payloadKind",
    "payloadPlainHash",
    "payloadCipherHash",
    "eventSigningHash",
    "policyId",
    "policyParams",
    "policyHash",
    "witnessCommitment",
    "authorizationReceiptHash",
    "amountBindingHash",
];

/// A random UUID, version 4.
pub(crate) fn random_uuid() -> [u8; 16] {
    let mut bytes = [0u8; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

/// Inputs of a made-up event: random ids, payload hashes of zero.
pub(crate) fn made_up(policy: Policy) -> ComplianceInputs {
    ComplianceInputs {
        event_id: EventId(random_uuid()),
        tenant_id: TenantId(random_uuid()),
        store_id: StoreId(random_uuid()),
        sequence: 1,
        payload_kind: PayloadKind::Encrypted,
        payload_plain_hash: PayloadPlainHash([0; 32]),
        payload_cipher_hash: PayloadCipherHash([0; 32]),
        event_signing_hash: EventSigningHash([0; 32]),
        policy,
        commitment: None,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
    }
}

/// A made-up event at a place of a stream.
pub(crate) fn made_up_in(
    tenant_id: TenantId,
    store_id: StoreId,
    sequence: u64,
    policy: Policy,
) -> ComplianceInputs {
    let mut signing_hash = [0u8; 32];
    OsRng.fill_bytes(&mut signing_hash);
    ComplianceInputs {
        tenant_id,
        store_id,
        sequence,
        event_signing_hash: EventSigningHash(signing_hash),
        ..made_up(policy)
    }
}

/// Reads inputs from their JSON. The policy hash must be the policy's.
///
/// # Errors
/// [`Exit::BadInput`](crate::error::Exit::BadInput).
pub(crate) fn from_json(value: &Value, what: &str) -> Result<ComplianceInputs> {
    let members = Members::of(value, what)?;
    members.only(&MEMBERS)?;
    let params = members.required("policyParams")?;
    let policy = Policy::from_json(members.text("policyId")?, params)
        .map_err(|error| Failure::bad_input("bad_policy", format!("{what}: {error}")))?;
    if members.hex("policyHash")? != policy.hash().0 {
        return Err(Failure::bad_input(
            "policy_hash",
            format!("{what}: policyHash is not the hash of policyId and policyParams"),
        ));
    }
    let payload_kind = match members.number("payloadKind")? {
        0 => PayloadKind::Plaintext,
        1 => PayloadKind::Encrypted,
        _ => return Err(members.bad("payloadKind")),
    };
    let commitment = members.optional_hex("witnessCommitment")?;
    let commitment = commitment.map(AmountCommitment);
    if commitment.is_some_and(|commitment| !commitment.is_canonical()) {
        return Err(members.bad("witnessCommitment"));
    }
    Ok(ComplianceInputs {
        event_id: members.spelled("eventId")?,
        tenant_id: members.spelled("tenantId")?,
        store_id: members.spelled("storeId")?,
        sequence: members.number("sequenceNumber")?,
        payload_kind,
        payload_plain_hash: PayloadPlainHash(members.hex("payloadPlainHash")?),
        payload_cipher_hash: PayloadCipherHash(members.hex("payloadCipherHash")?),
        event_signing_hash: EventSigningHash(members.hex("eventSigningHash")?),
        policy,
        commitment,
        authorization_receipt_hash: members.optional_hex("authorizationReceiptHash")?,
        amount_binding_hash: members.optional_hex("amountBindingHash")?,
    })
}

/// The JSON of inputs: the canonical text's own members.
pub(crate) fn to_json(inputs: &ComplianceInputs) -> Value {
    // The canonical text is JSON by construction.
    serde_json::from_str(&inputs.canonical_json()).unwrap_or_else(|_| Map::new().into())
}

/// Reads one event's inputs from a file.
///
/// # Errors
/// [`Exit::BadInput`](crate::error::Exit::BadInput).
pub(crate) fn read(path: &Path) -> Result<ComplianceInputs> {
    let what = path.display().to_string();
    let text = files::read_text(path, files::MAX_INPUT_FILE)?;
    from_json(&json::parse(&text, &what)?, &what)
}

/// What makes `given` another event or policy than `proven`, if anything. A commitment or side
/// hash that `given` leaves open is not compared: the file of before proving has none.
pub(crate) fn difference(
    given: &ComplianceInputs,
    proven: &ComplianceInputs,
) -> Option<(&'static str, &'static str)> {
    if given.event_id != proven.event_id
        || given.tenant_id != proven.tenant_id
        || given.store_id != proven.store_id
    {
        return Some(("other_event", "the proof is for another event"));
    }
    if let Some(difference) = policy_difference(&given.policy, &proven.policy) {
        return Some(difference);
    }
    let open = ComplianceInputs {
        commitment: given.commitment.or(proven.commitment),
        authorization_receipt_hash: given
            .authorization_receipt_hash
            .or(proven.authorization_receipt_hash),
        amount_binding_hash: given.amount_binding_hash.or(proven.amount_binding_hash),
        ..*given
    };
    if open.commitment != proven.commitment {
        return Some((
            "other_commitment",
            "the proof is for another amount commitment",
        ));
    }
    (open != *proven).then_some((
        "other_inputs",
        "the public inputs differ from those of the proof",
    ))
}

/// What makes a policy another one, if anything.
pub(crate) fn policy_difference(
    given: &Policy,
    proven: &Policy,
) -> Option<(&'static str, &'static str)> {
    if given.id() != proven.id() {
        return Some(("other_policy", "the proof is for another policy"));
    }
    if given.limit() != proven.limit() {
        return Some(("other_limit", "the proof is for another limit"));
    }
    (given != proven).then_some(("other_intent", "the proof is for another intent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy::AmlThreshold { threshold: 10_000 };

    #[test]
    fn inputs_survive_their_json() {
        let mut inputs = made_up(POLICY);
        inputs.commitment = Some(AmountCommitment::from_words([1, 2, 3, 4]));
        inputs.sequence = u64::MAX >> 1;
        assert_eq!(from_json(&to_json(&inputs), "test"), Ok(inputs));
    }

    #[test]
    fn a_wrong_policy_hash_is_refused() {
        let mut value = to_json(&made_up(POLICY));
        value["policyParams"]["threshold"] = 10_001.into();
        assert_eq!(from_json(&value, "test").unwrap_err().code, "policy_hash");
    }

    #[test]
    fn an_unknown_member_is_refused_and_not_repeated() {
        let mut value = to_json(&made_up(POLICY));
        value["amount"] = 4_711.into();
        let failure = from_json(&value, "test").unwrap_err();
        assert_eq!(failure.code, "unknown_member");
        assert!(!failure.message.contains("4711"));
    }

    #[test]
    fn open_members_match_and_others_must_be_equal() {
        let given = made_up(POLICY);
        let proven = ComplianceInputs {
            commitment: Some(AmountCommitment::from_words([1; 4])),
            ..given
        };
        assert_eq!(difference(&given, &proven), None);
        let other = ComplianceInputs {
            commitment: Some(AmountCommitment::from_words([2; 4])),
            ..given
        };
        assert_eq!(
            difference(&other, &proven).map(|(code, _)| code),
            Some("other_commitment")
        );
        let other = ComplianceInputs {
            sequence: 2,
            ..given
        };
        assert_eq!(
            difference(&other, &proven).map(|(code, _)| code),
            Some("other_inputs")
        );
    }
}
