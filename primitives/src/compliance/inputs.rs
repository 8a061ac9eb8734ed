// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Canonical public inputs of one event's proof (VES-STARK B3).

use super::{Policy, policy::json_number};
use crate::{
    AmountCommitment, EventId, EventSigningHash, PayloadCipherHash, PayloadKind, PayloadPlainHash,
    StoreId, TenantId, sha256,
};
use alloc::string::String;
use core::fmt::Write;

/// Everything public about the event and the policy a proof is for.
///
/// Written as canonical JSON (RFC 8785) without a JSON library: the chain computes the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComplianceInputs {
    /// The event.
    pub event_id: EventId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its store.
    pub store_id: StoreId,
    /// Its place in the stream.
    pub sequence: u64,
    /// Form of its payload.
    pub payload_kind: PayloadKind,
    /// Hash of the plaintext.
    pub payload_plain_hash: PayloadPlainHash,
    /// Hash of the encrypted bundle.
    pub payload_cipher_hash: PayloadCipherHash,
    /// What its agent signed.
    pub event_signing_hash: EventSigningHash,
    /// The policy.
    pub policy: Policy,
    /// The amount commitment: `witnessCommitment`.
    pub commitment: Option<AmountCommitment>,
    /// Hash of an authorization receipt, if the proof goes with one.
    pub authorization_receipt_hash: Option<[u8; 32]>,
    /// Hash of a payload amount binding, if the proof goes with one.
    pub amount_binding_hash: Option<[u8; 32]>,
}

impl ComplianceInputs {
    /// Canonical JSON with every member there is: what the proof's transcript binds.
    pub fn canonical_json(&self) -> String {
        self.json(self.commitment)
    }

    /// `publicInputsHash`: SHA-256 of the canonical JSON without `witnessCommitment`, no domain.
    pub fn public_inputs_hash(&self) -> [u8; 32] {
        sha256(self.json(None).as_bytes())
    }

    /// `boundPublicInputsHash`: SHA-256 of the canonical JSON with `witnessCommitment`. `None`
    /// without a commitment.
    pub fn bound_public_inputs_hash(&self) -> Option<[u8; 32]> {
        self.commitment
            .map(|_| sha256(self.canonical_json().as_bytes()))
    }

    /// Members in the order RFC 8785 sorts them. Nothing here needs escaping: ids, hex and numbers.
    fn json(&self, commitment: Option<AmountCommitment>) -> String {
        let mut json = String::with_capacity(1024);
        // Writing to a string cannot fail.
        let _ = self.write(&mut json, commitment);
        json
    }

    fn write(&self, out: &mut String, commitment: Option<AmountCommitment>) -> core::fmt::Result {
        out.push('{');
        if let Some(hash) = self.amount_binding_hash {
            write!(out, r#""amountBindingHash":"{}","#, hex::encode(hash))?;
        }
        if let Some(hash) = self.authorization_receipt_hash {
            write!(
                out,
                r#""authorizationReceiptHash":"{}","#,
                hex::encode(hash)
            )?;
        }
        write!(
            out,
            r#""eventId":"{}","eventSigningHash":"{}","payloadCipherHash":"{}","#,
            self.event_id,
            hex::encode(self.event_signing_hash),
            hex::encode(self.payload_cipher_hash),
        )?;
        write!(
            out,
            r#""payloadKind":{},"payloadPlainHash":"{}","policyHash":"{}","#,
            self.payload_kind.code(),
            hex::encode(self.payload_plain_hash),
            hex::encode(self.policy.hash()),
        )?;
        write!(
            out,
            r#""policyId":"{}","policyParams":{},"sequenceNumber":{},"#,
            self.policy.id(),
            self.policy.params_json(),
            json_number(self.sequence),
        )?;
        write!(
            out,
            r#""storeId":"{}","tenantId":"{}""#,
            self.store_id, self.tenant_id
        )?;
        if let Some(commitment) = commitment {
            write!(out, r#","witnessCommitment":"{}""#, hex::encode(commitment))?;
        }
        out.push('}');
        Ok(())
    }
}
