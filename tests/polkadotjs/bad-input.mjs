// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Whatever comes in over RPC, the node answers it by name, goes on, and sequences nothing that no
// agent signed.

import { readFileSync } from 'node:fs';
import { Keyring } from '@polkadot/keyring';
import { hexToU8a, u8aToHex } from '@polkadot/util';
import { ask, blockAt, bytesOf, eventsOf, finalized, general, hexOfUuid, submitted } from './chain.mjs';
import { claim, ensure, same, waitFor } from './harness.mjs';
import { BAD_BODIES, JSON_JUNK, Random, badArguments, badExtrinsics, compact } from './junk.mjs';
import { STORE, TENANT } from './scene.mjs';

const SUBMISSIONS = 600;
const CALLS_PER_METHOD = 40;
/** Requests at a time. */
const WIDTH = 16;
/** Blocks that must be finalized after it all. */
const BLOCKS_AFTER = 3;
const OURS = ['AgentRegistryApi', 'VesSequencerApi', 'StarkVerifierApi'];

/** What an answer's code may be, by what was asked. */
const CODES = {
  body: { '-32700': 'parse error', '-32600': 'invalid request', '-32601': 'no such method', '-32602': 'invalid params' },
  author_submitExtrinsic: {
    1002: 'undecodable for the runtime',
    1010: 'invalid',
    1011: 'validity unknown',
    1012: 'banned for a while',
    1013: 'already imported',
    1014: 'in the pool already',
    1040: 'undecodable for the node',
  },
  state_call: { 4003: 'undecodable for the runtime' },
  ves: { '-32602': 'invalid params', '-32050': 'not indexed yet', '-32056': 'not authorised' },
};

/** Counts answers by name. */
class Tally {
  constructor(codes) {
    this.codes = codes;
    this.counts = {};
  }

  count(name) {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  error({ code, message }, request) {
    const name = this.codes[code];
    ensure(name, `error ${code} (${message.slice(0, 200)}) for ${request}`);
    this.count(name);
  }

  toString() {
    const total = Object.values(this.counts).reduce((sum, count) => sum + count, 0);
    const parts = Object.entries(this.counts).map(([name, count]) => `${count} ${name}`);
    return `${total} answers: ${parts.sort().join(', ')}`;
  }
}

/** Does something with every item, a few at a time. */
async function each(items, act) {
  const queue = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) await act(next.value);
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
}

const text = (value) => JSON.stringify(value);
const shortened = (text) => (text.length > 160 ? `${text.slice(0, 160)}…` : text);

/** The node's RPC over HTTP, where any bytes can be sent. */
class Wire {
  constructor(url) {
    this.url = url.replace(/^ws/, 'http');
  }

