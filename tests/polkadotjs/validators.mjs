#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Four real validators, to whom a fifth comes, of whom one changes its keys, one goes and one is run
// twice, while agents write: the chain goes on, and readers follow every set. One line for each claim;
// exit code 0 if and only if all of them hold.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blockAt, finalized } from './chain.mjs';
import { claim, ensure, program, run, same, score, sleep, waitFor, withoutHints, workingDirectory } from './harness.mjs';
import { CHANGE_MS, alice, authors, becomes, bob, charlie, dave, decide, eve, register, setId } from './council.mjs';
import { gauge, gone, validatorsIn } from './network.mjs';
import { Agent } from './scene.mjs';

withoutHints();
process.exitCode = 1;
const directory = workingDirectory();
const validator = validatorsIn(directory);

/** The pallet's events since a block. */
async function since(api, from, name) {
  const head = await finalized(api);
  for (let number = from; number <= head; number += 1) {
    const { events } = await blockAt(api, number);
    const found = events.find(({ event }) => event.section === 'consortium' && event.method === name);
    if (found) return { number, data: found.event.data };
  }
  return null;
}

const EXPELLED = 'ves_validators_expelled';
const HELD_BACK = 'ves_validators_held_back';
/** Waits until a gauge shows this at every validator whose operator would look: each tells it from its own state. */
const everywhere = (what, name, value) =>
  Promise.all(['alice', 'bob', 'eve'].map((one) =>
    waitFor(`${what}, in the metrics of ${one}`, async () => (await gauge(nodes[one], name)) === value, CHANGE_MS)));

const nodes = {};
let api;
const assembled = await claim('Four validators finalize blocks', async () => {
  nodes.alice = await validator('alice', ['--alice']);
  for (const name of ['bob', 'charlie', 'dave']) nodes[name] = await validator(name, [`--${name}`]);
  api = nodes.alice.api;
  return `block ${await waitFor('finality', async () => (await finalized(api)) >= 3 && finalized(api), 90_000)}`;
});
if (!assembled) process.exit(1);

// Agents write all the while: one that waits for finality each time, and a stream of submissions.
const writer = new Agent(directory, nodes.alice.url);
writeFileSync(join(writer.cwd, 'admin'), '//Alice\n', { mode: 0o600 });
const wrote = { pushes: 0, slowest: 0, failed: [], done: false };
let writing;
let load;
await claim('Agents write to them', async () => {
  await writer.enrol();
  writing = (async () => {
    while (!wrote.done) {
      const began = Date.now();
      try {
        wrote.last = await writer.order(`A-${wrote.pushes}`, { total: '1.00' });
        await writer.cli(['push']);
        wrote.pushes += 1;
        wrote.slowest = Math.max(wrote.slowest, Date.now() - began);
      } catch (error) {
        wrote.failed.push(error.message);
      }
      await sleep(500);
    }
  })();
  await waitFor('pushes', () => wrote.pushes >= 2);
  return `${wrote.pushes} pushes final`;
});
load = run(join(program('examples'), 'load'), ['--url', nodes.bob.url, '--seconds', '200', '--rate', '200', '--batch', '20'], { cwd: directory })
  .then((out) => JSON.parse(out), (error) => ({ error: error.message }));

await claim('A fifth one that the council admits registers its keys, joins, makes blocks and votes', async () => {
  nodes.eve = await validator('eve', []);
  same('the motion', await decide(api, api.tx.consortium.addValidator(eve.address)), null);
  same('held back before it has keys', await gauge(nodes.alice, HELD_BACK), 0);
  await register(nodes.eve.api, eve);
  await becomes(api, [alice, bob, charlie, dave, eve]);
  same('the set of GRANDPA', await setId(api), 1);
  await everywhere('nobody held back', HELD_BACK, 0);
  await everywhere('nobody expelled', EXPELLED, 0);
  const makers = await waitFor('a block by the newcomer', async () => {
    const makers = await authors(api, 10);
    return makers.has(eve.address) && makers;
  });
  return `set 1, ${makers.size} authors of the last blocks`;
});

