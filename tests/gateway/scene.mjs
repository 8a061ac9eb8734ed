// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// A node, a gateway in front of it, API keys, an agent that signs with Node's WebCrypto alone, and an
// HTTP client that knows nothing but HTTP.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { STORE as store, TENANT as tenant } from '../polkadotjs/chain.mjs';
import { run, startProgram } from '../polkadotjs/harness.mjs';

export { store, tenant };
export const stream = `tenant_id=${tenant}&store_id=${store}`;
const ves = join(dirname(fileURLToPath(import.meta.url)), '../interop/ves.mjs');

/** Signs with the key of a seed: events, or 32 bytes. */
export function signer(seed) {
  const ask = (what, input) => JSON.parse(execFileSync(process.execPath, [ves, what], {
    input: JSON.stringify(input ?? null),
    env: { ...process.env, ...(seed ? { VES_SEED: seed } : {}) },
  }));
  return {
    publicKey: ask('public').public_key,
    sign: (hash) => ask('sign', { hash }).signature,
    event: (fields) => ask('event', fields),
    verify: (event, public_key) => ask('verify', { event, public_key }),
  };
}

/** Sends a request and reads all of the answer, JSON or not. */
export function send(base, method, path, { key, headers = {}, body, raw } = {}) {
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  return new Promise((done, failed) => {
    const call = request(new URL(path, base), {
      method,
      agent: false,
      headers: {
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...(key ? { authorization: `ApiKey ${key}` } : {}),
        ...headers,
      },
    }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const whole = Buffer.concat(parts).toString('utf8');
        let json = null;
        try { json = JSON.parse(whole); } catch { /* not JSON */ }
        done({ status: answer.statusCode, headers: answer.headers, text: whole, json });
      });
      answer.on('error', failed);
    });
    call.on('error', failed);
    // A server that answers before it has read all closes, which may be told after the answer.
    call.on('socket', (socket) => socket.on('error', failed));
    if (text !== undefined) call.write(text);
    call.end();
  });
}

/** What the node itself answers, a result or an error. */
export async function askNode(node, method, params) {
  const body = { jsonrpc: '2.0', id: 1, method, params };
  return (await send(node.url.replace('ws:', 'http:'), 'POST', '/', { body })).json;
}

/** A gateway with its files. `streams` and `relay` are lines of its settings for anchoring. */
export async function startGateway(directory, node, name, settings = '', flags = [], { streams, relay } = {}) {
  const keys = join(directory, `${name}-keys.json`);
  const config = join(directory, `${name}.toml`);
  const admin = join(directory, 'admin.suri');
  writeFileSync(admin, '//Alice\n');
  writeFileSync(config, `
node = "${node}"
keys = "${keys}"
json = true
${settings}
[tenants."${tenant}"]
admin_key_file = "${admin}"
[anchoring]
streams = ${streams ?? `["${tenant}/${store}"]`}
ledger = "${join(directory, `${name}-ledger.jsonl`)}"
${relay ? `relay_key_file = "${relay}"` : ''}
`);
  const log = join(directory, `${name}.log`);
  const listening = /"address":"([^"]+)"/;
  const args = ['run', '--config', config, '--listen', '127.0.0.1:0', ...flags];
  const started = await startProgram('ves-gateway', args, log, listening);
  const url = `http://${started.told}`;
  const newKey = async (...more) => JSON.parse(
    await run('ves-gateway', ['keys', 'new', '--keys', keys, '--json', ...more], { cwd: directory }));
  return {
    url,
    log,
    keysFile: keys,
    newKey,
    revoke: (id) => run('ves-gateway', ['keys', 'revoke', id, '--keys', keys], { cwd: directory }),
    get: (path, key, headers) => send(url, 'GET', path, { key, headers }),
    post: (path, key, body, headers) => send(url, 'POST', path, { key, body, headers }),
    ...started,
  };
}

/** Fields of an event that are new each time. */
export function fields(agent, more = {}) {
  return {
    event_id: randomUUID(),
    tenant_id: tenant,
    store_id: store,
    source_agent_id: agent,
    agent_key_id: 1,
    entity_type: 'order',
    entity_id: `ORD-${randomUUID().slice(0, 8)}`,
    event_type: 'order.created',
    created_at: new Date().toISOString(),
    payload: { total: '12.00', currency: 'USD' },
    ...more,
  };
}
