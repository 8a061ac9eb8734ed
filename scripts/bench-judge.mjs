#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What benchmarks must not exceed. Reads their figures, prints what is wrong with them, and ends with 1 then.
//
//   bench-judge.mjs import KIND SUMMARY MOST          MOST: share of the declared time
//   bench-judge.mjs spam ALONE BESIDE JUNK LATER_MS COST_MS
//   bench-judge.mjs subscribers REPORT P95_MS
//
// SUMMARY, ALONE, BESIDE and REPORT are files.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A bound that was given: no number is no bound. */
function bound(text) {
  const value = text === '' ? NaN : Number(text);
  if (!(value >= 0)) throw new Error(`not a bound: ${text}`);
  return value;
}

/** The summary of `measure-import`: no full block may take longer than it declares. */
export function judgeImport({ blocks_counted: counted, worst_import_to_declared: worst }, most) {
  if (!(counted > 0)) return ['no full block was made'];
  return worst <= most ? [] : [`a block took ${worst} of the time that it declares, more than ${most}`];
}

/** The load generator's figures without junk and with it (ADR 0017). */
export function judgeSpam(alone, beside, junk, laterMs, costMs) {
  const wrong = [];
  for (const [what, { offered_events: offered, finalized_events: final }] of [['alone', alone], ['beside junk', beside]]) {
    if (!(offered > 0)) wrong.push(`${what}: nothing was offered`);
    if (final !== offered) wrong.push(`${what}: ${final} of ${offered} valid events are final`);
  }
  const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);
  const [refused, accepted] = [sum(beside.junk.refused), sum(beside.junk.accepted)];
  if (accepted > 0 || refused !== junk) wrong.push(`${refused} of ${junk} junk submissions were refused, ${accepted} accepted`);
  const missing = [alone, beside].some((figures) => !Number.isFinite(figures.submit_to_finalized_s.p99) || !Number.isFinite(figures.node_processor_seconds));
  if (missing) return [...wrong, 'a later p99 or what refusals cost cannot be told: figures are missing'];
  const later = (beside.submit_to_finalized_s.p99 - alone.submit_to_finalized_s.p99) * 1_000;
  if (!(later <= laterMs)) wrong.push(`the p99 of finality is ${later} ms later beside junk, more than ${laterMs}`);
  const cost = ((beside.node_processor_seconds - alone.node_processor_seconds) * 1_000) / junk;
  if (!(cost <= costMs)) wrong.push(`a junk submission costs ${cost} ms of processor time, more than ${costMs}`);
  return wrong;
}

/** The load generator's figures with readers beside it, which end without any if one misses an event. */
export function judgeSubscribers({ subscribers }, p95Ms) {
  const { p95 } = subscribers.finality_to_subscriber_s;
  if (!Number.isFinite(p95)) return ['how late the readers heard of events cannot be told'];
  return p95 * 1_000 <= p95Ms ? [] : [`the readers' p95 is ${p95 * 1_000} ms after finality, more than ${p95Ms}`];
}

function main([what, ...rest]) {
  const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
  if (what === 'import' && rest.length === 3) {
    const [kind, summary, most] = rest;
    return judgeImport(read(summary), bound(most)).map((wrong) => `${kind}: ${wrong}`);
  }
  if (what === 'spam' && rest.length === 5) {
    const [alone, beside, ...bounds] = rest;
    return judgeSpam(read(alone), read(beside), ...bounds.map(bound));
  }
  if (what === 'subscribers' && rest.length === 2) {
    const [report, p95Ms] = rest;
    return judgeSubscribers(read(report), bound(p95Ms));
  }
  throw new Error('usage: see the head of this file');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wrong = main(process.argv.slice(2));
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
