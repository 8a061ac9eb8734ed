// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What a server leaves behind.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { claim, ensure, run, same } from '../polkadotjs/harness.mjs';
import { PASSPHRASE } from './agents.mjs';
import { connect, heard } from './clients.mjs';
import { TOKEN } from './http.mjs';

export async function traces({ ann, bob }) {
  const log = join(ann.cwd, '.stateset', 'mcp-audit.jsonl');
  const lines = () => readFileSync(log, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));

  await claim('every call is in the audit log, what changes something before it begins', async () => {
    const all = lines();
    const of = (call, verdict) => all.filter((l) => l.call === call && l.verdict === verdict).length;
    ensure(of('ves_push_commit', 'begun') === of('ves_push_commit', 'done')
      + of('ves_push_commit', 'failed') + of('ves_push_commit', 'refused')
      + of('ves_push_commit', 'asked'), 'begun without an end');
    ensure(of('ves_push_commit', 'refused') > 0 && of('ves_status', 'done') > 0, 'calls are missing');
    ensure(of('ves_push_commit', 'asked') > 0, 'questions are missing');
    const pushed = all.find((l) => l.call === 'ves_push_commit' && l.verdict === 'done');
    ensure(pushed.event_ids.length > 0 && pushed.client === 'ves-test 1.0.0', JSON.stringify(pushed));
    same('mode of the file', statSync(log).mode & 0o777, 0o600);
    return `${all.length} lines`;
  });
  await claim('the log is one chain of all servers, and a changed line breaks it', async () => {
    const check = ['mcp', '--check-audit'];
    const report = await ann.cli(check);
    same('unbroken', report.unbroken, true);
    const copy = join(ann.cwd, 'doctored.jsonl');
    writeFileSync(copy, readFileSync(log, 'utf8').replace('"verdict":"refused"', '"verdict":"done"'));
    const broken = await ann.cli([...check, '--audit-log', copy], { codes: [7] });
    same('code', broken.error.code, 'audit_broken');
    return `${report.lines} lines, ${broken.error.message.split(' of ')[0]}`;
  });
  await claim('without an audit log nothing is answered', async () => {
    await run('stateset-sync', ['mcp', '--audit-log', bob.cwd], { cwd: bob.cwd, codes: [1] });
    return 'a directory in its place ends the server';
  });
  await claim('an address with a password in it is never said in full', async () => {
    const env = { VES_NODE_URL: 'ws://agent:hunter2-secret@127.0.0.1:1/' };
    const server = await connect('2025-11-25', bob, [], { env });
    const status = await server.call('ves_status');
    same('health', status.health ?? status.code, 'offline');
    await server.good('ves_config_show');
    await server.close();
    return status.node_url;
  });
  await claim('no secret was ever said, logged or written', async () => {
    const written = readFileSync(log, 'utf8');
    const all = [...heard, written].join('\n');
    ensure(all.length > 10_000, 'too little was heard');
    for (const secret of [PASSPHRASE, TOKEN, 'hunter2-secret']) {
      ensure(!all.includes(secret), `a secret that begins with ${secret.slice(0, 4)}`);
    }
    ensure(!/private_key|"sealed"|"ciphertext":"[^"]+","protection"/.test(all), 'a key file');
    return `${heard.length} messages searched`;
  });
}
