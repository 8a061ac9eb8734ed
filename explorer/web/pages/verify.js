// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// A bundle from a file, judged here. Asks no server anything.

import { code, el, facts } from '../dom.js';
import { compute } from '../wasm.js';
import { verdict } from './checks.js';

/** As `ves-verify` reads at most. */
const BUNDLE_BYTES_MAX = 4 * 1024 * 1024;
const PINS = [
  ['genesis', 'Genesis hash of the chain (--genesis)'],
  ['authorities', 'Hash of an authority set (--authorities)'],
  ['agent_key', 'Public key of the author (--agent-key)'],
  ['block_hash', 'Hash of the block (--block-hash)'],
  ['events_root', 'Events root, as the contract holds it (--events-root)'],
];

export async function verifyPage({ scope, title, body }) {
  title('Verify a bundle');
  const file = el('input', { type: 'file', id: 'bundle', accept: '.json,application/json' });
  const drop = el(
    'div',
    { class: 'drop' },
    el('label', { for: 'bundle' }, 'Drop a bundle here, or choose its file'),
    file,
  );
  const inputs = PINS.map(([name, label]) => {
    const input = el('input', { type: 'text', name, autocomplete: 'off', spellcheck: false });
    return el('label', {}, el('span', {}, label), input);
  });
  const demand = el('input', { type: 'checkbox', name: 'finality_demanded' });
  const pins = el(
    'form',
    {},
    el(
      'fieldset',
      {},
      el('legend', {}, 'What you trust already (optional)'),
      ...inputs,
      el('label', {}, demand, ' A bundle without a justification fails'),
    ),
  );
  const result = el('section', { 'aria-live': 'polite', id: 'result' });
  body.append(
    el(
      'p',
      {},
      'A bundle is the file that ',
      code('stateset-sync export'),
      ' writes, or that an event’s page offers. It never leaves this browser.',
    ),
    drop,
    pins,
    result,
  );

  let bytes = null;
  let name = '';
  let round = 0;
  const judge = async () => {
    if (bytes === null) return;
    round += 1;
    const own = round;
    const values = { finality_demanded: demand.checked };
    for (const [pin] of PINS) values[pin] = pins.elements[pin].value;
    try {
      const outcome = await compute('verify', bytes, JSON.stringify(values));
      if (scope.over || own !== round) return;
      result.replaceChildren(show(outcome, name));
    } catch (error) {
      if (own === round) result.replaceChildren(el('p', { class: 'problem' }, error.message));
    }
  };
  const take = async (chosen) => {
    if (!chosen) return;
    if (chosen.size > BUNDLE_BYTES_MAX) {
      bytes = null;
      const text = `${chosen.name} has ${chosen.size} bytes; a bundle has at most ${BUNDLE_BYTES_MAX}.`;
      result.replaceChildren(el('p', { class: 'problem' }, text));
      return;
    }
    bytes = new Uint8Array(await chosen.arrayBuffer());
    name = chosen.name;
    await judge();
  };
  file.addEventListener('change', () => take(file.files[0]));
  pins.addEventListener('input', judge);
  pins.addEventListener('submit', (submitted) => submitted.preventDefault());
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', kind === 'dragover');
    });
  }
  drop.addEventListener('drop', (event) => take(event.dataTransfer.files[0]));
}

function show(outcome, name) {
  const heading = el('h2', {}, `Result for ${name}`);
  const checks = verdict(outcome, heading);
  const { bundle } = outcome;
  if (!bundle) return checks;
  return el(
    'div',
    {},
    checks,
    el('h2', {}, 'What the bundle says'),
    facts([
      ['Event', code(bundle.event_id)],
      ['Stream', code(bundle.stream_id)],
      ['Sequence', bundle.sequence],
      ['Receipt', code(bundle.receipt_hash)],
      ['Block', `${bundle.block_number}, ${bundle.block_hash}`],
      ['Batch', code(bundle.batch_id)],
      ['Events root', code(bundle.events_root)],
      ['Genesis hash', code(bundle.genesis_hash)],
      ['Author’s key', code(bundle.agent_key)],
      ['Authority set', bundle.authority_set ? code(bundle.authority_set) : 'none'],
      ['Compliance proofs', String(bundle.proofs)],
    ]),
  );
}
