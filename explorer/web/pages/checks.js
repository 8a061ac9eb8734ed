// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The outcome of a verification: a verdict, and a line for each check.

import { code, el, table } from '../dom.js';

const WORDS = {
  pass: '✓ pass',
  fail: '✗ fail',
  not_judged: '– not judged',
  trusted: '○ taken on trust',
};

/** In one sentence. */
export function summary(outcome) {
  if (outcome.not_a_bundle) return `Not a bundle: ${outcome.not_a_bundle}`;
  if (outcome.holds) {
    const passed = outcome.checks.filter((check) => check.verdict === 'pass').length;
    const open = outcome.checks.filter((check) => check.verdict === 'not_judged').length;
    return `Verified: ${passed} checks pass, none fails${open ? `, ${open} could not be judged` : ''}`;
  }
  const failed = outcome.checks.find((check) => check.verdict === 'fail');
  return `Not verified: ${failed.name}: ${failed.reason}`;
}

export function verdict(outcome, heading = null) {
  const kind = outcome.holds ? 'pass' : 'fail';
  const head = el('p', { class: `outcome ${kind}`, 'data-outcome': kind }, summary(outcome));
  if (outcome.not_a_bundle) return el('div', {}, heading, head);
  const rows = outcome.checks.map((check) => [
    check.claim,
    el('span', { class: `verdict ${check.verdict}`, 'data-check': check.name, 'data-verdict': check.verdict, 'data-reason': check.reason }, WORDS[check.verdict]),
    el('span', {}, check.reason ? code(check.reason) : null, check.reason ? ': ' : null, check.evidence),
    code(check.name),
  ]);
  const relies = outcome.relies_on.length
    ? el('div', {}, el('h3', {}, 'This verdict rests on'), el('ul', {}, outcome.relies_on.map((text) => el('li', {}, text))))
    : null;
  const columns = [['Claim'], ['Verdict'], ['Evidence, or what is wrong'], ['Check']];
  return el('div', {}, heading, head, relies, table('Each check', columns, rows));
}