await claim('A validator changes its keys and goes on with the new ones', async () => {
  const keys = await register(nodes.bob.api, bob);
  await waitFor('set 2', async () => (await setId(api)) === 2, CHANGE_MS);
  await becomes(api, [alice, bob, charlie, dave, eve]);
  const authorities = (await api.call.auraApi.authorities()).map((key) => Buffer.from(key.toU8a()).toString('hex'));
  ensure(authorities.includes(keys.slice(2, 66)), 'the new key makes no blocks');
  await waitFor('a block by it', async () => (await authors(api, 10)).has(bob.address));
  return 'set 2';
});

await claim('One that the council removes is no longer needed', async () => {
  same('the motion', await decide(api, api.tx.consortium.removeValidator(dave.address)), null);
  await becomes(api, [alice, bob, charlie, eve]);
  await gone(nodes.dave);
  const from = await finalized(api);
  await waitFor('finality without it', async () => (await finalized(api)) >= from + 6);
  same('the set of GRANDPA', await setId(api), 3);
  same('its keys', (await api.query.session.nextKeys(dave.address)).isNone, true);
  return 'set 3, of four';
});

await claim('A set that is too small is refused', async () => {
  const error = await decide(api, api.tx.consortium.removeValidator(eve.address));
  same('the motion ends', error, 'TooFewValidators');
  return error;
});

await claim('A validator that is run twice is found out and makes no more blocks', async () => {
  const from = await finalized(api);
  nodes.twin = await validator('twin', ['--charlie']);
  const expelled = await waitFor('an expulsion', () => since(api, from, 'ValidatorExpelled'), CHANGE_MS);
  same('who was expelled', expelled.data[0].toString(), charlie.address);
  const offence = Buffer.from(expelled.data[1].toU8a()).toString();
  await gone(nodes.twin);
  // With four at least it has to stay, for its vote; that is said.
  const held = await waitFor('word of it', () => since(api, expelled.number, 'ChangeHeldBack'), CHANGE_MS);
  await waitFor('blocks since', async () => (await finalized(api)) >= held.number + 8, CHANGE_MS);
  const makers = await authors(api, 6);
  ensure(!makers.has(charlie.address), 'it still makes blocks');
  const now = await api.call.consortiumApi.validators();
  const status = now.find(({ account }) => account.eq(charlie.address));
  ensure(status.expelled.isTrue && status.disabled.isTrue && status.inSet.isTrue, `it is ${status}`);
  await everywhere('one expelled', EXPELLED, 1);
  await everywhere('one that should leave and has to stay', HELD_BACK, 1);
  return `${offence} in block ${expelled.number}, held in the set by block ${held.number}`;
});

await claim('No agent waited in vain meanwhile', async () => {
  wrote.done = true;
  await writing;
  same('failed pushes', wrote.failed.join('; '), '');
  const report = await load;
  ensure(!report.error, report.error);
  return `${wrote.pushes} pushes, slowest ${wrote.slowest} ms; load: ${JSON.stringify(report).slice(0, 160)}`;
});

await claim('A reader follows every set from the first, and a bundle proves an event under the last one offline', async () => {
  await writer.cli(['pull']);
  const { authorities } = await writer.cli(['status']);
  same('the set it began with', authorities.trusted.set_id, 0);
  same('the set it has followed to', authorities.present.set_id, await setId(api));
  await writer.cli(['export', wrote.last, '--out', 'bundle.json']);
  for (const name of ['alice', 'bob', 'charlie', 'eve']) await gone(nodes[name]);
  const pinned = ['--authorities', authorities.trusted_hash];
  const { checks } = await writer.cli(['verify', '--bundle', 'bundle.json', ...pinned]);
  ensure(checks.length > 0, 'nothing was checked');
  return `sets 0 to ${authorities.present.set_id}, ${checks.length} checks`;
});

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
