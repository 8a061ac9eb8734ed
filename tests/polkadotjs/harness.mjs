// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Claims with a line each, and programs that end with this one.

import { spawn } from 'node:child_process';
import { openSync, readFileSync, rmSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const PATIENCE_MS = 60_000;
const POLL_MS = 100;

const targetDir = process.env.CARGO_TARGET_DIR ?? join(homedir(), '.cache/ves-appchain/target');
/** Path of one of this workspace's programs, or of another that is given by its path. */
export const program = (name) => (name.includes('/') ? name : join(targetDir, 'debug', name));

let failures = 0;
let claims = 0;

/** How many claims were made and how many of them failed. */
export const score = () => ({ claims, failures });

/**
 * Settles a claim: prints a line with what `show` returns as evidence, or with why it failed, and
 * returns whether it holds. The test goes on either way.
 */
export async function claim(text, show) {
  claims += 1;
  const began = Date.now();
  try {
    const evidence = await show();
    console.log(`PASS  ${text}: ${evidence} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${text}: ${error.message}`);
    return false;
  }
}

/** Throws unless the condition holds; `what` names it. */
export function ensure(condition, what) {
  if (!condition) throw new Error(what);
}

/** Throws unless both are the same. */
export function same(what, found, expected) {
  ensure(found === expected, `${what} is ${found}, expected ${expected}`);
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Looks until it finds something. */
export async function waitFor(what, look, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    ensure(Date.now() < deadline, `waited ${patience / 1000} s in vain for ${what}`);
    await sleep(POLL_MS);
  }
}

/** A directory that is gone when this program is, unless a claim failed. */
export function workingDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'ves-polkadotjs-'));
  process.on('exit', () => {
    if (process.exitCode) console.error(`kept, with the node's log: ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

/** Starts a development node on free ports and waits until it answers. */
export async function startNode(directory, more = []) {
  const log = join(directory, 'node.log');
  const args = [
    ...['--dev', '--base-path', join(directory, 'node'), '--rpc-port', '0'],
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
  child.on('error', (error) => (ended = error.message));
  child.on('exit', (code, signal) => {
    running.delete(child);
    ended = `exit ${code ?? signal}`;
    if (stopped) return;
    // Whatever fails from here on fails because of this.
    const last = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n      ');
    console.log(`NOTE  ${name} (process ${child.pid}) ended by itself: ${ended}; its last words:\n      ${last}`);
  });
  const told = await waitFor(`${name} to be ready`, () => {
    ensure(ended === null, `${name} ended (${ended}); see ${log}`);
    return pattern.exec(readFileSync(log, 'utf8'))?.[1];
  });
  const stop = () => {
    stopped = true;
    child.kill('SIGKILL');
  };
  return { told, isRunning: () => ended === null, stop };
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
