#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Real nodes over one event store, in SQLite and in PostgreSQL: two of them index it at once, one of which
// forgets payloads of old blocks and the other is killed; others only read it, one of them a streaming replica
// of the database. And what nodes tell a balancer, when they are well and when not. One line for each claim;
// exit code 0 if and only if all of them hold.

import { join } from 'node:path';
import {
  claim, ensure, freePort, program, run, same, score, startProgram, waitFor, workingDirectory,
} from '../polkadotjs/harness.mjs';
import { Agent, STORE, TENANT } from '../polkadotjs/scene.mjs';
import { postgres, sqlite } from './postgres.mjs';

const RETAIN_BLOCKS = 4;
// Seconds without a block from which nodes are not ready: five slots.
const BLOCK_AGE = 10;
// Blocks that finality may be behind where nobody votes.
const FINALITY_LAG = 3;
// The network identity that belongs to the key below; both are public.
const NODE_KEY = '0000000000000000000000000000000000000000000000000000000000000001';
const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';

process.exitCode = 1;
const here = workingDirectory();

let starts = 0;

async function start(name, more, place) {
  const [metrics, health] = [await freePort(), await freePort()];
  const args = [
    ...['--chain', 'dev', '--base-path', join(here, name), '--event-store', place, '--rpc-port', '0'],
    ...['--prometheus-port', String(metrics), '--no-mdns', '--no-telemetry', '--rpc-max-request-size', '32'],
    ...['--health', `127.0.0.1:${health}`, '--ready-block-age', String(BLOCK_AGE), ...more],
  ];
  // One for each start: what it is waited for must not be what it said before.
  const log = join(here, `${name}-${(starts += 1)}.log`);
  const node = await startProgram('ves-node', args, log, /Running JSON-RPC server: addr=([^,\s]+)/);
  const ask = async (method, ...params) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const headers = { 'content-type': 'application/json' };
    const answer = await (await fetch(`http://${node.told}`, { method: 'POST', headers, body })).json();
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.result;
  };
  /** The values of a metric, by their labels. */
  const metric = async (wanted) => {
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${wanted}{`) || line.startsWith(`${wanted} `));
    return lines.map((line) => Number(line.split(' ').at(-1))).reduce((sum, value) => sum + value, 0);
  };
  /** What a balancer is told: the status, whether the node is ready, and the reasons by name. */
  const probe = async (path) => {
    const response = await fetch(`http://127.0.0.1:${health}${path}`);
    const body = await response.json();
    return { status: response.status, ...body, by: new Map((body.reasons ?? []).map((found) => [found.reason, found])) };
  };
  return { ...node, url: `ws://${node.told}`, ask, metric, probe };
}

/** Waits until a balancer is told exactly these reasons. */
const waitForReasons = (node, ...names) =>
  waitFor(`the reasons ${names}`, async () => {
    const found = await node.probe('/ready');
    return [...found.by.keys()].join() === names.join() && found;
  });

const NETWORK = ['--state-pruning', '256', '--listen-addr', '/ip4/127.0.0.1/tcp/0', '--allow-private-ip', '--unsafe-force-node-key-generation'];
const load = (node) =>
  run(join(program('examples'), 'load'), [
    ...['--url', node.url, '--rate', '100', '--seconds', '6', '--batch', '16', '--streams', '2'],
  ], { cwd: here });

