// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What an agent does with stateset-sync against a real node: kills, conflicts, evidence, keys, groups,
// and commands that go on.

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { claim, ensure, program, run, same } from '../polkadotjs/harness.mjs';

const CRASH_POINTS = [
  'before-sign', 'after-sign', 'before-submit', 'after-submit', 'after-carried', 'before-finality', 'after-in-block',
  'before-settle', 'after-settle',
];
const FOLLOW_PATIENCE_MS = 60_000;

/** Starts a command that goes on, and waits for the first line of JSON that fits. */
function follow(cwd, args, fits) {
  const child = spawn(program('stateset-sync'), args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, HOME: cwd } });
  const end = () => { child.kill('SIGINT'); };
  let complaint = '';
  child.stderr.on('data', (part) => { complaint += part; });
  const found = new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error('no line in time')), FOLLOW_PATIENCE_MS);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const value = JSON.parse(line);
      if (fits(value)) { clearTimeout(timer); done(value); }
    });
    child.on('close', (code) => failed(new Error(`${args[0]} ended with ${code}: ${complaint.slice(-300)}`)));
  });
  return { found, end, leave: () => child.stdout.destroy(), ended: new Promise((done) => child.on('close', done)) };
}

export async function play(directory, ours, makeProject) {
  const order = (entity, type, payload, ...extra) => ours.cli(
    'append', '--entity-type', 'order', '--entity-id', entity, '--event-type', `order.${type}`, '--payload', JSON.stringify(payload), ...extra);
  const raw = (args, options = {}) => run('stateset-sync', [...args, '--json', '--home', ours.home], { cwd: directory, ...options });

  await claim('A healthy project has no problem for the doctor', async () => {
    const { healthy, findings } = await ours.cli('doctor');
    ensure(healthy, JSON.stringify(findings));
    return `${findings.length} findings`;
  });

  await claim('Nothing is signed for a runtime whose transactions have another form, until somebody accepts it', async () => {
    await ours.cli('push');
    const { settings } = await ours.cli('config', 'show');
    const known = settings.runtime.value;
    const [name, spec, transaction] = known.split('/');
    const { event_id: id } = await order('R-1', 'created', { n: 1 });
    for (const other of [`${name}/${spec}/${Number(transaction) + 1}`, `other/${spec}/${transaction}`, `${name}/${Number(spec) + 1}/${transaction}`]) {
      await ours.cli('config', 'set', 'runtime', other);
      for (const command of [['push'], ['keys:rotate']]) {
        const { error } = JSON.parse(await raw(command, { codes: [10] }));
        same(`${command} after ${other}`, error.code, 'runtime_changed');
        ensure(error.hint.includes('config accept-runtime'), error.hint);
      }
    }
    const diagnosis = JSON.parse(await raw(['doctor'], { codes: [10] }));
    ensure(diagnosis.findings.some(({ check, grade }) => check === 'runtime' && grade === 'problem'), 'the doctor sees nothing');
    same('the event', (await ours.cli('show', id)).outbox.state, 'queued');
    await ours.cli('pull');
    same('what is accepted', (await ours.cli('config', 'accept-runtime')).after, known);
    await ours.cli('push');
    // A later runtime with the same form is taken by itself, and remembered.
    await ours.cli('config', 'set', 'runtime', `${name}/${Number(spec) - 1}/${transaction}`);
    await order('R-2', 'created', { n: 2 });
    await ours.cli('push');
    same('remembered', (await ours.cli('config', 'show')).settings.runtime.value, known);
    return known;
  });

  await claim("The project's schemas are compared with the hashes that the chain has for the tenant", async () => {
    const folder = join(directory, 'schemas');
    const file = join(folder, 'note.added.json');
    mkdirSync(folder);
    writeFileSync(file, '{"required":["text"]}');
    const check = async (code) => {
      const out = JSON.parse(await raw(['types', 'check'], { env: { VES_SCHEMAS_DIR: folder }, codes: [code] }));
      return { ...out, note: out.types.find((type) => type.event_type === 'note.added') };
    };
    same('before', (await check(0)).note.state, 'not_registered');
    const name = ['--event-type', 'note.added', '--schema-version', '1'];
    await ours.cli('schemas:register', file, ...name, '--dev-admin');
    const { note } = await check(0);
    same('registered', `${note.state} ${note.version}`, 'registered 1');
    writeFileSync(file, '{ "required": [ "text" ] }');
    same('in another layout', (await check(0)).note.state, 'registered');
    writeFileSync(file, '{"required":["other"]}');
    const { error, note: altered } = await check(7);
    same('altered', `${altered.state} ${error.code}`, 'differs schema_differs');
    rmSync(file);
    same('removed', (await check(0)).note.state, 'missing_here');
    await ours.cli('schemas:deprecate', ...name, '--dev-admin');
    return note.hash;
  });

  for (const point of CRASH_POINTS) {
    await claim(`A kill ${point.replaceAll('-', ' ')} loses nothing and doubles nothing`, async () => {
      // Block and finality may come between two looks: then that point is not reached, and new events try again.
      const attempts = point === 'after-in-block' ? 5 : 1;
      const codes = [null, 134, ...(attempts > 1 ? [0] : [])];
      let [ids, entityIds, killed] = [[], [], false];
      for (let attempt = 1; attempt <= attempts && !killed; attempt += 1) {
        entityIds = [1, 2, 3].map((n) => `${point}-${attempt}-${n}`);
        ids = [];
        for (const id of entityIds) ids.push((await order(id, 'created', { n: 1 })).event_id);
        // A push that comes to its end says what it did.
        killed = (await raw(['push', '--testing-hooks'], { env: { VES_TEST_CRASH_AT: point }, codes })) === '';
      }
      ensure(killed, `no push came to the point in ${attempts} attempts`);
      await ours.cli('push');
      const sequences = [];
      for (const id of ids) sequences.push((await ours.cli('show', id)).outbox.sequence);
      same('how many places there are', new Set(sequences).size, 3);
      const before = (await ours.cli('status')).verified_events;
      const { stored } = await ours.cli('pull');
      const entities = await Promise.all(entityIds.map((id) => ours.cli('state', 'order', id)));
      ensure(entities.every(({ entity }) => entity.version === 1), 'an event was sequenced twice');
      return `sequences ${sequences.join(', ')}; ${before + stored} verified`;
    });
  }

  const second = await makeProject('second', ours.agent);
  await claim('Two machines of one agent: the later change is held, merged and sequenced, and both agree on the state', async () => {
    const created = { status: 'new', quantity: 10, note: 'a' };
    await order('C-1', 'created', created, '--base-version', '0');
    await ours.cli('push');
    await ours.cli('pull');
    await second.cli('pull');
    const change = ['append', '--entity-type', 'order', '--entity-id', 'C-1', '--event-type', 'order.updated', '--base-version', '1', '--payload'];
    await second.cli(...change, '{"status":"paid"}');
    await second.cli('push');
    const { event_id: id } = await ours.cli(...change, '{"note":"b"}');
    const rejected = JSON.parse(await raw(['push'], { codes: [5] }));
    ensure(rejected.events[0].reason.startsWith('version_conflict'), rejected.events[0].reason);
    same('without the news', JSON.parse(await raw(['resolve', id.slice(0, 13), '--strategy', 'merge'], { codes: [6] })).error.code, 'pull_first');
    await ours.cli('pull');
    const listed = JSON.parse(await raw(['conflicts'], { codes: [6] })).conflicts;
    same('the suggestion', listed[0].suggested_strategy, 'merge');
    const preview = await ours.cli('resolve', id, '--strategy', 'merge', '--dry-run');
    same('resolved by looking', preview.conflict.resolved, false);
    await ours.cli('resolve', id, '--strategy', 'merge');
    await ours.cli('push');
    await ours.cli('pull');
    await second.cli('pull');
    const [mine, yours] = [await ours.cli('state', 'order', 'C-1'), await second.cli('state', 'order', 'C-1')];
    same('the state', JSON.stringify(mine.entity.state), '{"note":"b","quantity":10,"status":"paid"}');
    same('the hash', mine.entity.state_hash, yours.entity.state_hash);
    same('the old event', (await ours.cli('show', id)).outbox.state, 'superseded');
    return `version ${mine.entity.version}, ${mine.entity.state_hash.slice(0, 18)}…`;
  });

  await claim('Streams pulled and projected on two machines have one state hash', async () => {
    // The second machine has not the key for what is encrypted to the first one.
    const decrypting = await ours.cli('state', '--rebuild');
    const blind = await second.cli('state', '--rebuild');
    same('the sequence', decrypting.sequence, blind.sequence);
    const opaque = blind.entities.filter((entity) => entity.opaque_events > 0).length;
    const equal = blind.entities.filter((entity) => entity.opaque_events === 0);
    for (const entity of equal) {
      const twin = decrypting.entities.find((e) => e.entity_type === entity.entity_type && e.entity_id === entity.entity_id);
      if (twin.opaque_events === 0) same(`the hash of ${entity.entity_id}`, twin.state_hash, entity.state_hash);
    }
    ensure(opaque > 0, 'the second machine reads what it has no key for');
    return `${equal.length} equal, ${opaque} with payloads that only one can read`;
  });

  await claim('A bundle made without the node verifies, and is taken in elsewhere', async () => {
    const { event_id: id } = await order('B-1', 'created', { n: 1 });
    await ours.cli('push');
    await ours.cli('pull');
    const file = join(directory, 'offline.bundle.json');
    const nowhere = ['--node', 'ws://127.0.0.1:1'];
    const made = await ours.cli('export', id, '--offline', '--out', file, ...nowhere);
    const verified = await second.cli('verify', '--bundle', file, '--authorities', made.authority_set, ...nowhere);
    ensure(verified.verified, 'it does not verify');
    const taken = await second.cli('import', file, ...nowhere);
    ensure(taken.imported, 'it was not taken in');
    same('the list', (await second.cli('bundles:list')).bundles.map((bundle) => bundle.event_id).join(), id);
    const copy = join(directory, 'copy.bundle.json');
    const kept = await second.cli('bundles:show', id.slice(0, 13), '--out', copy, ...nowhere);
    ensure(kept.verified, 'what was kept does not verify');
    same('what was written out', (await second.cli('verify', '--bundle', copy, ...nowhere)).verified, true);
    return `${made.bytes} bytes, sequence ${made.sequence}`;
  });

  await claim('A group is named by the beginning of its id, and knows its members and their keys', async () => {
    const { group_id: group } = await ours.cli('groups:create', '--dev-admin');
    const short = group.slice(0, 13);
    await ours.cli('groups:add-member', short, '--member', ours.agent, '--dev-admin');
    const { groups } = await ours.cli('groups:my-groups');
    same('the group', groups[0].group_id, group);
    ensure((await ours.cli('groups:refresh-key', short)).is_newest, 'another key is used');
    await ours.cli('config:set', 'default-recipients', JSON.stringify({ secret: [`group:${group}`] }));
    const kept = await ours.cli('append', '--entity-type', 'secret', '--entity-id', '1', '--event-type', 'secret.kept', '--payload', '{"s":1}');
    ensure(kept.encrypted, 'the default recipients were not asked');
    await ours.cli('push');
    same('the payload', JSON.stringify((await ours.cli('decrypt', kept.event_id)).payload), '{"s":1}');
    await ours.cli('groups:delete', short, '--yes', '--dev-admin');
    return group;
  });

  await claim('Dry runs show the bytes of what an administrator would sign, and change nothing', async () => {
    const shown = await ours.cli('groups:create', '--dev-admin', '--dry-run');
    ensure(/^0x[0-9a-f]+$/.test(shown.call), 'no bytes');
    const { groups } = await ours.cli('groups:list');
    ensure(!groups.some(({ group_id: id }) => id === shown.group_id), 'the group exists');
    await order('D-1', 'created', { n: 1 });
    const preview = await ours.cli('push', '--dry-run');
    same('the verdict', preview.events[0].verdict, 'acceptable');
    const pushed = await ours.cli('push');
    same('the event', pushed.events[0].event_id, preview.events[0].event.event_id);
    const sent = await ours.cli('show', pushed.events[0].event_id);
    same('its signature', sent.event.agent_signature, preview.events[0].event.agent_signature);
    return `${shown.call.length / 2 - 1} bytes`;
  });

  await claim('Each change of the registry shows in a dry run the bytes that its administrator would sign', async () => {
    const file = join(directory, 'dry.json');
    writeFileSync(file, '{"type":"object"}');
    const { group_id: group } = await ours.cli('groups:create', '--dev-admin', '--dry-run');
    const schema = ['--event-type', 'dry.run', '--schema-version', '1'];
    const calls = new Set();
    const changes = [
      ['keys:policy', '--key-id', '1', '--lift'],
      ['keys:policy', '--key-id', '1', '--event-types', 'order.*', '--entity-types', '*'],
      ['keys:revoke', '--key-id', '1', '--yes'],
      ['groups:create'],
      ['groups:add-member', group, '--member', ours.agent],
      ['groups:remove-member', group, '--member', ours.agent],
      ['groups:dissolve', group, '--yes'],
      ['schemas:register', file, ...schema],
      ['schemas:deprecate', ...schema],
      ['admin:create-tenant'],
      ['admin:suspend-tenant'],
      ['admin:tenant-quota', '--unset'],
      ['admin:propose-admin', `0x${'11'.repeat(32)}`],
      ['admin:accept-admin'],
      ['admin:cancel-admin'],
      ['admin:create-store'],
      ['admin:register-agent'],
      ['admin:suspend-agent'],
      ['admin:agent-quota', '--unset'],
    ];
    for (const change of changes) {
      const shown = await ours.cli(...change, '--dev-admin', '--dry-run');
      same(`dry_run of ${change[0]}`, shown.dry_run, true);
      ensure(/^0x([0-9a-f]{2})+$/.test(shown.call), `${change[0]} shows no bytes: ${shown.call}`);
      calls.add(shown.call);
    }
    same('how many calls there are', calls.size, changes.length);
    rmSync(file);
    const { schemas } = await ours.cli('schemas:list');
    ensure(!schemas.some((found) => found.event_type === 'dry.run'), 'a schema was registered');
    return `${changes.length} calls`;
  });

  await claim('Keys that end are told of, and several agents hand over at once', async () => {
    same('how many keys', (await ours.cli('keys:expiry')).keys.length, 2);
    const due = JSON.parse(await raw(['keys:expiry', '--max-age', '0', '--strict'], { codes: [8] }));
    same('the finding', due.error.code, 'key_expires');
    const { agents } = await second.cli('keys:batch-rotate', '--insecure-plaintext-keys');
    same('the new key', agents[0].key_id, 3);
    await second.cli('append', '--entity-type', 'order', '--entity-id', 'K-1', '--event-type', 'order.created', '--payload', '{}');
    same('who signs now', (await second.cli('push')).events[0].agent_key_id, 3);
    return `${agents.length} agent(s)`;
  });

  await claim('A new encryption key takes the place of the old one, which still opens what was encrypted to it', async () => {
    const secret = async (n) => (await ours.cli('append', '--entity-type', 'note', '--entity-id', `R-${n}`, '--event-type', 'note.kept',
      '--payload', JSON.stringify({ n }), '--encrypt-to-self'));
    const before = await secret(1);
    await ours.cli('push');
    const { agents } = await ours.cli('keys:batch-rotate', '--purpose', 'encryption', '--insecure-plaintext-keys', '--dev-admin');
    same('the keys before', agents[0].outgoing_key_ids.join(), '1');
    same('the new key', agents[0].key_id, 2);
    const after = await secret(2);
    ensure(after.recipients[0].recipient_kid !== before.recipients[0].recipient_kid, 'the old key is still used');
    await ours.cli('push');
    for (const [n, { event_id: id }] of [[1, before], [2, after]]) {
      same('the payload', JSON.stringify((await ours.cli('decrypt', id)).payload), JSON.stringify({ n }));
    }
    return `recipient ${before.recipients[0].recipient_kid} gave way to ${after.recipients[0].recipient_kid}`;
  });

  await claim('pull --follow and sync --watch go on with each finalized block until interrupted', async () => {
    await second.cli('pull');
    const id = async (entity) => (await order(entity, 'created', { n: 1 })).event_id;
    const listed = [];
    const pulling = follow(directory, ['pull', '--follow', '--json', '--home', second.home, '--event-type', 'order.*'], (line) => {
      listed.push(...(line.events ?? []));
      return line.events?.some((event) => event.entity_id === 'F-1');
    });
    const watching = follow(directory, ['sync', '--watch', '--json', '--home', ours.home],
      (line) => line.push?.events?.some((event) => event.entity_id === 'F-1' && event.state === 'finalized'));
    // Captured first, so it is sequenced first.
    const { event_id: other } = await ours.cli('append', '--entity-type', 'note', '--entity-id', 'F-0', '--event-type', 'note.kept', '--payload', '{}');
    const event = await id('F-1');
    const [pulled] = await Promise.all([pulling.found, watching.found]).finally(() => {
      pulling.end();
      watching.end();
    });
    same('exit codes', (await Promise.all([pulling.ended, watching.ended])).join(), '130,130');
    ensure(pulled.events.some((found) => found.event_id === event), 'another event');
    ensure(!listed.some((found) => found.event_id === other), 'an event of another type is listed');
    ensure((await second.cli('show', other)).verified, 'an event that is not listed is not stored');
    return `event ${event.slice(0, 8)}…, exit codes 130`;
  });

  await claim('On lines each event is an object of its own, and a reader that goes away ends what follows', async () => {
    await second.cli('pull');
    const args = (command, flag, home) => [command, flag, '--output-format', 'jsonl', '--home', home];
    const pulling = follow(directory, args('pull', '--follow', second.home),
      (line) => line.schema === 'ves.cli.pull.event' && line.entity_id === 'L-1');
    const watching = follow(directory, args('sync', '--watch', ours.home),
      (line) => line.schema === 'ves.cli.push.event' && line.entity_id === 'L-1' && line.state === 'finalized');
    await order('L-1', 'created', { n: 1 });
    const found = await Promise.all([pulling.found, watching.found]).finally(() => {
      pulling.leave();
      watching.leave();
    });
    ensure(found.every((line) => line.version === 1), 'no version');
    await order('L-2', 'created', { n: 1 });
    same('exit codes', (await Promise.all([pulling.ended, watching.ended])).join(), '0,0');
    return found.map((line) => line.schema).join(', ');
  });
}
