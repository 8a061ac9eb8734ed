// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Domain separators: bare ASCII, no length prefix, no terminator (VES v1 §0.1).
//!
//! No other file of the project spells one of these strings.

/// Plaintext payload hash.
pub const PAYLOAD_PLAIN: &[u8] = b"VES_PAYLOAD_PLAIN_V1";
/// Additional authenticated data and HPKE info of an encrypted payload.
pub const PAYLOAD_AAD: &[u8] = b"VES_PAYLOAD_AAD_V1";
/// Hash of the encrypted bundle.
pub const PAYLOAD_CIPHER: &[u8] = b"VES_PAYLOAD_CIPHER_V1";
/// Hash of the recipient list.
pub const RECIPIENTS: &[u8] = b"VES_RECIPIENTS_V1";
/// Event signing hash, version 1.
pub const EVENT_SIG_V1: &[u8] = b"VES_EVENTSIG_V1";
/// Wrapper that also signs the command id and the base version.
pub const EVENT_SIG_V2: &[u8] = b"VES_EVENTSIG_V2";
/// Merkle leaf.
pub const LEAF: &[u8] = b"VES_LEAF_V1";
/// Padding leaf.
pub const PAD_LEAF: &[u8] = b"VES_PAD_LEAF_V1";
/// Inner Merkle node.
pub const NODE: &[u8] = b"VES_NODE_V1";
/// Stream id.
pub const STREAM: &[u8] = b"VES_STREAM_V1";
/// Receipt.
pub const RECEIPT: &[u8] = b"VES_RECEIPT_V1";
/// State-root chain.
pub const STATE_ROOT: &[u8] = b"VES_STATE_ROOT_V1";
/// Compliance policy hash.
pub const POLICY: &[u8] = b"STATESET_VES_COMPLIANCE_POLICY_HASH_V1";
/// Proof hash of one event's compliance proof.
pub const COMPLIANCE_PROOF: &[u8] = b"STATESET_VES_COMPLIANCE_PROOF_HASH_V1";
/// Bundle hash of a proof with its public inputs.
pub const PROOF_BUNDLE: &[u8] = b"STATESET_VES_COMPLIANCE_PROOF_BUNDLE_HASH_V1";
/// Hash of a commerce authorization receipt.
pub const AUTHORIZATION_RECEIPT: &[u8] = b"STATESET_VES_COMMERCE_AUTHORIZATION_RECEIPT_HASH_V1";
/// Hash of a payload amount binding.
pub const AMOUNT_BINDING: &[u8] = b"STATESET_VES_PAYLOAD_AMOUNT_BINDING_HASH_V1";
/// Proof hash of a batch proof, the value anchored on `SetRegistry`.
pub const BATCH_PROOF: &[u8] = b"STATESET_VES_BATCH_PROOF_HASH_V1";
/// The peer's unbound proof of possession (challenge over the key bytes alone).
pub const POP: &[u8] = b"VES_POP_V1";
/// Bound proof of possession (§16.1).
pub const POP_BIND: &[u8] = b"VES_POP_BIND_V1";
/// Rotation statement signed by the outgoing key. Version 2 adds the outgoing key's number and the
/// grace to the statement of §16.1: whoever carries a rotation could choose them otherwise.
pub const KEY_ROTATE: &[u8] = b"VES_KEY_ROTATE_V2";
/// Deterministic batch id (§16.1).
pub const BATCH_ID: &[u8] = b"VES_BATCH_ID_V1";
/// Leaf of the block commitment (§16.1).
pub const BLOCK_LEAF: &[u8] = b"VES_BLOCK_LEAF_V1";
/// Endorsement of an amount commitment by the event's agent (§16.1 style, ours).
pub const AMOUNT_COMMIT: &[u8] = b"VES_AMOUNT_COMMIT_V1";
/// Derivation of a commitment's salt from the payload salt.
pub const AMOUNT_SALT: &[u8] = b"VES_AMOUNT_SALT_V1";
/// Derivation of the salt of a budget's total from its agent's signing key (ours).
pub const TOTAL_SALT: &[u8] = b"VES_TOTAL_SALT_V1";
/// What the transcript of one event's proof is bound to (ours).
pub const PROOF_CONTEXT: &[u8] = b"VES_PROOF_CONTEXT_V1";
/// What the transcript of a batch's proof is bound to (ours).
pub const BATCH_PROOF_CONTEXT: &[u8] = b"VES_BATCH_PROOF_CONTEXT_V1";
/// What the transcript of a budget proof is bound to (ours).
pub const BUDGET_PROOF_CONTEXT: &[u8] = b"VES_BUDGET_PROOF_CONTEXT_V1";
/// An agent's signature under the submission of a proof (ours).
pub const PROOF_SUBMISSION: &[u8] = b"VES_PROOF_SUBMISSION_V1";
/// An agent's signature under the submission of a batch proof (ours).
pub const BATCH_PROOF_SUBMISSION: &[u8] = b"VES_BATCH_PROOF_SUBMISSION_V1";
/// Name of a GRANDPA authority set (ours).
pub const AUTHORITY_SET: &[u8] = b"VES_AUTHORITY_SET_V1";
/// An agent's signature under the place at which it stands in a stream (ours).
pub const AGENT_CURSOR: &[u8] = b"VES_AGENT_CURSOR_V1";
