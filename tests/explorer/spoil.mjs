// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Ways to spoil a bundle, and what each must be called.

const flipHex = (text, at = text.length - 1) => {
  const other = text[at] === '0' ? '1' : '0';
  return text.slice(0, at) + other + text.slice(at + 1);
};

/** `[what, check, reason, how]`; `how` changes the parsed bundle. */
export const SPOILED = [
  ['the signature', 'author_signature', 'signature_invalid', (b) => {
    b.event.event.agent_signature = flipHex(b.event.event.agent_signature, 20);
  }],
  ['the hash of the payload', 'payload_hash', /payload_hash_invalid|cipher_hash_invalid/, (b) => {
    b.event.event.payload_cipher_hash = flipHex(b.event.event.payload_cipher_hash);
  }],
  ['the ciphertext', 'payload_hash', 'cipher_hash_invalid', (b) => {
    const { payload_encrypted: sealed } = b.event.event;
    const first = sealed.ciphertext_b64u[0] === 'A' ? 'B' : 'A';
    sealed.ciphertext_b64u = first + sealed.ciphertext_b64u.slice(1);
  }],
  ['the receipt', 'receipt', 'receipt_invalid', (b) => {
    b.event.receipt_hash = flipHex(b.event.receipt_hash);
  }],
  ['the sequence', 'receipt', 'receipt_invalid', (b) => {
    b.event.sequence += 1;
  }],
  ['a sibling on the path', 'inclusion', 'inclusion_invalid', (b) => {
    b.inclusion.proof.path[0] = flipHex(b.inclusion.proof.path[0]);
  }],
  ['the batch', 'batch', 'batch_invalid', (b) => {
    b.inclusion.batch.new_state_root = flipHex(b.inclusion.batch.new_state_root);
  }],
  ['the header', 'header', 'header_hash_mismatch', (b) => {
    b.inclusion.header = flipHex(b.inclusion.header, 80);
  }],
  ['the justification', 'justification', 'justification_invalid', (b) => {
    b.finality.justification = flipHex(b.finality.justification);
  }],
  ['the authority set', 'justification', 'justification_invalid', (b) => {
    b.finality.authorities.authorities[0].key = flipHex(b.finality.authorities.authorities[0].key);
  }],
  ['the STARK', 'proof', 'proof_invalid', (b) => {
    b.proofs[0].submission = flipHex(b.proofs[0].submission, b.proofs[0].submission.length - 2000);
  }],
  ['the chain', 'proof', 'proof_invalid', (b) => {
    b.genesis_hash = flipHex(b.genesis_hash);
  }],
];

const PAYLOAD = ['payload', 'payload_raw_b64u', 'payload_encrypted'];

/**
 * What a bundle proves: if a changed bundle still verifies, this must be unchanged. Without a payload, which a changed
 * name takes away, it proves the rest, as of an event whose payload the node had pruned.
 */
export const substance = (bundle, names) =>
  JSON.stringify([
    bundle.genesis_hash.toLowerCase(),
    names.map((name) => [name, bundle.event.event[name]]),
    bundle.event.sequence,
    bundle.event.block_number,
    bundle.event.block_hash,
    bundle.event.receipt_hash,
    bundle.inclusion,
    bundle.signing_key.public_key,
  ]).toLowerCase();

/** The names of an honest event's members that count. */
export const members = (bundle, hasPayload) =>
  Object.keys(bundle.event.event).filter((name) => hasPayload || !PAYLOAD.includes(name));