/** What nodes do that share a store in this database. Answers with the one that makes the blocks and a reader. */
async function share(database) {
  const { name } = database;
  const at = await database.place('shared');
  const base = (node) => `${name}-${node}`;
  const address = `/ip4/127.0.0.1/tcp/${await freePort()}`;
  const writer = await start(base('writer'), [
    ...['--alice', '--force-authoring', '--node-key', NODE_KEY, '--listen-addr', address],
    ...['--event-store-retain-blocks', String(RETAIN_BLOCKS)],
  ], at.store);
  const follower = (node, more, store = at.store) =>
    start(base(node), [...NETWORK, '--bootnodes', `${address}/p2p/${PEER}`, ...more], store);
  await waitFor('the store', async () => (await writer.ask('ves_health')).indexed_block > 0);
  const readers = [await follower('reader', ['--event-store-replica'])];
  if (database.standby) readers.push(await follower('standby', ['--event-store-replica'], (await database.standby())(at)));
  const [reader] = readers;
  const level = (node) =>
    waitFor('a node to be level', async () => {
      const found = await node.ask('ves_health');
      return found.lag_blocks <= 2 && found.finalized_block > RETAIN_BLOCKS && found;
    });
  let stream;

  await claim(`${name}: two nodes index into it at once, and one is killed meanwhile`, async () => {
    let twin = await follower('twin', []);
    await level(twin);
    const events = (node) => node.metric('ves_store_events_total');
    const loading = load(writer);
    await waitFor('events of both', async () => (await events(writer)) + (await events(twin)) > 0);
    twin.stop();
    await twin.ended;
    await loading;
    twin = await follower('twin', []);
    await load(writer);
    await level(twin);
    for (const node of [writer, twin]) same('the error', (await node.ask('ves_health')).last_error, undefined);
    const heads = async (node) => JSON.stringify((await node.ask('ves_streams')).streams);
    await waitFor('both to serve the same', async () => (await heads(writer)) === (await heads(twin)));
    twin.stop();
    await twin.ended;
    return `${await events(writer)} events by the first, the others by the second`;
  });

  await claim(`${name}: readers serve the events that another node indexes, as that one does`, async () => {
    const [first] = (await writer.ask('ves_streams')).streams;
    stream = [first.tenant_id, first.store_id];
    const { sequence } = first;
    for (const node of readers) {
      await waitFor('the reader', async () => (await node.ask('ves_head', ...stream)).sequence >= sequence);
      for (const [method, ...params] of [['ves_batch', 0], ['ves_inclusionProof', sequence], ['ves_batchOfSequence', 1]]) {
        const [one, other] = await Promise.all([writer, node].map((asked) => asked.ask(method, ...stream, ...params)));
        same(method, JSON.stringify(other), JSON.stringify(one));
      }
    }
    return `${sequence} events of a stream, ${readers.length} readers`;
  });

  await claim(`${name}: a reader's health names what it is and how far it is behind, and it follows the chain`, async () => {
    for (const node of readers) {
      const health = await level(node);
      same('replica', health.replica, true);
      same('lag', health.lag_blocks, Math.max(0, health.finalized_block - health.indexed_block));
      ensure((await node.metric('ves_store_indexed_block')) >= health.indexed_block, 'the metric is older than the answer');
    }
    same('replica of the writer', (await writer.ask('ves_health')).replica, false);
    return `${readers.length} readers`;
  });

  await claim(`${name}: a balancer is told that all are ready`, async () => {
    for (const node of [writer, ...readers]) {
      const found = await waitForReasons(node);
      same('status', found.status, 200);
      same('ready', found.ready, true);
      same('liveness', (await node.probe('/live')).status, 200);
    }
    return `200 from ${readers.length + 1}`;
  });

  await claim(`${name}: payloads older than the retention go by themselves, and every event is still there and proven`, async () => {
    const kept = ({ event }) => 'payload' in event || 'payload_raw_b64u' in event || 'payload_encrypted' in event;
    let sequence = 0;
    for (const node of readers) {
      // The last of the load may become final meanwhile.
      const page = await waitFor('the payloads to go', async () => {
        const { events, head_sequence: head } = await node.ask('ves_events', ...stream, 1, 1000);
        return events.length === head && !events.some(kept) && events;
      });
      sequence = page.length;
      same('the sequences', page.map((event) => event.sequence).join(), Array.from({ length: sequence }, (_, n) => n + 1).join());
      same('what the reader forgot', await node.metric('ves_store_pruned_events_total'), 0);
      const proof = await node.ask('ves_inclusionProof', ...stream, 1);
      same('the leaf', proof.leaf_hash, page[0].leaf_hash);
    }
    await waitFor('the metric to tell', async () => (await writer.metric('ves_store_pruned_events_total')) >= sequence);
    same('failures', await writer.metric('ves_store_retention_failures_total'), 0);
    return `${sequence} events without payloads`;
  });

  readers.slice(1).forEach((node) => node.stop());
  /** Once the writer is stopped. */
  const check = () =>
    claim(`${name}: what two nodes have indexed is what the chain says`, async () => {
      const place = ['--chain', 'dev', '--base-path', join(here, base('writer')), '--event-store', at.store];
      const lines = await run('ves-node', ['event-store', 'check', ...place], { cwd: here });
      const { block, checksum } = JSON.parse(lines.trim().split('\n').at(-1));
      ensure(block > RETAIN_BLOCKS, `only block ${block}`);
      return `block ${block}, checksum ${checksum.slice(0, 10)}…`;
    });
  return { writer, reader, check };
}

