// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What an agent sends: its key, its events, the same events again.

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { claim, ensure, run, same, sleep } from '../polkadotjs/harness.mjs';
import { cipherHashHolds, recorded, renewed, verdict } from './recorded.mjs';
import { fields, signer, store, stream, tenant } from './scene.mjs';

const PATH = '/api/v1/ves/events/ingest';

export async function ingest(scene) {
  const { directory, gateway, node } = scene;
  const admin = await gateway.newKey('--tenant', tenant, '--permissions', 'read,write,admin', '--name', 'admin');
  const agent = scene.agent = randomUUID();
  const key = await gateway.newKey('--tenant', tenant, '--store', store, '--agent', agent, '--name', 'agent');
  scene.admin = admin.key;
  scene.key = key.key;
  scene.send = (events, wait = '', who = agent) =>
    gateway.post(PATH + wait, scene.key, { agentId: who, events });
  const wallet = scene.wallet = signer();

  await claim('A key without proof of possession is refused, and the answer says what to sign', async () => {
    const request = { tenantId: tenant, agentId: agent, keyId: 1, publicKey: wallet.publicKey };
    const asked = await gateway.post('/api/v1/agents/keys', scene.admin, request);
    same('status', asked.status, 400);
    same('code', asked.json.error.code, 3002);
    const forged = await gateway.post('/api/v1/agents/keys', scene.admin, { ...request, proofOfPossession: `0x${'11'.repeat(64)}` });
    same('code of a forged one', forged.json.error.code, 6001);
    scene.statement = asked.json.error.details.statement;
    return `statement ${scene.statement.slice(0, 16)}…`;
  });

  await claim('A key that proves possession is registered with its agent, twice without harm, and never replaced', async () => {
    const request = {
      tenantId: tenant, agentId: agent, keyId: 1, publicKey: wallet.publicKey, keyAlgorithm: 'ed25519',
      proofOfPossession: wallet.sign(scene.statement),
    };
    const made = await gateway.post('/api/v1/agents/keys', scene.admin, request);
    same('status', made.status, 201);
    same('state', made.json.status, 'active');
    same('status of the second time', (await gateway.post('/api/v1/agents/keys', scene.admin, request)).status, 200);
    const other = signer('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
    const asked = await gateway.post('/api/v1/agents/keys', scene.admin, { ...request, publicKey: other.publicKey, proofOfPossession: undefined });
    const taken = await gateway.post('/api/v1/agents/keys', scene.admin, {
      ...request, publicKey: other.publicKey, proofOfPossession: other.sign(asked.json.error.details.statement),
    });
    same('status of another key with the number', taken.status, 409);
    const listed = await gateway.get(`/api/v1/agents/${agent}/signing-keys?tenant_id=${tenant}`, scene.key);
    same('the listed key', listed.json.keys[0].publicKey, wallet.publicKey);
    return `block ${made.json.blockNumber}`;
  });

  await claim('Events of both versions are sequenced in order of the request, with receipts in the form of the peer', async () => {
    const events = [1, 2, 1, 2].map((ves_version) => wallet.event(fields(agent, { ves_version })));
    const { status, json } = await scene.send(events);
    same('status', status, 200);
    same('accepted, rejected, pending', [json.eventsAccepted, json.eventsRejected, json.eventsPending].join(), '4,0,0');
    same('sequences', json.receipts.map((receipt) => receipt.sequenceNumber).join(), '1,2,3,4');
    same('start and end', [json.sequenceStart, json.sequenceEnd, json.headSequence].join(), '1,4,4');
    same('events', json.receipts.map((receipt) => receipt.eventId).join(), events.map((event) => event.event_id).join());
    const receipt = json.receipts[0];
    for (const name of ['sequencerId', 'sequencedAt', 'receiptHash', 'signatureAlg', 'sequencerSignature', 'sequencerKeyVersion']) {
      ensure(name in receipt, `${name} is missing`);
    }
    ensure(/^[0-9a-f]{64}$/.test(receipt.receiptHash), 'the receipt hash has another form');
    ensure(Math.abs(Date.parse(receipt.sequencedAt) - Date.now()) < 60_000, `sequenced at ${receipt.sequencedAt}`);
    same('finalized', json.finalized, true);
    scene.events = events;
    scene.receipts = json.receipts;
    return `sequences 1 to 4, block ${receipt.blockNumber}`;
  });

  await claim('The same request again gives the same receipts and sequences nothing', async () => {
    const { status, json } = await scene.send(scene.events);
    same('status', status, 200);
    same('accepted', json.eventsAccepted, 0);
    same('receipts', JSON.stringify(json.receipts), JSON.stringify(scene.receipts));
    return `head ${json.headSequence}`;
  });

  await claim('One event of a request that is wrong is rejected by name, and the others are sequenced without a gap', async () => {
    const command_id = randomUUID();
    const good = wallet.event(fields(agent, { command_id }));
    const flip = (event) => ({ ...event, agent_signature: event.agent_signature.replace(/.$/, (c) => (c === '0' ? '1' : '0')) });
    const events = [
      good,
      flip(wallet.event(fields(agent))),
      { ...wallet.event(fields(agent)), payload: { total: '13.00', currency: 'USD' } },
      { ...wallet.event(fields(agent)), event_id: good.event_id },
      wallet.event(fields(agent, { event_id: scene.events[0].event_id })),
      wallet.event(fields(agent, { command_id })),
      wallet.event(fields(agent, { base_version: 7 })),
      wallet.event(fields(agent, { agent_key_id: 9 })),
      wallet.event(fields(agent, { created_at: '2020-01-01T00:00:00Z' })),
      wallet.event(fields(agent, { created_at: new Date(Date.now() + 3_600_000).toISOString() })),
      wallet.event(fields(agent, { entity_type: 'x'.repeat(129) })),
      { ...wallet.event(fields(agent)), ves_version: 3 },
      { ...wallet.event(fields(agent)), agent_signature_scheme: 3 },
      wallet.event(fields(agent)),
    ];
    const { json } = await scene.send(events);
    const reasons = json.rejections.map((rejection) => rejection.reason);
    same('reasons', reasons.join(' | '), [
      'invalid_signature', 'invalid_payload_hash', 'duplicate_event_id', 'duplicate_event_id', 'duplicate_command_id',
      'version_conflict: expected 7, actual 0', 'agent_key_invalid: not found', 'created_at_too_old', 'created_at_in_future',
      'schema_validation: entity_type', 'unsupported_version', 'schema_validation',
    ].join(' | '));
    same('accepted', json.eventsAccepted, 2);
    same('sequences', [json.sequenceStart, json.sequenceEnd].join(), '5,6');
    ensure(json.rejections.every((rejection) => rejection.message.length > 0), 'a message is missing');
    return reasons.length + ' rejections';
  });

  await claim('The recorded events are signed over the recorded hashes; the gateway reads them all, and the chain finds them too old', async () => {
    for (const { request: { events: [event] }, expected_signing_hash } of recorded) {
      const holds = verdict({ event, wallet });
      same('the signing hash', holds.signing_hash, `0x${expected_signing_hash}`);
      same('the signature', holds.signature, true);
      same('the hash of the payload', holds.payload_hash && cipherHashHolds(event), true);
      same('a signature with another time', verdict({ event: { ...event, created_at: '2025-12-20T17:51:13Z' }, wallet }).signature, false);
    }
    const operator = scene.operator = (await gateway.newKey('--operator', '--permissions', 'read,write,admin', '--name', 'operator')).key;
    const reasons = new Set();
    for (const { request } of recorded) {
      const { status, json } = await gateway.post(PATH, operator, request);
      same('status', status, 200);
      for (const { reason } of json.rejections) reasons.add(reason);
      same('accepted', json.eventsAccepted, 0);
    }
    same('reasons', [...reasons].join(), 'created_at_too_old');
    const [altered] = structuredClone(recorded);
    altered.request.events[0].payload.amount = 101;
    const { json } = await gateway.post(PATH, operator, altered.request);
    same('the reason once altered', json.rejections[0].reason, 'invalid_payload_hash');
    return `${recorded.length} requests`;
  });

  await claim('The same bodies with the times and ids of now, signed by a registered agent, are accepted, with receipts', async () => {
    const events = renewed(wallet, agent);
    // The chain asks for the signature only once the time is right.
    const stale = { ...events[0], event_id: randomUUID(), agent_signature: recorded[0].request.events[0].agent_signature };
    const { status, json } = await scene.send([...events, stale]);
    same('status', status, 200);
    same('rejections', json.rejections.map(({ event_id, reason }) => `${event_id} ${reason}`).join(), `${stale.event_id} invalid_signature`);
    same('accepted', json.eventsAccepted, recorded.length);
    same('receipts', json.receipts.map((receipt) => receipt.eventId).join(), events.map((event) => event.event_id).join());
    same('finalized', json.finalized, true);
    same('sequences', json.receipts.map((receipt) => receipt.sequenceNumber).join(), events.map((_, n) => json.sequenceStart + n).join());
    const { events: stored } = (await gateway.get(`/api/v1/ves/events?${stream}&from=${json.sequenceStart}`, scene.key)).json;
    same('stored', stored.length, events.length);
    const body = ({ payload, payload_encrypted }) => [payload, payload_encrypted];
    for (const [n, { request }] of recorded.entries()) {
      ensure(isDeepStrictEqual(body(stored[n]), body(request.events[0])), `another body: ${JSON.stringify(stored[n])}`);
    }
    return `sequences ${json.sequenceStart} to ${json.sequenceEnd}`;
  });

  await claim('An encrypted event that the command line signed is carried, and everybody who pulls verifies all events', async () => {
    const cli = scene.cli = async (...args) => JSON.parse(
      await run('stateset-sync', [...args, '--json', '--home', scene.home], { cwd: directory }));
    await cli('init', '--node', node.url, '--tenant', tenant, '--store', store);
    await cli('keys:generate', '--insecure-plaintext-keys');
    await cli('admin:register-agent', '--dev-admin', '--no-wait');
    const { agent_id: other } = await cli('keys:register', '--dev-admin');
    await cli('append', '--entity-type', 'order', '--entity-id', 'E-1', '--event-type', 'order.created', '--payload', '{"total":"5.00"}', '--encrypt-to-self');
    const preview = await cli('push', '--dry-run');
    const event = preview.events[0].event;
    ensure(event.payload_encrypted, 'it is not encrypted');
    const wide = scene.wide = (await gateway.newKey('--tenant', tenant, '--name', 'wide')).key;
    const { json } = await gateway.post(PATH, wide, { agentId: event.source_agent_id, events: [event] });
    same('accepted', json.eventsAccepted, 1);
    const { stored, quarantined } = await cli('pull');
    same('quarantined', [quarantined ?? []].flat().length, 0);
    same('verified', (await cli('status')).verified_events, json.headSequence);
    return `${stored} pulled, agent ${String(other ?? event.source_agent_id).slice(0, 8)}…`;
  });

  await claim('An ingest that waits for a block only, or for nothing, says so', async () => {
    const [first, second] = [wallet.event(fields(agent)), wallet.event(fields(agent))];
    const early = await scene.send([first], '?wait=in_block');
    same('status', early.status, 200);
    same('accepted', early.json.eventsAccepted, 1);
    const none = await scene.send([second], '?wait=none');
    same('status', none.status, 202);
    same('pending', none.json.pending[0].event_id, second.event_id);
    const again = await scene.send([first, second]);
    same('receipts', again.json.receipts.length, 2);
    same('finalized', again.json.finalized, true);
    return `in a block after ${early.json.finalized ? 'finality' : 'less than finality'}`;
  });

  await claim('Whenever the same event is sent again, before, in and after its block, the answer is its one final receipt', async () => {
    const event = wallet.event(fields(agent));
    const answers = await Promise.all(Array.from({ length: 60 }, async (_, n) => {
      await sleep(100 * n);
      return scene.send([event]);
    }));
    for (const [n, { status, text, json }] of answers.entries()) {
      ensure(status === 200 && json.receipts.length === 1, `request ${n}: ${status} ${text}`);
      same(`finalized, in request ${n}`, json.finalized, true);
      same(`the receipt of request ${n}`, JSON.stringify(json.receipts), JSON.stringify(answers[0].json.receipts));
    }
    return `${answers.length} requests, sequence ${answers[0].json.receipts[0].sequenceNumber}`;
  });

  await claim('Sixteen requests at a time lose nothing and double nothing', async () => {
    const events = Array.from({ length: 16 }, () => wallet.event(fields(agent)));
    const before = (await scene.send([events[0]])).json.headSequence;
    const answers = await Promise.all(events.map((event) => scene.send([event])));
    const sequences = new Set(answers.map(({ json }) => json.receipts[0].sequenceNumber));
    same('how many places there are', sequences.size, 16);
    same('the last one', Math.max(...sequences), before + 15);
    return `sequences up to ${before + 15}`;
  });
}
