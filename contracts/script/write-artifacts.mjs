// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
//
// Copies ABI and bytecode of the shipped contracts, and of the one that the relay's tests need, from forge's output to a
// folder (argument 1), one JSON per contract in the form that forge artifacts have, so that tools which read those
// (alloy's `sol!`, for one) can read these.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const contracts = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = process.argv[2];
if (!target) throw new Error('usage: write-artifacts.mjs FOLDER');

mkdirSync(target, { recursive: true });
for (const name of ['SetRegistry', 'ERC1967Proxy', 'PeerForm']) {
  const built = JSON.parse(readFileSync(join(contracts, 'out', `${name}.sol`, `${name}.json`), 'utf8'));
  const artifact = {
    contractName: name,
    abi: built.abi,
    bytecode: { object: built.bytecode.object },
    deployedBytecode: { object: built.deployedBytecode.object },
  };
  writeFileSync(join(target, `${name}.json`), JSON.stringify(artifact) + '\n');
}
