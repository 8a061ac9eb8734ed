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

// Of a place, `written` tells how many bytes have been written, and `killAt` at how many of them to kill who
// fills it, so that `share` of what is left of `most` bytes, and of `events`, is written by then.

/** Files in a directory: the file and its log. */
export const sqlite = (directory) => ({
  name: 'SQLite',
  place: async (name) => {
    const path = join(directory, `${name}.sqlite`);
    const size = (file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    const written = async () => size(path) + size(`${path}-wal`);
    // The files keep what a kill left in them.
    const killAt = async (share, most) => {
      const reached = await written();
      return reached + Math.max(1, Math.round(share * (most - reached)));
    };
    return { store: path, written, killAt };
  },
});

/** Databases of a new server. What is written is what the whole server has logged since one was created. */
export async function postgres() {
  const server = await start([]);
  const place = async (name) => {
    ensure((await server.ask(name)) === name, `database ${name} was not created`);
    const session = conversation('psql', ['-qAt', '-h', server.folder, '-U', 'ves', name]);
    const logged = async () => Number(await session.ask("SELECT pg_current_wal_insert_lsn() - '0/0';"));
    const before = await logged();
    const written = async () => (await logged()) - before;
    const stored = async () => {
      if ((await session.ask("SELECT to_regclass('streams') IS NOT NULL;")) !== 't') return 0;
      return Number(await session.ask('SELECT COALESCE(SUM(sequence), 0) FROM streams;'));
    };
    // What a killed transaction has logged is in vain: only what is committed counts as done.
    const killAt = async (share, most, events) => {
      const left = most * (1 - (await stored()) / events);
      return (await written()) + Math.max(1, Math.round(share * left));
    };
    return { store: url(server.folder, name), written, killAt };
  };
  /** A streaming replica of the server; answers where a place is in it. */
  const standby = async () => {
    const { folder } = await start([server.folder]);
    return ({ store }) => url(folder, store.split('/').at(-1));
  };
  return { name: 'PostgreSQL', place, standby };
}
