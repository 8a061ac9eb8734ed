// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The steps of the scenarios that zombienet has no words for: what agents, council, operators and relay
// do, with the real programs, and what must then hold. A child of zombienet, see steps.cjs.
// VES_ZOMBIE_DIR is where everything lives.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../tests/polkadotjs/chain.mjs';
import { alice, authors, becomes, bob, charlie, dave, decide, eve, register, setId, upgrade } from '../tests/polkadotjs/council.mjs';
import { ensure, run, same, sleep, startProgram, waitFor, withoutHints } from '../tests/polkadotjs/harness.mjs';
import { Load, Writer } from './agents.mjs';
import { ask, blocks, difference, finalized, history, keeps } from './checks.mjs';

withoutHints();
const PATIENCE_MS = 120_000;
/** Of the load generator, a second. */
const RATE = 50;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const here = process.env.VES_ZOMBIE_DIR;
const packaged = (name) => join(root, 'contracts/node_modules/.bin', name);
const seconds = (began) => ((Date.now() - began) / 1000).toFixed(1);

let nodes = [];
const named = (name) => nodes.find((node) => node.name === name);
const writers = new Map();
/** Nodes that came late and keep an event store. */
const late = [];
let load;
let relay;

/** Connects to a node, as long as `what` lasts. */
async function using({ url }, what) {
  const api = await connect(url);
  try {
    return await what(api);
  } finally {
    await api.disconnect();
  }
}

const start = (name, args, log, pattern) => startProgram(name, args, join(here, log), pattern);
const relayCommand = (...args) => run('anchor-relay', ['--config', 'relay.toml', ...args], { cwd: here });

async function startRelay() {
  const log = join(here, `relay-${Date.now()}.log`);
  relay = await startProgram('anchor-relay', ['--config', join(here, 'relay.toml'), 'run'], log, /(started)/);
}

/** The runtime at a node's newest final block. */
const version = async (url) =>
  (await ask(url, 'state_getRuntimeVersion', await ask(url, 'chain_getFinalizedHead'))).specVersion;

