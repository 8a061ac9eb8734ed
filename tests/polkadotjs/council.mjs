// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Decisions of the council of the local chain, and what they do to the set of validators.

import { Keyring } from '@polkadot/api';
import { ask, finalized } from './chain.mjs';
import { ensure, waitFor } from './claims.mjs';

/** Blocks of a session of the local preset take so long, and a change waits for two of them. */
export const CHANGE_MS = 150_000;

const keyring = new Keyring({ type: 'sr25519' });
/** Everybody knows the keys of these. The first four are the council. */
export const [alice, bob, charlie, dave, eve, ferdie] = ['Alice', 'Bob', 'Charlie', 'Dave', 'Eve', 'Ferdie'].map((name) =>
  keyring.addFromUri(`//${name}`, { name }),
);

let awaited = 'Finalized';
let mortality = {};
/**
 * From here on decisions are those of blocks that are not final: there is no finality to wait for, and a
 * transaction must not name a block that may be on a branch which is given up.
 */
export function withoutFinality() {
  awaited = 'InBlock';
  mortality = { era: 0 };
}

/** Sends transactions of one signer each and waits until they are final; returns the last one's block. */
export async function send(api, ...transactions) {
  const nonces = new Map();
  const blocks = await Promise.all(transactions.map(async ([signer, transaction]) => {
    const { address } = signer;
    if (!nonces.has(address)) {
      nonces.set(address, api.rpc.system.accountNextIndex(address).then((n) => n.toNumber()));
    }
    const own = transactions.filter(([other]) => other === signer);
    const place = own.findIndex(([, other]) => other === transaction);
    const nonce = (await nonces.get(address)) + place;
    return new Promise((done, failed) => {
      transaction.signAndSend(signer, { nonce, ...mortality }, ({ status, dispatchError, isError }) => {
        if (dispatchError) {
          const { section, name } = dispatchError.isModule
            ? api.registry.findMetaError(dispatchError.asModule)
            : { section: 'runtime', name: dispatchError.toString() };
          failed(new Error(`${section}.${name}`));
        } else if (status[`is${awaited}`]) done(status[`as${awaited}`].toHex());
        else if (isError) {
          const { section, method } = transaction.method;
          failed(new Error(`${section}.${method} of ${address} is ${status.type}`));
        }
      }).catch(failed);
    });
  }));
  return blocks.at(-1);
}

/** Has three of the four members decide. Returns how the decided call ended: null, or its error. */
export async function decide(api, call) {
  const method = call.method;
  const bound = method.encodedLength + 8;
  const [voters, hash] = [[bob, charlie, dave], method.hash];
  const index = (await api.query.council.proposalCount()).toNumber();
  await send(api, [bob, api.tx.council.propose(voters.length, method, bound)]);
  await send(api, ...voters.map((voter) => [voter, api.tx.council.vote(hash, index, true)]));
  const weight = { refTime: 400_000_000_000, proofSize: 0 };
  const block = await send(api, [bob, api.tx.council.close(hash, index, weight, bound)]);
  const events = await (await api.at(block)).query.system.events();
  const executed = events.find(({ event }) => event.section === 'council' && event.method === 'Executed');
  ensure(executed, 'the motion was not carried');
  const [, result] = executed.event.data;
  if (result.isOk) return null;
  return api.registry.findMetaError(result.asErr.asModule).name;
}

/** The accounts whose turn it is now. */
export const set = async (api) => (await api.query.session.validators()).map(String);
/** Which one of GRANDPA's sets that is. */
export const setId = async (api) => (await api.query.grandpa.currentSetId()).toNumber();

/** Waits until the set is this one, and until its members have finalized some blocks more. */
export async function becomes(api, accounts, patience = CHANGE_MS) {
  const wanted = accounts.map(({ address }) => address);
  await waitFor(`the set ${accounts.map(({ meta }) => meta.name)}`, async () => {
    const now = await set(api);
    return now.length === wanted.length && wanted.every((account) => now.includes(account));
  }, patience);
  const from = (await api.rpc.chain.getHeader()).number.toNumber();
  return waitFor('finality with the new set', async () => {
    const now = await finalized(api);
    return now >= from + 4 && now;
  }, patience);
}

/** Which accounts made the last blocks. */
export async function authors(api, blocks) {
  const head = await finalized(api);
  const found = new Set();
  for (let number = head - blocks + 1; number <= head; number += 1) {
    const hash = await api.rpc.chain.getBlockHash(number);
    found.add((await api.derive.chain.getHeader(hash)).author?.toString());
  }
  return found;
}

/** New keys in a node's keystore, registered by its account. `api` is of that node, `by` of one that is in sync. */
export async function register(api, account, by = api) {
  const owner = `0x${Buffer.from(account.publicKey).toString('hex')}`;
  const { keys, proof } = await ask(api, 'author_rotateKeysWithOwner', owner);
  await send(by, [account, by.tx.session.setKeys(keys, proof)]);
  return keys;
}

/**
 * Changes the runtime in the two steps that governance has: the council authorizes the code's hash, and
 * the code is brought by nobody in particular, without a signature. Returns the block that has it.
 */
export async function upgrade(api, code) {
  ensure(await decide(api, api.tx.consortium.authorizeUpgrade(api.registry.hash(code))) === null, 'it is not authorized');
  const brought = api.tx.system.applyAuthorizedUpgrade(`0x${code.toString('hex')}`);
  return new Promise((done, failed) => {
    brought.send(({ status, isError }) => {
      if (status.isFinalized) done(status.asFinalized.toHex());
      else if (isError) failed(new Error(`the new code is ${status.type}`));
    }).catch(failed);
  });
}
