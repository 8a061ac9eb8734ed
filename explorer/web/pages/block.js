// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// One block: its header as recomputed here, and what it commits to.

import { code, el, facts, link, short, table, time } from '../dom.js';

export async function blockPage({ chain, scope, title, body }, numberText) {
  const number = Number(numberText);
  title(`Block ${number}`);
  const hash = number <= 0xffffffff ? await chain.blockHash(number) : null;
  if (scope.over) return;
  if (hash === null) {
    body.append(el('p', {}, 'The node has no block of this number.'));
    return;
  }
  const [header, when, finality, finalizedHead] = await Promise.all([
    chain.header(hash),
    chain.blockTime(hash).catch(() => null),
    chain.finality(number).catch(() => null),
    chain.finalizedHash().then((head) => chain.header(head)),
  ]);
  const batches = header.commitment ? await chain.batchesInBlock(number, hash) : [];
  if (scope.over) return;
  const { commitment } = header;
  const same = header.hash === hash;
  body.append(
    facts([
      ['Hash', code(hash)],
      ['Recomputed', el('span', { class: same ? 'pass' : 'fail' }, same ? '✓ the header hashes to it' : `✗ the header hashes to ${header.hash}`)],
      ['Time', when ? time(when) : null],
      ['Parent', number > 0 ? link(`#/block/${number - 1}`, code(header.parent_hash)) : code(header.parent_hash)],
      ['State root', code(header.state_root)],
      ['Extrinsics root', code(header.extrinsics_root)],
      ['Final', number <= finalizedHead.number ? 'yes, says the node' : 'not yet'],
      ['Justification', finality ? `${finality.headers.length} header(s) to the justified block, ${(finality.justification.length - 2) / 2} bytes` : 'none yet'],
      ['Batches committed to', commitment === null ? 'none' : commitment.unreadable ?? String(commitment.batch_count)],
      ['Root of the batches', commitment?.root ? code(commitment.root) : null],
    ]),
  );
  const rows = batches.map((batch) => {
    const stream = `${batch.tenant_id}/${batch.store_id}`;
    return [
      link(`#/batch/${stream}/${batch.batch_index}`, short(batch.batch_id)),
      link(`#/stream/${stream}`, code(batch.store_id)),
      `${batch.sequence_start} to ${batch.sequence_end}`,
      short(batch.events_root),
    ];
  });
  body.append(
    el('h2', {}, 'Batches'),
    table('One for each stream with events in the block', [['Batch'], ['Store'], ['Sequences'], ['Events root']], rows),
    el(
      'p',
      { class: 'actions' },
      number > 0 ? link(`#/block/${number - 1}`, 'Block before') : null,
      link(`#/block/${number + 1}`, 'Block after'),
    ),
  );
}
