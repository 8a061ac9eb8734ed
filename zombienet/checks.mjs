// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What must hold of a chain's history whatever happened to its nodes: nothing that was acknowledged is
// lost or changed, no stream has a gap or an event twice, and all nodes finalized the same blocks.

import { createHash } from 'node:crypto';
import { ensure, same } from '../tests/polkadotjs/claims.mjs';

const PAGE = 1_000;

/** Asks a node over HTTP. */
export async function ask(url, method, ...params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(60_000);
  const answer = await (await fetch(url.replace(/^ws/, 'http'), { method: 'POST', headers, body, signal })).json();
  if (answer.error) throw new Error(`${method}: ${answer.error.message}: ${JSON.stringify(answer.error.data ?? null)}`);
  return answer.result;
}

/** Number of the newest block that a node holds to be final. */
export async function finalized(url) {
  const header = await ask(url, 'chain_getHeader', await ask(url, 'chain_getFinalizedHead'));
  return Number(header.number);
}

/** Everything that a node's event store has: of each stream its head, all ids in order, and a hash of all there is. */
export async function history(url) {
  const found = new Map();
  let cursor = null;
  do {
    const page = await ask(url, 'ves_streams', null, cursor, PAGE);
    for (const { tenant_id: tenant, store_id: store } of page.streams) {
      found.set(`${tenant}/${store}`, await stream(url, tenant, store));
    }
    cursor = page.cursor ?? null;
  } while (cursor);
  return found;
}

/** One stream up to the head it had when it was asked for: what becomes final meanwhile belongs to the next reading. */
async function stream(url, tenant, store) {
  const head = await ask(url, 'ves_head', tenant, store);
  const hash = createHash('sha256');
  const ids = [];
  while (ids.length < head.sequence) {
    const limit = Math.min(PAGE, head.sequence - ids.length);
    const { events } = await ask(url, 'ves_events', tenant, store, ids.length + 1, limit);
    ensure(events.length > 0, `the head of ${tenant}/${store} is ${head.sequence}, its last event ${ids.length}`);
    for (const found of events) {
      same(`the sequence after ${ids.length} of ${tenant}/${store}`, found.sequence, ids.length + 1);
      ids.push(found.event.event_id);
      hash.update(JSON.stringify(found));
    }
  }
  ensure(new Set(ids).size === ids.length, `an event is twice in ${tenant}/${store}`);
  return { ids, hash: hash.digest('hex'), root: head.state_root, batches: head.batch_count };
}

/** How two nodes' histories differ: null, or where. */
export function difference(one, other) {
  for (const key of new Set([...one.keys(), ...other.keys()])) {
    const [a, b] = [one.get(key), other.get(key)];
    if (!a || !b) return `${key} is missing`;
    for (const what of ['root', 'batches', 'hash']) if (a[what] !== b[what]) return `${what} of ${key}: ${a[what]}, ${b[what]}`;
  }
  return null;
}

/** Fails unless every acknowledged event has its place. */
export function keeps(ids, acknowledged) {
  for (const { id, sequence } of acknowledged) same(`event ${sequence}`, ids[sequence - 1], id);
}

/** The hashes of a node's blocks 0 to `height`. */
export async function blocks(url, height) {
  const numbers = Array.from({ length: height + 1 }, (_, number) => number);
  return ask(url, 'chain_getBlockHash', numbers);
}
