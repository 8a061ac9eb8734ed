// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// One event: what was signed, its receipt, its proofs, verified here.

import { code, el, facts, link, table, time } from '../dom.js';
import { compute } from '../wasm.js';
import { verdict } from './checks.js';

export async function eventPage({ chain, scope, title, body }, tenant, store, id) {
  title(`Event ${id}`);
  const record = await chain.event(tenant, store, id);
  const rejections = await chain.rejections(tenant, store, id);
  if (scope.over) return;
  if (record === null) {
    body.append(el('p', {}, 'The finalized chain holds no such event in this stream.'));
    body.append(...rejectionList(rejections));
    return;
  }
  body.append(recordFacts(record, tenant, store), ...payloadOf(record.event));
  const [proofs, batch] = await Promise.all([
    chain.proofsOfEvents(record.stream_id, [id]),
    chain.batchOfSequence(tenant, store, record.sequence),
  ]);
  const kept = await chain.kept(record.stream_id);
  if (scope.over) return;
  if (batch) body.append(batchFacts(batch, kept, tenant, store));
  body.append(proofTable(proofs), ...rejectionList(rejections));
  const place = el('section', {}, el('h2', {}, 'Verification'), el('p', { role: 'status' }, 'Verifying…'));
  body.append(place);
  try {
    const text = await chain.bundle(tenant, store, record, proofs);
    // The chain is pinned by the page's own node; everything else the evidence has to show.
    const pins = JSON.stringify({ genesis: await chain.genesisHash() });
    const outcome = await compute('verify', new TextEncoder().encode(text), pins);
    if (scope.over) return;
    place.replaceChildren(
      el('h2', {}, 'Verification'),
      el('p', {}, 'Computed in this browser, from the bundle that the node gave.'),
      download(text, id, scope),
      verdict(outcome),
    );
  } catch (error) {
    place.lastChild.textContent = `Cannot be verified now: ${error.message}`;
    place.lastChild.className = 'problem';
  }
}

function recordFacts(record, tenant, store) {
  const { event } = record;
  return facts([
    ['Stream', link(`#/stream/${tenant}/${store}`, code(store))],
    ['Sequence', String(record.sequence)],
    ['Type', event.event_type],
    ['Entity', `${event.entity_type} ${event.entity_id}`],
    ['Created', event.created_at],
    ['Sequenced', time(record.block_time_ms)],
    ['Block', link(`#/block/${record.block_number}`, String(record.block_number))],
    ['Agent', code(event.source_agent_id)],
    ['Key', String(event.agent_key_id)],
    ['VES version', String(event.ves_version)],
    ['Command', event.command_id ? code(event.command_id) : null],
    ['Builds on entity version', event.base_version === undefined ? null : String(event.base_version)],
    ['Signing hash', code(record.event_signing_hash)],
    ['Leaf', code(record.leaf_hash)],
    ['Receipt', code(record.receipt_hash)],
  ]);
}

function payloadOf(event) {
  const heading = el('h2', {}, 'Payload');
  if (event.payload !== undefined) {
    const text = JSON.stringify(event.payload, null, 2);
    return [heading, el('pre', { tabIndex: 0 }, text)];
  }
  if (event.payload_encrypted) {
    const { recipients, ciphertext_b64u: ciphertext } = event.payload_encrypted;
    const bytes = Math.floor((ciphertext.length * 3) / 4);
    const kids = recipients.map((recipient) => recipient.recipient_kid).join(', ');
    return [
      heading,
      facts([
        ['Encrypted', `${bytes} bytes, VES-ENC-1`],
        ['Readers’ key numbers', kids],
        ['Hash of the plaintext', code(event.payload_plain_hash)],
        ['Hash of the ciphertext', code(event.payload_cipher_hash)],
      ]),
    ];
  }
  return [heading, el('p', { class: 'problem' }, 'The plaintext is not canonical JSON: its author broke the rule.')];
}

function batchFacts(batch, kept, tenant, store) {
  const anchored = batch.batch_index < kept.anchored ? 'reported by the relay' : 'not reported yet';
  return el(
    'section',
    {},
    el('h2', {}, 'Batch'),
    facts([
      ['Batch', link(`#/batch/${tenant}/${store}/${batch.batch_index}`, code(batch.batch_id))],
      ['Events root', code(batch.events_root)],
      ['Anchored', anchored],
    ]),
  );
}

function proofTable(proofs) {
  const rows = proofs.map((proof) => [
    proof.policy_id,
    code(proof.policy_params),
    proof.currency,
    link(`#/block/${proof.block}`, String(proof.block)),
    String(proof.bytes),
    code(proof.proof_hash),
  ]);
  const columns = [['Policy'], ['Parameters'], ['Currency'], ['Block', 'number'], ['Bytes', 'number'], ['Proof']];
  return el(
    'section',
    {},
    el('h2', {}, 'Compliance proofs'),
    table('Proofs that the chain verified', columns, rows, { empty: 'No proof is on chain about this event.' }),
  );
}

function rejectionList(rejections) {
  if (rejections.length === 0) return [];
  const rows = rejections.map((rejection) => [
    link(`#/block/${rejection.block_number}`, String(rejection.block_number)),
    rejection.reason,
  ]);
  return [
    el('h2', {}, 'Refusals'),
    table('Blocks that refused an event with this id', [['Block', 'number'], ['Reason']], rows),
  ];
}

function download(text, id, scope) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  scope.onLeave(() => URL.revokeObjectURL(url));
  const anchor = link(url, 'Download the bundle', { download: `${id}.bundle.json` });
  return el('p', { class: 'actions' }, anchor);
}
