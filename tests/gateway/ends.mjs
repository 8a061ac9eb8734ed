// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// How it ends: told to, without its node, and what it counted and logged until then.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { claim, ensure, program, run, same, sleep, startProgram, waitFor } from '../polkadotjs/harness.mjs';
import { fields, startGateway, store, stream, tenant } from './scene.mjs';

const execute = promisify(execFile);
const PATH = '/api/v1/ves/events/ingest';

export async function ends(scene) {
  const { agent, directory, gateway, key, node, operator, wallet } = scene;

  await claim('Metrics tell what was asked and what became of the events; logs hold no key', async () => {
    const { text } = await gateway.get('/metrics', operator);
    const value = (name) => Number(text.split('\n').find((line) => line.startsWith(name))?.split(' ').pop());
    ensure(value('ves_gateway_events_total{outcome="accepted"}') > 20, 'accepted events');
    ensure(value('ves_gateway_events_total{outcome="invalid_signature"}') >= 1, 'rejected events');
    ensure(value('ves_gateway_refused_total{why="credential"}') >= 5, 'refusals');
    ensure(value('ves_gateway_node_finalized_block') > 0, 'the finalized block');
    const log = readFileSync(gateway.log, 'utf8');
    const lines = log.trim().split('\n').map((line) => JSON.parse(line));
    ensure(lines.some((line) => line.route === PATH && line.status === 200 && line.key && line.id), 'no such line');
    for (const secret of [key, operator, key.slice(27)]) ensure(!log.includes(secret), 'a key stands in the log');
    ensure(!readFileSync(gateway.keysFile, 'utf8').includes(key.slice(27)), 'a key stands in its file');
    return `${lines.length} lines`;
  });

  await claim('Settings: a flag beats the environment, the environment the file; an open address needs a proxy', async () => {
    const config = gateway.log.replace('.log', '.toml');
    const check = async (args, env = {}) => JSON.parse((await execute(program('ves-gateway'), ['check', '--config', config, ...args], { env: { ...process.env, ...env } })).stdout);
    same('the file', (await check([])).per_key_per_minute, 50000);
    same('the environment', (await check([], { VES_GATEWAY_PER_KEY: '7' })).per_key_per_minute, 7);
    same('the flag', (await check(['--per-key-per-minute', '9'], { VES_GATEWAY_PER_KEY: '7' })).per_key_per_minute, 9);
    const refused = await check(['--listen', '0.0.0.0:8080']).catch((error) => error);
    ensure(String(refused.stderr).includes('--behind-tls-proxy'), 'it was taken');
    same('behind a proxy', (await check(['--listen', '0.0.0.0:8080', '--behind-tls-proxy'])).behind_tls_proxy, true);
    return '9 over 7 over 50000';
  });

  await claim('Told to end, it answers what is in flight, takes nothing new, and ends well', async () => {
    const ending = await startGateway(directory, node.url, 'ending');
    await waitFor('the gateway to be ready', async () => (await ending.get('/ready')).status === 200);
    const made = await ending.newKey('--tenant', tenant, '--store', store);
    const flying = ending.post(PATH, made.key, { agentId: agent, events: [wallet.event(fields(agent))] });
    await sleep(1_000);
    ending.end();
    const { status, json } = await flying;
    same('status', status, 200);
    same('accepted', json.eventsAccepted, 1);
    const code = await ending.ended;
    same('exit code', code, 0);
    const late = await ending.get('/health').catch((error) => error.code);
    same('a new request', late, 'ECONNREFUSED');
    return `sequence ${json.sequenceStart}`;
  });

  await claim('What the node has forgotten of an event, its payload, neither proofs nor a replay need', async () => {
    const [event] = scene.events;
    const page = async () => (await gateway.get(`/api/v1/ves/events?${stream}&from=1&limit=1`, key)).json.events[0];
    const ask = async () => {
      const answers = [
        await gateway.post(`/api/v1/ves/compliance/${event.event_id}/inputs`, key, { policyId: 'aml.threshold', policyParams: { threshold: 1000 } }),
        await gateway.get(`/api/v1/ves/compliance/${event.event_id}/proofs`, key),
        await gateway.get(`/api/v1/ves/compliance/proofs/${scene.proofId}`, key),
        await scene.send([event]),
      ];
      const { valid } = (await gateway.get(`/api/v1/ves/compliance/proofs/${scene.proofId}/verify`, key)).json;
      const receipts = answers.at(-1).json.receipts;
      // Whole proofs would fill a failure's line.
      const digest = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);
      return JSON.stringify([valid, receipts, ...answers.slice(0, -1).map(({ status, text }) => [status, digest(text)])]);
    };
    const { payload, ...rest } = await page();
    ensure(payload, 'the payload is not there to begin with');
    const before = await ask();
    ensure(before.startsWith(`[true,${JSON.stringify(scene.receipts.slice(0, 1))},[200,`), before);
    const { json: { finalized_block: final } } = await gateway.get('/ready');
    const pruned = JSON.parse(await run('ves-node', [
      'event-store', 'prune', '--dev', '--base-path', join(directory, 'node'), '--below', String(final),
    ], { cwd: directory }));
    ensure(pruned.events > 0, 'nothing was pruned');
    same('the event without its payload', JSON.stringify(await page()), JSON.stringify(rest));
    same('the answers', await ask(), before);
    const other = await scene.send([wallet.event(fields(agent, { event_id: event.event_id }))]);
    same('another event with its id', other.json.rejections[0].reason, 'duplicate_event_id');
    return `${pruned.events} payloads forgotten`;
  });

  await claim('Without its node it says so, and goes on once there is one again', async () => {
    node.stop();
    await waitFor('the gateway to notice', async () => (await gateway.get('/ready')).status === 503);
    const refused = await scene.send([wallet.event(fields(agent))]);
    ensure([503, 504].includes(refused.status), `status ${refused.status}`);
    ensure([8002, 8003].includes(refused.json.error.code), `code ${refused.json.error.code}`);
    ensure(Number(refused.headers['retry-after']) > 0, 'retry-after is missing');
    same('health', (await gateway.get('/health')).status, 200);
    const port = new URL(node.url).port;
    await startProgram('ves-node', [
      '--dev', '--base-path', join(directory, 'node'), '--rpc-port', port, '--listen-addr', '/ip4/127.0.0.1/tcp/0',
      '--no-mdns', '--no-prometheus', '--no-telemetry',
    ], join(directory, 'node-again.log'), /Running JSON-RPC server: addr=([^,\s]+)/);
    await waitFor('the gateway to be ready', async () => (await gateway.get('/ready')).status === 200);
    const { json } = await scene.send([wallet.event(fields(agent))]);
    same('accepted', json.eventsAccepted, 1);
    same('the head', (await gateway.get(`/api/v1/ves/head?${stream}`, key)).status, 200);
    return `head ${json.headSequence}`;
  });
}
