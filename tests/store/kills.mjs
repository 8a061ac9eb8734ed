#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// `ves-node event-store backfill`, killed with SIGKILL in the middle of writing, again and again, and
// resumed: what it has in the end passes `check` and is what an undisturbed run has, in SQLite and in
// PostgreSQL. The chain is a real one, filled by the load generator. SEED=N repeats a run, KILLS=N changes how
// many there are in each database. Also: what going back and indexing a range anew comes to, and an export to Parquet.
// One line for each claim; exit code 0 if and only if all of them hold.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { claim, ensure, program, run, same, score, startNode, waitFor, workingDirectory } from '../polkadotjs/harness.mjs';
import { postgres, sqlite } from './postgres.mjs';

const KILLS = Number(process.env.KILLS ?? 4);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const EVENTS_PER_SECOND = 2_000;
const SECONDS = 10;

process.exitCode = 1;
const here = workingDirectory();

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
let state = SEED;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

const base = join(here, 'node');
const at = (command, store, ...more) => ['event-store', command, '--dev', '--base-path', base, '--event-store', store, ...more];
const command = async (name, store, ...more) => JSON.parse((await run('ves-node', at(name, store, ...more), { cwd: here })).trim().split('\n').at(-1));
const digest = (path) =>
  new Promise((done, failed) => {
    const hash = createHash('sha256');
    createReadStream(path).on('data', (part) => hash.update(part)).on('end', () => done(hash.digest('hex'))).on('error', failed);
  });

