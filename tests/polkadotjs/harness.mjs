// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Programs that end with this one, beside the claims.

import { spawn } from 'node:child_process';
import { openSync, readFileSync, rmSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { ensure, waitFor } from './claims.mjs';

export * from './claims.mjs';

const targetDir = process.env.CARGO_TARGET_DIR ?? join(homedir(), '.cache/ves-appchain/target');
/** Path of one of this workspace's programs, or of another that is given by its path. */
export const program = (name) => (name.includes('/') ? name : join(targetDir, 'debug', name));

/** A directory that is gone when this program is, unless a claim failed. */
export function workingDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'ves-polkadotjs-'));
  process.on('exit', () => {
    if (process.exitCode) console.error(`kept, with the node's log: ${directory}`);
    // A program that was just killed may have a file on its way.
    else rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
  });
  return directory;
}

/** A port that was free a moment ago. */
export const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

/** Keeps from the console what polkadot.js says about methods and extensions that it does not know. */
export function withoutHints() {
  for (const level of ['log', 'warn', 'error']) {
    const print = console[level].bind(console);
    console[level] = (...parts) => /REGISTRY|API\/INIT/.test(format(...parts)) || print(...parts);
  }
}

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

/**
 * Starts a development node on free ports and waits until it answers. With the port of one that has ended it
 * goes on in that one's place, with what that one left.
 */
export async function startNode(directory, more = [], port = '0') {
  // The log of the one before would tell at once that it is ready.
  const log = join(directory, port === '0' ? 'node.log' : 'node-again.log');
  const args = [
    ...['--dev', '--base-path', join(directory, 'node'), '--rpc-port', port],
    ...['--listen-addr', '/ip4/127.0.0.1/tcp/0', '--no-mdns', '--no-prometheus', '--no-telemetry'],
  ];
  const listening = /Running JSON-RPC server: addr=([^,\s]+)/;
  const node = await startProgram('ves-node', [...args, ...more], log, listening);
  return { url: `ws://${node.told}`, log, isRunning: node.isRunning, stop: node.stop };
}

/** Starts one of this workspace's programs and waits until its output tells what is looked for. */
export async function startProgram(name, args, log, pattern) {
  const file = openSync(log, 'a');
  const child = spawn(program(name), args, { stdio: ['ignore', file, file] });
  running.add(child);
  let ended = null;
  let stopped = false;
  const code = new Promise((done) => {
    child.on('error', (error) => {
      ended = error.message;
      done(ended);
    });
    child.on('exit', (exit, signal) => {
      running.delete(child);
      ended = `exit ${exit ?? signal}`;
      done(exit ?? signal);
      if (stopped) return;
      // Whatever fails from here on fails because of this.
      const last = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n      ');
      console.log(`NOTE  ${name} (process ${child.pid}) ended by itself: ${ended}; its last words:\n      ${last}`);
    });
  });
  const told = await waitFor(`${name} to be ready`, () => {
    ensure(ended === null, `${name} ended (${ended}); see ${log}`);
    return pattern.exec(readFileSync(log, 'utf8'))?.[1];
  });
  const end = (signal) => {
    stopped = true;
    child.kill(signal);
  };
  return {
    told,
    isRunning: () => ended === null,
    stop: () => end('SIGKILL'),
    /** Asks it to end. */
    end: () => end('SIGTERM'),
    /** Its exit code, once it has ended. */
    ended: code,
  };
}

/** Runs one of this workspace's programs to its end; `codes` are the exit codes it may have. */
export function run(name, args, { cwd, env = {}, codes = [0] }) {
  return new Promise((done, failed) => {
    const child = spawn(program(name), args, {
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let out = '';
    let err = '';
    child.stdout.on('data', (data) => (out += data));
    child.stderr.on('data', (data) => (err += data));
    child.on('error', failed);
    child.on('close', (code) => {
      running.delete(child);
      if (codes.includes(code)) done(out);
      else failed(new Error(`${name} ${args[0]}: exit code ${code}: ${out || err}`));
    });
  });
}
