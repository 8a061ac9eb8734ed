#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// A real node of its own, first as a user of polkadot.js sees it, under Node and in a browser, then
// under bad input. One line for each claim; exit code 0 if and only if all of them hold. VES_SEED=n
// makes other bad input.

import { format } from 'node:util';
import { attack } from './bad-input.mjs';
import { connect } from './chain.mjs';
import { decode } from './decoding.mjs';
import { score, startNode, workingDirectory } from './harness.mjs';
import { decodeInPage } from './page.mjs';
import { play } from './scene.mjs';

// polkadot.js says what it does not understand to the console and goes on.
const warnings = [];
for (const level of ['warn', 'error']) {
  const print = console[level].bind(console);
  console[level] = (...parts) => {
    const line = format(...parts);
    if (/REGISTRY|API\/|RPC-CORE|API-WS/.test(line)) warnings.push(line);
    else print(line);
  };
}

process.exitCode = 1;
const directory = workingDirectory();
const node = await startNode(directory);
const scene = await play(directory, node.url);
const api = await connect(node.url);
await decode(api, scene, warnings);
await decodeInPage(node.url, scene);
// Bad input differs from run to run only if one asks for it.
await attack(api, node, scene, Number(process.env.VES_SEED ?? 1));
await api.disconnect();

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
