// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Validators of the local chain on loopback. The first one is whom the others look for.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from './chain.mjs';
import { ensure, run, startProgram, waitFor } from './harness.mjs';

/** Public: of the first node's address in the network. */
const NODE_KEY = '0000000000000000000000000000000000000000000000000000000000000001';
const PEER_ID = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';

/** Starts validators with their places in a directory; `identity` are the flags for publicly known keys. */
export function validatorsIn(directory) {
  let bootnode = null;
  let lives = 0;
  // From a preset's name each start would compile the runtime once more, to make the genesis.
  const chain = join(directory, 'spec.json');
  const made = run('ves-node', ['export-chain-spec', '--chain', 'local', '--raw', '--output', chain], { cwd: directory });
  return async (name, identity) => {
    await made;
    // Of its own for each life: where it listens is read from it.
    const log = join(directory, `${name}-${(lives += 1)}.log`);
    const args = [
      ...['--chain', chain, '--validator', ...identity, '--base-path', join(directory, name)],
      ...['--rpc-port', '0', '--rpc-methods', 'unsafe', '--listen-addr', '/ip4/127.0.0.1/tcp/0'],
      ...['--allow-private-ip', '--no-mdns', '--prometheus-port', '0', '--no-telemetry', '--name', name],
      ...(bootnode
        ? ['--bootnodes', bootnode, '--unsafe-force-node-key-generation', '--no-event-store']
        : ['--node-key', NODE_KEY]),
    ];
    const node = await startProgram('ves-node', args, log, /Running JSON-RPC server: addr=([^,\s]+)/);
    const api = await connect(`ws://${node.told}`);
    if (!bootnode) {
      const listening = (await api.rpc.system.localListenAddresses()).map(String);
      const address = listening.find((address) => address.includes('127.0.0.1'));
      bootnode = `${address.split('/p2p/')[0]}/p2p/${PEER_ID}`;
    }
    const exporter = /Prometheus exporter started at (\S+)/;
    const metrics = await waitFor('its metrics', () => exporter.exec(readFileSync(log, 'utf8'))?.[1]);
    return { ...node, api, name, url: `ws://${node.told}`, metrics: `http://${metrics}/metrics` };
  };
}

/** Value of a gauge without labels of its own, as a node's metrics show it. */
export async function gauge(node, name) {
  const text = await (await fetch(node.metrics)).text();
  const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1];
  ensure(value !== undefined, `${node.name} has no metric ${name}`);
  return Number(value);
}

/** Ends a node. */
export async function gone(node) {
  await node.api.disconnect();
  node.stop();
}
