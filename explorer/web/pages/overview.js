// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Where the chain stands, and its newest blocks and batches.

import { cards, el, facts, link, short, table, time } from '../dom.js';
import { streamTable } from './streams.js';

const HEALTH_EVERY_MS = 5_000;
/** It asks for all streams. */
const LAG_EVERY_MS = 30_000;
/** Thousands of streams that it sums over at most. */
const LAG_PAGES = 5;
const BATCHES_SHOWN = 15;
const STREAMS_SHOWN = 20;

export async function overviewPage({ chain, live, scope, title, body }) {
  title('Overview');
  const figures = el('div');
  const blocks = el('div');
  const batches = el('div');
  const streams = el('div');
  const identity = el('div');
  const pause = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause updates');
  body.append(
    figures,
    el('p', { class: 'actions' }, pause),
    el('section', {}, el('h2', {}, 'Blocks'), blocks),
    el('section', {}, el('h2', {}, 'Batches'), batches),
    el('section', {}, el('h2', {}, 'Streams'), streams),
    el('section', {}, el('h2', {}, 'Chain'), identity),
  );
  let paused = false;
  let health = null;
  let lag = null;
  const feed = new Map();

  const draw = () => {
    if (paused || scope.over) return;
    for (const block of live.blocks) {
      for (const batch of block.batches ?? []) feed.set(batch.batch_id, batch);
    }
    const newest = [...feed.values()]
      .sort((one, other) => other.block_number - one.block_number)
      .slice(0, BATCHES_SHOWN);
    feed.clear();
    for (const batch of newest) feed.set(batch.batch_id, batch);
    figures.replaceChildren(figureCards(live, health, lag));
    blocks.replaceChildren(blockTable(live.blocks));
    batches.replaceChildren(batchTable(newest));
  };
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    draw();
  });
  scope.onLeave(live.listen(draw));
  draw();

  const look = async () => {
    try {
      health = await chain.health();
      const found = await streamTable(chain, STREAMS_SHOWN);
      if (scope.over) return;
      if (!paused) streams.replaceChildren(found);
      draw();
    } catch (error) {
      if (!scope.over) streams.replaceChildren(el('p', { class: 'problem' }, error.message));
    }
  };
  const measure = async () => {
    try {
      lag = await chain.unanchored(LAG_PAGES);
      draw();
    } catch (error) {
      console.warn(error.message);
    }
  };
  for (const timer of [setInterval(look, HEALTH_EVERY_MS), setInterval(measure, LAG_EVERY_MS)]) {
    scope.onLeave(() => clearInterval(timer));
  }
  await Promise.all([look(), measure()]);
  const { genesis, name, node } = await chain.identify();
  identity.replaceChildren(
    facts([
      ['Name', name],
      ['Genesis hash', el('code', {}, genesis)],
      ['Node', node],
    ]),
  );
}

function figureCards(live, health, lag) {
  const behind = (n) => `${n} block${n === 1 ? '' : 's'}`;
  const indexed = health && Math.max(0, health.finalized_block - health.indexed_block);
  const summed = lag?.more ? `, in the first ${lag.streams} streams` : '';
  const list = cards('Where the chain stands', [
    ['Newest block', String(live.best || '–'), 'best'],
    ['Final block', String(live.finalized || '–'), 'finalized'],
    ['Finality behind', live.finalized ? behind(live.best - live.finalized) : '–', 'finality-lag'],
    ['Event store behind', health ? behind(indexed) : '–', 'store-lag'],
    [`Batches not reported as anchored${summed}`, lag ? String(lag.open) : '–', 'anchor-lag'],
  ]);
  if (!health?.last_error) return list;
  const problem = el('p', { class: 'problem' }, `Event store: ${health.last_error}`);
  return el('div', {}, list, problem);
}

function blockTable(blocks) {
  const rows = blocks.map((block) => [
    block.final ? link(`#/block/${block.number}`, String(block.number)) : String(block.number),
    short(block.hash),
    block.time ? time(block.time) : '',
    block.final ? 'final' : 'not final yet',
    String(block.commitment?.batch_count ?? 0),
    block.batches ? String(block.batches.reduce((sum, batch) => sum + batch.leaf_count, 0)) : '',
  ]);
  const columns = [['Number'], ['Hash'], ['Time'], ['State'], ['Batches', 'number'], ['Events', 'number']];
  return table('The newest blocks', columns, rows, { empty: 'Waiting for a block.' });
}

function batchTable(batches) {
  const rows = batches.map((batch) => {
    const stream = `${batch.tenant_id}/${batch.store_id}`;
    return [
      link(`#/batch/${stream}/${batch.batch_index}`, short(batch.batch_id)),
      link(`#/stream/${stream}`, short(batch.store_id)),
      String(batch.batch_index),
      `${batch.sequence_start} to ${batch.sequence_end}`,
      link(`#/block/${batch.block_number}`, String(batch.block_number)),
    ];
  });
  const columns = [['Batch'], ['Store'], ['Index', 'number'], ['Sequences'], ['Block', 'number']];
  return table('Batches of the newest final blocks', columns, rows, { empty: 'No batch in these blocks.' });
}