  /** Posts a body and insists on one well-formed answer: a result or an error, never both. */
  async post(body) {
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(30_000);
    const text = await (await fetch(this.url, { method: 'POST', headers, body, signal })).text();
    const what = `the answer to ${shortened(String(body))}`;
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new Error(`${what} is no JSON: ${shortened(text)}`);
    }
    // A list of requests is answered by a list; ours have one element at most.
    const [one] = [answer].flat();
    same(`jsonrpc in ${what}`, one?.jsonrpc, '2.0');
    ensure('result' in one !== 'error' in one, `${what} is ${shortened(text)}`);
    if (one.error) {
      ensure(Number.isInteger(one.error.code), `${what} has no code: ${shortened(text)}`);
      ensure(one.error.message, `${what} has no message: ${shortened(text)}`);
    }
    return one;
  }

  call(method, params) {
    return this.post(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`);
  }
}

async function submissions(wire, random, valid) {
  const tally = new Tally(CODES.author_submitExtrinsic);
  await each(badExtrinsics(random, valid, SUBMISSIONS), async (bytes) => {
    const hex = u8aToHex(bytes);
    const { error } = await wire.call('author_submitExtrinsic', `["${hex}"]`);
    if (error) tally.error(error, hex);
    else tally.count('taken');
  });
  // Era and nonce of a general transaction are not signed, and bytes behind its end are not read:
  // what is spoiled there is the genuine submission still, which the pool takes once. That it was
  // nothing else shows in the blocks.
  ensure((tally.counts.taken ?? 0) <= 1, `${tally}`);
  return tally;
}

/** A genuine event with one thing changed, and the pool's number for what is wrong with it. */
function forgeries({ envelope, payload }) {
  const other = `0x${'ab'.repeat(16)}`;
  const altered = (change) => ({ envelope: { ...envelope, ...change }, payload });
  const flipped = envelope.agentSignature.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  return [
    [[], 9],
    [[altered({ agentSignature: flipped })], 5],
    [[altered({ eventId: other })], 5],
    [[altered({ createdAt: new Date().toISOString() })], 5],
    [[altered({ createdAt: '2020-01-01T00:00:00Z' })], 10],
    [[altered({ createdAt: '2099-01-01T00:00:00Z' })], 11],
    [[altered({ commandId: other })], 5],
    [[altered({ vesVersion: 3 })], 6],
    [[altered({ payloadPlainHash: `0x${'00'.repeat(32)}` })], 3],
    [[{ envelope, payload: { Plain: '{"total":"6000.00"}' } }], 3],
    [[{ envelope, payload: { Plain: 'x'.repeat(65_536) } }], 3],
    [[altered({ tenantId: other })], 16],
    [[altered({ storeId: other })], 18],
    [[altered({ sourceAgentId: other })], 19],
    [[altered({ agentKeyId: 4_294_967_295 })], 21],
    [[altered({ entityType: '' })], 32],
    [[altered({ entityId: '0xfffe' })], 33],
    [[altered({ eventType: '0x80' })], 34],
    [[altered({ createdAt: 'yesterday' })], 35],
    [[altered({ payloadKind: 'Encrypted' })], 36],
    [[{ envelope, payload: { Plain: '' } }], 37],
    // Beyond the bounds of the types: such a call cannot even be decoded.
    [[altered({ entityId: 'x'.repeat(513) })], null],
    [[{ envelope, payload: { Plain: 'x'.repeat(65_537) } }], null],
    [Array(257).fill({ envelope, payload }), null],
  ];
}

async function forgedEvents(api, wire, genuine) {
  const cases = forgeries(genuine);
  await each(cases, async ([events, number]) => {
    const bytes = general(api, api.tx.vesSequencer.submitEvents(events));
    const { error } = await wire.call('author_submitExtrinsic', `["${bytes}"]`);
    const found = error?.code === 1010 ? error.data : error?.code;
    const expected = number === null ? 1002 : `Custom error: ${number}`;
    same(`the answer to ${shortened(text(events[0] ?? null))}`, found, expected);
  });
  return `${cases.length} forgeries, each named by its number`;
}

async function runtimeCalls(api, wire, random, valid) {
  const tally = new Tally(CODES.state_call);
  const { apis, lookup } = api.runtimeMetadata.asV16;
  const methods = apis
    .filter(({ name }) => OURS.includes(name.toString()))
    .flatMap(({ name, methods }) => methods.map((method) => ({ name: `${name}_${method.name}`, method })));
  for (const { name, method } of methods) {
    const type = lookup.getTypeDef(method.output).type;
    await each(badArguments(random, valid[name] ?? [], CALLS_PER_METHOD), async (bytes) => {
      const hex = u8aToHex(bytes);
      const { error, result } = await wire.call('state_call', `["${name}","${hex}"]`);
      if (error) return tally.error(error, `${name} ${shortened(hex)}`);
      const value = api.registry.createType(type, hexToU8a(result));
      same(`the answer of ${name} to ${shortened(hex)}`, u8aToHex(value.toU8a()), result);
      tally.count('of the declared type');
    });
  }
  return `${methods.length} methods, ${tally}`;
}

/** Methods that need a connection of their own: event-store/src/rpc/tests/subscribe.rs. */
const SUBSCRIBING = ['ves_subscribeEvents', 'ves_unsubscribeEvents'];
/** A cursor of the right form that no agent has signed. */
const UNSIGNED = { slot: 0, sequence: 1, revision: 1, key_id: 1, signature: `0x${'ab'.repeat(64)}` };

/** The node's own methods, with parameters that are right. */
function goodParameters(event, agent) {
  const stream = { tenant_id: text(TENANT), store_id: text(STORE) };
  const ofEvent = { ...stream, event_id: text(event) };
  return {
    ves_head: stream,
    ves_events: { ...stream, from: '1', limit: '10' },
    ves_event: ofEvent,
    ves_batch: { ...stream, batch_index: '0' },
    ves_batchOfSequence: { ...stream, sequence: '1' },
    ves_batchById: { batch_id: text('ab'.repeat(32)) },
    ves_inclusionProof: { ...stream, sequence: '1' },
    ves_bundle: ofEvent,
    ves_rejections: ofEvent,
    ves_finality: { block_number: '1' },
    ves_setChanges: { above: '0', limit: '10' },
    ves_streams: { tenant_id: text(TENANT), cursor: 'null', limit: '10' },
    ves_findEvents: {
      ...stream,
      filter: text({ entity_type: 'order' }),
      newest_first: 'true',
      cursor: 'null',
      limit: '10',
    },
    ves_eventsByCommand: { ...stream, command_id: text(event) },
    ves_entityHistory: { ...stream, entity_type: text('order'), entity_id: text('A-1'), cursor: 'null', limit: '10' },
    ves_batches: { ...stream, from: '0', limit: '10' },
    ves_blockCommitment: { block_number: '1' },
    ves_multiProof: { ...stream, sequences: '[1]' },
    ves_anchored: stream,
    ves_complianceProofs: ofEvent,
    ves_refusedProofs: ofEvent,
    ves_refusedBatchProofs: { ...stream, batch_index: '0' },
    ves_batchProof: { ...stream, batch_index: '0' },
    ves_agentCursors: { ...stream, agent_id: text(agent) },
    ves_setAgentCursor: { ...stream, agent_id: text(agent), cursor: text(UNSIGNED) },
    ves_health: {},
  };
}

/** Parameter lists that are wrong as a whole, and right ones with one wrong value. */
function* badParameters(good) {
  const names = Object.keys(good);
  const values = Object.values(good);
  yield* ['[]', '{}', '[[]]', '{"":1}', '{"tenant":1}', `[${text(TENANT)}]`];
  yield `[${[...values, '1', '2', '3'].join()}]`;
  yield `{${names.map((name, n) => `"${name}":${values[n]},"${name}":5`).join()}}`;
  for (let at = 0; at < values.length; at += 1) {
    for (const junk of JSON_JUNK) {
      const spoiled = values.map((value, n) => (n === at ? junk : value));
      yield `[${spoiled.join()}]`;
      yield `{${names.map((name, n) => `"${name}":${spoiled[n]}`).join()}}`;
    }
  }
}

async function ownMethods(api, wire, event, agent) {
  const good = goodParameters(event, agent);
  const { methods } = await ask(api, 'rpc_methods');
  const found = methods.filter((name) => name.startsWith('ves_') && !SUBSCRIBING.includes(name));
  same('the list of methods', found.sort().join(), Object.keys(good).sort().join());
  const tally = new Tally(CODES.ves);
  for (const [method, parameters] of Object.entries(good)) {
    const right = await wire.call(method, `[${Object.values(parameters).join()}]`);
    if (method === 'ves_setAgentCursor') same(`the answer to ${method}`, right.error?.code, -32056);
    else ensure(!right.error, `${method} does not answer what is right: ${text(right)}`);
    await each(badParameters(parameters), async (params) => {
      const { error } = await wire.call(method, params);
      if (error) tally.error(error, `${method} ${shortened(params)}`);
      else tally.count('legal');
    });
  }
  return tally;
}

async function badBodies(wire) {
  const tally = new Tally(CODES.body);
  await each(BAD_BODIES, async (body) => {
    const { error } = await wire.post(body);
    ensure(error, `${shortened(String(body))} was answered with a result`);
    tally.error(error, shortened(String(body)));
  });
  // Longer than the node reads: it answers or hangs up, whatever the sender has not sent yet.
  const answer = await wire.post('x'.repeat(20 << 20)).catch(() => null);
  ensure(answer === null || answer.error, 'a body of 20 MiB was answered with a result');
  tally.count('too long');
  return tally;
}

/** Ways to carry a genuine event that are not the call's own: each may fail, none may sequence. */
async function detours(api, wire, call) {
  const keyring = new Keyring({ type: 'sr25519' });
  const [alice, nobody] = [keyring.addFromUri('//Alice'), keyring.addFromUri('//Nobody')];
  const bare = u8aToHex(Uint8Array.of(...compact(call.method.toU8a().length + 1), 5, ...call.method.toU8a()));
  const fromNobody = await api.tx.utility.batch([call]).signAsync(nobody);
  for (const hex of [bare, fromNobody.toHex()]) {
    const { error } = await wire.call('author_submitExtrinsic', `["${hex}"]`);
    ensure(error, `the pool took ${shortened(hex)}`);
    ensure(CODES.author_submitExtrinsic[error.code], `error ${error.code}: ${error.message}`);
  }
  // An account that may sign gets them into a block, where the call insists on its own origin.
  const nonce = (await api.rpc.system.accountNextIndex(alice.address)).toNumber();
  const length = call.method.toU8a().length;
  const ways = [call, api.tx.utility.batch([call]), api.tx.council.propose(1, call, length)];
  const carriers = [];
  for (const [n, way] of ways.entries()) {
    carriers.push((await way.signAsync(alice, { nonce: nonce + n })).toHex());
    await ask(api, 'author_submitExtrinsic', carriers[n]);
  }
  return carriers;
}

/** Walks the blocks since `from`: only `genuine` may have been sequenced, only it may be carried. */
async function nothingElse(api, from, genuine, carriers) {
  const head = await finalized(api);
  let [carried, detours, sequenced] = [0, 0, 0];
  for (let number = from + 1; number <= head; number += 1) {
    const found = await blockAt(api, number);
    found.block.extrinsics.forEach((extrinsic, index) => {
      if (extrinsic.method.section === 'timestamp') return;
      const raw = found.raw.extrinsics[index];
      const own = extrinsic.isGeneral() && extrinsic.method.toHex() === genuine.call;
      ensure(own || carriers.includes(raw), `block ${number} has ${shortened(raw)}`);
      same(`extrinsic ${number}-${index}`, bytesOf(extrinsic), raw);
      carried += 1;
      if (!own) detours += 1;
    });
    for (const { data } of eventsOf(found, 'vesSequencer', 'EventsSequenced')) {
      for (const id of data.eventIds) {
        same('the sequenced event', id.toHex(), hexOfUuid(genuine.id));
        sequenced += 1;
      }
    }
    same('rejected events', eventsOf(found, 'vesSequencer', 'EventRejected').length, 0);
  }
  same('events sequenced', sequenced, 1);
  same('detours in blocks', detours, carriers.length);
  return `${head - from} blocks, ${carried} transactions, ${detours} without effect, one event sequenced`;
}

/** A runtime panics to refuse arguments that it cannot decode; no other panic may be in the log. */
function panics(log) {
  const found = [...readFileSync(log, 'utf8').matchAll(/panicked at .*\n(.*)/gi)];
  const strange = found.find(([, reason]) => !reason.startsWith('Bad input data provided to '));
  ensure(!strange, `the log has: ${strange?.[0]}`);
  return found.length;
}

/** All claims about bad input. */
export async function attack(api, node, { agent, plain, good }, seed) {
  const random = new Random(seed);
  const wire = new Wire(node.url);
  const id = await agent.order('A-6', { total: '6.00' });
  await agent.signWithoutSending();
  const event = submitted(await agent.signed(id));
  const call = api.tx.vesSequencer.submitEvents([event]);
  const genuine = general(api, call);
  const from = await finalized(api);
  const { sequence } = await ask(api, 'ves_head', TENANT, STORE);
  const served = await ask(api, 'ves_event', TENANT, STORE, good);
  const old = (await blockAt(api, served.block_number)).raw.extrinsics[served.extrinsic_index];
  const valid = [genuine, old].map((hex) => hexToU8a(hex));
  const events = call.method.args[0].toU8a();
  const validArguments = {
    VesSequencerApi_can_submit: [events],
    VesSequencerApi_index_block: [Uint8Array.of(...compact(2), ...valid[0], ...valid[1])],
  };

  // First: what the pool has refused once it refuses for a while without saying why.
  await claim('An event with anything changed is refused for what is wrong with it', () =>
    forgedEvents(api, wire, event));
  await claim(`Noise and spoiled extrinsics are refused by name (seed ${seed})`, () =>
    submissions(wire, random, valid));
  await claim('Runtime APIs refuse noise or answer in their declared type', () =>
    runtimeCalls(api, wire, random, validArguments));
  const { source_agent_id: author } = await agent.signed(plain);
  await claim('The ves_* methods refuse bad parameters by name', () => ownMethods(api, wire, plain, author));
  await claim('What is no request is answered as such', () => badBodies(wire));
  let carriers = [];
  await claim('The pool refuses a submission as a bare transaction and from a stranger', async () => {
    carriers = await detours(api, wire, call);
    return `2 refused by the pool, ${carriers.length} on their way into a block`;
  });
  await claim('The node goes on and finalizes', async () => {
    const before = await finalized(api);
    const after = await waitFor('more finalized blocks', async () => {
      ensure(node.isRunning(), `the node ended; see ${node.log}`);
      const head = await finalized(api);
      return head >= before + BLOCKS_AFTER && head;
    });
    return `block ${after}, ${panics(node.log)} refusals by panic of the runtime, no other`;
  });
  await claim('The genuine event is still accepted, at the next sequence', async () => {
    const { error } = await wire.call('author_submitExtrinsic', `["${genuine}"]`);
    // Taken before under another nonce: the answer for what is sequenced or waits already.
    if (error) ensure([1010, 1012, 1013, 1014].includes(error.code), error.message);
    const event = await waitFor('the event', () => ask(api, 'ves_event', TENANT, STORE, id));
    same('its sequence', event.sequence, sequence + 1);
    return `sequence ${event.sequence}, block ${event.block_number}`;
  });
  await claim('Nothing else got into a block', () =>
    nothingElse(api, from, { id, call: call.method.toHex() }, carriers));
}
