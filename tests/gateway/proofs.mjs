// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Compliance proofs: made by `ves-stark` from the gateway's inputs, signed by an agent elsewhere.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { claim, ensure, run, same, waitFor } from '../polkadotjs/harness.mjs';
import { fields, stream } from './scene.mjs';

const BASE = '/api/v1/ves/compliance';

export async function proofs(scene) {
  const { agent, directory, gateway, key, wallet, wide } = scene;
  const policy = { policyId: 'aml.threshold', policyParams: { threshold: 1000 } };
  const event = wallet.event(fields(agent, { payload: { total: '5.00' } }));
  await scene.send([event]);
  const at = `${BASE}/${event.event_id}`;
  // What is final may not be in the store yet.
  await waitFor('the event in the store', async () => (await gateway.post(`${at}/inputs`, key, policy)).status === 200);

  await claim('Public inputs are those of the event at its place, and hash to what is told', async () => {
    const { status, json } = await gateway.post(`${at}/inputs`, key, policy);
    same('status', status, 200);
    same('the event', json.publicInputs.eventId, event.event_id);
    same('fields', Object.keys(json.publicInputs).sort().join(), [
      'eventId', 'eventSigningHash', 'payloadCipherHash', 'payloadKind', 'payloadPlainHash', 'policyHash', 'policyId', 'policyParams',
      'sequenceNumber', 'storeId', 'tenantId',
    ].join());
    scene.inputs = json.publicInputs;
    same('without a stream', (await gateway.post(`${at}/inputs`, wide, policy)).json.error.code, 3002);
    same('with one', (await gateway.post(`${at}/inputs?${stream}`, wide, policy)).status, 200);
    same('an unknown policy', (await gateway.post(`${at}/inputs`, key, { policyId: 'x' })).status, 400);
    return `hash ${json.publicInputsHash.slice(0, 16)}…`;
  });

  const genesis = (await gateway.get('/ready')).json.genesis_hash;
  const inputs = join(directory, 'inputs.json');
  const bundle = join(directory, 'proof.json');
  writeFileSync(inputs, JSON.stringify(scene.inputs));
  await run('ves-stark', [
    'prove', '--amount', '500', '--limit', '1000', '--policy', policy.policyId, '--inputs', inputs, '--genesis', genesis,
    '--json', '--output', bundle,
  ], { cwd: directory });
  const made = JSON.parse(readFileSync(bundle, 'utf8'));
  const request = {
    ...policy, proofType: 'stark', proofVersion: made.proofVersion, proofB64: made.proofB64,
    witnessCommitment: made.witnessCommitmentHex, publicInputs: made.publicInputs, currency: made.currency,
  };

  await claim('A proof without the agent\'s signatures is refused, and the answer says what to sign', async () => {
    const asked = await gateway.post(`${at}/proofs`, key, request);
    same('status', asked.status, 400);
    const { endorsement, submissionSignature } = asked.json.error.details;
    request.endorsement = wallet.sign(endorsement);
    request.submissionSignature = wallet.sign(submissionSignature);
    const swapped = await gateway.post(`${at}/proofs`, key, { ...request, endorsement: request.submissionSignature });
    same('code of a wrong signature', swapped.json.error.code, 6001);
    return `endorsement ${endorsement.slice(0, 16)}…`;
  });

  await claim('A proof that does not hold, is of another kind or about other inputs never reaches the chain', async () => {
    const spoilt = Buffer.from(made.proofB64, 'base64');
    spoilt[spoilt.length - 100] ^= 1;
    const altered = { ...request, proofB64: spoilt.toString('base64') };
    const asked = await gateway.post(`${at}/proofs`, key, { ...altered, submissionSignature: undefined });
    const { submissionSignature } = asked.json.error.details;
    const invalid = await gateway.post(`${at}/proofs`, key, { ...altered, submissionSignature: wallet.sign(submissionSignature) });
    same('code of an altered one', invalid.json.error.code, 6002);
    for (const [what, more, status] of [
      ['no stark', { proofType: 'groth16' }, 400],
      ['the peer\'s form', { proofVersion: 2 }, 400],
      ['other inputs', { publicInputs: { ...made.publicInputs, sequenceNumber: 1 } }, 400],
      ['no base64', { proofB64: '*' }, 400],
      ['too long', { proofB64: 'A'.repeat(200_000) }, 413],
    ]) same(`status of ${what}`, (await gateway.post(`${at}/proofs`, key, { ...request, ...more })).status, status);
    same('proofs', (await gateway.get(`${at}/proofs`, key)).json.proofs.length, 0);
    return '6 kinds';
  });

  await claim('A signed proof is verified by the chain, once, and again by the gateway and by ves-stark', async () => {
    const { status, json } = await gateway.post(`${at}/proofs`, key, request);
    same('status', status, 201);
    same('state', json.status, 'verified');
    same('the hash', json.proofHash, made.proofHash);
    scene.proofId = json.proofId;
    const again = await gateway.post(`${at}/proofs`, key, request);
    same('the second time', [again.status, again.json.proofId].join(), `200,${json.proofId}`);
    const listed = (await gateway.get(`${at}/proofs`, key)).json.proofs;
    same('proofs', listed.map((proof) => proof.proofId).join(), json.proofId);
    const got = (await gateway.get(`${BASE}/proofs/${json.proofId}`, key)).json;
    same('the bytes', got.proofB64, made.proofB64);
    same('the inputs hash', got.publicInputsHash, made.publicInputsHash);
    const verdict = (await gateway.get(`${BASE}/proofs/${json.proofId}/verify`, key)).json;
    same('valid', [verdict.valid, verdict.proof_hash_match, verdict.public_inputs_match, verdict.stark_valid].join(), 'true,true,true,true');
    same('another hash', (await gateway.get(`${BASE}/proofs/${event.event_id}-${'0'.repeat(64)}`, key)).status, 404);
    same('no id', (await gateway.get(`${BASE}/proofs/x`, key)).status, 400);
    return `${got.proofBytes} bytes, verified in ${verdict.stark_verification_time_ms.toFixed(2)} ms`;
  });

  await claim('ves-stark fetches inputs from the gateway as from the peer, and learns that the chain wants signatures', async () => {
    const told = await run('ves-stark', [
      'prove-submit', '--sequencer-url', gateway.url, '--event-id', event.event_id, '--amount', '400', '--limit', '1000', '--genesis', genesis,
    ], { cwd: directory, env: { STATESET_API_KEY: key }, codes: [] }).then(() => '', (error) => error.message);
    // Its inputs were taken, so it made a proof; of the two requests only the second can be refused so.
    ensure(told.includes('answered 400'), told);
    return 'inputs accepted, proof refused without signatures';
  });
}
