// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeImport, judgeSpam, judgeSubscribers } from './bench-judge.mjs';

const figures = (more = {}) => ({
  offered_events: 30_000,
  finalized_events: 30_000,
  submit_to_finalized_s: { p99: 3.6 },
  junk: { refused: {}, accepted: {} },
  node_processor_seconds: 10,
  ...more,
});
const beside = (more = {}) => figures({ junk: { refused: { replay: 40, stale: 60 }, accepted: {} }, node_processor_seconds: 10.03, ...more });
const judged = (one, other) => judgeSpam(one, other, 100, 300, 0.5).join('; ');

test('a block that takes longer than it declares is too slow, and no full block shows nothing', () => {
  assert.deepEqual(judgeImport({ blocks_counted: 3, worst_import_to_declared: 1 }, 1), []);
  assert.match(judgeImport({ blocks_counted: 3, worst_import_to_declared: 1.01 }, 1)[0], /1\.01/);
  assert.match(judgeImport({ blocks_counted: 0, worst_import_to_declared: 0 }, 1)[0], /no full block/);
  assert.equal(judgeImport({ blocks_counted: 3 }, 1).length, 1);
});

test('junk that changes nothing is as it should be', () => assert.equal(judged(figures(), beside()), ''));

test('a later p99, a dearer refusal, a lost event, an accepted submission and one that is missing are found', () => {
  assert.match(judged(figures(), beside({ submit_to_finalized_s: { p99: 3.95 } })), /later/);
  assert.equal(judged(figures(), beside({ submit_to_finalized_s: { p99: 3.85 } })), '');
  assert.match(judged(figures(), beside({ submit_to_finalized_s: { p99: null } })), /missing/);
  assert.match(judged(figures(), beside({ node_processor_seconds: 10.06 })), /costs/);
  assert.match(judged(figures(), beside({ node_processor_seconds: null })), /missing/);
  assert.match(judged(figures(), beside({ finalized_events: 29_999 })), /29999 of 30000/);
  assert.match(judged(figures(), beside({ junk: { refused: { stale: 99 }, accepted: { stale: 1 } } })), /1 accepted/);
  assert.match(judged(figures(), beside({ junk: { refused: { stale: 99 }, accepted: {} } })), /99 of 100/);
  assert.match(judged(figures({ offered_events: 0, finalized_events: 0 }), beside()), /nothing was offered/);
});

test('readers who hear late are found, and so is a run that tells nothing of them', () => {
  const report = (p95) => ({ subscribers: { finality_to_subscriber_s: { p95 } } });
  assert.deepEqual(judgeSubscribers(report(1), 1_000), []);
  assert.match(judgeSubscribers(report(1.25), 1_000)[0], /1250/);
  assert.match(judgeSubscribers(report(null), 1_000)[0], /cannot be told/);
});
