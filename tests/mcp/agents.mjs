// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Two agents of the development tenant, each in a directory of its own.

import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../polkadotjs/harness.mjs';
import { STORE, TENANT } from '../polkadotjs/scene.mjs';

/** What nobody may ever hear: the passphrase of every agent's keys. */
export const PASSPHRASE = `of keys that live for a minute ${randomBytes(8).toString('hex')}`;

class Agent {
  constructor(directory, name) {
    this.cwd = join(directory, name);
    mkdirSync(this.cwd);
    writeFileSync(join(this.cwd, 'passphrase'), `${PASSPHRASE}\n`, { mode: 0o600 });
  }

  /** Runs a command in a shell's way and reads its one JSON object. */
  async cli(args, options = {}) {
    return JSON.parse(await run('stateset-sync', [...args, '--json'], { cwd: this.cwd, ...options }));
  }

  async enrol(url) {
    const { agent_id: id } = await this.cli([
      ...['init', '--node', url, '--tenant', TENANT, '--store', STORE],
      ...['--passphrase-file', 'passphrase'],
    ]);
    this.id = id;
    await this.cli(['keys:generate']);
    await this.cli(['admin:register-agent', '--dev-admin', '--no-wait']);
    await this.cli(['keys:register', '--dev-admin']);
  }
}

/** Enrols both. */
export async function enrol(directory, url) {
  const agents = { ann: new Agent(directory, 'ann'), bob: new Agent(directory, 'bob'), url };
  // One after the other: the same administrator signs.
  await agents.ann.enrol(url);
  await agents.bob.enrol(url);
  return agents;
}
