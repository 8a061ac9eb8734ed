#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Two of four validators are gone for ever: what docs/OPERATIONS.md (VesFinalityStalled) says to do about it,
// done with real nodes. One line for each claim; exit code 0 if and only if all of them hold.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask, finalized } from './chain.mjs';
import { claim, ensure, same, score, sleep, waitFor, withoutHints, workingDirectory } from './harness.mjs';
import { alice, becomes, bob, charlie, dave, decide, eve, ferdie, register, set, setId, withoutFinality } from './council.mjs';
import { gone, validatorsIn } from './network.mjs';
import { Agent, STORE, TENANT } from './scene.mjs';

withoutHints();
process.exitCode = 1;
const directory = workingDirectory();
const validator = validatorsIn(directory);
// Beyond 50 blocks without finality validators make fewer and fewer blocks.
const PATIENCE_MS = 900_000;
const best = async (api) => (await api.rpc.chain.getHeader()).number.toNumber();

const nodes = {};
let api;
let agent;
const assembled = await claim('Four validators finalize what an agent pushes', async () => {
  nodes.alice = await validator('alice', ['--alice']);
  for (const name of ['bob', 'charlie', 'dave']) nodes[name] = await validator(name, [`--${name}`]);
  api = nodes.alice.api;
  await waitFor('finality', async () => (await finalized(api)) >= 3, 90_000);
  agent = new Agent(directory, nodes.alice.url);
  writeFileSync(join(agent.cwd, 'admin'), '//Alice\n', { mode: 0o600 });
  await agent.enrol();
  await agent.order('A-1', { total: '1.00' });
  await agent.cli(['push']);
  await agent.cli(['pull']);
  return `sequence ${(await ask(api, 'ves_head', TENANT, STORE)).sequence}`;
});
if (!assembled) process.exit(1);

let stalled;
let last;
await claim('With two of them gone nothing becomes final, and the chain goes on without it', async () => {
  await Promise.all([gone(nodes.charlie), gone(nodes.dave)]);
  withoutFinality();
  await sleep(8_000);
  [stalled, nodes.before] = [await finalized(api), await best(api)];
  await sleep(15_000);
  same('the final block', await finalized(api), stalled);
  ensure((await best(api)) > nodes.before, 'no blocks are made');
  return `block ${stalled} final, ${await best(api)} made`;
});

await claim('What an agent pushes meanwhile is kept, and not called final', async () => {
  for (const name of ['A-2', 'A-3']) last = await agent.order(name, { total: '2.00' });
  await agent.cli(['push', '--no-wait']);
  const { outbox } = await agent.cli(['status']);
  same('final ones', outbox.finalized, 1);
  return JSON.stringify(outbox);
});

await claim('The council admits two others, who register their keys, and lets the lost ones go', async () => {
  for (const one of [eve, ferdie]) same('the motion', await decide(api, api.tx.consortium.addValidator(one.address)), null);
  for (const one of [eve, ferdie]) {
    const name = one.meta.name.toLowerCase();
    nodes[name] = await validator(name, []);
    await waitFor('it to follow', async () => (await best(nodes[name].api)) + 2 >= (await best(api)), PATIENCE_MS);
    await register(nodes[name].api, one, api);
  }
  for (const one of [charlie, dave]) same('the motion', await decide(api, api.tx.consortium.removeValidator(one.address)), null);
  same('the set until now', (await set(api)).length, 4);
  return `block ${await best(api)}, ${stalled} final`;
});

await claim('Ordered to, the new set takes over by force, and finality is back', async () => {
  const present = [nodes.alice, nodes.bob, nodes.eve, nodes.ferdie];
  const common = Math.min(...(await Promise.all(present.map((node) => finalized(node.api)))));
  same('the motion', await decide(api, api.tx.consortium.recoverFinality(8, common)), null);
  const began = Date.now();
  await becomes(api, [alice, bob, eve, ferdie], PATIENCE_MS);
  for (const node of present) {
    await waitFor(`finality at ${node.name}`, async () => (await finalized(node.api)) > nodes.before, PATIENCE_MS);
  }
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  return `set ${await setId(api)} of ${common} final for all, block ${await finalized(api)} final ${seconds} s after the order`;
});

