// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// How an agent stops: by Ctrl-C, by a service manager, by kill -9, or because another process is at the same
// work. Whatever it was doing, nothing is lost, doubled or half-written. A program that embeds the agent. And an agent
// whose node is killed and comes back.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { claim, ensure, program, run, same, sleep, startNode, waitFor } from '../polkadotjs/harness.mjs';

const EVENTS = 400;
const KILLS = 8;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/**
 * Starts a command; `signal` sends it one, `ended` resolves to its exit code, its JSON and how long it took, `lines`
 * are the JSON objects and `complaint` the warnings it has printed so far.
 */
function start(name, args, cwd, env = {}) {
  const began = Date.now();
  const child = spawn(program(name), args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, HOME: cwd, ...env } });
  running.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (part) => { out += part; });
  child.stderr.on('data', (part) => { err += part; });
  // Not when its pipes close: a program that it started may still hold them.
  const ended = new Promise((done) => child.on('exit', (code, signal) => {
    running.delete(child);
    const ms = Date.now() - began;
    setTimeout(() => done({ code, signal, out, err, ms }), 200);
  }));
  // What comes after the last line feed is not a whole line yet.
  const lines = () => out.split('\n').slice(0, -1).map((line) => JSON.parse(line));
  return { signal: (kind) => child.kill(kind), ended, lines, complaint: () => err };
}

/** None failed but for finding the database busy, which may be run again. */
function noneFailed(ends) {
  const bad = ends.filter(({ code, out }) => code !== 0 && !(code === 9 && out.includes('database_busy')));
  same('failures', bad.map(({ code, out }) => `${code} ${out.slice(-300)}`).join(), '');
}

