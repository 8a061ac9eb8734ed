// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Streams: all of them, and one with its events, batches, anchors and proofs.

import { cards, code, el, facts, link, short, table, time } from '../dom.js';

const STORES_PAGE = 200;
const EVENTS_PAGE = 25;
const BATCHES_SHOWN = 25;

/** The first `max` registered stores, for a page about something else. */
export async function streamTable(chain, max) {
  const { stores, next } = await chain.stores(max);
  const list = storeTable(await storeRows(chain, stores));
  const rest = link('#/streams', 'All of them');
  const note = next ? el('p', { class: 'note' }, `Only ${max} are shown. `, rest) : null;
  return el('div', {}, list, note);
}

/** Where the stream of each store stands. */
function storeRows(chain, stores) {
  return Promise.all(
    stores.map(async ({ tenant, store }) => {
      const head = await chain.head(tenant, store);
      const kept = await chain.kept(head.stream_id);
      return [
        link(`#/stream/${tenant}/${store}`, code(store)),
        code(tenant),
        String(head.sequence),
        String(head.batch_count),
        String(kept.anchored),
        String(Math.max(0, head.batch_count - kept.anchored)),
      ];
    }),
  );
}

function storeTable(rows) {
  const columns = [
    ['Store'], ['Tenant'], ['Events', 'number'], ['Batches', 'number'],
    ['Anchored', 'number'], ['To be anchored', 'number'],
  ];
  return table('Registered stores', columns, rows, { empty: 'No store is registered.' });
}

export async function streamsPage({ chain, scope, title, body }) {
  title('Streams');
  const list = el('div');
  const count = el('span', { role: 'status', class: 'note' });
  const more = el('button', { type: 'button' }, 'More');
  const rows = [];
  let after = null;
  const load = async () => {
    const found = await chain.stores(STORES_PAGE, after);
    const next = await storeRows(chain, found.stores);
    if (scope.over) return;
    rows.push(...next);
    after = found.next;
    list.replaceChildren(storeTable(rows));
    count.textContent = after ? `${rows.length} are shown, there are more.` : '';
    more.hidden = after === null;
  };
  more.addEventListener('click', async () => {
    more.disabled = true;
    try {
      await load();
    } catch (error) {
      count.textContent = error.message;
    }
    more.disabled = false;
  });
  await load();
  if (scope.over) return;
  body.append(
    el('p', {}, 'A stream is the one gap-free order of a store’s events.'),
    list,
    el('p', { class: 'actions' }, more, count),
  );
}

export async function streamPage(context, tenant, store, fromText) {
  const { chain, live, scope, title, body } = context;
  title(`Stream of store ${store}`);
  const head = await chain.head(tenant, store);
  const kept = await chain.kept(head.stream_id);
  if (scope.over) return;
  const events = el('section');
  const batches = el('section');
  const figures = el('div');
  body.append(
    figures,
    facts([
      ['Tenant', code(tenant)],
      ['Store', code(store)],
      ['Stream', code(head.stream_id)],
      ['State root', el('code', { 'data-live': 'state-root' }, head.state_root)],
    ]),
    findForm(context, tenant, store),
    events,
    batches,
  );
  const from = fromText === undefined ? null : Number(fromText);
  const draw = async (now, anchors) => {
    figures.replaceChildren(streamFigures(now, anchors));
    body.querySelector('[data-live="state-root"]').textContent = now.state_root;
    const [eventRows, batchRows] = await Promise.all([
      eventSection(chain, tenant, store, now, from),
      batchSection(chain, tenant, store, now, anchors),
    ]);
    if (scope.over) return;
    events.replaceChildren(...eventRows);
    batches.replaceChildren(...batchRows);
  };
  await draw(head, kept);
  // Redrawn only for news, so that a reader is not thrown out of a table.
  let known = `${head.sequence} ${kept.anchored}`;
  let busy = false;
  const refresh = async () => {
    if (busy) return;
    busy = true;
    try {
      const now = await chain.head(tenant, store);
      const anchors = await chain.kept(now.stream_id);
      const state = `${now.sequence} ${anchors.anchored}`;
      if (state !== known && !scope.over) {
        known = state;
        await draw(now, anchors);
      }
    } catch (error) {
      console.warn(error.message);
    } finally {
      busy = false;
    }
  };
  scope.onLeave(live.listen(refresh));
}

function streamFigures(head, kept) {
  const open = Math.max(0, head.batch_count - kept.anchored);
  return cards('Where the stream stands', [
    ['Events', String(head.sequence), 'events'],
    ['Batches', String(head.batch_count), 'batches'],
    ['Reported as anchored', String(kept.anchored), 'anchored'],
    ['To be anchored', String(open), 'anchor-lag'],
    ['Indexed up to block', String(head.finalized_block_number), 'indexed'],
  ]);
}

