// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
//
// Compares the ABI in `artifacts/SetRegistry.json` with the peer's, recorded in `primitives/vectors/set/abi_facts.json`.
// Every function, event and error of the peer must be here with the same signature, selector or topic, outputs,
// mutability and indexed parameters. The only things that may be missing are the errors in MISSING. What is here in
// addition is listed. Exits 1 on any difference.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const contracts = join(dirname(fileURLToPath(import.meta.url)), '..');
const read = (path) => JSON.parse(readFileSync(join(contracts, path), 'utf8'));
const peer = read('../primitives/vectors/set/abi_facts.json');
const { abi } = read('artifacts/SetRegistry.json');

// Errors of OpenZeppelin 5.0 that its current release no longer has, with the reason.
const MISSING = {
  'FailedInnerCall()': 'renamed FailedCall() upstream',
  'ReentrancyGuardReentrantCall()': 'no external call, so no guard',
};

const typeOf = ({ type, components }) =>
  type.startsWith('tuple') ? `(${components.map(typeOf).join(',')})${type.slice(5)}` : type;
const typesOf = (params) => `(${params.map(typeOf).join(',')})`;
const cast = (...args) => execFileSync(join(contracts, 'node_modules/.bin/cast'), args, { encoding: 'utf8' }).trim();
const keccak = (text) => cast('keccak', text);

const describe = {
  function: (item, hash) => ({
    selector: hash.slice(0, 10),
    stateMutability: item.stateMutability,
    outputs: typesOf(item.outputs),
  }),
  event: (item, hash) => ({
    topic0: hash,
    indexed: item.inputs.filter((input) => input.indexed).map((input) => input.name),
    data: item.inputs.filter((input) => !input.indexed).map((input) => input.name),
  }),
  error: (_, hash) => hash.slice(0, 10),
};

let failures = 0;
const fail = (message) => {
  failures += 1;
  console.error(`FAIL ${message}`);
};

for (const kind of ['function', 'event', 'error']) {
  const expected = peer[`${kind}s`];
  const items = new Map(
    abi.filter((item) => item.type === kind).map((item) => [item.name + typesOf(item.inputs), item]),
  );
  let same = 0;
  for (const [signature, wanted] of Object.entries(expected)) {
    const item = items.get(signature);
    if (!item) {
      if (kind === 'error' && signature in MISSING) console.log(`missing  ${kind} ${signature}: ${MISSING[signature]}`);
      else fail(`${kind} ${signature} is missing`);
      continue;
    }
    const got = describe[kind](item, keccak(signature));
    if (JSON.stringify(got) !== JSON.stringify(wanted)) {
      fail(`${kind} ${signature}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
    } else {
      same += 1;
    }
  }
  const added = [...items.keys()].filter((signature) => !(signature in expected));
  for (const signature of added.sort()) console.log(`added    ${kind} ${signature}`);
  console.log(`${kind}s: ${same} of the peer's ${Object.keys(expected).length} identical, ${added.length} added`);
}
process.exitCode = failures === 0 ? 0 : 1;