export async function stops(directory, node, makeProject) {
  const author = await makeProject('stopped');
  await author.cli('keys:generate', '--insecure-plaintext-keys');
  await author.cli('admin:register-agent', '--dev-admin', '--no-wait');
  await author.cli('keys:register', '--dev-admin');
  const reader = await makeProject('stopped-reader');
  const at = (home, ...args) => start('stateset-sync', [...args, '--json', '--home', home], directory);

  const append = async (count, name) => {
    const lines = Array.from({ length: count }, (_, n) => JSON.stringify({
      entity_type: 'stop', entity_id: `${name}-${n}`, event_type: 'stop.created', payload: { n },
    }));
    const file = join(directory, `${name}.jsonl`);
    writeFileSync(file, lines.join('\n'));
    await author.cli('append', '--batch', file);
  };
  /** Every captured event is final, once. */
  const complete = async (expected) => {
    const { outbox } = await author.cli('status');
    same('events that are final', outbox.finalized, expected);
    const { events } = await author.cli('history', '--limit', String(expected));
    same('places', new Set(events.map((event) => event.sequence)).size, expected);
  };
  let captured = 0;

  await claim('Ctrl-C on a push stops it where it stands, says what is on its way, and the next push goes on', async () => {
    const seen = [];
    // On a slow machine a push takes longer to begin.
    for (const wait of [60, 250, 700, 1500, 4000, 10_000]) {
      if (wait > 1500 && seen.some((message) => message.includes('on their way'))) break;
      await append(EVENTS, `int-${wait}`);
      captured += EVENTS;
      const push = at(author.home, 'push', '--batch-size', '32');
      await sleep(wait);
      push.signal('SIGINT');
      const { code, signal, out, ms } = await push.ended;
      // Killed before it listened to signals, it has done nothing yet.
      if (code !== 0 && signal !== 'SIGINT') {
        same('the exit code', code, 130);
        same('the code', JSON.parse(out).error.code, 'interrupted');
        seen.push(JSON.parse(out).error.message.split(';')[0]);
      }
      ensure(ms < wait + 5000, `it took ${ms} ms`);
      await author.cli('push');
      await complete(captured);
    }
    ensure(seen.some((message) => message.includes('on their way')), seen.join(' | '));
    return seen.at(-1);
  });

  await claim('Ctrl-C on a pull keeps what was verified, and the next pull goes on from there', async () => {
    let stopped = 0;
    for (const wait of [80, 160, 320]) {
      const pull = at(reader.home, 'pull');
      await sleep(wait);
      pull.signal('SIGINT');
      const { code, signal, out } = await pull.ended;
      ensure(code === 130 || code === 0 || signal === 'SIGINT', `exit code ${code}: ${out.slice(0, 200)}`);
      stopped += Number(code === 130);
    }
    ensure(stopped > 0, 'none was stopped in time');
    await reader.cli('pull');
    const status = await reader.cli('status');
    same('how far it is behind', status.lag, 0);
    same('verified events', status.verified_events, status.local_sequence);
    return `${stopped} stopped, ${status.verified_events} verified at the end`;
  });

  await claim('A service manager stops sync --watch between two rounds', async () => {
    const watch = at(author.home, 'sync', '--watch');
    await sleep(1500);
    watch.signal('SIGTERM');
    const { code, out, ms } = await watch.ended;
    same('the exit code', code, 130);
    same('the last line', JSON.parse(out.trim().split('\n').at(-1)).error.code, 'interrupted');
    return `${ms - 1500} ms after the signal`;
  });

  await claim('Ctrl-C on an export leaves a whole bundle or none', async () => {
    const { events } = await author.cli('history', '--limit', '1');
    const id = events[0].event_id;
    let written = 0;
    for (const wait of [20, 60, 120, 240, 480]) {
      const file = join(directory, `export-${wait}.json`);
      const exporting = at(author.home, 'export', id, '--out', file);
      await sleep(wait);
      exporting.signal('SIGINT');
      const { code, signal } = await exporting.ended;
      ensure(code === 130 || code === 0 || signal === 'SIGINT', `exit code ${code}`);
      same(`whether there is a file after exit code ${code}`, existsSync(file), code === 0);
      if (code === 0) JSON.parse(readFileSync(file, 'utf8'));
      written += Number(code === 0);
    }
    const left = readdirSync(directory).filter((name) => name.endsWith('.tmp'));
    same('temporary files', left.length, 0);
    return `${written} of 5 were written before the signal`;
  });

  await claim('A second Ctrl-C ends a push that cannot stop: its signer hangs', async () => {
    const hanging = await makeProject('hanging', author.agent);
    const { signing_public_key: key } = await author.cli('keys:export');
    await run('stateset-sync', ['keys:add-external', '--public-key', key, '--home', hanging.home, '--json', '--', 'sleep', '20'], { cwd: directory });
    await hanging.cli('append', '--entity-type', 'stop', '--entity-id', 'h', '--event-type', 'stop.created', '--payload', '{}');
    const push = at(hanging.home, 'push');
    await sleep(1500);
    push.signal('SIGINT');
    await sleep(500);
    push.signal('SIGINT');
    const { code, out, ms } = await push.ended;
    same('the exit code', code, 130);
    same('the code', JSON.parse(out).error.code, 'interrupted');
    ensure(ms < 6000, `it took ${ms} ms`);
    same('what is queued', (await hanging.cli('status', '--offline')).outbox.queued, 1);
    return `after ${ms} ms`;
  });

  await claim('kill -9 at any moment of a push loses nothing and doubles nothing', async () => {
    const moments = [];
    for (let n = 0; n < KILLS; n += 1) {
      await append(64, `kill-${n}`);
      captured += 64;
      const push = at(author.home, 'push', '--batch-size', '8');
      const wait = Math.round(40 + 2400 * Math.random());
      await sleep(wait);
      push.signal('SIGKILL');
      await push.ended;
      moments.push(wait);
    }
    await author.cli('push');
    await complete(captured);
    return `at ${moments.join(', ')} ms`;
  });

  await claim('Three pushes and two pulls at once sequence and store everything once', async () => {
    await append(EVENTS, 'together');
    captured += EVENTS;
    const ends = await Promise.all([
      ...[1, 2, 3].map(() => at(author.home, 'push', '--batch-size', '64').ended),
      ...[1, 2].map(() => at(reader.home, 'pull').ended),
    ]);
    // Who comes second to a batch of the stream says so and may be run again.
    noneFailed(ends);
    await author.cli('push');
    await complete(captured);
    await reader.cli('pull');
    const status = await reader.cli('status');
    same('verified events', status.verified_events, status.local_sequence);
    same('how far it is behind', status.lag, 0);
    return `exit codes ${ends.map(({ code }) => code).join(', ')}`;
  });

  await claim('Twenty processes open one database at once, and none finds it damaged', async () => {
    const ends = await Promise.all(Array.from({ length: 20 }, (_, n) => at(author.home, ...(n % 2
      ? ['history', '--limit', '1']
      : ['append', '--entity-type', 'stop', '--entity-id', `open-${n}`, '--event-type', 'stop.created', '--payload', '{}'])).ended));
    // Who comes too late for its place in the queue says so and may be run again.
    noneFailed(ends);
    captured += ends.filter(({ code }, n) => n % 2 === 0 && code === 0).length;
    await author.cli('push');
    await complete(captured);
    return `${ends.length} processes`;
  });

  await claim('A Rust program with a database of its own captures and pushes', async () => {
    const database = join(directory, 'embedded.db');
    const { code, out, err } = await start(join(program('.'), 'examples/embed'), [node.url, author.home, database], directory).ended;
    same(`the exit code (${err})`, code, 0);
    ensure(/event [0-9a-f-]{36} is final at sequence Some\(\d+\)/.test(out), out);
    return out.trim();
  });

  // The last one: it takes the others' node away.
  await claim('pull --follow outlives kill -9 of its node, goes on with the one that comes back, and lists nothing twice', async () => {
    await author.cli('push');
    await reader.cli('pull');
    const following = at(reader.home, 'pull', '--follow');
    const listed = () => following.lines().flatMap((line) => line.events ?? []).map((event) => event.event_id);
    /** Has the author push an event, and waits until the other one's pull lists it. */
    const followed = async (name) => {
      const { event_id: id } = await author.cli(
        'append', '--entity-type', 'stop', '--entity-id', name, '--event-type', 'stop.created', '--payload', '{}');
      const { events } = await author.cli('push');
      same(`the state of ${name}`, events[0].state, 'finalized');
      await waitFor(`${name} to be listed`, () => listed().includes(id));
      return { id, block: events[0].block_number };
    };
    const before = await followed('before-the-kill');
    // A node alone may lose its newest blocks: no other one has them. What is looked at here is not among these.
    await waitFor('more blocks', async () => (await author.cli('status')).node.finalized_block > before.block + 2);
    const complaint = following.complaint();
    node.stop();
    await waitFor('the node to be gone', () => !node.isRunning());
    await waitFor('pull --follow to miss it', () => following.complaint() !== complaint);
    await startNode(directory, [], new URL(node.url).port);
    const after = [await followed('after-the-kill'), await followed('and-one-more')];
    following.signal('SIGINT');
    const { code, out } = await following.ended;
    same('the exit code', code, 130);
    same('the last line', JSON.parse(out.trim().split('\n').at(-1)).error.code, 'interrupted');
    same('what is listed', listed().join(), [before, ...after].map(({ id }) => id).join());
    const status = await reader.cli('status');
    same('verified events', status.verified_events, status.local_sequence);
    return `${listed().length} events, blocks ${before.block} and ${after.map(({ block }) => block).join(', ')}`;
  });
}
