// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What this page asks of a node: the `ves_*` RPCs, runtime APIs (`docs/INTERFACES.md`) and the SDK's
// own RPCs. SCALE answers are read by the wasm.

import { AuthoritySets, CHANGES_PAGE } from './sets.js';
import { attempt, compute, wasm } from './wasm.js';

/** Storage prefix of `AgentRegistry.Stores`; keys end in hash ‖ tenant ‖ hash ‖ store, 16 bytes each. */
const STORES = '0xb03e870a943a83094bcc08ae40179262505838af0f601674834bd46eab881d41';
/** Storage key of `Timestamp.Now`. */
const NOW = '0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb';
/** Storage prefix of `VesSequencer.Kept`; keys end in the stream. */
const KEPT = '0x1cc203dcf7f3c4acd365663bbb192efec0eced7ce1c86606f88c6dcf7279516b';
const KEYS_PAGE = 256;
const STREAMS_PAGE = 1_000;

const strip = (hex) => hex.replace(/^0x/, '');
const littleEndian = (value, bytes) => {
  let hex = '';
  for (let rest = BigInt(value), n = 0; n < bytes; n += 1, rest >>= 8n) {
    hex += Number(rest & 0xffn).toString(16).padStart(2, '0');
  }
  return hex;
};
const u32 = (value) => littleEndian(value, 4);
const u64 = (value) => littleEndian(value, 8);
/** SCALE's compact length, of lists this page makes: below 2^14. */
const compact = (n) => (n < 64 ? littleEndian(n << 2, 1) : littleEndian((n << 2) | 1, 2));
const uuidBytes = (uuid) => uuid.replaceAll('-', '');
const uuid = (hex) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

export class Chain {
  constructor(rpc) {
    this.rpc = rpc;
    this.genesis = null;
    this.sets = new AuthoritySets(this);
  }

  async identify() {
    const [genesis, name, node, version] = await Promise.all([
      this.genesisHash(),
      this.rpc.call('system_chain'),
      this.rpc.call('system_name'),
      this.rpc.call('system_version'),
    ]);
    return { genesis, name, node: `${node} ${version}` };
  }

  async genesisHash() {
    this.genesis ??= await this.rpc.call('chain_getBlockHash', [0]);
    return this.genesis;
  }

  /** A runtime API at a block, by default the newest finalized one. */
  async api(method, args, at = null) {
    const block = at ?? (await this.finalizedHash());
    return this.rpc.call('state_call', [method, `0x${args}`, block]);
  }

  async apiRead(kind, method, args, at = null) {
    return compute('read', kind, await this.api(method, args, at));
  }

  finalizedHash() {
    return this.rpc.call('chain_getFinalizedHead');
  }

  /** A header with its hash as recomputed here, and what it says about batches. */
  async header(hash) {
    const told = await this.rpc.call('chain_getHeader', [hash]);
    if (told === null) return null;
    return compute('header', JSON.stringify(told));
  }

  /** As `header`, of a header that came with a subscription. */
  readHeader(told) {
    return compute('header', JSON.stringify(told));
  }

  blockHash(number) {
    return this.rpc.call('chain_getBlockHash', [number]);
  }

  async blockTime(hash) {
    const bytes = await this.rpc.call('state_getStorage', [NOW, hash]);
    if (!bytes) return null;
    const bigEndian = strip(bytes).match(/../g).reverse().join('');
    return Number(BigInt(`0x${bigEndian}`));
  }

  async extrinsics(number) {
    const hash = await this.blockHash(number);
    const block = hash && (await this.rpc.call('chain_getBlock', [hash]));
    return block ? block.block.extrinsics : null;
  }

  health() {
    return this.rpc.call('ves_health');
  }

  /** At most `max` registered stores, with or without events; `next`, if any, is `after` of those left. */
  async stores(max, after = null) {
    const at = await this.finalizedHash();
    const keys = [];
    // One more than asked for tells whether any is left.
    while (keys.length <= max) {
      const count = Math.min(KEYS_PAGE, max + 1 - keys.length);
      const last = keys.at(-1) ?? after;
      const page = await this.rpc.call('state_getKeysPaged', [STORES, count, last, at]);
      keys.push(...page);
      if (page.length < count) break;
    }
    const found = keys.slice(0, max);
    const stores = found.map((key) => {
      const rest = strip(key).slice(64);
      return { tenant: uuid(rest.slice(32, 64)), store: uuid(rest.slice(96, 128)) };
    });
    return { stores, next: keys.length > max ? found.at(-1) : null };
  }

  /**
   * How many batches are not reported as anchored, summed over all streams, or over the first `pages`
   * thousand if there are `more`.
   */
  async unanchored(pages) {
    let [open, streams, cursor] = [0, 0, null];
    for (let page = 0; page < pages; page += 1) {
      const found = await this.rpc.call('ves_streams', [null, cursor, STREAMS_PAGE]);
      const anchored = await this.anchored(found.streams.map((stream) => stream.stream_id));
      found.streams.forEach((stream, at) => {
        open += Math.max(0, stream.batch_count - anchored[at]);
      });
      streams += found.streams.length;
      cursor = found.cursor ?? null;
      if (cursor === null) break;
    }
    return { open, streams, more: cursor !== null };
  }

