// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Policies, public inputs and proof hashes: the peer's known answers, and JSON without a library
//! against JSON with one.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

mod common;

use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use ves_primitives::{
    AmountCommitment, ComplianceInputs, EventSigningHash, GenesisHash, PayloadCipherHash,
    PayloadKind, PayloadPlainHash, Policy, PolicyError, PolicyHash, compliance_proof_hash,
    jcs::canonicalize_value, limits::MAX_SAFE_INTEGER, policy_hash, proof_context,
};

fn plain<T: From<[u8; 32]>>(value: &Value) -> T {
    let mut out = [0u8; 32];
    hex::decode_to_slice(text(value), &mut out).unwrap();
    T::from(out)
}

fn sample(value: &Value) -> ComplianceInputs {
    let optional = |name: &str| (!value[name].is_null()).then(|| plain(&value[name]));
    ComplianceInputs {
        event_id: text(&value["eventId"]).parse().unwrap(),
        tenant_id: text(&value["tenantId"]).parse().unwrap(),
        store_id: text(&value["storeId"]).parse().unwrap(),
        sequence: value["sequenceNumber"].as_u64().unwrap(),
        payload_kind: match value["payloadKind"].as_u64().unwrap() {
            0 => PayloadKind::Plaintext,
            _ => PayloadKind::Encrypted,
        },
        payload_plain_hash: plain::<PayloadPlainHash>(&value["payloadPlainHash"]),
        payload_cipher_hash: plain::<PayloadCipherHash>(&value["payloadCipherHash"]),
        event_signing_hash: plain::<EventSigningHash>(&value["eventSigningHash"]),
        policy: Policy::from_json(text(&value["policyId"]), &value["policyParams"]).unwrap(),
        commitment: (!value["witnessCommitment"].is_null())
            .then(|| plain::<AmountCommitment>(&value["witnessCommitment"])),
        authorization_receipt_hash: optional("authorizationReceiptHash"),
        amount_binding_hash: optional("amountBindingHash"),
    }
}

#[test]
fn policy_hashes_are_the_peers_up_to_the_largest_safe_integer() {
    let file = vectors("starks/known_answers.json");
    let (mut ours, mut beyond) = (0, 0);
    for case in file["policy_hashes"].as_array().unwrap() {
        let (id, params) = (text(&case["policyId"]), &case["policyParams"]);
        match Policy::from_json(id, params) {
            Ok(policy) => {
                assert_eq!(policy.hash(), plain(&case["policyHash"]), "{id} {params}");
                assert_eq!(policy_hash(id, params), Ok(policy.hash()));
                ours += 1;
            }
            Err(PolicyError::Params) => {
                // Numbers that many readers round: strings in our form.
                assert!(policy_hash(id, params).is_err());
                beyond += 1;
            }
            Err(other) => panic!("{id}: {other}"),
        }
    }
    assert!(ours >= 6, "{ours}");
    assert_eq!(
        ours + beyond,
        file["policy_hashes"].as_array().unwrap().len()
    );
}

#[test]
fn public_input_hashes_are_the_peers() {
    let file = vectors("starks/known_answers.json");
    let known = &file["sample_public_inputs"];
    let without = sample(&known["inputs"]);
    assert_eq!(
        hex::encode(without.public_inputs_hash()),
        text(&known["publicInputsHash_without_bindings"])
    );
    assert_eq!(without.bound_public_inputs_hash(), None);
    let bound = sample(&known["bound"]);
    assert_eq!(
        hex::encode(bound.public_inputs_hash()),
        text(&known["publicInputsHash"])
    );
    assert_eq!(
        bound.bound_public_inputs_hash().map(hex::encode).as_deref(),
        Some(text(&known["boundPublicInputsHash"]))
    );
    let canonical = canonicalize_value(&known["bound"]).unwrap();
    assert_eq!(bound.canonical_json(), canonical);
}

