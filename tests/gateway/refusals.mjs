// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What is refused before the chain is asked, with the peer's codes.

import { randomUUID } from 'node:crypto';
import { claim, ensure, same } from '../polkadotjs/harness.mjs';
import { fields, send, startGateway, store, stream, tenant } from './scene.mjs';

const PATH = '/api/v1/ves/events/ingest';
const OTHER = '33333333-3333-4333-8333-333333333333';

export async function refusals(scene) {
  const { agent, directory, gateway, key, node, operator, wallet, wide } = scene;
  const event = (more) => wallet.event(fields(agent, more));
  const head = async () => (await gateway.get(`/api/v1/ves/head?${stream}`, key)).json.head_sequence;
  const before = await head();

  await claim('Without a key, with one that nobody made, a revoked one or a token there is no answer', async () => {
    const path = `/api/v1/ves/head?${stream}`;
    const expect = async (what, code, options) => {
      const answer = await send(gateway.url, 'GET', path, options);
      same(`status ${what}`, answer.status, 401);
      same(`code ${what}`, answer.json.code, code);
      ensure(typeof answer.json.error === 'string', 'the door keeper has another shape');
    };
    await expect('without a key', 'missing_auth', {});
    await expect('with an invented key', 'invalid_api_key', { key: `ss_11111111${'0'.repeat(80)}` });
    await expect('with an altered key', 'invalid_api_key', { key: key.replace(/.$/, (c) => (c === '0' ? '1' : '0')) });
    await expect('with a token', 'invalid_jwt', { headers: { authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x' } });
    const made = await gateway.newKey('--tenant', tenant);
    same('status with x-api-key', (await send(gateway.url, 'GET', path, { headers: { 'x-api-key': made.key } })).status, 200);
    same('status with the bare key', (await send(gateway.url, 'GET', path, { headers: { authorization: made.key } })).status, 200);
    await gateway.revoke(made.id);
    await expect('with a revoked key', 'invalid_api_key', { key: made.key });
    return '5 kinds of refusal';
  });

  await claim("Another tenant's stream, another store, another agent and another right are out of reach", async () => {
    const expect = async (what, answer, status, code) => {
      same(`status of ${what}`, answer.status, status);
      same(`code of ${what}`, answer.json.code ?? answer.json.error.code, code);
    };
    const foreign = await gateway.newKey('--tenant', OTHER);
    const reader = await gateway.newKey('--tenant', tenant, '--permissions', 'read');
    const here = `/api/v1/ves/events?${stream}`;
    await expect('a foreign reader', await gateway.get(here, foreign.key), 403, 'insufficient_permissions');
    await expect('a foreign writer', await gateway.post(PATH, foreign.key, { agentId: agent, events: [event()] }), 403, 'insufficient_permissions');
    await expect('another store', await gateway.get(`/api/v1/ves/events?tenant_id=${tenant}&store_id=${OTHER}`, key), 403, 'store_access_denied');
    await expect('a reader who writes', await gateway.post(PATH, reader.key, { agentId: agent, events: [event()] }), 403, 'insufficient_permissions');
    const theirs = wallet.event(fields(OTHER));
    await expect('another agent', await gateway.post(PATH, key, { agentId: OTHER, events: [theirs] }), 403, 'insufficient_permissions');
    await expect('the admin of a tenant', await gateway.get('/v1/commitments/pending', scene.admin), 403, 'insufficient_permissions');
    await expect('a writer who registers keys', await gateway.post('/api/v1/agents/keys', key, {
      tenantId: tenant, agentId: agent, keyId: 2, publicKey: wallet.publicKey,
    }), 403, 'insufficient_permissions');
    await expect('metrics', await gateway.get('/metrics', scene.admin), 403, 'insufficient_permissions');
    return '8 refusals';
  });

  await claim('A tenant whose administrator the gateway does not know gets the call to sign instead', async () => {
    const ask = (more) => gateway.post('/api/v1/agents/keys', operator, { tenantId: OTHER, agentId: agent, keyId: 1, publicKey: wallet.publicKey, ...more });
    const { statement } = (await ask()).json.error.details;
    const refused = await ask({ proofOfPossession: wallet.sign(statement) });
    same('status', refused.status, 403);
    ensure(/^0x[0-9a-f]{100,}$/.test(refused.json.error.details.call), 'no call');
    const weak = await ask({ publicKey: `0x01${'00'.repeat(31)}` });
    same('code of a weak key', weak.json.error.code, 6003);
    const quantum = await ask({ keyAlgorithm: 'ml-dsa-65' });
    same('status of a post-quantum key', quantum.status, 400);
    return `${refused.json.error.details.call.length / 2 - 1} bytes`;
  });

  await claim('What is no request is refused as a whole, with the number of its kind', async () => {
    const good = event();
    const cases = [
      ['malformed JSON', { raw: '{"agentId":' }, 400, 3001],
      ['no UTF-8', { raw: Buffer.from([0x22, 0xff, 0x22]) }, 400, 3001],
      ['nothing', { raw: '' }, 400, 3001],
      ['another type', { raw: '{}', headers: { 'content-type': 'text/plain' } }, 415, 3001],
      ['no agent', { body: { events: [good] } }, 400, 3002],
      ['no events', { body: { agentId: agent, events: [] } }, 400, 3003],
      ['no id', { body: { agentId: agent, events: [{ ...good, event_id: 'x' }] } }, 400, 3003],
      ['two stores', { body: { agentId: agent, events: [good, { ...event(), store_id: OTHER }] } }, 400, 3003],
      ['too many events', { body: { agentId: agent, events: Array(257).fill(good) } }, 413, 3005],
      ['too deep', { raw: `{"agentId":"${agent}","events":${'['.repeat(100_000)}` }, 400, 3001],
      ['another form', { raw: '[[]]' }, 400, 3003],
      ['a body of eleven megabytes', { raw: `"${'x'.repeat(11 * 1024 * 1024)}"` }, 413, 3004],
      ['more than it announces', { raw: '{}', headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } }, 400, 3002],
    ];
    for (const [what, options, status, code] of cases) {
      const answer = await send(gateway.url, 'POST', PATH, { key, ...options }).catch((error) => ({ broken: error.code }));
      // A server that answers before it has read all may cut the rest off.
      if (answer.broken && what.includes('megabytes')) continue;
      same(`status of ${what}`, answer.status, status);
      same(`code of ${what}`, answer.json.error.code, code);
      same(`header of ${what}`, answer.headers['x-error-code'], String(code));
    }
    const large = wallet.event(fields(agent, { payload: { text: 'x'.repeat(65_536) } }));
    const { json } = await scene.send([large]);
    same('a payload above the limit', json.rejections[0].reason, 'schema_validation: payload');
    return `${cases.length} kinds`;
  });

  await claim('Numbers that canonical JSON would change, and keys that stand twice, are refused, not rounded', async () => {
    const text = JSON.stringify({ agentId: agent, events: [event({ payload: { n: 1 } })] });
    for (const raw of [text.replace('"n":1', '"n":9007199254740993'), text.replace('"n":1', '"n":1,"n":1')]) {
      const answer = await send(gateway.url, 'POST', PATH, { key, raw });
      same('the reason', answer.json.rejections[0].reason, 'schema_validation');
    }
    return '2 kinds';
  });

  await claim('Parameters are read strictly, unknown routes and methods are told so', async () => {
    const cases = [
      ['GET', '/api/v1/ves/events', 400, 3002],
      ['GET', `/api/v1/ves/events?${stream}&limit=0`, 400, 3003],
      ['GET', `/api/v1/ves/events?${stream}&limit=1001`, 400, 3003],
      ['GET', `/api/v1/ves/events?${stream}&from=-1`, 400, 3003],
      ['GET', `/api/v1/ves/events?${stream}&from=1&from=2`, 400, 3003],
      ['GET', '/api/v1/ves/events?tenant_id=%zz', 400, 3003],
      ['GET', `/api/v1/ves/proofs/0x1?${stream}`, 400, 3003],
      ['GET', '/api/v1/ves/commitments/nothing', 400, 3003],
      ['GET', '/api/v1/x402/payments', 404, 4001],
      ['GET', '/', 404, 4001],
      ['DELETE', PATH, 405, 3001],
      ['GET', PATH, 405, 3001],
      ['OPTIONS', PATH, 405, 3001],
    ];
    for (const [method, path, status, code] of cases) {
      const answer = await send(gateway.url, method, path, { key });
      same(`status of ${method} ${path}`, answer.status, status);
      same(`code of ${method} ${path}`, answer.json.error.code, code);
      if (status === 405) ensure(answer.headers.allow, 'Allow is missing');
    }
    return `${cases.length} kinds`;
  });

  await claim('Answers carry a request id, and pages of other origins get nothing unless they are listed', async () => {
    const path = `/api/v1/ves/head?${stream}`;
    const named = await gateway.get(path, key, { 'x-request-id': 'trace-1', origin: 'https://shop.example' });
    same('the id', named.headers['x-request-id'], 'trace-1');
    same('the origin', named.headers['access-control-allow-origin'], undefined);
    const strange = await gateway.get(path, key, { 'x-request-id': 'a b' });
    ensure(/^[0-9a-f]{32}$/.test(strange.headers['x-request-id']), 'an id that is none was taken');
    same('sniffing', named.headers['x-content-type-options'], 'nosniff');
    const open = await startGateway(directory, node.url, 'open', 'cors_origins = ["https://shop.example"]');
    const asked = await send(open.url, 'OPTIONS', PATH, { headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' } });
    same('the preflight', asked.status, 204);
    same('the listed origin', asked.headers['access-control-allow-origin'], 'https://shop.example');
    const other = await send(open.url, 'OPTIONS', PATH, { headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' } });
    same('another origin', other.headers['access-control-allow-origin'], undefined);
    open.stop();
    return named.headers['x-request-id'];
  });

  await claim('Who asks too often is told when to come back: by key, and by address', async () => {
    const slow = await startGateway(directory, node.url, 'slow', 'per_address_per_minute = 4');
    const made = await slow.newKey('--tenant', tenant, '--per-minute', '3');
    const path = `/api/v1/ves/head?${stream}`;
    const statuses = [];
    for (let n = 0; n < 10; n += 1) {
      const answer = await slow.get(path, made.key);
      statuses.push(answer.status);
      if (answer.status === 429) {
        same('code', answer.json.code, 'rate_limited');
        ensure(Number(answer.headers['retry-after']) > 0, 'retry-after is missing');
      }
    }
    ensure(statuses.slice(0, 3).every((status) => status !== 429), statuses.join());
    ensure(statuses.slice(3).every((status) => status === 429), statuses.join());
    same('without a key', (await slow.get(path)).status, 429);
    same('health', (await slow.get('/health')).status, 200);
    slow.stop();
    return statuses.join();
  });

  await claim('None of all this sequenced anything', async () => {
    same('the head', await head(), before);
    same('an event that stands in no stream', (await gateway.get(`/api/v1/ves/compliance/${randomUUID()}/proofs?${stream}`, wide)).json.error.code, 4002);
    return `head ${before}`;
  });
}