const inPostgres = await share(await postgres());
for (const node of [inPostgres.reader, inPostgres.writer]) {
  node.stop();
  await node.ended;
}
await inPostgres.check();

const { writer, reader, check } = await share(sqlite(here));

await claim('Both count what finalized blocks say about proofs and quotas', async () => {
  const agent = new Agent(here, writer.url);
  const place = ['--tenant', TENANT, '--store', STORE, '--passphrase-file', 'passphrase'];
  await agent.cli(['init', '--node', writer.url, ...place]);
  for (const args of [['keys:generate'], ['admin:register-agent', '--dev-admin'], ['keys:register', '--dev-admin']]) await agent.cli(args);
  await agent.order('P-1', { total: '980.00' }, '--encrypt-to-self');
  await agent.cli(['push', '--prove', 'aml.threshold=1000']);
  const verdicts = await waitFor('the verdict at both', async () => {
    const found = await Promise.all([writer, reader].map((node) => node.metric('ves_proof_verdicts_total')));
    return found.every((count) => count === 1) && found;
  });
  const counts = await Promise.all([writer, reader].map((node) => node.metric('ves_tenant_quota_used_ratio_count')));
  ensure(counts[0] > 0, 'nothing is counted');
  same('blocks that were left out', await writer.metric('ves_unreadable_blocks_total'), 0);
  return `${verdicts.join(' and ')} verdicts, ${counts.join(' and ')} uses`;
});

await claim('A reader whose chain stands still and who is alone sends a balancer elsewhere, and lives', async () => {
  writer.stop();
  await writer.ended;
  const found = await waitForReasons(reader, 'no_peers', 'blocks_stand_still');
  same('status', found.status, 503);
  same('ready', found.ready, false);
  const { seconds, limit } = found.by.get('blocks_stand_still');
  ensure(seconds > limit && limit === BLOCK_AGE, `${seconds} s of ${limit}`);
  same('liveness', (await reader.probe('/live')).status, 200);
  reader.stop();
  return `no block for ${seconds} s`;
});

await check();

const alone = ['--alice', '--force-authoring', '--listen-addr', '/ip4/127.0.0.1/tcp/0', '--unsafe-force-node-key-generation'];

await claim('So does a node whose event store has stopped, while its chain goes on', async () => {
  const place = join(here, 'other.sqlite');
  const before = await start('before', alone, place);
  await waitFor('the store', async () => (await before.ask('ves_health')).indexed_block > 0);
  before.stop();
  await before.ended;
  // The same genesis and another history: the store contradicts it from its first block on.
  const node = await start('after', alone, place);
  const found = await waitForReasons(node, 'event_store_stopped');
  same('status', found.status, 503);
  const { error } = found.by.get('event_store_stopped');
  same('the error', error, (await node.ask('ves_health')).last_error);
  ensure(error !== '', 'the reason does not say why');
  const height = async () => Number((await node.ask('chain_getHeader', await node.ask('chain_getFinalizedHead'))).number);
  const at = await height();
  await waitFor('finality to go on', async () => (await height()) > at);
  same('liveness', (await node.probe('/live')).status, 200);
  await waitForReasons(node, 'event_store_stopped');
  node.stop();
  return error;
});

await claim('And one whose blocks nobody finalizes', async () => {
  const more = ['--no-grandpa', '--ready-finality-lag', String(FINALITY_LAG)];
  const node = await start('unfinal', [...alone, ...more], join(here, 'unfinal.sqlite'));
  const found = await waitForReasons(node, 'finality_behind');
  same('status', found.status, 503);
  const { blocks, limit } = found.by.get('finality_behind');
  ensure(blocks > limit && limit === FINALITY_LAG, `${blocks} blocks of ${limit}`);
  node.stop();
  return `${blocks} blocks`;
});

const { claims, failures } = score();
console.log(`\n${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
