// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Compliance proofs that the chain refused, which it keeps nothing of.

import { code, link, table } from '../dom.js';

/** The newest first; nothing if there are none. */
export function refusedProofs(refused) {
  if (refused.length === 0) return [];
  const rows = refused.toReversed().map((proof) => [
    link(`#/block/${proof.block_number}`, String(proof.block_number)),
    proof.reason,
    code(proof.agent_id),
    String(proof.units),
  ]);
  const columns = [['Block', 'number'], ['Reason'], ['Agent'], ['Cost', 'number']];
  return [table('Proofs that the chain refused', columns, rows)];
}