#[test]
fn limits_beyond_the_safe_integers_are_decimal_strings() {
    let policy = Policy::OrderTotalCap {
        cap: MAX_SAFE_INTEGER + 1,
    };
    assert_eq!(policy.params_json(), r#"{"cap":"9007199254740992"}"#);
    let again = |params: Value| Policy::from_json("order_total.cap", &params);
    assert_eq!(again(json!({ "cap": "9007199254740992" })), Ok(policy));
    for params in [
        json!({ "cap": 9_007_199_254_740_992_u64 }),
        json!({ "cap": "5" }),
        json!({ "cap": "09007199254740992" }),
        json!({ "cap": "+9007199254740992" }),
        json!({ "cap": 5.5 }),
        json!({ "cap": -1 }),
        json!({ "cap": 5, "other": 1 }),
        json!({ "threshold": 5 }),
        json!([]),
    ] {
        assert_eq!(again(params), Err(PolicyError::Params));
    }
    assert_eq!(
        Policy::from_json("no.such", &json!({})),
        Err(PolicyError::UnknownId)
    );
}

#[test]
fn a_threshold_is_strict_and_zero_forbids_everything() {
    assert_eq!(
        Policy::AmlThreshold { threshold: 10_000 }.effective_limit(),
        Ok(9_999)
    );
    assert_eq!(
        Policy::AmlThreshold { threshold: 0 }.effective_limit(),
        Err(PolicyError::ZeroThreshold)
    );
    assert_eq!(Policy::OrderTotalCap { cap: 0 }.effective_limit(), Ok(0));
    assert_eq!(
        Policy::AgentBudget {
            budget_limit: u64::MAX
        }
        .effective_limit(),
        Ok(u64::MAX - 0xffff_ffff)
    );
}

#[test]
fn the_context_changes_with_chain_circuit_and_every_input() {
    let file = vectors("starks/known_answers.json");
    let inputs = sample(&file["sample_public_inputs"]["bound"]);
    let genesis = GenesisHash([1; 32]);
    let context = proof_context(&genesis, 1, &inputs);
    let mut changed = Vec::new();
    changed.push(proof_context(&GenesisHash([2; 32]), 1, &inputs));
    changed.push(proof_context(&genesis, 2, &inputs));
    let mut alter = |change: &dyn Fn(&mut ComplianceInputs)| {
        let mut other = inputs;
        change(&mut other);
        changed.push(proof_context(&genesis, 1, &other));
    };
    alter(&|i| i.event_id.0[0] ^= 1);
    alter(&|i| i.tenant_id.0[0] ^= 1);
    alter(&|i| i.store_id.0[0] ^= 1);
    alter(&|i| i.sequence += 1);
    alter(&|i| i.payload_kind = PayloadKind::Plaintext);
    alter(&|i| i.payload_plain_hash.0[0] ^= 1);
    alter(&|i| i.payload_cipher_hash.0[0] ^= 1);
    alter(&|i| i.event_signing_hash.0[0] ^= 1);
    alter(&|i| i.policy = Policy::OrderTotalCap { cap: 10_000 });
    alter(&|i| i.policy = Policy::AmlThreshold { threshold: 9_999 });
    alter(&|i| i.commitment = None);
    alter(&|i| i.authorization_receipt_hash = Some([0; 32]));
    alter(&|i| i.amount_binding_hash = None);
    for other in &changed {
        assert_ne!(*other, context);
    }
    changed.sort_unstable();
    changed.dedup();
    assert_eq!(changed.len(), 15);
}

#[test]
fn the_proof_hash_has_its_own_domain() {
    let file = vectors("starks/known_answers.json");
    let tag = text(&file["domain_tags"]["proof"]).as_bytes();
    let preimage = [tag, b"proof"].concat();
    assert_eq!(
        compliance_proof_hash(b"proof").0,
        ves_primitives::sha256(&preimage)
    );
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let number = prop_oneof![any::<u64>(), 0..=MAX_SAFE_INTEGER];
    (0..4, number, any::<[u8; 32]>()).prop_map(|(kind, limit, intent_hash)| match kind {
        0 => Policy::AmlThreshold { threshold: limit },
        1 => Policy::OrderTotalCap { cap: limit },
        2 => Policy::AgentAuthorization {
            max_total: limit,
            intent_hash,
        },
        _ => Policy::AgentBudget {
            budget_limit: limit,
        },
    })
}

proptest! {
    #[test]
    fn json_written_by_hand_is_canonical_and_reads_back(policy in any_policy()) {
        let json = policy.params_json();
        let value: Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&canonicalize_value(&value).unwrap(), &json);
        prop_assert_eq!(Policy::from_json(policy.id(), &value), Ok(policy));
        let hash: PolicyHash = policy_hash(policy.id(), &value).unwrap();
        prop_assert_eq!(hash, policy.hash());
    }
}