  /** How many batches of each of these streams are reported as anchored, by one question. */
  async anchored(streams) {
    if (streams.length === 0) return [];
    const keys = streams.map((stream) => KEPT + strip(stream));
    const at = await this.finalizedHash();
    const [{ changes }] = await this.rpc.call('state_queryStorageAt', [keys, at]);
    const values = new Map(changes);
    const count = async (value) => (value ? (await compute('read', 'kept', value)).anchored : 0);
    return Promise.all(keys.map((key) => count(values.get(key))));
  }

  head(tenant, store) {
    return this.rpc.call('ves_head', [tenant, store]);
  }

  events(tenant, store, from, limit) {
    return this.rpc.call('ves_events', [tenant, store, from, limit]);
  }

  event(tenant, store, id) {
    return this.rpc.call('ves_event', [tenant, store, id]);
  }

  refusedProofs(tenant, store, id) {
    return this.rpc.call('ves_refusedProofs', [tenant, store, id]);
  }

  refusedBatchProofs(tenant, store, index) {
    return this.rpc.call('ves_refusedBatchProofs', [tenant, store, index]);
  }

  rejections(tenant, store, id) {
    return this.rpc.call('ves_rejections', [tenant, store, id]);
  }

  batch(tenant, store, index) {
    return this.rpc.call('ves_batch', [tenant, store, index]);
  }

  batchOfSequence(tenant, store, sequence) {
    return this.rpc.call('ves_batchOfSequence', [tenant, store, sequence]);
  }

  finality(number) {
    return this.rpc.call('ves_finality', [number]);
  }

  /** Batches a block committed, as of its own state. */
  batchesInBlock(number, hash) {
    return this.apiRead('batches', 'VesSequencerApi_batches_in_block', u32(number), hash);
  }

  /** Oldest batch in state, and how many are reported as anchored. */
  kept(stream) {
    return this.apiRead('kept', 'VesSequencerApi_kept_batches', strip(stream));
  }

  proofsOfEvents(stream, ids) {
    const args = strip(stream) + compact(ids.length) + ids.map(uuidBytes).join('');
    return this.apiRead('proofs', 'StarkVerifierApi_proofs_of_events', args);
  }

  batchProofs(stream, from, count) {
    const args = strip(stream) + u64(from) + u32(count);
    return this.apiRead('batch_proofs', 'StarkVerifierApi_batch_proofs_in', args);
  }

  signingKey(tenant, agent, key) {
    const args = uuidBytes(tenant) + uuidBytes(agent) + u32(key);
    return this.apiRead('signing_key', 'AgentRegistryApi_signing_key', args);
  }

  /**
   * An event's bundle with what `stateset-sync export` adds: its `text`, and how it is judged with the
   * authority sets that lead to its block.
   */
  async bundle(tenant, store, record, proofs) {
    const answer = await this.rpc.raw('ves_bundle', [tenant, store, record.event.event_id]);
    const height = await compute('justified', answer);
    const { sets, trouble } =
      height === null ? { sets: null, trouble: null } : await this.sets.follow(height);
    const evidence = { set_changes: [], proofs: await this.evidenceOf(tenant, record, proofs) };
    if (height !== null && sets === null) {
      evidence.set_changes = await this.rpc.call('ves_setChanges', [0, CHANGES_PAGE]).catch(() => []);
    }
    const judge = sets ?? (await wasm());
    const text = attempt(() => judge.assemble(answer, JSON.stringify(evidence)));
    const bytes = new TextEncoder().encode(text);
    return {
      text,
      /** Why the sets do not lead to the block, if they do not. */
      trouble,
      verify: (pins) => JSON.parse(attempt(() => judge.verify(bytes, JSON.stringify(pins)))),
      /** The set to which the chain was forced and on which the block rests, if there is one. */
      forced: () => (sets === null ? null : JSON.parse(sets.forced(height))),
      /** Accepts such a set by its hash; says whether there is one. */
      accept: (hash) => attempt(() => sets.accept(hash)),
    };
  }

  /** The submissions behind records of proofs, with keys that are not the event's. */
  async evidenceOf(tenant, record, proofs) {
    const evidence = [];
    for (const proof of proofs) {
      const found = await this.submission(proof);
      if (!found) continue;
      const entry = { block_number: proof.block, submission: found.submission };
      if (found.key_id !== found.event_key_id) {
        const agent = record.event.source_agent_id;
        entry.signing_key = await this.signingKey(tenant, agent, found.key_id);
      }
      evidence.push(entry);
    }
    return evidence;
  }

  /** The submission behind a record of a proof, out of its block; nothing if the block is gone. */
  async submission(record) {
    const extrinsics = await this.extrinsics(record.block);
    return extrinsics && compute('submission', JSON.stringify(extrinsics), record.scale);
  }

  /** Judges the proof of a batch. */
  async verifyBatchProof(batch, record) {
    const extrinsics = JSON.stringify((await this.extrinsics(record.block)) ?? []);
    const signers = (await compute('batch_proof_keys', extrinsics, record.scale)) ?? [];
    const keys = await Promise.all(
      signers.map((signer) => this.signingKey(batch.tenant_id, signer.agent_id, signer.key_id)),
    );
    return compute(
      'verify_batch_proof',
      await this.genesisHash(),
      JSON.stringify(batch),
      extrinsics,
      record.scale,
      JSON.stringify(keys),
    );
  }
}
