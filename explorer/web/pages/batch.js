// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// One batch: its roots, its events, its anchor and its proof.

import { code, el, facts, link, short, table } from '../dom.js';
import { verdict } from './checks.js';
import { refusedProofs } from './refused.js';

const EVENTS_SHOWN = 100;

export async function batchPage({ chain, scope, title, body }, tenant, store, indexText) {
  const index = Number(indexText);
  title(`Batch ${index} of store ${store}`);
  const batch = await chain.batch(tenant, store, index);
  if (scope.over) return;
  if (batch === null) {
    body.append(el('p', {}, 'The finalized chain holds no such batch.'));
    return;
  }
  const [kept, proofs, refused, page] = await Promise.all([
    chain.kept(batch.stream_id),
    chain.batchProofs(batch.stream_id, index, 1),
    chain.refusedBatchProofs(tenant, store, index),
    chain.events(tenant, store, batch.sequence_start, Math.min(batch.leaf_count, EVENTS_SHOWN)),
  ]);
  if (scope.over) return;
  body.append(
    facts([
      ['Batch', code(batch.batch_id)],
      ['Stream', link(`#/stream/${tenant}/${store}`, code(batch.stream_id))],
      ['Block', link(`#/block/${batch.block_number}`, String(batch.block_number))],
      ['Sequences', `${batch.sequence_start} to ${batch.sequence_end}`],
      ['Events root', code(batch.events_root)],
      ['State root before', code(batch.prev_state_root)],
      ['State root after', code(batch.new_state_root)],
      ['Anchored', index < kept.anchored ? 'reported by the relay' : 'not reported yet'],
    ]),
    el('h2', {}, 'Compliance proof'),
    ...proofSection(chain, scope, batch, proofs[0]),
    ...refusedProofs(refused),
    el('h2', {}, 'Events'),
    eventTable(batch, page.events, tenant, store),
  );
}

function proofSection(chain, scope, batch, proof) {
  if (!proof) return [el('p', { class: 'note' }, 'No proof is on chain about this batch.')];
  const place = el('div', { 'aria-live': 'polite' });
  const button = el('button', { type: 'button' }, 'Verify here');
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      const outcome = await chain.verifyBatchProof(batch, proof);
      if (!scope.over) place.replaceChildren(verdict(outcome));
    } catch (error) {
      place.replaceChildren(el('p', { class: 'problem' }, error.message));
    }
    button.disabled = false;
  });
  return [
    facts([
      ['Policy', proof.policy_id],
      ['Parameters', code(proof.policy_params)],
      ['Proof', code(proof.proof_hash)],
      ['Bytes', String(proof.bytes)],
      ['Verified in block', link(`#/block/${proof.block}`, String(proof.block))],
      ['Submitted by', code(proof.agent_id)],
    ]),
    el('p', { class: 'actions' }, button),
    place,
  ];
}

function eventTable(batch, events, tenant, store) {
  const own = events.filter((record) => record.sequence <= batch.sequence_end);
  const rows = own.map((record) => [
    String(record.sequence),
    link(`#/event/${tenant}/${store}/${record.event.event_id}`, short(record.event.event_id, 12)),
    record.event.event_type,
    `${record.event.entity_type} ${record.event.entity_id}`,
  ]);
  const shown = own.length < batch.leaf_count ? `The first ${own.length} of ${batch.leaf_count} events` : 'All events';
  return table(shown, [['Sequence', 'number'], ['Event'], ['Type'], ['Entity']], rows);
}
