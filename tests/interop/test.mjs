#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Events between this project and implementations that share no code with it, through a real node:
// Node's WebCrypto (ves.mjs) and Python's cryptography (ves.py); then what an agent does (agent.mjs), and
// how it stops (stops.mjs). One line for each claim; exit code 0 if and only if all of them hold.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomUUID } from 'node:crypto';
import { play } from './agent.mjs';
import { stops } from './stops.mjs';
import { claim, ensure, run, same, score, startNode, workingDirectory } from '../polkadotjs/harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const tenant = '11111111-1111-4111-8111-111111111111';
const store = '22222222-2222-4222-8222-222222222222';

/** The first Python that has the library: Debian's package serves Debian's interpreter only. */
const python = [process.env.VES_PYTHON, 'python3', '/usr/bin/python3'].filter(Boolean).find((program) => {
  try {
    execFileSync(program, ['-c', 'import cryptography'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});
ensure(python, "there is no Python with the library cryptography: run scripts/setup.sh");

/** The others, and how to ask them. */
const others = [
  { name: "Node's WebCrypto", command: [process.execPath, join(here, 'ves.mjs')] },
  { name: "Python's cryptography", command: [python, join(here, 'ves.py')] },
];
const ask = (other, what, input) => {
  const [program, ...args] = other.command;
  return JSON.parse(execFileSync(program, [...args, what], { input: JSON.stringify(input ?? null) }));
};

process.exitCode = 1;
const directory = workingDirectory();
const node = await startNode(directory);

/** A project of one agent; its own keys lie in the clear, so that the others can be handed a secret. */
async function project(name, known) {
  const home = join(directory, name);
  const cli = async (...args) => {
    const out = await run('stateset-sync', [...args, '--json', '--home', home], { cwd: directory });
    return JSON.parse(out);
  };
  const who = known ? ['--agent', known] : [];
  const { agent_id: agent } = await cli('init', '--node', node.url, '--tenant', tenant, '--store', store, ...who);
  return { home, cli, agent };
}

const ours = await project('ours');
await ours.cli('keys:generate', '--insecure-plaintext-keys');
await ours.cli('admin:register-agent', '--dev-admin', '--no-wait');
await ours.cli('keys:register', '--dev-admin');
const ourKey = (await ours.cli('keys:export')).signing_public_key;

for (const other of others) {
  const theirs = await project(other.name.split("'")[0]);
  const { public_key: publicKey } = ask(other, 'public');

  await claim(`${other.name} proves possession of its key as an external signer`, async () => {
    const [program, ...args] = other.command;
    await theirs.cli('admin:register-agent', '--dev-admin', '--no-wait');
    const flags = ['--home', theirs.home, '--json'];
    await run('stateset-sync', ['keys:add-external', '--public-key', publicKey, ...flags, '--', program, ...args, 'sign'], { cwd: directory });
    const registered = await theirs.cli('keys:register', '--purpose', 'signing', '--dev-admin');
    same('the registered key', registered.keys[0].public_key, publicKey);
    return `key ${publicKey.slice(0, 18)}… in block ${registered.block_number}`;
  });

  const fields = {
    event_id: randomUUID(),
    tenant_id: tenant,
    store_id: store,
    source_agent_id: theirs.agent,
    agent_key_id: 1,
    entity_type: 'order',
    entity_id: `of-${theirs.agent}`,
    event_type: 'order.created',
    created_at: new Date().toISOString(),
    command_id: randomUUID(),
    base_version: 0,
    payload: { total: '12.50', lines: [1, 2], note: 'grüße' },
  };

  await claim(`An event made and signed by ${other.name} is pushed and final`, async () => {
    const file = join(directory, `${fields.event_id}.json`);
    writeFileSync(file, JSON.stringify(ask(other, 'event', fields)));
    await theirs.cli('append', '--signed', file);
    const pushed = await theirs.cli('push');
    same('its state', pushed.events[0].state, 'finalized');
    return `sequence ${pushed.events[0].sequence}, block ${pushed.events[0].block_number}`;
  });

  await claim(`A payload that ${other.name} did not sign is rejected`, async () => {
    const event = ask(other, 'event', { ...fields, event_id: randomUUID(), command_id: undefined, base_version: undefined });
    event.entity_id = 'another';
    const file = join(directory, 'altered.json');
    writeFileSync(file, JSON.stringify(event));
    await theirs.cli('append', '--signed', file);
    const out = await run('stateset-sync', ['push', '--json', '--home', theirs.home], { cwd: directory, codes: [5] });
    same('the reason', JSON.parse(out).events[0].reason, 'invalid_signature');
    return 'invalid_signature, exit code 5';
  });

  await claim(`Our pull verifies what ${other.name} signed`, async () => {
    await ours.cli('pull');
    const { verified, event } = await ours.cli('show', fields.event_id);
    ensure(verified, 'it is not verified');
    same('its payload', JSON.stringify(event.payload.lines), '[1,2]');
    return `event ${fields.event_id.slice(0, 8)}…`;
  });

  await claim(`${other.name} signs through our append and push`, async () => {
    await theirs.cli('append', '--entity-type', 'order', '--entity-id', 'x', '--event-type', 'order.noted', '--payload', '{"n":1}');
    const pushed = await theirs.cli('push');
    same('its state', pushed.events[0].state, 'finalized');
    return `sequence ${pushed.events[0].sequence}`;
  });

  await claim(`${other.name} verifies an event that we signed`, async () => {
    const { event_id: id } = await ours.cli('append', '--entity-type', 'order', '--entity-id', 'y', '--event-type', 'order.created',
      '--payload', '{"b":[1,{"z":null,"a":"\\u00e4"}],"a":12}', '--command-id', randomUUID());
    await ours.cli('push');
    const { event } = await ours.cli('show', id);
    const verdict = ask(other, 'verify', { event, public_key: ourKey });
    ensure(verdict.signature && verdict.payload_hash, JSON.stringify(verdict));
    const altered = { ...event, event_type: 'order.deleted' };
    ensure(!ask(other, 'verify', { event: altered, public_key: ourKey }).signature, 'an altered event verifies');
    return `signing hash ${verdict.signing_hash.slice(0, 18)}…`;
  });

  await claim(`${other.name} decrypts a payload that we encrypted, and only with the right key`, async () => {
    const { event_id: id } = await ours.cli('append', '--entity-type', 'order', '--entity-id', 'z', '--event-type', 'order.created',
      '--payload', '{"total":"99.00"}', '--encrypt-to-self', '--pad', '256');
    await ours.cli('push');
    const { event } = await ours.cli('show', id);
    const verdict = ask(other, 'verify', { event, public_key: ourKey });
    ensure(verdict.signature && verdict.payload_hash, JSON.stringify(verdict));
    const file = JSON.parse(readFileSync(join(ours.home, 'keys', ours.agent, 'encryption-1.json'), 'utf8'));
    const request = { event, kid: file.registration.kid, secret: file.secret.secret };
    const opened = ask(other, 'decrypt', request);
    ensure(opened.plain_hash && opened.canonical, JSON.stringify(opened));
    same('the total', opened.payload.total, '99.00');
    let refused = false;
    try {
      execFileSync(other.command[0], [...other.command.slice(1), 'decrypt'], {
        input: JSON.stringify({ ...request, secret: '11'.repeat(32) }), stdio: ['pipe', 'pipe', 'ignore'],
      });
    } catch {
      refused = true;
    }
    ensure(refused, 'another key opens it');
    return `recipient number ${request.kid}`;
  });
}

// A second machine of an agent has a signing key of its own.
await play(directory, ours, async (name, agent) => {
  const other = await project(name, agent);
  for (const _ of [1, 2]) await other.cli('keys:generate', '--purpose', 'signing', '--insecure-plaintext-keys');
  await other.cli('keys:register', '--purpose', 'signing', '--key-id', '2', '--dev-admin');
  return other;
});
await stops(directory, node, project);

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
