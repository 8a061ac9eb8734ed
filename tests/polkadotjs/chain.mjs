// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The chain as polkadot.js sees it: connecting, blocks, submissions.

import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';

/** The development chain's own tenant and store. */
export const TENANT = '11111111-1111-4111-8111-111111111111';
export const STORE = '22222222-2222-4222-8222-222222222222';

/** A UUID as the chain has it. */
export const hexOfUuid = (uuid) => `0x${uuid.replaceAll('-', '')}`;

const providers = new WeakMap();

/** Connects like any user: with no type, alias or option of this chain. */
export async function connect(url) {
  const provider = new WsProvider(url, 1_000, {}, 30_000);
  const api = await ApiPromise.create({ provider, throwOnConnect: true });
  providers.set(api, provider);
  return api;
}

/** Calls a method of the node and returns its answer as it is. */
export const ask = (api, method, ...params) => providers.get(api).send(method, params);

/**
 * One extrinsic's bytes. polkadot.js 16.5.6 writes length and version of a general transaction
 * twice when asked through the outer object, so those are asked for themselves.
 */
export const bytesOf = (extrinsic) =>
  extrinsic.isGeneral() ? extrinsic.inner.toHex() : extrinsic.toHex();

/** A block: its decoded and its raw form, and its events likewise. */
export async function blockAt(api, number) {
  const hash = await ask(api, 'chain_getBlockHash', number);
  const [{ block }, { block: raw }, at, rawEvents] = await Promise.all([
    api.rpc.chain.getBlock(hash),
    ask(api, 'chain_getBlock', hash),
    api.at(hash),
    ask(api, 'state_getStorage', api.query.system.events.key(), hash),
  ]);
  return { number, hash, block, raw, events: await at.query.system.events(), rawEvents };
}

/** Whose turn the slot was that a header names, of the accounts that take turns. */
export function authorOf(header, validators) {
  const slots = header.digest.logs.filter((log) => log.isPreRuntime).map((log) => log.asPreRuntime);
  const [, slot] = slots.find(([engine]) => engine.toUtf8() === 'aura');
  const bytes = slot.toU8a(true);
  const number = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return validators[Number(number % BigInt(validators.length))];
}

/** Has the council of the development chain, which is Alice alone, execute a call. Returns her address. */
export async function decree(api, call) {
  const alice = new Keyring({ type: 'sr25519' }).addFromUri('//Alice');
  const proposal = api.tx.council.propose(1, call, call.method.encodedLength);
  await new Promise((done, failed) => {
    proposal.signAndSend(alice, ({ status, dispatchError, isError }) => {
      if (dispatchError || isError) failed(new Error(`the council did not execute it: ${dispatchError ?? status}`));
      else if (status.isInBlock) done();
    }).catch(failed);
  });
  return alice.address;
}

/** Number of the newest finalized block. */
export async function finalized(api) {
  const header = await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead());
  return header.number.toNumber();
}

/** A signed plaintext event in the protocol's JSON, as the call takes it. */
export const submitted = (event) => ({
  envelope: {
    vesVersion: event.ves_version,
    eventId: hexOfUuid(event.event_id),
    tenantId: hexOfUuid(event.tenant_id),
    storeId: hexOfUuid(event.store_id),
    sourceAgentId: hexOfUuid(event.source_agent_id),
    agentKeyId: event.agent_key_id,
    entityType: event.entity_type,
    entityId: event.entity_id,
    eventType: event.event_type,
    createdAt: event.created_at,
    payloadKind: event.payload_kind,
    payloadPlainHash: event.payload_plain_hash,
    payloadCipherHash: event.payload_cipher_hash,
    commandId: null,
    baseVersion: null,
    agentSignature: event.agent_signature,
  },
  // Payloads here have one member each, so that this is the canonical form.
  payload: { Plain: JSON.stringify(event.payload) },
});

/** The bytes of a call as a general transaction: nobody signs it. */
export const general = (api, call) =>
  api.registry
    .createType('GeneralExtrinsic', { payload: { era: '0x00', nonce: 0, method: call.method } })
    .toHex();

/** The events of a block that an extrinsic caused, of one kind. */
export const eventsOf = ({ events }, section, method) =>
  events.map(({ event }) => event).filter((e) => e.section === section && e.method === method);
