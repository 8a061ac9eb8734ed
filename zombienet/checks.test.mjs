// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The checks find what they are there for: each case is a node that serves a history with one thing
// wrong in it.

import { deepEqual, equal, match, rejects, throws } from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { blocks, difference, history, keeps } from './checks.mjs';

const [tenant, store] = ['t', 's'];
const event = (sequence, id) => ({ sequence, event: { event_id: id }, block_number: sequence });
const GOOD = ['a', 'b', 'c', 'd'].map((id, n) => event(n + 1, id));

/** What a node with these events answers, in pages of two. */
function answers(events, { head = events.length, root = '0x01', batches = 2, hashes = ['0xa', '0xb'] } = {}) {
  return {
    ves_streams: () => ({ streams: [{ tenant_id: tenant, store_id: store }] }),
    ves_events: (_tenant, _store, from, limit) => ({ events: events.slice(from - 1, from - 1 + Math.min(limit, 2)) }),
    ves_head: () => ({ sequence: head, state_root: root, batch_count: batches }),
    chain_getBlockHash: (numbers) => numbers.map((number) => hashes[number] ?? null),
  };
}

/** Asks a node that answers so. */
async function asked(methods, question) {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { id, method, params } = JSON.parse(body);
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: methods[method](...params) }));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  try {
    return await question(`ws://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('a whole history is read, page by page', async () => {
  const found = await asked(answers(GOOD), history);
  deepEqual(found.get('t/s').ids, ['a', 'b', 'c', 'd']);
});

test('what becomes final while a stream is read is left to the next reading', async () => {
  const growing = [...GOOD];
  const node = answers(growing, { head: 4 });
  const grows = (...page) => {
    growing.push(event(growing.length + 1, `late ${growing.length}`));
    return node.ves_events(...page);
  };
  deepEqual((await asked({ ...node, ves_events: grows }, history)).get('t/s').ids, ['a', 'b', 'c', 'd']);
});

for (const [what, node, why] of [
  ['a gap', answers([...GOOD.slice(0, 3), event(5, 'd')]), /sequence after 3/],
  ['two events in the wrong order', answers([GOOD[1], GOOD[0], ...GOOD.slice(2)]), /sequence after 0/],
  ['an event twice', answers([...GOOD, event(5, 'a')]), /twice/],
  ['a head that no event reaches', answers(GOOD, { head: 5 }), /head/],
]) {
  test(`${what} is found`, () => rejects(asked(node, history), why));
}

for (const [what, node] of [
  ['another event', answers([...GOOD.slice(0, 3), event(4, 'x')])],
  ['an event in another block', answers([...GOOD.slice(0, 3), { ...GOOD[3], block_number: 9 }])],
  ['an event less', answers(GOOD.slice(0, 3))],
  ['another state root', answers(GOOD, { root: '0x02' })],
  ['another number of batches', answers(GOOD, { batches: 3 })],
  ['no stream', { ...answers([]), ves_streams: () => ({ streams: [] }) }],
]) {
  test(`a node with ${what} differs`, async () => {
    const [one, other] = [await asked(answers(GOOD), history), await asked(node, history)];
    match(difference(one, other), /t\/s/);
  });
}

test('two nodes with the same history do not differ', async () => {
  equal(difference(await asked(answers(GOOD), history), await asked(answers(GOOD), history)), null);
});

test('an acknowledged event that is lost, or elsewhere, is found', () => {
  keeps(['a', 'b'], [{ id: 'b', sequence: 2 }]);
  throws(() => keeps(['a', 'b'], [{ id: 'c', sequence: 3 }]), /event 3/);
  throws(() => keeps(['a', 'b'], [{ id: 'a', sequence: 2 }]), /event 2/);
});

test('blocks are read from the first on', async () => {
  deepEqual(await asked(answers(GOOD), (url) => blocks(url, 2)), ['0xa', '0xb', null]);
});
