// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Where nodes keep event stores: files of SQLite, and databases of a real PostgreSQL server, which ends with
// this program.

import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ensure } from '../polkadotjs/harness.mjs';

const SCRIPT = fileURLToPath(new URL('postgres.sh', import.meta.url));
const url = (folder, database) => `postgres://ves@${encodeURIComponent(folder)}/${database}`;

/** A program that answers each line with one. */
function conversation(name, args) {
  const child = spawn(name, args, { env: { PATH: process.env.PATH }, stdio: ['pipe', 'pipe', 'inherit'] });
  // It ends with its input, and that with this program.
  child.unref();
  child.stdin.unref();
  child.stdout.unref();
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    // Something has to keep this program waiting.
    const waiting = setInterval(() => {}, 1_000);
    try {
      const { value, done } = await lines.next();
      ensure(!done, `${name} ended`);
      return value;
    } finally {
      clearInterval(waiting);
    }
  };
  const ask = (line) => {
    child.stdin.write(`${line}\n`);
    return next();
  };
  return { next, ask };
}

async function start(more) {
  const server = conversation('sh', [SCRIPT, ...more]);
  const said = await server.next();
  ensure(said.startsWith('ready '), `PostgreSQL did not start: ${said}`);
  return { ...server, folder: said.slice('ready '.length) };
}

/** Files in a directory. `written` tells how many bytes have been written of one: the file and its log. */
export const sqlite = (directory) => ({
  name: 'SQLite',
  place: async (name) => {
    const path = join(directory, `${name}.sqlite`);
    const size = (file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    return { store: path, written: async () => size(path) + size(`${path}-wal`) };
  },
});

/** Databases of a new server. `written` tells how many bytes the server has logged since one was created. */
export async function postgres() {
  const server = await start([]);
  const place = async (name) => {
    ensure((await server.ask(name)) === name, `database ${name} was not created`);
    const session = conversation('psql', ['-qAt', '-h', server.folder, '-U', 'ves', name]);
    const logged = async () => Number(await session.ask("SELECT pg_current_wal_insert_lsn() - '0/0';"));
    const before = await logged();
    return { store: url(server.folder, name), written: async () => (await logged()) - before };
  };
  /** A streaming replica of the server; answers where a place is in it. */
  const standby = async () => {
    const { folder } = await start([server.folder]);
    return ({ store }) => url(folder, store.split('/').at(-1));
  };
  return { name: 'PostgreSQL', place, standby };
}
