#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The gateway against a real node: what an agent of the peer sends, over HTTP alone. One line for each
// claim; exit code 0 if and only if all of them hold.

import { join } from 'node:path';
import { score, startNode, waitFor, workingDirectory } from '../polkadotjs/harness.mjs';
import { startGateway } from './scene.mjs';
import { anchoring } from './anchoring.mjs';
import { ends } from './ends.mjs';
import { ingest } from './ingest.mjs';
import { proofs } from './proofs.mjs';
import { reads } from './reads.mjs';
import { refusals } from './refusals.mjs';
import { schema } from './schema.mjs';

process.exitCode = 1;
const directory = workingDirectory();
const node = await startNode(directory);
const gateway = await startGateway(directory, node.url, 'gateway',
  'per_address_per_minute = 100000\nper_key_per_minute = 50000\nwait_seconds = 50');
await waitFor('the gateway to be ready', async () => (await gateway.get('/ready')).status === 200);

const scene = { directory, node, gateway, home: join(directory, 'agent') };
await ingest(scene);
await reads(scene);
await refusals(scene);
await proofs(scene);
await anchoring(scene);
await schema(scene);
await ends(scene);

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
