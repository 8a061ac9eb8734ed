// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// VES v1 by Node's WebCrypto alone: hashes, signatures and decryption, written from the protocol's
// description and sharing no code with this project.
//
// usage: node ves.mjs public | sign | event | verify | decrypt      (JSON in, JSON out)
// The signing key is the first one of the published vectors, or as VES_SEED says.

import { readFileSync } from 'node:fs';
import { webcrypto } from 'node:crypto';

const { subtle } = webcrypto;
const SEED = process.env.VES_SEED ?? '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';

const hex = (text) => Buffer.from(text.replace(/^0x/, ''), 'hex');
const b64u = (text) => Buffer.from(text, 'base64url');
const uuid = (text) => hex(text.replaceAll('-', ''));
const utf8 = (text) => Buffer.from(text, 'utf8');
const u8 = (n) => Buffer.from([n]);
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; };
const str = (bytes) => Buffer.concat([u32(bytes.length), bytes]);
const sha256 = async (...parts) => Buffer.from(await subtle.digest('SHA-256', Buffer.concat(parts)));
const show = (bytes) => `0x${Buffer.from(bytes).toString('hex')}`;

/** RFC 8785, for JSON that came through JSON.parse. */
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.keys(value).sort().map((k) => `${JSON.stringify(k)}:${canonical(value[k])}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
};

const plainHash = (json, salt = Buffer.alloc(0)) => sha256(utf8('VES_PAYLOAD_PLAIN_V1'), salt, json);

const names = (e) => [e.entity_type, e.entity_id, e.event_type, e.created_at].map((t) => str(utf8(t)));
const ids = (e) => [e.tenant_id, e.store_id, e.event_id, e.source_agent_id].map(uuid);

async function signingHash(e) {
  const inner = await sha256(
    utf8('VES_EVENTSIG_V1'), u32(e.ves_version), ...ids(e), u32(e.agent_key_id), ...names(e),
    u32(e.payload_kind), hex(e.payload_plain_hash), hex(e.payload_cipher_hash),
  );
  if (e.ves_version === 1) return inner;
  const option = (value, bytes) => (value === undefined || value === null ? u8(0) : Buffer.concat([u8(1), bytes(value)]));
  return sha256(utf8('VES_EVENTSIG_V2'), inner, option(e.command_id, uuid), option(e.base_version, u64));
}

const pkcs8 = (oid, secret) => Buffer.concat([hex(`302e020100300506032b65${oid}04220420`), secret]);
const signingKey = () => subtle.importKey('pkcs8', pkcs8('70', hex(SEED)), 'Ed25519', true, ['sign']);
const sign = async (hash) => Buffer.from(await subtle.sign('Ed25519', await signingKey(), hash));
const publicKey = async () => b64u((await subtle.exportKey('jwk', await signingKey())).x);

async function verify({ event, public_key }) {
  const key = await subtle.importKey('raw', hex(public_key), 'Ed25519', true, ['verify']);
  const hash = await signingHash(event);
  const payload_hash = event.payload_kind === 1
    ? await cipherHash(event).then((found) => show(found) === event.payload_cipher_hash)
    : show(await plainHash(utf8(canonical(event.payload)))) === event.payload_plain_hash;
  return {
    signing_hash: show(hash),
    signature: await subtle.verify('Ed25519', key, hex(event.agent_signature), hash),
    payload_hash,
  };
}

const aad = (e) => sha256(
  utf8('VES_PAYLOAD_AAD_V1'), ...ids(e), u32(e.agent_key_id), ...names(e), hex(e.payload_plain_hash),
);

async function cipherHash(e) {
  const bundle = e.payload_encrypted;
  const recipients = bundle.recipients.map((r) =>
    Buffer.concat([u32(r.recipient_kid), str(b64u(r.enc_b64u)), str(b64u(r.ct_b64u))]));
  return sha256(
    utf8('VES_PAYLOAD_CIPHER_V1'), u32(1), b64u(bundle.nonce_b64u), await aad(e),
    str(b64u(bundle.ciphertext_b64u)), b64u(bundle.tag_b64u),
    await sha256(utf8('VES_RECIPIENTS_V1'), ...recipients),
  );
}

async function hmac(key, data) {
  const none = Buffer.alloc(32);
  const k = await subtle.importKey('raw', key.length ? key : none, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return Buffer.from(await subtle.sign('HMAC', k, data));
}

// RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
const extract = (suite, salt, label, ikm) =>
  hmac(salt, Buffer.concat([utf8('HPKE-v1'), suite, utf8(label), ikm]));
const expand = async (suite, prk, label, info, length) => {
  const whole = Buffer.concat([u16(length), utf8('HPKE-v1'), suite, utf8(label), info, u8(1)]);
  return (await hmac(prk, whole)).subarray(0, length);
};

async function openHpke(secret, enc, info, ct) {
  const own = await subtle.importKey('pkcs8', pkcs8('6e', secret), 'X25519', true, ['deriveBits']);
  const ownPublic = b64u((await subtle.exportKey('jwk', own)).x);
  const theirs = await subtle.importKey('raw', enc, 'X25519', true, []);
  const dh = Buffer.from(await subtle.deriveBits({ name: 'X25519', public: theirs }, own, 256));
  const none = Buffer.alloc(0);
  const kem = Buffer.concat([utf8('KEM'), u16(0x20)]);
  const shared = await expand(kem, await extract(kem, none, 'eae_prk', dh), 'shared_secret', Buffer.concat([enc, ownPublic]), 32);
  const suite = Buffer.concat([utf8('HPKE'), u16(0x20), u16(1), u16(2)]);
  const context = Buffer.concat([
    u8(0), await extract(suite, none, 'psk_id_hash', none), await extract(suite, none, 'info_hash', info),
  ]);
  const schedule = await extract(suite, shared, 'secret', none);
  const key = await expand(suite, schedule, 'key', context, 32);
  return openGcm(key, await expand(suite, schedule, 'base_nonce', context, 12), ct, none);
}

async function openGcm(key, iv, data, additionalData) {
  const k = await subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
  return Buffer.from(await subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, k, data));
}

async function decrypt({ event, kid, secret }) {
  const bundle = event.payload_encrypted;
  const own = bundle.recipients.find((r) => r.recipient_kid === kid);
  const info = await aad(event);
  const dek = await openHpke(hex(secret), b64u(own.enc_b64u), info, b64u(own.ct_b64u));
  const sealed = Buffer.concat([b64u(bundle.ciphertext_b64u), b64u(bundle.tag_b64u)]);
  const plain = await openGcm(dek, b64u(bundle.nonce_b64u), sealed, info);
  const [salt, json] = [plain.subarray(0, 16), plain.subarray(16)];
  return {
    payload: JSON.parse(json.toString('utf8')),
    canonical: canonical(JSON.parse(json.toString('utf8'))) === json.toString('utf8'),
    plain_hash: show(await plainHash(json, salt)) === event.payload_plain_hash,
  };
}

async function makeEvent(fields) {
  const event = {
    ves_version: 2,
    payload_kind: 0,
    payload_cipher_hash: show(Buffer.alloc(32)),
    payload_plain_hash: show(await plainHash(utf8(canonical(fields.payload)))),
    ...fields,
  };
  return { ...event, agent_signature: show(await sign(await signingHash(event))) };
}

const commands = {
  public: async () => ({ public_key: show(await publicKey()) }),
  sign: async (request) => ({ signature: show(await sign(hex(request.hash))) }),
  event: makeEvent,
  verify,
  decrypt,
};

const [name] = process.argv.slice(2);
const input = name === 'public' ? null : JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(await commands[name](input)));
