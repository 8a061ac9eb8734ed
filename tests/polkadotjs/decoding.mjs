// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What a user of polkadot.js relies on: everything decodes, named and documented, without a type
// definition of this chain.

import { Metadata, TypeRegistry } from '@polkadot/types';
import {
  STORE,
  TENANT,
  ask,
  authorOf,
  blockAt,
  bytesOf,
  eventsOf,
  finalized,
  general,
  hexOfUuid,
  submitted,
} from './chain.mjs';
import { claim, ensure, same, waitFor } from './claims.mjs';

const PALLETS = ['AgentRegistry', 'Consortium', 'VesSequencer', 'StarkVerifier'];
const APIS = ['AgentRegistryApi', 'ConsortiumApi', 'VesSequencerApi', 'StarkVerifierApi'];
const VERSIONS = [14, 15, 16];
/** The well-known development account //Alice, the only validator. */
const ALICE = '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY';

/** Metadata as bytes, from the runtime API. */
async function metadataAt(api, version) {
  const found = await api.call.metadata.metadataAtVersion(version);
  ensure(found.isSome, `the runtime has no metadata V${version}`);
  return found.unwrap();
}

/** Decodes metadata with a registry of its own; throws if it names a type that cannot be built. */
function decoded(bytes, version) {
  const registry = new TypeRegistry();
  const metadata = new Metadata(registry, bytes);
  same('the version', metadata.version, version);
  registry.setMetadata(metadata);
  return { metadata, types: metadata.getUniqTypes(true).length };
}

async function metadataDecodes(api) {
  const offered = (await api.call.metadata.metadataVersions()).map((version) => version.toNumber());
  const sizes = [];
  for (const version of VERSIONS) {
    ensure(offered.includes(version), `the runtime offers ${offered}`);
    const bytes = await metadataAt(api, version);
    decoded(bytes.toU8a(true), version);
    sizes.push(`V${version} ${bytes.length} bytes`);
  }
  const plain = await ask(api, 'state_getMetadata');
  const { types } = decoded(plain, 14);
  return `${sizes.join(', ')}; state_getMetadata is V14; ${types} types`;
}

