// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Something to decode, made with this workspace's own programs: a second tenant by the council, an
// agent with keys, plaintext and encrypted events, and an event that its block refuses.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STORE, TENANT } from './chain.mjs';
import { run } from './harness.mjs';

export { STORE, TENANT };

/** A tenant to be registered. */
const OTHER_TENANT = '33333333-3333-4333-8333-333333333333';

/** An agent of the development tenant, through `stateset-sync` in a directory of its own. */
export class Agent {
  constructor(directory, url) {
    this.cwd = join(directory, 'agent');
    this.url = url;
    mkdirSync(this.cwd);
    writeFileSync(join(this.cwd, 'passphrase'), 'of keys that live for a minute\n', { mode: 0o600 });
  }

  /** Runs a command and reads its one JSON object. */
  async cli(args, options = {}) {
    const out = await run('stateset-sync', [...args, '--json'], { cwd: this.cwd, ...options });
    return out ? JSON.parse(out) : null;
  }

  /** Makes a project with keys, which the tenant's admin registers: its phrase is in the file `admin`. */
  async enrol() {
    const admin = ['--admin-suri-file', 'admin'];
    await this.cli(['init', '--node', this.url, '--tenant', TENANT, '--store', STORE, '--passphrase-file', 'passphrase']);
    await this.cli(['keys:generate']);
    await this.cli(['admin:register-agent', ...admin]);
    await this.cli(['keys:register', ...admin]);
  }

  /** Captures an order; further arguments are those of `append`. */
  async order(name, payload, ...extra) {
    const args = ['append', '--entity-type', 'order', '--entity-id', name];
    const what = ['--event-type', 'order.created', '--payload', JSON.stringify(payload)];
    const { event_id: id } = await this.cli([...args, ...what, ...extra]);
    return id;
  }

  /** Signs what waits in the outbox and dies before sending it. */
  async signWithoutSending() {
    const env = { VES_TEST_CRASH_AT: 'after-sign' };
    await this.cli(['push', '--testing-hooks'], { env, codes: [null] });
  }

  /** A signed event of the outbox in the protocol's JSON. */
  async signed(id) {
    const shown = await this.cli(['show', id]);
    writeFileSync(join(this.cwd, `${id}.json`), JSON.stringify(shown));
    return shown.event;
  }

  /** Hands one good event and a forgery of another to the pool in one submission. */
  async smuggle(good, other) {
    await this.signed(good);
    await this.signed(other);
    const options = { cwd: this.cwd };
    await run('ves-demo', ['tamper', 'payload', `${other}.json`, 'forged.json'], options);
    const files = [`${good}.json`, 'forged.json'];
    return JSON.parse(await run('ves-demo', ['submit', '--node', this.url, ...files], options));
  }
}

/** Plays the scene; what the programs said about it is what the chain must show. */
export async function play(directory, url) {
  const agent = new Agent(directory, url);
  const admin = ['--dev-admin', '--no-wait'];
  await agent.cli([
    ...['init', '--node', url, '--tenant', TENANT, '--store', STORE],
    ...['--passphrase-file', 'passphrase'],
  ]);
  await agent.cli(['keys:generate']);
  await agent.cli(['admin:create-tenant', '--tenant', OTHER_TENANT, ...admin]);
  await agent.cli(['admin:create-store', '--tenant', OTHER_TENANT, ...admin]);
  await agent.cli(['admin:register-agent', ...admin]);
  await agent.cli(['keys:register', '--dev-admin']);

  const plain = await agent.order('A-1', { total: '12.00' });
  const secret = await agent.order('A-2', { total: '7.50' }, '--encrypt-to-self');
  const pushed = await agent.cli(['push']);

  const good = await agent.order('A-3', { total: '1.00' });
  const bad = await agent.order('A-4', { total: '2.00' });
  await agent.signWithoutSending();
  const smuggled = await agent.smuggle(good, bad);
  return { agent, pushed, plain, secret, good, bad, smuggled };
}
