// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Who writes to the chain while things happen to it: agents that push to one node each and push again
// what failed, and a load generator.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program, run, same, sleep } from '../tests/polkadotjs/harness.mjs';
import { Agent, STORE, TENANT } from '../tests/polkadotjs/scene.mjs';

const ADMIN = ['--admin-suri-file', 'admin'];
const ORDERS_AT_ONCE = 5;
const EVENTS_AT_ONCE = 10;

/** An agent that captures orders and pushes them to its node, again and again. */
export class Writer {
  constructor(here, { name, url }) {
    const directory = join(here, `agent-of-${name}`);
    mkdirSync(directory);
    this.agent = new Agent(directory, url);
    Object.assign(this, { name, captured: 0, pushes: 0, final: 0, slowest: 0, failures: new Map(), stopped: false });
  }

  /** Registers it. All of them have one administrator, so they do this one after the other. */
  async enroll() {
    const { agent } = this;
    writeFileSync(join(agent.cwd, 'admin'), '//Alice\n', { mode: 0o600 });
    await agent.cli(['init', '--node', agent.url, '--tenant', TENANT, '--store', STORE, '--passphrase-file', 'passphrase']);
    await agent.cli(['keys:generate']);
    await agent.cli(['admin:register-agent', '--no-wait', ...ADMIN]);
    // Final, so that the next one's node knows the administrator's nonce.
    await agent.cli(['keys:register', ...ADMIN]);
  }

  /** Pushes until it is stopped. A push that fails is made again: what it captured waits in the outbox. */
  start() {
    this.working = (async () => {
      while (!this.stopped) {
        for (let n = 0; n < ORDERS_AT_ONCE; n += 1) {
          await this.agent.order(`${this.name}-${this.captured}`, { total: '1.00' });
          this.captured += 1;
        }
        await this.push();
      }
    })();
  }

  async push() {
    const began = Date.now();
    for (;;) {
      try {
        this.final += (await this.agent.cli(['push'])).finalized;
        break;
      } catch (error) {
        const code = /"code": ?"(\w+)"/.exec(error.message)?.[1] ?? error.message.slice(0, 200);
        this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
        await sleep(1_000);
      }
    }
    this.pushes += 1;
    this.slowest = Math.max(this.slowest, Date.now() - began);
  }

  /** Ends its work; answers what the chain acknowledged as final: id and sequence of each event. */
  async settle() {
    this.stopped = true;
    await this.working;
    const { events } = await this.agent.cli(['history', '--limit', String(this.captured + 1)]);
    same(`what the agent of ${this.name} captured`, events.length, this.captured);
    const open = events.filter(({ state }) => state !== 'finalized');
    same(`what the agent of ${this.name} could not get final`, open.map(({ event_id: id, state }) => `${id}: ${state}`).join(), '');
    return events.map(({ event_id: id, sequence }) => ({ id, sequence }));
  }

  /** How often a push had to be made again, by its error. */
  retries() {
    return [...this.failures].map(([code, times]) => `${code} ×${times}`).join(', ') || 'none';
  }
}

/** The load generator against one node, in rounds. Each registers streams of its own first. */
export class Load {
  constructor(here, { url }, rate) {
    Object.assign(this, { here, url, rate, offered: 0, refused: 0, rounds: 0, notRegistered: 0, stopped: false });
  }

  start() {
    const args = ['--url', this.url, '--rate', String(this.rate), '--batch', String(EVENTS_AT_ONCE), '--seconds', '20'];
    this.working = (async () => {
      while (!this.stopped) {
        const out = await run(join(program('examples'), 'load'), args, { cwd: this.here }).catch((error) => {
          // What was refused before anything was offered may be tried again.
          if (error.message.includes('offering')) throw error;
          this.notRegistered += 1;
        });
        if (!out) continue;
        const { offered_events: offered, refused_submissions: refused, submit_to_finalized_s: followed } = JSON.parse(out);
        same('what the pool dropped of the load', followed.dropped, 0);
        this.offered += offered;
        this.refused += refused * EVENTS_AT_ONCE;
        this.rounds += 1;
      }
    })();
    // It is awaited at the end.
    this.working.catch(() => {});
  }

  /** Ends with the round that is under way; answers how many events the node took. */
  async settle() {
    this.stopped = true;
    await this.working;
    return this.offered - this.refused;
  }
}