/** Fails on any item without documentation and counts the rest. */
function documented(items, of, counts, kind) {
  for (const item of items) {
    ensure(item.docs.join('').trim() !== '', `${of}.${item.name} has no documentation`);
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
}

function everythingIsDocumented(api) {
  const { pallets, apis, lookup } = api.runtimeMetadata.asV16;
  const variants = (item) =>
    item.isSome ? lookup.getSiType(item.unwrap().type).def.asVariant.variants : [];
  const counts = {};
  for (const name of PALLETS) {
    const pallet = pallets.find((entry) => entry.name.eq(name));
    ensure(pallet, `no pallet ${name}`);
    documented(variants(pallet.calls), name, counts, 'calls');
    documented(variants(pallet.events), name, counts, 'events');
    documented(variants(pallet.errors), name, counts, 'errors');
    documented(pallet.storage.unwrap().items, name, counts, 'storage items');
    documented(pallet.constants, name, counts, 'constants');
    for (const event of variants(pallet.events)) {
      documented(event.fields.map(named), `${name}.${event.name}`, counts, 'event fields');
    }
  }
  for (const name of APIS) {
    const entry = apis.find((entry) => entry.name.eq(name));
    ensure(entry, `no runtime API ${name}`);
    documented([entry], name, counts, 'runtime APIs');
    documented(entry.methods, name, counts, 'methods');
  }
  return Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(', ');
}

function named(field) {
  return { name: field.name.unwrap(), docs: field.docs };
}

async function everyBlockDecodes(api) {
  const head = await finalized(api);
  const validators = await api.query.session.validators();
  const seen = new Set();
  let [extrinsics, events] = [0, 0];
  for (let number = 1; number <= head; number += 1) {
    const { hash, block, raw, events: records, rawEvents } = await blockAt(api, number);
    same(`hash of header ${number}`, block.header.hash.toHex(), hash);
    same(`author of block ${number}`, authorOf(block.header, validators).toString(), ALICE);
    block.extrinsics.forEach((extrinsic, index) => {
      same(`extrinsic ${number}-${index}`, bytesOf(extrinsic), raw.extrinsics[index]);
      seen.add(`${extrinsic.method.section}.${extrinsic.method.method}`);
      // Of the call, not of the extrinsic: polkadot.js takes it for granted that signers tip.
      extrinsic.method.toHuman();
      extrinsics += 1;
    });
    same(`the events of block ${number}`, records.toHex(), rawEvents);
    records.toHuman();
    for (const { event } of records) seen.add(`${event.section}.${event.method}`);
    events += records.length;
  }
  const kinds = [...seen].filter((kind) => /^(agentRegistry|vesSequencer)\./.test(kind)).sort();
  return `${head} blocks by //Alice, ${extrinsics} extrinsics, ${events} events; ${kinds.join(', ')}`;
}

/** The block of an accepted event, and the event as its extrinsic and its outcome show it. */
async function acceptedEvent(api, { agent, pushed, plain }) {
  const told = pushed.events.find((event) => event.event_id === plain);
  const found = await blockAt(api, told.block_number);
  const extrinsic = found.block.extrinsics.find((x) => x.method.section === 'vesSequencer');
  same('the call', extrinsic.method.method, 'submitEvents');
  const [first, second] = extrinsic.method.toHuman().args.events;
  same('entityType', first.envelope.entityType, 'order');
  same('entityId', first.envelope.entityId, 'A-1');
  same('eventId', first.envelope.eventId, hexOfUuid(plain));
  same('payload', first.payload.Plain, '{"total":"12.00"}');
  same('payloadKind of the second', second.envelope.payloadKind, 'Encrypted');
  same('recipients of the second', second.payload.Encrypted.recipients.length, 1);
  same('its hash', api.registry.hash(extrinsic.inner.toU8a()).toHex(), told.extrinsic_hash);

  const [outcome] = eventsOf(found, 'vesSequencer', 'EventsSequenced');
  const { firstSequence, eventIds } = outcome.data;
  const place = eventIds.findIndex((id) => id.toHex() === hexOfUuid(plain));
  ensure(place >= 0, 'the event is not among the sequenced');
  const sequence = firstSequence.toNumber() + place;
  same('its sequence', sequence, told.sequence);
  const served = await ask(api, 'ves_event', TENANT, STORE, plain);
  same('its sequence, as served', served.sequence, sequence);
  same('its agent', first.envelope.sourceAgentId, hexOfUuid((await agent.signed(plain)).source_agent_id));
  return `sequence ${sequence} in block ${found.number}, ${Object.keys(first.envelope).length} named fields`;
}

async function refusedEvent(api, { bad, smuggled }) {
  const found = await blockAt(api, smuggled.block_number);
  const refusals = eventsOf(found, 'vesSequencer', 'EventRejected');
  same('refusals in the block', refusals.length, 1);
  const { eventId, reason } = refusals[0].data;
  same('its id', eventId.toHex(), hexOfUuid(bad));
  same('its reason', reason.type, 'InvalidPayloadHash');
  return `${reason.type} in block ${found.number}`;
}

async function batchEvent(api, { smuggled }) {
  const found = await blockAt(api, smuggled.block_number);
  const [{ data }] = eventsOf(found, 'vesSequencer', 'BatchCommitted');
  const served = await ask(api, 'ves_batch', TENANT, STORE, data.batch.batchIndex.toNumber());
  same('the batch id', data.batch.batchId.toHex(), served.batch_id);
  same('the events root', data.batch.eventsRoot.toHex(), served.events_root);
  const [items, rest] = [found.block.header.digest.logs.filter((log) => log.isConsensus), 37];
  same('consensus digest items', items.length, 1);
  const [engine, payload] = items[0].asConsensus;
  same('its engine', engine.toUtf8(), 'VESB');
  same('its bytes', payload.length, rest);
  return `batch ${data.batch.batchIndex} of block ${found.number}, VESB in its header`;
}

async function runtimeApis(api, { agent, plain }) {
  const { stream_id: stream, sequence } = await ask(api, 'ves_head', TENANT, STORE);
  const tip = await api.call.vesSequencerApi.tip(stream);
  same('the tip', tip.sequence.toNumber(), sequence);
  const { source_agent_id: id } = await agent.signed(plain);
  const keys = await api.call.agentRegistryApi.signingKeys(hexOfUuid(TENANT), hexOfUuid(id));
  same('signing keys', keys.length, 1);
  const [, record] = keys[0];
  ensure(record.revocation.isNone, 'the key is revoked');
  return `tip ${sequence}, key ${record.publicKey.toHex().slice(0, 10)}…`;
}

async function ownSubmission(api, { agent }) {
  const id = await agent.order('A-5', { total: '5.00' });
  await agent.signWithoutSending();
  const bytes = general(api, api.tx.vesSequencer.submitEvents([submitted(await agent.signed(id))]));
  const hash = await ask(api, 'author_submitExtrinsic', bytes);
  const served = await waitFor('the event to be served', () => ask(api, 'ves_event', TENANT, STORE, id));
  const found = await blockAt(api, served.block_number);
  same('its bytes', found.raw.extrinsics[served.extrinsic_index], bytes);
  return `sequence ${served.sequence}, extrinsic ${hash.slice(0, 10)}…`;
}

/** What the explorer of polkadot.js Apps follows, each as its own subscription. */
async function subscriptions(api) {
  const counts = {};
  const counted = (name, seen) => (found) => {
    seen(found);
    counts[name] = (counts[name] ?? 0) + 1;
  };
  const header = ({ number, hash }) => ensure(number.toNumber() >= 0 && hash.length === 32, 'no header');
  const ends = await Promise.all([
    api.rpc.chain.subscribeNewHeads(counted('new heads', header)),
    api.rpc.chain.subscribeAllHeads(counted('all heads', header)),
    api.rpc.chain.subscribeFinalizedHeads(counted('finalized heads', header)),
    api.rpc.state.subscribeRuntimeVersion(
      counted('versions', ({ specName }) => same('the runtime', specName.toString(), 'ves-appchain')),
    ),
    api.query.system.events(counted('events', (records) => ensure(records.length > 0, 'no events'))),
    api.query.timestamp.now(counted('times', (now) => ensure(now.toNumber() > 0, 'no time'))),
  ]);
  // The runtime stays the same, and the events of one empty block are those of the next.
  const least = { 'new heads': 3, 'all heads': 3, 'finalized heads': 3, times: 3, versions: 1, events: 1 };
  for (const [name, count] of Object.entries(least)) {
    await waitFor(`${count} ${name}`, () => counts[name] >= count);
  }
  ends.forEach((end) => end());
  return Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(', ');
}

/** What Apps shows of the node itself. */
async function nodePage(api) {
  const [chain, kind, name, version, health, peers, waiting, methods] = await Promise.all([
    api.rpc.system.chain(),
    api.rpc.system.chainType(),
    api.rpc.system.name(),
    api.rpc.system.version(),
    api.rpc.system.health(),
    api.rpc.system.peers(),
    api.rpc.author.pendingExtrinsics(),
    api.rpc.rpc.methods(),
  ]);
  ensure(kind.isDevelopment, `the chain is of type ${kind}`);
  same('peers', peers.length, health.peers.toNumber());
  ensure(health.isSyncing.isFalse, 'it is syncing');
  const ours = methods.methods.filter((method) => method.startsWith('ves_')).length;
  ensure(ours > 0, 'it names no method of ours');
  return `${chain}, ${name} ${version}, ${waiting.length} waiting, ${ours} ves_ methods of ${methods.methods.length}`;
}

/** All claims about decoding; `warnings` is what polkadot.js complained about while connecting. */
export async function decode(api, scene, warnings) {
  await claim('polkadot.js connects without a type of ours and misses none', () => {
    // The extension has no bytes, so that "no effect" is right; and RPCs are no types.
    const harmless = [/Unknown signed extensions AuthorizeCall found/, /RPC methods not decorated/];
    const rest = warnings.filter((line) => !harmless.some((known) => known.test(line)));
    ensure(rest.length === 0, rest.join('; '));
    same('the metadata it took', api.runtimeMetadata.version, 16);
    return `metadata V${api.runtimeMetadata.version}`;
  });
  await claim('Every metadata version decodes and names no unknown type', () => metadataDecodes(api));
  await claim('All that our pallets offer is documented', () => everythingIsDocumented(api));
  await claim('Heads, events and times come by subscription', () => subscriptions(api));
  await claim('The node says what it is', () => nodePage(api));
  await claim('An accepted event is seen with its fields named', () => acceptedEvent(api, scene));
  await claim('A refused event is seen with its reason', () => refusedEvent(api, scene));
  await claim('A batch is seen and its block header commits', () => batchEvent(api, scene));
  await claim('Runtime APIs answer by name', () => runtimeApis(api, scene));
  await claim('A submission that polkadot.js encodes is accepted', () => ownSubmission(api, scene));
  await claim('Every block from 1 to the head decodes, re-encodes to its bytes and has its author', () =>
    everyBlockDecodes(api));
}