const steps = {
  /** An EVM chain, the contract, the relay, which anchors from then on. */
  async anchor({ url }) {
    const anvil = await start(packaged('anvil'), [
      ...['--port', '0', '--chain-id', '31337', '--block-time', '1', '--slots-in-an-epoch', '1'],
      ...['--mnemonic-random', '--config-out', join(here, 'anvil.json')],
    ], 'anvil.log', /Listening on (\S+)/);
    const l2 = `http://${anvil.told}`;
    await waitFor('accounts', () => existsSync(join(here, 'anvil.json')) && readFileSync(join(here, 'anvil.json'), 'utf8').endsWith('}'));
    const { available_accounts: [owner, sequencer], private_keys: [, key] } =
      JSON.parse(readFileSync(join(here, 'anvil.json'), 'utf8'));
    const { proxy } = JSON.parse(await run(process.execPath, [join(root, 'contracts/script/deploy.mjs'),
      ...['--rpc-url', l2, '--chain-id', '31337', '--owner', owner, '--sequencer', sequencer, '--unlocked', owner],
    ], { cwd: here }));
    writeFileSync(join(here, 'relay.key'), `${key}\n`, { mode: 0o600 });
    writeFileSync(join(here, 'relay.toml'), [
      `[source]\nnode_url = "${url}"`,
      `[destination]\nrpc_url = "${l2}"\nchain_id = 31337\nregistry = "${proxy}"\nconfirmations = "finalized"`,
      `[key]\nfile = "${join(here, 'relay.key')}"\nplain = true`,
      `[journal]\npath = "${join(here, 'relay.db')}"\n[http]\nlisten = "127.0.0.1:0"\n`,
    ].join('\n'));
    await startRelay();
    return { evidence: `contract ${proxy}` };
  },

  /** The relay dies and is started anew. */
  async reanchor() {
    relay.stop();
    await relay.ended;
    await startRelay();
    return { evidence: 'killed, started again' };
  },

  /** Agents that push from now on, one to each of these nodes, and a load generator against the first. */
  async write(node, ...names) {
    for (const name of names) {
      const writer = new Writer(here, named(name));
      await writer.enroll();
      writers.set(name, writer);
    }
    for (const writer of writers.values()) writer.start();
    load = new Load(here, named(names[0]), RATE);
    load.start();
    await waitFor('a push of each', () => [...writers.values()].every(({ pushes }) => pushes > 0), PATIENCE_MS);
    return { evidence: `${writers.size} agents, ${RATE} events/s besides` };
  },

  /** So many more pushes are final, of each agent or of those that push to the nodes named. */
  async pushed(node, count, ...names) {
    const of = [...writers.values()].filter(({ name }) => names.length === 0 || names.includes(name));
    const before = of.map(({ pushes }) => pushes);
    await waitFor('pushes', () => of.every(({ pushes }, n) => pushes >= before[n] + Number(count)), PATIENCE_MS);
    return { evidence: `${of.map(({ name, pushes }) => `${name} ${pushes}`).join(', ')}` };
  },

  /** The node is up to where another one is. */
  async follows({ url }, other) {
    const head = await finalized(named(other).url);
    const own = await waitFor('it to follow', async () => {
      const own = await finalized(url).catch(() => 0);
      return own >= head && own;
    }, PATIENCE_MS);
    return { evidence: `block ${own}, ${other} was at ${head}` };
  },

  /** Nothing becomes final for so long. */
  async stalled({ url }, duration) {
    // Votes that were under way when the others stopped may still be counted.
    await sleep(8_000);
    const before = await finalized(url);
    const best = Number((await ask(url, 'chain_getHeader')).number);
    await sleep(Number(duration) * 1_000);
    same('the finalized block', await finalized(url), before);
    const above = Number((await ask(url, 'chain_getHeader')).number) - before;
    return { evidence: `block ${before}, ${best - before} and then ${above} blocks above it` };
  },

  /** How long finality takes to go on. */
  async resumed({ url }) {
    const began = Date.now();
    const before = await finalized(url);
    await waitFor('finality', async () => (await finalized(url)) > before, 60_000);
    return { evidence: `${seconds(began)} s` };
  },

  /** The council authorizes the next runtime, anybody brings it; signed transactions go on meanwhile. */
  async upgrade(node) {
    const before = await version(node.url);
    const admin = { agent: writers.get(named('archive').name).agent, sent: 0, refused: [], stopped: false };
    admin.working = (async () => {
      for (let events = 1_000_000; !admin.stopped; events += 1) {
        const args = ['--events', String(events), '--payload-bytes', '1000000000', '--admin-suri-file', 'admin', '--no-wait'];
        await admin.agent.cli(['admin:agent-quota', ...args]).then(
          () => (admin.sent += 1),
          (error) => admin.refused.push(error.message.slice(0, 300)),
        );
      }
    })();
    try {
      const answer = await using(node, async (api) => {
        // Signed for the old runtime, handed over when the new one is there; his vote comes before it.
        const nonce = (await api.rpc.system.accountNextIndex(charlie.address)).toNumber() + 1;
        const stale = await api.tx.system.remark('0x00').signAsync(charlie, { nonce });
        const block = await upgrade(api, readFileSync(process.env.VES_NEXT_RUNTIME));
        const { number } = await api.rpc.chain.getHeader(block);
        same('the number of his transactions', (await api.rpc.system.accountNextIndex(charlie.address)).toNumber(), nonce);
        return { number: number.toNumber(), stale: stale.toHex() };
      });
      for (const { name, url } of nodes) {
        await waitFor(`the new runtime on ${name}`, async () => (await version(url)) === before + 1, PATIENCE_MS);
      }
      const refused = await ask(node.url, 'author_submitExtrinsic', answer.stale).then(() => 'taken', ({ message }) => message);
      ensure(refused.includes('bad signature'), `a transaction signed for the old runtime: ${refused}`);
      // Long enough for whoever signed at the wrong moment to sign again.
      await sleep(4_000);
      const again = admin.sent;
      await waitFor('signed transactions with the new runtime', () => admin.sent > again + 1);
      return {
        evidence: `spec ${before} to ${before + 1} in block ${answer.number}; ${admin.sent} signed transactions meanwhile, ` +
          `refused: ${admin.refused.join('; ') || 'none'}; one signed before: ${refused}`,
      };
    } finally {
      admin.stopped = true;
      await admin.working;
    }
  },

  /** The council admits the node's operator, who registers keys; its node makes blocks and votes. */
  async join(node) {
    await using(named('alice'), async (api) => {
      same('the motion', await decide(api, api.tx.consortium.addValidator(eve.address)), null);
    });
    return using(node, async (api) => {
      await register(api, eve);
      await becomes(api, [alice, bob, charlie, dave, eve]);
      await waitFor('a block by the newcomer', async () => (await authors(api, 10)).has(eve.address), PATIENCE_MS);
      return { evidence: `set ${await setId(api)}` };
    });
  },

  /** The council removes a validator; the others go on without it. */
  async leave() {
    return using(named('alice'), async (api) => {
      same('the motion', await decide(api, api.tx.consortium.removeValidator(dave.address)), null);
      await becomes(api, [alice, bob, charlie, eve]);
      return { evidence: `set ${await setId(api)}` };
    });
  },

  /** A node that joins now, from the newest proven state (`warp`) or executing all blocks (`full`). */
  async late({ url }, mode) {
    const began = Date.now();
    const head = await finalized(url);
    const listening = await ask(url, 'system_localListenAddresses');
    const bootnode = listening.find((address) => address.includes('/127.0.0.1/'));
    const args = [
      ...['--chain', join(here, 'local-raw.json'), '--base-path', join(here, `late-${mode}`), '--sync', mode],
      ...['--bootnodes', bootnode, '--listen-addr', '/ip4/127.0.0.1/tcp/0', '--no-mdns', '--no-telemetry'],
      ...['--allow-private-ip', '--no-prometheus', '--rpc-port', '0', '--name', `late-${mode}`],
      ...(mode === 'warp' ? ['--no-event-store'] : ['--state-pruning', 'archive', '--blocks-pruning', 'archive']),
    ];
    const node = await start('ves-node', args, `late-${mode}.log`, /Running JSON-RPC server: addr=([^,\s]+)/);
    const own = `http://${node.told}`;
    await waitFor('it to be in sync', async () => (await finalized(own)) >= head, PATIENCE_MS);
    const took = seconds(began);
    const newest = await ask(own, 'chain_getFinalizedHead');
    const { number } = await ask(own, 'chain_getHeader', newest);
    // It may have heard of it first.
    const other = await waitFor('that block', () => ask(url, 'chain_getBlockHash', number));
    same(`block ${Number(number)}`, newest, other);
    // What is below comes later after a warp sync.
    const first = await ask(url, 'chain_getBlockHash', 1);
    await waitFor('its history', async () => (await ask(own, 'chain_getBlockHash', 1)) === first, PATIENCE_MS);
    const whole = seconds(began);
    same('its runtime', await version(own), await version(url));
    // It goes on with the others.
    const now = await finalized(url);
    await waitFor('it to follow', async () => (await finalized(own)) > now, PATIENCE_MS);
    if (mode === 'full') late.push({ name: 'late', url: own });
    return { evidence: `block ${Number(number)} in ${took} s, history in ${whole} s` };
  },

  /** Agents and load end; all they handed over is final, and every node has it, once, in the same order and in the same blocks. */
  async alike() {
    const acknowledged = (await Promise.all([...writers.values()].map((writer) => writer.settle()))).flat();
    const taken = await load.settle();
    const archive = named('archive');
    let all = await history(archive.url);
    const total = () => [...all.values()].reduce((sum, { ids }) => sum + ids.length, 0);
    const count = acknowledged.length + taken;
    await waitFor('the last events', async () => total() >= count || (all = await history(archive.url), false), PATIENCE_MS);
    same('events on chain', total(), count);
    // The agents' stream has no event but theirs; the load's are the others.
    const [own] = [...all.values()].filter(({ ids }) => ids.includes(acknowledged[0].id));
    same("events of the agents' stream", own.ids.length, acknowledged.length);
    keeps(own.ids, acknowledged);
    const asked = [...nodes, ...late];
    for (const { name, url } of asked) {
      let differs = 'it was not asked';
      await waitFor(`${name} to serve the same`, async () => {
        differs = await history(url).then((found) => difference(all, found), ({ message }) => message);
        return differs === null;
      }, 60_000).catch(() => ensure(false, `${name}: ${differs}`));
    }
    const height = Math.min(...await Promise.all(asked.map(({ url }) => finalized(url))));
    const expected = JSON.stringify(await blocks(archive.url, height));
    for (const { name, url } of asked) ensure(JSON.stringify(await blocks(url, height)) === expected, `${name} finalized other blocks`);
    const of = [...writers.values()];
    const pushes = of.reduce((sum, { pushes }) => sum + pushes, 0);
    return {
      evidence: `${acknowledged.length} events of ${of.length} agents in ${pushes} pushes and ${taken} of the load in ${load.rounds} rounds ` +
        `(${load.refused} refused, ${load.notRegistered} rounds begun again): pushed = accepted = final, on ${asked.length} nodes, ` +
        `${all.size} streams, blocks 0 to ${height}\n` +
        of.map((writer) => `        agent of ${writer.name}: ${writer.pushes} pushes, 0 failed for good, made again: ${writer.retries()}; slowest ${writer.slowest} ms`).join('\n'),
    };
  },

  /** The relay's audit: the contract has every batch, once, in order, equal field by field. */
  async anchored() {
    let last;
    const { batches } = await waitFor('everything to be anchored', () =>
      relayCommand('verify', '--complete', '--json').then(JSON.parse, (error) => ((last = error.message), null)), PATIENCE_MS)
      .catch((error) => ensure(false, `${error.message}: ${last}`));
    const expected = [...(await history(named('archive').url)).values()].reduce((sum, { batches }) => sum + batches, 0);
    same('batches in the contract', batches, expected);
    return { evidence: `${batches} batches` };
  },
};

let broken = false;
process.on('disconnect', () => process.exit(0));
process.on('message', async ({ id, name, nodes: known, step, args }) => {
  nodes = known;
  const began = Date.now();
  try {
    // What comes after a failure would wait in vain, long and for another reason.
    ensure(!broken, 'not tried, after an earlier failure');
    const { evidence } = await steps[step](named(name), ...args);
    console.log(`      ${step}: ${evidence} (${seconds(began)} s)`);
    process.send({ id, answer: 1 });
  } catch (error) {
    broken = true;
    process.send({ id, error: `${name}, ${step}: ${error.message}` });
  }
});