function findForm({ chain, scope }, tenant, store) {
  const input = el('input', { type: 'text', name: 'what', autocomplete: 'off', spellcheck: false });
  const answer = el('p', { role: 'status', class: 'note' });
  const form = el(
    'form',
    { class: 'inline', role: 'search' },
    el('label', {}, el('span', {}, 'Event id or sequence'), input),
    el('button', {}, 'Find'),
  );
  const look = async (what) => {
    if (/^[0-9a-f-]{36}$/.test(what)) return what;
    if (!/^\d{1,16}$/.test(what)) return null;
    const page = await chain.events(tenant, store, Number(what), 1);
    const found = page.events.find((record) => record.sequence === Number(what));
    return found ? found.event.event_id : null;
  };
  form.addEventListener('submit', async (submitted) => {
    submitted.preventDefault();
    const what = input.value.trim().toLowerCase();
    try {
      const id = await look(what);
      if (scope.over) return;
      if (id) location.hash = `#/event/${tenant}/${store}/${id}`;
      else answer.textContent = 'No such event.';
    } catch (error) {
      answer.textContent = error.message;
    }
  });
  return el('div', {}, form, answer);
}

async function eventSection(chain, tenant, store, head, from) {
  const base = `#/stream/${tenant}/${store}`;
  const newest = Math.max(1, head.sequence - EVENTS_PAGE + 1);
  const start = from === null ? newest : Math.max(1, Math.min(from, newest));
  const page = head.sequence === 0 ? [] : (await chain.events(tenant, store, start, EVENTS_PAGE)).events;
  const ids = page.map((record) => record.event.event_id);
  const proofs = ids.length ? await chain.proofsOfEvents(head.stream_id, ids) : [];
  const rows = [...page].reverse().map((record) => [
    String(record.sequence),
    link(`#/event/${tenant}/${store}/${record.event.event_id}`, short(record.event.event_id, 12)),
    record.event.event_type,
    `${record.event.entity_type} ${record.event.entity_id}`,
    record.event.payload_kind === 0 ? 'plaintext' : 'encrypted',
    proofs.filter((proof) => proof.event_id === record.event.event_id).map((proof) => proof.policy_id).join(', '),
    time(record.block_time_ms),
    link(`#/block/${record.block_number}`, String(record.block_number)),
  ]);
  const columns = [
    ['Sequence', 'number'], ['Event'], ['Type'], ['Entity'], ['Payload'], ['Proven'], ['Time'], ['Block', 'number'],
  ];
  const older = start > 1 ? link(`${base}/from/${Math.max(1, start - EVENTS_PAGE)}`, 'Older events') : null;
  const newer = start < newest ? link(`${base}/from/${start + EVENTS_PAGE}`, 'Newer events') : null;
  return [
    el('h2', {}, 'Events'),
    table('Events, newest first', columns, rows, { empty: 'The stream has no events.' }),
    el('p', { class: 'actions' }, older, newer),
  ];
}

async function batchSection(chain, tenant, store, head, kept) {
  const first = Math.max(0, head.batch_count - BATCHES_SHOWN);
  const indexes = Array.from({ length: head.batch_count - first }, (_, at) => first + at);
  const [batches, proofs] = await Promise.all([
    Promise.all(indexes.map((index) => chain.batch(tenant, store, index))),
    indexes.length ? chain.batchProofs(head.stream_id, first, indexes.length) : [],
  ]);
  const rows = batches.filter(Boolean).reverse().map((batch) => [
    link(`#/batch/${tenant}/${store}/${batch.batch_index}`, String(batch.batch_index)),
    short(batch.batch_id),
    `${batch.sequence_start} to ${batch.sequence_end}`,
    link(`#/block/${batch.block_number}`, String(batch.block_number)),
    batch.batch_index < kept.anchored ? 'reported' : 'not yet',
    proofs.filter((proof) => proof.batch_index === batch.batch_index).map((proof) => proof.policy_id).join(', '),
  ]);
  const columns = [['Index', 'number'], ['Batch'], ['Sequences'], ['Block', 'number'], ['Anchored'], ['Proven']];
  return [
    el('h2', {}, 'Batches'),
    table(`The newest ${BATCHES_SHOWN} batches`, columns, rows, { empty: 'The stream has no batches.' }),
    el(
      'p',
      { class: 'note' },
      'Anchors are the relay’s report to the chain. What the contract holds, stateset-sync verify asks it.',
    ),
  ];
}
