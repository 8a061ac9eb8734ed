// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The recorded requests: what holds of them by Node's own cryptography, and the same bodies made anew.

import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signer, store, tenant } from './scene.mjs';

const here = dirname(fileURLToPath(import.meta.url));
export const recorded = JSON.parse(readFileSync(join(here, 'fixtures.json'), 'utf8')).requests;

// RFC 8032, tests 1 and 2: the two agents that signed.
const authors = {
  '80441726-74e2-430a-95ae-97ce21c6351b': '0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  '7c9e6679-7425-40de-944b-e07fc1f90ae7': '0x3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
};

const hex = (text) => Buffer.from(text.replace(/^0x/, ''), 'hex');
const uuid = (text) => hex(text.replaceAll('-', ''));
const b64u = (text) => Buffer.from(text, 'base64url');
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const str = (bytes) => Buffer.concat([u32(bytes.length), bytes]);
const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts.map((part) => Buffer.from(part)))).digest();
const withPrefix = (text) => `0x${text.replace(/^0x/, '')}`;

/** Hash of an encrypted event's bundle, which covers the envelope too. */
function cipherHash(e) {
  const { nonce_b64u, ciphertext_b64u, tag_b64u, recipients } = e.payload_encrypted;
  const aad = sha256(
    'VES_PAYLOAD_AAD_V1', ...[e.tenant_id, e.store_id, e.event_id, e.source_agent_id].map(uuid), u32(e.agent_key_id),
    ...[e.entity_type, e.entity_id, e.event_type, e.created_at].map((text) => str(Buffer.from(text))), hex(e.payload_plain_hash),
  );
  return sha256(
    'VES_PAYLOAD_CIPHER_V1', u32(1), b64u(nonce_b64u), aad, str(b64u(ciphertext_b64u)), b64u(tag_b64u),
    sha256('VES_RECIPIENTS_V1', ...recipients.map((r) => Buffer.concat([u32(r.recipient_kid), str(b64u(r.enc_b64u)), str(b64u(r.ct_b64u))]))),
  );
}

/** What holds of a recorded event: its signing hash, its author's signature over that, its payload's hash. */
export function verdict({ event, wallet = signer() }) {
  return wallet.verify({
    ...event,
    payload_plain_hash: withPrefix(event.payload_plain_hash),
    payload_cipher_hash: withPrefix(event.payload_cipher_hash),
  }, authors[event.source_agent_id]);
}

/**
 * The recorded events with the ids and times of now, signed by a registered agent: types, names, payloads and the forms
 * of the times stay as they are. An entity version that is built upon is the one that the entity has here.
 */
export function renewed(wallet, agent) {
  const now = new Date().toISOString();
  const versions = new Map();
  return recorded.map(({ request }) => {
    const { agent_signature: _, ...old } = request.events[0];
    const entity = `${old.entity_type}/${old.entity_id}`;
    const version = versions.get(entity) ?? 0;
    versions.set(entity, version + 1);
    const event = {
      ...old,
      event_id: randomUUID(),
      tenant_id: tenant,
      store_id: store,
      source_agent_id: agent,
      // The recorded ones end in Z, in an offset, or have nanoseconds.
      created_at: old.created_at.replace(/^[^.Z+]+/, now.slice(0, 19)),
      ...(old.command_id === undefined ? {} : { command_id: randomUUID() }),
      ...(old.base_version === undefined ? {} : { base_version: version }),
    };
    if (!event.payload_encrypted) return wallet.event(event);
    // The wallet hashes a plain payload, so it gets one that is none.
    event.payload_cipher_hash = cipherHash(event).toString('hex');
    const { payload: none, ...signed } = wallet.event({ ...event, payload: null });
    return signed;
  });
}

/** Whether the helper above makes the recorded hash of the recorded bundle. */
export const cipherHashHolds = (event) =>
  !event.payload_encrypted || cipherHash(event).toString('hex') === event.payload_cipher_hash;