/** Fills the store and kills it once so many bytes are written; whether it came to that. */
const fillAndKill = async ({ store, written }, bytes) => {
  let text = '';
  const child = spawn(program('ves-node'), at('backfill', store), { cwd: here, stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (part) => (text = (text + part).slice(-4_000)));
  let ended = false;
  const exit = new Promise((done, failed) => {
    child.on('error', failed);
    child.on('exit', (code, signal) => {
      ended = true;
      done({ code, signal });
    });
  });
  while (!ended && (await written()) < bytes) await new Promise((done) => setTimeout(done, 1));
  child.kill('SIGKILL');
  const { code, signal } = await exit;
  if (signal === 'SIGKILL') return true;
  ensure(code === 0, `exit ${code}: ${text}`);
  return false;
};

let whole;

await claim('A chain of thousands of events', async () => {
  const node = await startNode(here, ['--no-event-store', '--state-pruning', 'archive-canonical', '--rpc-max-request-size', '32']);
  await run(join(program('examples'), 'load'), [
    ...['--url', node.url, '--rate', String(EVENTS_PER_SECOND), '--seconds', String(SECONDS), '--payload', '600'],
  ], { cwd: here });
  node.stop();
  await waitFor('the node to end', () => !node.isRunning());
  whole = await command('backfill', join(here, 'whole.sqlite'));
  ensure(whole.events >= (EVENTS_PER_SECOND * SECONDS) / 2, `only ${whole.events} events`);
  whole.check = await command('check', join(here, 'whole.sqlite'));
  same('the checked block', whole.check.block, whole.indexed_block);
  return `${whole.events} events in ${whole.indexed_block} blocks, checksum ${whole.check.checksum.slice(0, 10)}…`;
});

const FIELDS = ['indexed_block', 'events', 'rejections'];
const exported = new Map();
let exports = 0;

for (const database of [sqlite(here), await postgres()]) {
  const { name } = database;
  const calm = await database.place('calm');
  const exportOf = async (place) => {
    const out = join(here, `export-${(exports += 1)}.ndjson`);
    await command('export', place.store, '--format', 'ndjson', '--out', out);
    return digest(out);
  };
  // What an undisturbed run writes, bytes.
  let most;

  await claim(`${name} undisturbed holds what the chain says`, async () => {
    const filled = await command('backfill', calm.store);
    for (const field of FIELDS) same(field, filled[field], whole[field]);
    most = await calm.written();
    same('the checksum', (await command('check', calm.store)).checksum, whole.check.checksum);
    exported.set(name, await exportOf(calm));
    return `${Math.round(most / 1024)} KiB written`;
  });

  // Not before the other is full: a server logs for all its databases.
  const killed = await database.place('killed');
  await claim(`${name} is killed ${KILLS} times while it writes (seed ${SEED}) and goes on each time`, async () => {
    const kills = [];
    for (let n = 0; n < KILLS; n += 1) {
      // Neither at the very beginning of what is left nor at its end. The last one comes when a part is
      // committed: a store is also to be resumed from there.
      const share = n === KILLS - 1 ? 0.75 : 0.1 + 0.5 * random();
      const before = await killed.written();
      const bytes = await killed.killAt(share, most, whole.events);
      if (!(await fillAndKill(killed, bytes))) break;
      kills.push((await killed.written()) - before);
    }
    ensure(kills.length >= Math.min(3, KILLS), `only ${kills.length} kills came in time`);
    // One that comes as soon as the program has started interrupts nothing.
    ensure(Math.max(...kills) >= most / 10, `no kill came in the middle of writing: ${kills} of ${most} bytes`);
    return `${kills.length} kills, after ${kills.map((bytes) => `${Math.round(bytes / 1024)} KiB`).join(', ')} more`;
  });

  await claim(`${name}: the last kill left a part of the blocks, which passes the check`, async () => {
    const { block } = await command('check', killed.store);
    ensure(block > 0 && block <= whole.indexed_block, `block ${block}`);
    return `block ${block} of ${whole.indexed_block}`;
  });

  await claim(`${name}, resumed to the end, is what an undisturbed run is, by checksum and byte for byte in an export`, async () => {
    const resumed = await command('backfill', killed.store);
    for (const field of FIELDS) same(field, resumed[field], whole[field]);
    const checked = await command('check', killed.store);
    same('the checksum', checked.checksum, whole.check.checksum);
    same('the export', await exportOf(killed), exported.get(name));
    return `checksum ${checked.checksum.slice(0, 10)}…, export ${exported.get(name).slice(0, 8)}…`;
  });

  await claim(`${name}: a range that is indexed anew, and then the rest, is what was there before`, async () => {
    const last = whole.indexed_block;
    const from = Math.ceil(last / 2);
    const to = Math.floor((from + last) / 2);
    ensure(to < last, `only ${last} blocks`);
    const part = await command('backfill', calm.store, '--from', String(from), '--to', String(to));
    same('the last block of the range', part.indexed_block, to);
    const rest = await command('backfill', calm.store);
    for (const field of FIELDS) same(field, rest[field], whole[field]);
    same('the checksum', (await command('check', calm.store)).checksum, whole.check.checksum);
    same('the export', await exportOf(calm), exported.get(name));
    return `blocks ${from} to ${to} of ${last}, then the rest`;
  });

  await claim(`${name}: a range that the node cannot index anew is not forgotten`, async () => {
    const beyond = String(whole.indexed_block + 1_000);
    const told = await command('backfill', calm.store, '--from', beyond).then(() => '', (error) => error.message);
    ensure(told.includes('nothing is forgotten') && told.includes(`block ${beyond} is not final`), `it said: ${told}`);
    const { block, checksum } = await command('check', calm.store);
    same('the block', block, whole.indexed_block);
    same('the checksum', checksum, whole.check.checksum);
    return `block ${beyond}`;
  });

  await claim(`${name} is exported to Parquet, with every event`, async () => {
    const out = join(here, `export-${(exports += 1)}.parquet`);
    const { events } = await command('export', calm.store, '--format', 'parquet', '--out', out);
    same('events', events, whole.events);
    const bytes = readFileSync(out);
    for (const [what, magic] of [['beginning', bytes.subarray(0, 4)], ['end', bytes.subarray(-4)]]) {
      same(`the ${what} of the file`, magic.toString('latin1'), 'PAR1');
    }
    return `${events} events in ${Math.round(bytes.length / 1024)} KiB`;
  });
}

await claim('Both databases export the same bytes', async () => {
  const [one, other] = [...exported.values()];
  same('the export', other, one);
  return `${one.slice(0, 8)}…`;
});

const { claims, failures } = score();
console.log(`\n${claims - failures} of ${claims} claims hold`);
process.exitCode = failures ? 1 : 0;