const refused = { codes: [7] };
await claim('Nothing that was pushed is lost, nothing stands twice, and what no signatures lead to is not called final', async () => {
  const { error } = await agent.cli(['push'], refused);
  same('the error', error.code, 'finality_not_proven');
  same('final ones', (await agent.cli(['status'])).outbox.finalized, 1);
  const { events } = await ask(api, 'ves_events', TENANT, STORE, 1, 100);
  same('the events', events.map(({ sequence }) => sequence).join(), '1,2,3');
  return `sequence ${events.length}`;
});

let hash;
await claim('A reader stops where no signatures lead on, is told why, and keeps what it has verified', async () => {
  const { error } = await agent.cli(['pull'], refused);
  same('the error', error.code, 'authorities_forced');
  [hash] = error.hint.match(/0x[0-9a-f]{64}/);
  same('verified events', (await agent.cli(['status'])).verified_events, 1);
  return error.hint;
});

await claim('A new project can be made, and waits for the same word', async () => {
  const home = ['--home', join(directory, 'new')];
  await agent.cli([...home, 'init', '--node', nodes.alice.url, '--tenant', TENANT, '--store', STORE]);
  const { error } = await agent.cli([...home, 'pull'], refused);
  same('the error', error.code, 'authorities_forced');
  ensure(error.hint.includes(hash), `the hint is ${error.hint}`);
  return error.message;
});

await claim('Told to accept the set that operators name, it goes on; another one it does not accept', async () => {
  const { waiting } = await agent.cli(['authorities', 'list']);
  same('the set that waits', waiting.hash, hash);
  const { error } = await agent.cli(['authorities', 'accept', hash.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))], refused);
  same('the error', error.code, 'authorities_conflict');
  const { authorities } = await agent.cli(['authorities', 'accept', hash]);
  same('why the last is trusted', authorities.at(-1).trust, 'accepted');
  same('why those before are', authorities.slice(0, -1).filter(({ trust }) => trust === 'accepted').length, 0);
  await agent.cli(['pull']);
  await agent.cli(['push']);
  const { outbox, verified_events: verified } = await agent.cli(['status']);
  same('verified events', verified, 3);
  same('final ones', outbox.finalized, 3);
  return `${authorities.length} sets, the last from block ${authorities.at(-1).after_block + 1} on`;
});

await claim('What a bundle proves is proven by the set that took over, to whoever names it', async () => {
  await agent.cli(['export', last, '--out', 'bundle.json']);
  await agent.cli(['verify', '--bundle', 'bundle.json', '--authorities', hash]);
  const first = (await agent.cli(['authorities', 'list'])).authorities[0].hash;
  const { error } = await agent.cli(['verify', '--bundle', 'bundle.json', '--authorities', first], refused);
  return error.message;
});

await claim('A node that joins now follows from the first block on', async () => {
  nodes.late = await validator('late', []);
  const head = await finalized(api);
  await waitFor('it to follow', async () => (await finalized(nodes.late.api)) >= head, PATIENCE_MS);
  const [one, other] = await Promise.all([nodes.late, nodes.alice].map((node) => ask(node.api, 'chain_getBlockHash', head)));
  same('its block', one, other);
  return `block ${head}`;
});

await claim('One of the lost that comes back after all follows, and does no harm', async () => {
  nodes.charlie = await validator('charlie', ['--charlie']);
  const head = await finalized(api);
  await waitFor('it to follow', async () => (await finalized(nodes.charlie.api)) >= head, PATIENCE_MS);
  const [one, other] = await Promise.all([nodes.charlie, nodes.alice].map((node) => ask(node.api, 'chain_getBlockHash', head)));
  same('its block', one, other);
  return `block ${head}`;
});

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
