#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// chain-spec.mjs PLAIN CONSORTIUM [WASM]: a plain chain specification with the genesis of a consortium,
// on stdout. PLAIN is what `ves-node export-chain-spec --chain local` prints; CONSORTIUM names
// validators, council and first tenants by public keys, see docs/OPERATIONS.md; WASM is the code of a
// release instead of the one that is built into PLAIN's node.

import { readFileSync } from 'node:fs';

const fail = (why) => {
  console.error(`error: ${why}`);
  process.exit(1);
};
const [plain, consortium] = process.argv.slice(2, 4).map((file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return fail(`${file}: ${error.message}`);
  }
});
if (!consortium) fail('usage: chain-spec.mjs PLAIN CONSORTIUM [WASM]');

const MEMBERS = ['name', 'id', 'validators', 'council', 'tenants', 'bootNodes'];
const unknown = Object.keys(consortium).find((member) => !MEMBERS.includes(member));
if (unknown) fail(`"${unknown}" is no member of a consortium; there are ${MEMBERS.join(', ')}`);
const { name, id, validators, council, tenants = [], bootNodes = [] } = consortium;
if (!name || !/^[a-z0-9_]+$/.test(id ?? '')) fail('a consortium has a name and an id of a-z, 0-9 and _');

/** An account or key in the form of chain 42: what a human may mistype is found by the node, too. */
const KEY = /^5[1-9A-HJ-NP-Za-km-z]{47}$/;
const keys = [
  ...(validators ?? fail('no validators')).flatMap(({ aura, grandpa }) => [aura, grandpa]),
  ...(council ?? fail('no council')),
  ...tenants.map(([, admin]) => admin),
];
const wrong = keys.find((key) => !KEY.test(key ?? ''));
if (wrong !== undefined || keys.includes(undefined)) fail(`"${wrong}" is no public key in SS58 form`);
if (council.length === 0) fail('without a council nobody ever admits a tenant');
const twice = (list) => list.find((key, n) => list.indexOf(key) !== n);
const double =
  twice(validators.map(({ aura }) => aura)) ?? twice(validators.map(({ grandpa }) => grandpa)) ?? twice(council);
if (double) fail(`${double} is named twice`);
// A quorum that survives one faulty member takes four.
if (validators.length < 4) console.error(`warning: ${validators.length} validators tolerate no fault`);

const genesis = plain.genesis?.runtimeGenesis;
if (!genesis?.patch) fail('not a plain chain specification: it has no runtimeGenesis.patch');
const [wasm] = process.argv.slice(4);
if (wasm) genesis.code = `0x${readFileSync(wasm).toString('hex')}`;
genesis.patch.aura.authorities = validators.map(({ aura }) => aura);
genesis.patch.grandpa.authorities = validators.map(({ grandpa }) => [grandpa, 1]);
genesis.patch.council.members = council;
genesis.patch.agentRegistry = { accounts: council, tenants };
console.log(JSON.stringify({ ...plain, name, id, chainType: 'Live', bootNodes }, null, 2));
