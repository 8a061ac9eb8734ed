#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The MCP server of `stateset-sync` against two independent clients and a real node of its own. One
// line for each claim; exit code 0 if and only if all of them hold.

import { score, startNode, workingDirectory } from '../polkadotjs/harness.mjs';
import { REVISIONS } from './clients.mjs';
import { enrol } from './agents.mjs';
import { bounds } from './bounds.mjs';
import { conflicts, values } from './conflicts.mjs';
import { http } from './http.mjs';
import { journey } from './journey.mjs';
import { protocol } from './protocol.mjs';
import { traces } from './traces.mjs';

process.exitCode = 1;
const directory = workingDirectory();
const node = await startNode(directory);
const agents = await enrol(directory, node.url);
for (const revision of REVISIONS) {
  await journey(revision, agents);
  await conflicts(revision, agents);
  await bounds(revision, agents);
  await protocol(revision, agents);
  await values(revision, agents);
}
await http(agents);
await traces(agents);

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
