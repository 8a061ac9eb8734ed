// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What the peer's anchor service does: poll, anchor, report.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, decree } from '../polkadotjs/chain.mjs';
import { claim, ensure, same, waitFor } from '../polkadotjs/harness.mjs';
import { askNode, startGateway, store, stream, tenant } from './scene.mjs';

export async function anchoring({ directory, gateway, key, node, operator }) {
  const pending = async (query = '') => (await gateway.get(`/v1/commitments/pending${query}`, operator)).json;

  await claim('Pending commitments have the fields and forms that the anchor service expects', async () => {
    const { commitments, total } = await pending();
    same('total', total, commitments.length);
    const [first] = commitments;
    same('fields', Object.keys(first).sort().join(), [
      'batch_id', 'chain_tx_hash', 'committed_at', 'event_count', 'events_root', 'new_state_root', 'prev_state_root',
      'sequence_end', 'sequence_start', 'store_id', 'tenant_id',
    ].join());
    same('the tenant and store', [first.tenant_id, first.store_id].join(), [tenant, store].join());
    same('the root before the first', first.prev_state_root, `0x${'0'.repeat(64)}`);
    ensure(commitments.every(({ events_root: root }) => /^0x[0-9a-f]{64}$/.test(root)), 'a root has another form');
    let next = 1;
    for (const batch of commitments) {
      same('first sequence', batch.sequence_start, next);
      next = batch.sequence_end + 1;
    }
    same('one', (await pending('?limit=1')).commitments.length, 1);
    return `${total} commitments`;
  });

  await claim('A report is recorded once, repeated without harm, and contradicted in vain', async () => {
    const [first, second] = (await pending()).commitments;
    const report = (batch, hash, more = {}) => gateway.post(`/v1/commitments/${batch.batch_id}/anchored`, operator, {
      chain_tx_hash: `0x${hash.repeat(32)}`, chain_id: 84532001, block_number: 123, gas_used: 210000, ...more,
    });
    same('the first time', (await report(first, 'ab')).json.status, 'anchored');
    same('the second time', (await report(first, 'ab')).json.status, 'already_anchored');
    same('another transaction', (await report(first, 'cd')).status, 409);
    same('a chain id that does not fit', (await report(second, 'ab', { chain_id: 2 ** 32 })).status, 400);
    same('a hash that is none', (await report(second, 'a')).status, 400);
    same('an unknown batch', (await report({ batch_id: '00000000-0000-8000-8000-000000000000' }, 'ab')).status, 404);
    const left = (await pending()).commitments;
    same('what is left', left[0].batch_id, second.batch_id);
    const shown = (await gateway.get(`/api/v1/ves/commitments/${first.batch_id}?${stream}`, key)).json;
    same('its transaction', shown.chain_tx_hash, 'ab'.repeat(32));
    same('its chain', shown.chain_id, 84532001);
    const ledger = readFileSync(gateway.log.replace('.log', '-ledger.jsonl'), 'utf8').trim().split('\n');
    same('lines of the ledger', ledger.length, 1);
    return first.batch_id;
  });

  await claim('A gateway that offers all streams offers what the one with a list does, without being told of any', async () => {
    const all = await startGateway(directory, node.url, 'all', '', [], { streams: '"all"' });
    await waitFor('the gateway to be ready', async () => (await all.get('/ready')).status === 200);
    const own = (await all.newKey('--operator', '--permissions', 'read,admin')).key;
    const ids = ({ commitments }) => commitments.map(({ batch_id: id }) => id);
    const [listed, found] = [ids(await pending()), ids((await all.get('/v1/commitments/pending', own)).json)];
    // Its ledger is another one: what was reported to the first gateway is pending here.
    same('the others', found.filter((id) => !listed.includes(id)).length, 1);
    same('the rest', found.filter((id) => listed.includes(id)).join(), listed.join());
    const reported = await all.post(`/v1/commitments/${found[1]}/anchored`, own, {
      chain_tx_hash: `0x${'ab'.repeat(32)}`, chain_id: 84532001, block_number: 123,
    });
    same('a report', reported.json.status, 'anchored');
    all.stop();
    return `${found.length} commitments`;
  });

  await claim('With the account of a relay, what is reported without a gap goes on to the chain', async () => {
    const api = await connect(node.url);
    await decree(api, api.tx.vesSequencer.setRelays(['5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY']));
    await api.disconnect();
    const relaying = await startGateway(directory, node.url, 'relaying', '', [], { relay: join(directory, 'admin.suri') });
    await waitFor('the gateway to be ready', async () => (await relaying.get('/ready')).status === 200);
    const own = (await relaying.newKey('--operator', '--permissions', 'read,admin')).key;
    const [first, second, third] = (await relaying.get('/v1/commitments/pending', own)).json.commitments;
    const report = async (batch) => (await relaying.post(`/v1/commitments/${batch.batch_id}/anchored`, own, {
      chain_tx_hash: `0x${'ef'.repeat(32)}`, chain_id: 84532001, block_number: 123,
    })).json.anchored_on_chain;
    same('after the first', await report(first), 1);
    same('after the third, which leaves a gap', await report(third), 1);
    same('after the second', await report(second), 3);
    await waitFor('the report to be final', async () => {
      const { json } = await gateway.get(`/api/v1/ves/commitments?${stream}`, key);
      return json.anchored === 3 && json.commitments[0].batch_index === 3;
    });
    const anchored = await waitFor('the node to tell of it', async () => {
      const { result } = await askNode(node, 'ves_anchored', [tenant, store]);
      return result.anchored_batches > 0 && result;
    });
    same('batches that the node calls anchored', anchored.anchored_batches, 3);
    same('the root of the last of them', anchored.last_anchored.events_root, third.events_root);
    relaying.stop();
    return '3 batches';
  });
}
