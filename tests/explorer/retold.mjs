// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// A node's answers, changed on their way to the page: what no node of a test's own can be brought to say.

import { generateKeyPairSync, sign } from 'node:crypto';
import { blake2AsU8a } from '../polkadotjs/node_modules/@polkadot/util-crypto/index.js';

/**
 * Changes what a page is answered: `answers` has a function for a method, which gets the parameters and the node's
 * result and gives another result.
 */
export const retell = (page, answers) =>
  page.routeWebSocket(/^ws:/, (near) => {
    const far = near.connectToServer();
    const asked = new Map();
    near.onMessage((text) => {
      const { id, method, params } = JSON.parse(text);
      if (answers[method]) asked.set(id, { method, params });
      far.send(text);
    });
    far.onMessage((text) => {
      const { jsonrpc, id, result } = JSON.parse(text);
      const question = asked.get(id);
      asked.delete(id);
      if (!question) return near.send(text);
      const other = answers[question.method](question.params, result);
      return near.send(JSON.stringify({ jsonrpc, id, result: other }));
    });
  });

const hex = (bytes) => `0x${bytes.toString('hex')}`;
const bytes = (text) => Buffer.from(text.replace(/^0x/, ''), 'hex');
const u32 = (value) => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
};
const u64 = (value) => Buffer.concat([u32(value), u32(0)]);
/** SCALE's compact numbers, below 2^30. */
const compact = (n) => {
  if (n < 64) return Buffer.from([n << 2]);
  return n < 1 << 14 ? u32((n << 2) | 1).subarray(0, 2) : u32((n << 2) | 2);
};
const list = (...items) => Buffer.concat([compact(items.length), ...items]);

const ROUND = 1;
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const validator = Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url');
/** Every set has this one validator; what tells the sets apart is their number. */
const members = list(Buffer.concat([validator, u64(1)]));

/** A header that announces the next set, after itself or, by force, after an earlier block. */
function announcement(number, last) {
  const forced = last < number;
  const parts = forced ? [Buffer.from([2]), u32(last)] : [Buffer.from([1])];
  const message = Buffer.concat([...parts, members, u32(0)]);
  const item = Buffer.concat([Buffer.from([4]), Buffer.from('FRNK'), compact(message.length), message]);
  return Buffer.concat([Buffer.alloc(32, 1), compact(number), Buffer.alloc(64, 2), list(item)]);
}

function justification(set, number, hash) {
  const target = Buffer.concat([bytes(hash), u32(number)]);
  const vote = Buffer.concat([Buffer.from([1]), target, u64(ROUND), u64(set)]);
  const signed = Buffer.concat([target, sign(null, vote, privateKey), validator]);
  return hex(Buffer.concat([u64(ROUND), target, list(signed), list()]));
}

/**
 * The answers of a chain whose sets ended with these blocks, one change told at a time; the last of them ended by
 * force of the next block. Every block is justified itself, by its set.
 */
export function setsThatEnded(...ends) {
  const last = ends.at(-1);
  const setOf = (number) => ends.filter((end) => end < number).length;
  const proof = (number, hash) => ({ headers: [], justification: justification(setOf(number), number, hash) });
  const change = (end) => {
    const header = announcement(end === last ? end + 1 : end, end);
    const hash = hex(Buffer.from(blake2AsU8a(header)));
    return { header: hex(header), hash };
  };
  return {
    state_call: ([method], result) => (method === 'GrandpaApi_grandpa_authorities' ? hex(members) : result),
    ves_setChanges: ([above]) => {
      const end = ends.find((number) => number > above);
      if (end === undefined) return [];
      const { header, hash } = change(end);
      const vouched = end === last ? '0x' : justification(setOf(end), end, hash);
      return [{ headers: [header], justification: vouched }];
    },
    ves_finality: ([number], result) => (number === last + 1 ? proof(number, change(last).hash) : result),
    ves_bundle: (_, bundle) => ({
      ...bundle,
      finality: proof(bundle.event.block_number, bundle.event.block_hash),
    }),
  };
}

/** The answers of a chain with so many registered stores, without events. */
export function manyStores(count) {
  const keys = (prefix) => Array.from({ length: count }, (_, n) => prefix + n.toString(16).padStart(128, '0'));
  return {
    state_getKeysPaged: ([prefix, wanted, after]) =>
      keys(prefix)
        .filter((key) => after === null || key > after)
        .slice(0, wanted),
  };
}

/** The answers of an event store with so many streams of one batch each. */
export function manyStreams(count) {
  const stream = (n) => ({ stream_id: `0x${n.toString(16).padStart(64, '0')}`, sequence: 1, batch_count: 1 });
  return {
    ves_streams: ([, cursor, limit], result) => {
      const first = Number(cursor ?? 0);
      const next = Math.min(first + limit, count);
      const streams = Array.from({ length: next - first }, (_, n) => stream(first + n));
      return { ...result, streams, cursor: next < count ? String(next) : undefined };
    },
  };
}
