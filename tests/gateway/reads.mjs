// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What an agent reads: events, heads, commitments, inclusion proofs, verified here with nothing but SHA-256.

import { createHash } from 'node:crypto';
import { claim, ensure, same } from '../polkadotjs/harness.mjs';
import { askNode, store, stream, tenant } from './scene.mjs';

const bytes = (hex) => Buffer.from(hex.replace(/^0x/, ''), 'hex');
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; };
const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))).digest();
/** What was sent comes back in canonical order. */
const sorted = (object) => JSON.stringify(Object.entries(object).sort());
const uuid = (text) => bytes(text.replaceAll('-', ''));

export async function reads({ agent, gateway, key, node, wallet, events, receipts }) {
  await claim('Pages hold every event as its agent signed it, and lead from one to the next without a gap', async () => {
    const seen = [];
    let from = 1;
    for (;;) {
      const { status, json } = await gateway.get(`/api/v1/ves/events?${stream}&from=${from}&limit=7`, key);
      same('status', status, 200);
      same('count', json.count, json.events.length);
      seen.push(...json.events);
      from = json.next_sequence;
      if (!json.has_more) {
        same('the head', json.head_sequence, seen.length);
        break;
      }
    }
    same('sequences', seen.map((event) => event.sequence_number).join(), seen.map((_, n) => n + 1).join());
    for (const [place, event] of events.entries()) {
      const { payload, ...found } = seen[place];
      same('the payload', sorted(payload), sorted(event.payload));
      for (const [name, value] of Object.entries(event)) if (name !== 'payload') same(name, found[name], value);
      same('the receipt', found.receipt_hash, receipts[place].receiptHash);
    }
    const old = await gateway.get(`/api/v1/events?${stream}&from=0&limit=2`, key);
    same('where the peer has them', old.json.events[1].event_id, events[1].event_id);
    const beyond = await gateway.get(`/api/v1/ves/events?${stream}&from=100000`, key);
    same('beyond the head', [beyond.json.count, beyond.json.next_sequence, beyond.json.has_more].join(), '0,100000,false');
    return `${seen.length} events`;
  });

  await claim('Receipts and leaves are the hashes that the protocol says', async () => {
    const [{ json }, { receiptHash, sequenceNumber }] = [await gateway.get(`/api/v1/ves/events?${stream}&limit=1`, key), receipts[0]];
    const [event] = json.events;
    const signing = bytes(event.event_signing_hash);
    const receipt = sha256('VES_RECEIPT_V1', uuid(tenant), uuid(store), uuid(event.event_id), u64(sequenceNumber), signing);
    same('the receipt', receipt.toString('hex'), receiptHash);
    const leaf = sha256('VES_LEAF_V1', uuid(tenant), uuid(store), u64(sequenceNumber), signing, bytes(event.agent_signature));
    same('the leaf', leaf.toString('hex'), event.leaf_hash);
    return receiptHash.slice(0, 16);
  });

  await claim('Every commitment follows from the one before, and covers the stream without a gap', async () => {
    const { json } = await gateway.get(`/api/v1/ves/commitments?${stream}&include_anchored=true&limit=500`, key);
    const streamId = sha256('VES_STREAM_V1', uuid(tenant), uuid(store));
    let [previous, next] = ['0'.repeat(64), 1];
    for (const batch of json.commitments) {
      same('first sequence', batch.sequence_start, next);
      same('the root before', batch.prev_state_root, previous);
      const root = sha256('VES_STATE_ROOT_V1', streamId, bytes(previous), bytes(batch.merkle_root), u64(batch.sequence_start), u64(batch.sequence_end), u32(batch.leaf_count));
      same('the root after', batch.new_state_root, root.toString('hex'));
      same('leaves', batch.leaf_count, batch.sequence_end - batch.sequence_start + 1);
      same('padded', batch.padded_leaf_count, 2 ** batch.tree_depth);
      ensure(Math.abs(Date.parse(batch.committed_at) - Date.now()) < 600_000, `committed at ${batch.committed_at}`);
      [previous, next] = [batch.new_state_root, batch.sequence_end + 1];
    }
    const head = await gateway.get(`/api/v1/ves/head?${stream}`, key);
    same('the head', [head.json.head_sequence, head.json.state_root].join(), [next - 1, previous].join());
    same('the head where the peer has it', (await gateway.get(`/api/v1/head?${stream}`, key)).json.head_sequence, next - 1);
    same('unanchored', (await gateway.get(`/api/v1/ves/commitments?${stream}`, key)).json.count, json.count);
    return `${json.count} commitments`;
  });

  await claim('A commitment is found by UUID, by its whole id and by a sequence, and asking for one to be made is refused', async () => {
    const { json } = await gateway.get(`/api/v1/ves/commitments?${stream}&sequence=2`, key);
    const [batch] = json.commitments;
    ensure(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(batch.batch_id), `${batch.batch_id} is no UUIDv8`);
    for (const name of [batch.batch_id, batch.batch_hash, `0x${batch.batch_hash}`, `${batch.batch_id}?sequence=1`]) {
      const found = await gateway.get(`/api/v1/ves/commitments/${name}`, key);
      same(`the state root of ${name}`, found.json.new_state_root, batch.new_state_root);
    }
    same('an unknown one', (await gateway.get('/api/v1/ves/commitments/00000000-0000-8000-8000-000000000000', key)).json.error.code, 4003);
    same('of another sequence', (await gateway.get(`/api/v1/ves/commitments/${batch.batch_id}?sequence=5`, key)).status, 404);
    same('POST', (await gateway.post('/api/v1/ves/commitments', key, {})).status, 409);
    return batch.batch_id;
  });

  await claim('The history of an entity names the version that each event made, page by page', async () => {
    const { json: all } = await gateway.get(`/api/v1/ves/events?${stream}&limit=1000`, key);
    const about = ({ entity_type, entity_id }) => JSON.stringify([entity_type, entity_id]);
    const counts = all.events.reduce((counts, event) => counts.set(about(event), (counts.get(about(event)) ?? 0) + 1), new Map());
    // Of the entity with the longest one.
    const [[type, id]] = [...counts].sort(([, one], [, other]) => other - one).map(([entity]) => JSON.parse(entity));
    const path = `/api/v1/ves/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}?${stream}`;
    const mine = all.events.filter((event) => event.entity_type === type && event.entity_id === id).map((event) => event.sequence_number);
    const seen = [];
    let cursor = '';
    do {
      const { status, json } = await gateway.get(`${path}&limit=1${cursor}`, key);
      same('status', status, 200);
      same('versions of a page', json.count, json.versions.length);
      same('the current version', json.current_version, mine.length);
      for (const version of json.versions) {
        seen.push(version.sequence_number);
        same('the version', version.version, seen.length);
      }
      same('has more', json.has_more, json.next_cursor !== undefined);
      cursor = json.has_more ? `&cursor=${json.next_cursor}` : '';
    } while (cursor);
    same('the events', seen.join(), mine.join());
    same('where the peer has it', (await gateway.get(path.replace('/ves/', '/'), key)).json.current_version, mine.length);
    same('of an entity without events', (await gateway.get(`/api/v1/ves/entities/order/none?${stream}`, key)).json.current_version, 0);
    same('with another cursor', (await gateway.get(`${path}&cursor=00`, key)).status, 400);
    same('without a stream', (await gateway.get(path.split('?')[0], key)).status, 400);
    return `${type} ${id}: ${mine.length} versions`;
  });

  await claim('Inclusion proofs lead to the root, here and at the gateway, and nowhere else', async () => {
    for (const sequence of [1, 2, 3, 4]) {
      const { status, json } = await gateway.get(`/api/v1/ves/proofs/${sequence}?${stream}`, key);
      same('status', status, 200);
      let running = bytes(json.leaf_hash);
      for (const [level, sibling] of json.proof_path.entries()) {
        same('direction', json.directions[level], ((json.leaf_index >> level) & 1) === 0);
        running = json.directions[level] ? sha256('VES_NODE_V1', running, bytes(sibling)) : sha256('VES_NODE_V1', bytes(sibling), running);
      }
      same('the root', running.toString('hex'), json.merkle_root);
      const { leaf_hash, merkle_root, proof_path, leaf_index, leaf_count } = json;
      const ask = async (changed) => (await gateway.post('/api/v1/ves/proofs/verify', key, { leaf_hash, merkle_root, proof_path, leaf_index, ...changed })).json.valid;
      same('valid', await ask({}), true);
      same('valid with the count', await ask({ leaf_count }), true);
      same('valid with a wrong leaf', await ask({ leaf_hash: '00'.repeat(32) }), false);
      same('valid with another place', await ask({ leaf_index: leaf_index ^ 1 }), false);
      same('valid with the index once around', await ask({ leaf_index: leaf_index + 2 ** proof_path.length }), false);
      same('with its batch', (await gateway.get(`/api/v1/ves/proofs/${sequence}?${stream}&batch_id=${json.batch_id}`, key)).status, 200);
    }
    same('with another batch', (await gateway.get(`/api/v1/ves/proofs/1?${stream}&batch_id=00000000-0000-8000-8000-000000000000`, key)).status, 404);
    const none = await gateway.get(`/api/v1/ves/proofs/99999?${stream}`, key);
    ensure(none.status === 404 || none.status === 503, `beyond the head: ${none.status}`);
    return '4 proofs';
  });

  await claim('A cursor that the agent signs is stored by the node and read back, and no older one replaces it', async () => {
    const genesis = bytes((await gateway.get('/ready')).json.genesis_hash);
    const signed = (sequence, revision) => {
      const statement = sha256(
        'VES_AGENT_CURSOR_V1', genesis, uuid(tenant), uuid(store), uuid(agent), u32(1), u32(0), u64(sequence), u64(revision),
      );
      return { slot: 0, sequence, revision, key_id: 1, signature: wallet.sign(`0x${statement.toString('hex')}`) };
    };
    const set = (cursor) => askNode(node, 'ves_setAgentCursor', [tenant, store, agent, cursor]);
    const read = async () => (await askNode(node, 'ves_agentCursors', [tenant, store, agent])).result;
    same('cursors before', (await read()).length, 0);
    const cursor = signed(3, 2);
    const { error } = await set({ ...cursor, sequence: 4 });
    same('what is said of another sequence than the signed one', error?.code, -32056);
    const stored = await set(cursor);
    same('the error', stored.error?.message, undefined);
    same('what is said of an older one', (await set(signed(4, 1))).error?.code, -32057);
    const [kept, ...more] = await read();
    for (const [name, value] of Object.entries(cursor)) same(name, kept[name], value);
    same('other cursors', more.length, 0);
    return `sequence ${kept.sequence}, revision ${kept.revision}`;
  });
}
