// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// One event: what was signed, its receipt, its proofs, verified here.

import { code, el, facts, link, table, time } from '../dom.js';
import { verdict } from './checks.js';
import { refusedProofs } from './refused.js';

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
  const [proofs, refused, batch] = await Promise.all([
    chain.proofsOfEvents(record.stream_id, [id]),
    chain.refusedProofs(tenant, store, id),
    chain.batchOfSequence(tenant, store, record.sequence),
  ]);
  const kept = await chain.kept(record.stream_id);
  if (scope.over) return;
  if (batch) body.append(batchFacts(batch, kept, tenant, store));
  body.append(proofTable(proofs, refused), ...rejectionList(rejections));
  const place = el('section', {}, el('h2', {}, 'Verification'), el('p', { role: 'status' }, 'Verifying…'));
  body.append(place);
  try {
    const bundle = await chain.bundle(tenant, store, record, proofs);
    // The chain is pinned by the page's own node; everything else the evidence has to show.
    const pins = { genesis: await chain.genesisHash() };
    if (scope.over) return;
    const offer = download(bundle.text, id, scope);
    const heading = el('h2', { tabIndex: -1 }, 'Verification');
    const draw = () => {
      const outcome = bundle.verify(pins);
      const trouble = outcome.holds ? null : bundle.trouble;
      place.replaceChildren(
        heading,
        el('p', {}, 'Computed in this browser, from the bundle that the node gave.'),
        offer,
        ...(trouble ? [el('p', { class: 'problem' }, `Authority sets: ${trouble}.`)] : []),
        ...forcedSet(bundle, () => {
          draw();
          heading.focus();
        }),
        verdict(outcome),
      );
    };
    draw();
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
  if (event.payload_raw_b64u !== undefined) {
    const text = new TextDecoder().decode(bytesOf(event.payload_raw_b64u));
    return [
      heading,
      el('p', { class: 'problem' }, 'The plaintext is not canonical JSON: its author broke the rule.'),
      el('pre', { tabIndex: 0 }, text),
    ];
  }
  return [
    heading,
    el('p', { class: 'note' }, 'This node has forgotten the payload, as its operator told it to. A node that keeps payloads has it.'),
    facts([
      ['It was', event.payload_kind === 0 ? 'plaintext' : 'encrypted, VES-ENC-1'],
      ['Hash of the plaintext', code(event.payload_plain_hash)],
      ['Hash of the ciphertext', event.payload_kind === 0 ? null : code(event.payload_cipher_hash)],
    ]),
  ];
}

/** Bytes of base64url without padding. */
function bytesOf(text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

/**
 * What is to be said if the block rests on a set to which the chain was forced: no signature leads there,
 * so that only the reader can accept it. The page remembers that until it is loaded anew; an address
 * that could carry it would let whoever wrote a link decide.
 */
function forcedSet(bundle, redraw) {
  const forced = bundle.forced();
  if (forced === null) return [];
  const set = [`authority set ${forced.set_id}, `, code(forced.hash)];
  const block = link(`#/block/${forced.block}`, `Block ${forced.block}`);
  if (forced.accepted) {
    const text = ', and you accept it. This page forgets that when it is loaded anew.';
    return [el('p', { class: 'note', 'data-forced': 'accepted' }, block, ' forced the chain to ', ...set, text)];
  }
  const input = el('input', { type: 'text', name: 'accepted', autocomplete: 'off', spellcheck: false });
  const answer = el('p', { role: 'status', class: 'note' });
  const form = el(
    'form',
    { class: 'inline' },
    el('label', {}, el('span', {}, 'Hash of the authority set that you accept'), input),
    el('button', {}, 'Accept'),
  );
  form.addEventListener('submit', (submitted) => {
    submitted.preventDefault();
    try {
      if (bundle.accept(input.value)) redraw();
      else answer.textContent = 'The chain was not forced to a set with this hash.';
    } catch (error) {
      answer.textContent = error.message;
    }
  });
  return [
    el(
      'div',
      { 'data-forced': 'open' },
      el(
        'p',
        { class: 'problem' },
        block,
        ' forced the chain to ',
        ...set,
        ', and this event’s block is final by that set or one that follows from it. No set before vouches for it. ',
        'Ask operators whom you trust for the hash of their set, and enter it here.',
      ),
      form,
      answer,
    ),
  ];
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

function proofTable(proofs, refused) {
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
    ...refusedProofs(refused),
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
