#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
//
// Deploys the registry from `artifacts/`: the implementation, then a proxy that is initialized in the same transaction,
// so that nobody can get in between. Checks the result and prints it as JSON.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `usage: deploy.mjs --rpc-url URL --owner ADDRESS [options]

  --rpc-url URL        JSON-RPC endpoint (or ETH_RPC_URL)
  --owner ADDRESS      administrator of the registry; a timelock or multisig in production
  --sequencer ADDRESS  first authorized sequencer (default: none)
  --chain-id N         refuse to deploy on another chain

The signer of the two transactions pays and gets no rights. It is, in this order:
  --account NAME       a keystore of \`cast wallet\`; --password-file FILE if it should not ask
  --keystore FILE      a keystore file; likewise
  --unlocked ADDRESS   an account that the node itself signs for (local test chains)
  DEPLOYER_KEY         private key in the environment. For test chains only: cast takes it as an argument, which
                       other processes on the machine can see

Prints {"chainId","implementation","proxy","owner","sequencer","transactions"}. Exits 1 on any failure.`;

const cast = join(dirname(fileURLToPath(import.meta.url)), '../node_modules/.bin/cast');

function fail(message) {
  console.error(message);
  process.exit(1);
}

function run(args) {
  const result = spawnSync(cast, args, {
    encoding: 'utf8',
    stdio: ['inherit', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
  });
  if (result.status !== 0) fail(`cast ${args[0]}: ${result.error?.message ?? result.stderr.trim()}`);
  return result.stdout.trim();
}

function artifact(name) {
  return JSON.parse(readFileSync(new URL(`../artifacts/${name}.json`, import.meta.url), 'utf8')).bytecode.object;
}

const { values: options } = parseArgs({
  options: {
    'rpc-url': { type: 'string', default: process.env.ETH_RPC_URL },
    owner: { type: 'string' },
    sequencer: { type: 'string' },
    'chain-id': { type: 'string' },
    account: { type: 'string' },
    keystore: { type: 'string' },
    'password-file': { type: 'string' },
    unlocked: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
if (!options['rpc-url'] || !options.owner) fail(HELP);

const ZERO = `0x${'0'.repeat(40)}`;
const owner = run(['to-check-sum-address', options.owner]);
const sequencer = run(['to-check-sum-address', options.sequencer ?? ZERO]);
if (owner === ZERO) fail('the owner must not be the zero address');

const rpc = ['--rpc-url', options['rpc-url']];
const chainId = Number(run(['chain-id', ...rpc]));
if (options['chain-id'] && chainId !== Number(options['chain-id'])) {
  fail(`chain id is ${chainId}, expected ${options['chain-id']}`);
}

const password = options['password-file'] ? ['--password-file', options['password-file']] : [];
let signer;
if (options.account) signer = ['--account', options.account, ...password];
else if (options.keystore) signer = ['--keystore', options.keystore, ...password];
else if (options.unlocked) signer = ['--from', options.unlocked, '--unlocked'];
else if (process.env.DEPLOYER_KEY) signer = ['--private-key', process.env.DEPLOYER_KEY];
else fail('no signer: see --help');

function create(code) {
  const receipt = JSON.parse(run(['send', '--json', ...rpc, ...signer, '--create', code]));
  if (Number(receipt.status) !== 1) fail(`transaction ${receipt.transactionHash} failed`);
  return { address: run(['to-check-sum-address', receipt.contractAddress]), hash: receipt.transactionHash };
}

const implementation = create(artifact('SetRegistry'));
const initialize = run(['calldata', 'initialize(address,address)', owner, sequencer]);
const constructorArgs = run(['abi-encode', 'constructor(address,bytes)', implementation.address, initialize]);
const proxy = create(artifact('ERC1967Proxy') + constructorArgs.slice(2));

const call = (signature, ...args) => run(['call', ...rpc, proxy.address, signature, ...args]);
const IMPLEMENTATION_SLOT = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc';
const checks = {
  'owner()': call('owner()(address)') === owner,
  'strictModeEnabled()': call('strictModeEnabled()(bool)') === 'true',
  'authorizedSequencers(sequencer)':
    sequencer === ZERO || call('authorizedSequencers(address)(bool)', sequencer) === 'true',
  'implementation slot':
    run(['storage', ...rpc, proxy.address, IMPLEMENTATION_SLOT]).slice(-40) ===
    implementation.address.slice(2).toLowerCase(),
};
for (const [what, right] of Object.entries(checks)) if (!right) fail(`deployed, but ${what} is not as it should be`);

console.log(
  JSON.stringify({
    chainId,
    implementation: implementation.address,
    proxy: proxy.address,
    owner,
    sequencer,
    transactions: [implementation.hash, proxy.hash],
  }),
);

// The owner is seldom who deploys, so this is left to it.
console.error(`Next, from ${owner}: so that a stream begins with its first batch and nowhere else, which also spares
relays a wait for confirmation at the beginning of each stream:
  cast send ${proxy.address} 'setStrictGenesis(bool)' true
  or, for a multisig: data ${run(['calldata', 'setStrictGenesis(bool)', 'true'])}`);
