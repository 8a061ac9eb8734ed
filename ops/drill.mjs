#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The drills of docs/OPERATIONS.md with the real programs, on loopback, in a temporary directory: a
// chain of four validators from operators' public keys, an archive node, a relay. One line for each
// claim; exit code 0 if and only if all of them hold. Four minutes or so.

import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claim, ensure, program, run, same, score, sleep, waitFor, workingDirectory } from '../tests/polkadotjs/harness.mjs';
import { Agent, STORE, TENANT } from '../tests/polkadotjs/scene.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const packaged = (name) => join(root, 'contracts/node_modules/.bin', name);
process.exitCode = 1;
const here = workingDirectory();
const write = (name, text) => (writeFileSync(join(here, name), text, { mode: 0o600 }), name);
const node = (...args) => run('ves-node', args, { cwd: here });

/** A port that nobody else gets until it is let go: peers have to know each other's before they start. */
const takePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => done(server));
  });
const letGo = (server) => new Promise((done) => server.close(done));

const running = new Set();
// Before what they write to is removed.
process.prependListener('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A program that runs until it is stopped. */
class Service {
  start(path, args, log) {
    this.log = join(here, log);
    const file = openSync(this.log, 'w');
    this.ended = null;
    const child = spawn(path, args, { cwd: here, stdio: ['ignore', file, file] });
    running.add(child);
    this.child = child;
    child.on('error', (error) => (this.ended = error.message));
    child.on('exit', (code, signal) => (this.ended = `exit ${code ?? signal}`));
    return this;
  }

  said(pattern) {
    return waitFor(`${pattern} in ${this.log}`, () => {
      ensure(this.ended === null, `it ended (${this.ended}); see ${this.log}`);
      return pattern.exec(readFileSync(this.log, 'utf8'))?.[1];
    }, PATIENCE_MS);
  }

  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    await waitFor(`${this.log} to end`, () => this.ended !== null, PATIENCE_MS);
    running.delete(this.child);
  }
}

/**
 * The arguments that a unit of ops/systemd gives to its node, so that what is drilled is what is shipped:
 * paths are replaced, `environment` is what its environment file or a drop-in sets, and `own` stands for
 * VES_NODE_ARGS.
 */
function fromUnit(unit, { paths, environment, own }) {
  const text = readFileSync(join(root, 'ops/systemd', `${unit}.service`), 'utf8').replaceAll('\\\n', ' ');
  const lines = (setting) => [...text.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].map(([, value]) => value.trim());
  const set = lines('Environment').flatMap((line) => line.split(/\s+/)).map((pair) => pair.split('='));
  const values = { ...Object.fromEntries(set), ...environment };
  const expand = (word) =>
    word.replace(/\$\{(\w+)\}/g, (_, name) => {
      ensure(name in values, `${unit}: nobody sets ${name}`);
      return values[name];
    });
  const [command, ...words] = lines('ExecStart')[0].split(/\s+/);
  same(`what ${unit} starts`, command, '/usr/local/bin/ves-node');
  // A name without braces stands for any number of words, none if it is empty.
  const several = (name) => {
    ensure(name in values, `${unit}: nobody sets ${name}`);
    return values[name].split(/\s+/).filter(Boolean);
  };
  const args = words.flatMap((word) => {
    if (word === '$VES_NODE_ARGS') return own;
    return word.startsWith('$') && !word.startsWith('${') ? several(word.slice(1)) : [paths[word] ?? expand(word)];
  });
  const left = args.find((word) => /^\/(etc|var)\//.test(word));
  ensure(left === undefined, `${unit}: ${left} has no place in the drill`);
  return args;
}

const PATIENCE_MS = 180_000;
let lives = 0;
/** A node with its place on disk and in the network. */
class Node extends Service {
  constructor(name, unit, extra = []) {
    super();
    Object.assign(this, { name, unit, extra, base: `${name}-base` });
  }

  async prepare() {
    this.taken = [await takePort(), await takePort()];
    [this.port, this.metricsPort] = this.taken.map((server) => server.address().port);
    await node('key', 'generate-node-key', '--file', `${this.name}.node.key`);
    this.peer = (await node('key', 'inspect-node-key', '--file', `${this.name}.node.key`)).trim();
    return this;
  }

  get address() {
    return `/ip4/127.0.0.1/tcp/${this.port}/p2p/${this.peer}`;
  }

  async up({ peers, password = true, methods, role }) {
    const kind = this.unit.replace('ves-', '');
    const paths = {
      '/etc/ves/chain.json': 'chain.json',
      [`/etc/ves/${kind}.node.key`]: `${this.name}.node.key`,
      [`/var/lib/ves/${kind}`]: this.base,
    };
    // Health has a port of its own, which several nodes of one machine cannot share.
    const environment = { CREDENTIALS_DIRECTORY: '.', VES_HEALTH: '127.0.0.1:0', ...(methods && { VES_RPC_METHODS: methods }), ...(role !== undefined && { VES_ROLE: role }) };
    const own = [
      ...['--name', this.name, '--listen-addr', `/ip4/127.0.0.1/tcp/${this.port}`],
      ...['--rpc-port', '0', '--prometheus-port', String(this.metricsPort), ...this.extra],
      ...peers.flatMap((peer) => ['--reserved-nodes', peer.address]),
    ];
    const args = fromUnit(this.unit, { paths, environment, own });
    if (!password) args.splice(args.indexOf('--password-filename'), 2);
    await Promise.all(this.taken.splice(0).map(letGo));
    this.start(program('ves-node'), args, `${this.name}-${(lives += 1)}.log`);
    this.url = `http://${await this.said(/Running JSON-RPC server: addr=([^,\s]+)/)}`;
  }

  async ask(method, ...params) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const headers = { 'content-type': 'application/json' };
    const answer = await (await fetch(this.url, { method: 'POST', headers, body })).json();
    if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
    return answer.result;
  }

  async finalized() {
    const header = await this.ask('chain_getHeader', await this.ask('chain_getFinalizedHead'));
    return Number(header.number);
  }

  async metrics() {
    return (await fetch(`http://127.0.0.1:${this.metricsPort}/metrics`)).text();
  }

  /** A gauge of the node; the chain is its only label. */
  async gauge(name) {
    const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(await this.metrics())?.[1];
    ensure(value !== undefined, `${this.name} has no ${name}`);
    return Number(value);
  }

  async best() {
    return Number((await this.ask('chain_getHeader')).number);
  }

  /** Waits until this many more blocks are final. */
  async finalizes(more = 3) {
    const from = await this.finalized();
    return waitFor(`${more} more final blocks`, async () => {
      const now = await this.finalized();
      return now >= from + more && now;
    }, PATIENCE_MS);
  }
}

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Node(name, 'ves-validator'));
const archive = new Node('archive', 'ves-archive');
const stranger = new Node('stranger', 'ves-archive', ['--no-event-store']);
const validators = [a, b, c, d];
const named = [...validators, archive];
const others = (one) => named.filter((peer) => peer !== one);
const keystore = (one) => join(here, one.base, 'chains/drill/keystore');

await claim('Operators make keys that a password protects, and hand over the public halves', async () => {
  write('keystore-password', 'of keys that live for a minute');
  await Promise.all([...named, stranger].map((one) => one.prepare()));
  // Any specification with the id of the chain to be tells where keys belong.
  const plain = JSON.parse(await node('export-chain-spec', '--chain', 'local'));
  write('plain.json', JSON.stringify(plain));
  write('place.json', JSON.stringify({ ...plain, id: 'drill' }));
  /** An account that nobody else knows: its address, and its phrase. */
  const account = async () => {
    const { secretPhrase, ss58Address } = JSON.parse(await node('key', 'generate', '--output-type', 'json'));
    return { phrase: secretPhrase, address: ss58Address };
  };
  const operators = [];
  for (const one of validators) {
    const keys = { account: (await account()).address };
    for (const [what, type, scheme] of [['aura', 'aura', 'sr25519'], ['grandpa', 'gran', 'ed25519']]) {
      const { secretPhrase } = JSON.parse(await node('key', 'generate', '--output-type', 'json'));
      write('phrase', `${secretPhrase}\n`);
      await node('key', 'insert', '--chain', 'place.json', '--base-path', one.base, '--key-type', type,
        '--scheme', scheme, '--suri', 'phrase', '--password-filename', 'keystore-password');
      rmSync(join(here, 'phrase'));
      // A file of the keystore is named after its kind and its public key.
      const prefix = Buffer.from(type).toString('hex');
      const file = readdirSync(keystore(one)).find((file) => file.startsWith(prefix));
      same('its mode', statSync(join(keystore(one), file)).mode & 0o777, 0o600);
      const key = `0x${file.slice(prefix.length)}`;
      const shown = await node('key', 'inspect', '--public', '--scheme', scheme, '--output-type', 'json', key);
      keys[what] = JSON.parse(shown).ss58PublicKey;
      const bare = await node('key', 'inspect', '--scheme', scheme, '--output-type', 'json', secretPhrase);
      ensure(JSON.parse(bare).publicKey !== key, 'the phrase alone gives the key');
    }
    operators.push(keys);
  }
  const members = await Promise.all([account(), account(), account()]);
  const admin = await account();
  write('admin', `${admin.phrase}\n`);
  const consortium = {
    name: 'Drill', id: 'drill', sessionBlocks: 12, validators: operators,
    council: members.map(({ address }) => address), tenants: [[TENANT, admin.address, [STORE]]],
  };
  write('consortium.json', JSON.stringify(consortium));
  write('chain.json', await node('consortium-spec', 'consortium.json', '--raw'));
  // What must not get into a chain is refused by name.
  const [alice] = plain.genesis.runtimeGenesis.patch.council.members;
  for (const [wrong, why] of [
    [{ ...consortium, council: [alice, ...consortium.council] }, 'everybody knows'],
    [{ ...consortium, validators: [...operators, operators[0]] }, 'twice'],
    [{ ...consortium, validators: operators.slice(1) }, '3 validators'],
  ]) {
    write('wrong.json', JSON.stringify(wrong));
    const refused = await node('consortium-spec', 'wrong.json').then(() => 'a chain', ({ message }) => message);
    ensure(refused.includes(why), `instead of "${why}": ${refused}`);
  }
  return `${operators.length * 2} keys, chain.json of ${statSync(join(here, 'chain.json')).size} bytes`;
});

const stands = await claim('A chain of these validators finalizes blocks', async () => {
  await Promise.all(named.map((one) => one.up({ peers: others(one) })));
  return `block ${await a.finalizes()}`;
});
// Everything else is about this chain.
if (!stands) process.exit(1);

await claim('An archive node takes what agents push', async () => {
  const agent = new Agent(here, archive.url.replace('http', 'ws'));
  renameSync(join(here, 'admin'), join(agent.cwd, 'admin'));
  await agent.enrol();
  for (const n of [1, 2, 3]) await agent.order(`A-${n}`, { total: `${n}.00` });
  await agent.cli(['push']);
  archive.agent = agent;
  // What is final may not be in the store yet.
  const sequence = await waitFor('the events in the store', async () => {
    const { sequence } = await archive.ask('ves_head', TENANT, STORE);
    return sequence >= 3 && sequence;
  });
  same('the head', sequence, 3);
  return `sequence ${sequence}`;
});

await claim('What the alerts and the dashboard ask for, a validator and the archive node have', async () => {
  const offered = await Promise.all([a, archive].map((one) => one.metrics()));
  const has = (name) => new RegExp(`^${name}[{ ]`, 'm').test(offered.join('\n'));
  const asked = ['alerts.yml', 'dashboard.json'].map((file) => readFileSync(join(root, 'ops', file), 'utf8')).join();
  const names = [...new Set(asked.match(/\b(substrate|ves_store|ves_validators|ves_block)_[a-z0-9_]+\b/g))];
  // A reason has its line once an event was refused for it.
  const missing = names.filter((name) => name !== 'ves_store_rejections_total' && !has(name));
  ensure(missing.length === 0, `they have no ${missing.join(', ')}`);
  return `${names.length} metrics`;
});

await claim('Methods for operators are refused over RPC', async () => {
  const calls = [['author_rotateKeys'], ['author_insertKey', 'aura', '//Mallory', '0x00'], ['system_addReservedPeer', stranger.address]];
  for (const [method, ...params] of calls) {
    const found = await archive.ask(method, ...params).then(() => 'an answer', (error) => error.code);
    same(`the answer to ${method}`, found, -32601);
  }
  return calls.map(([method]) => method).join(', ');
});

await claim('A validator makes new keys with the drop-in for that moment, and not without it', async () => {
  const owner = `0x${'11'.repeat(32)}`;
  const refused = () => d.ask('author_rotateKeysWithOwner', owner).then(() => 'an answer', (error) => error.code);
  same('the answer of the unit as it is', await refused(), -32601);
  const stored = readdirSync(keystore(d)).length;
  await d.stop();
  await d.up({ peers: others(d), methods: 'unsafe' });
  const { keys } = await d.ask('author_rotateKeysWithOwner', owner);
  ensure(/^0x[0-9a-f]{128}$/.test(keys), `no two keys: ${keys}`);
  same('the keys in the keystore', readdirSync(keystore(d)).length, stored + 2);
  await d.stop();
  await d.up({ peers: others(d) });
  same('the answer once the drop-in is gone', await refused(), -32601);
  return keys.slice(0, 10);
});

await claim('A peer that nobody named gets no block', async () => {
  await stranger.up({ peers: named });
  await sleep(15_000);
  const { peers } = await stranger.ask('system_health');
  same('its best block', await stranger.best(), 0);
  same('its peers', peers, 0);
  await stranger.stop();
  // The same node, once the archive names it.
  await archive.stop();
  await archive.up({ peers: [...validators, stranger] });
  await stranger.up({ peers: [archive] });
  const block = await waitFor('blocks for a named peer', async () => (await stranger.best()) || false);
  await stranger.stop();
  return `none in 15 s; block ${block} once it is named`;
});

await claim('Without its password a validator does not vote, and two of four finalize nothing', async () => {
  await Promise.all([c.stop(), d.stop()]);
  await c.up({ peers: others(c), password: false });
  await sleep(10_000);
  const [before, best] = [await a.finalized(), await a.best()];
  await sleep(10_000);
  same('the finalized block', await a.finalized(), before);
  ensure((await a.best()) > best, 'no blocks were made');
  const above = (await a.best()) - before;
  await c.stop();
  const began = Date.now();
  await c.up({ peers: others(c) });
  const after = await a.finalizes(above);
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  await d.up({ peers: others(d) });
  return `block ${before} with ${above} above it; ${after} final ${seconds} s after the third is started`;
});

await claim('A validator that lost its database comes back with its keys', async () => {
  await c.stop('SIGKILL');
  rmSync(join(here, c.base, 'chains/drill/paritydb'), { recursive: true });
  // With the drop-in it follows only, until it has seen the three others finalize without it: then no round is
  // open in which it has voted.
  await c.up({ peers: others(c), role: '' });
  const [role] = await c.ask('system_nodeRoles');
  same('its role', role, 'Full');
  const head = await a.finalized();
  const own = await waitFor('it to follow', async () => (await c.finalized()) >= head && (await c.finalized()), PATIENCE_MS);
  await waitFor('finality that it follows', async () => (await c.finalized()) >= own + 2, PATIENCE_MS);
  await c.stop();
  await c.up({ peers: others(c) });
  same('its role again', (await c.ask('system_nodeRoles'))[0], 'Authority');
  await waitFor('its vote', async () => (await c.gauge('ves_votes_withheld')) === 0, PATIENCE_MS);
  // With another one down it is needed.
  await d.stop();
  const block = await a.finalizes(5);
  await d.up({ peers: others(d) });
  return `synced to ${own}; block ${block} final by its vote`;
});

await claim('A validator with an old copy of its database gives no second vote, and follows until the others are further', async () => {
  await c.stop();
  const database = join(here, c.base, 'chains/drill/paritydb');
  cpSync(database, `${database}-old`, { recursive: true });
  await c.up({ peers: others(c) });
  await a.finalizes(3);
  // Two of four: the round stays open, and c votes in it.
  await Promise.all([b.stop(), d.stop()]);
  await waitFor('blocks that are not final', async () => (await a.best()) >= (await a.finalized()) + 4, PATIENCE_MS);
  const before = await a.finalized();
  await c.stop('SIGKILL');
  rmSync(database, { recursive: true });
  renameSync(`${database}-old`, database);
  await c.up({ peers: others(c) });
  await waitFor('it to follow', async () => (await c.gauge('ves_votes_withheld')) === 1, PATIENCE_MS);
  same('the finalized block', await a.finalized(), before);
  await Promise.all([b.up({ peers: others(b) }), d.up({ peers: others(d) })]);
  await waitFor('its vote', async () => (await c.gauge('ves_votes_withheld')) === 0, PATIENCE_MS);
  await d.stop();
  const block = await a.finalizes(5);
  await d.up({ peers: others(d) });
  same('who is expelled', await a.gauge('ves_validators_expelled'), 0);
  return `none with ${before} final; block ${block} final by its vote`;
});

await claim('A validator that makes no block for a session shows in the metrics of the others, and the clock does', async () => {
  await d.stop();
  const absent = await waitFor('a session without it', async () => (await a.gauge('ves_validators_absent')) || false, PATIENCE_MS);
  same('who is expelled', await a.gauge('ves_validators_expelled'), 0);
  same('whose change is held back', await a.gauge('ves_validators_held_back'), 0);
  const clock = await a.gauge('ves_block_clock_difference_seconds');
  ensure(clock !== 0 && Math.abs(clock) < 60, `blocks differ from the clock by ${clock} s`);
  await d.up({ peers: others(d) });
  return `${absent} absent; the newest block is ${clock.toFixed(2)} s from the clock`;
});

const served = async () => JSON.stringify(await archive.ask('ves_events', TENANT, STORE, 1, 100));
await claim('A lost event store is rebuilt from the chain, byte for byte', async () => {
  const before = await served();
  await archive.stop('SIGKILL');
  const place = join(here, archive.base, 'chains/drill');
  const files = readdirSync(place).filter((file) => file.startsWith('event-store.sqlite'));
  for (const file of files) rmSync(join(place, file));
  await archive.up({ peers: validators });
  await waitFor('the same events', async () => (await served().catch(() => null)) === before, PATIENCE_MS);
  return `${files.length} files removed, ${JSON.parse(before).events.length} events equal`;
});

await claim('A node restored from a copy goes on', async () => {
  const before = await served();
  await archive.stop();
  cpSync(join(here, archive.base), join(here, 'backup'), { recursive: true });
  renameSync(join(here, archive.base), join(here, 'lost'));
  cpSync(join(here, 'backup'), join(here, archive.base), { recursive: true });
  await archive.up({ peers: validators });
  const block = await archive.finalizes();
  same('what it serves', await served(), before);
  return `block ${block}`;
});

await claim("The relay's key is changed: the new one anchors, the old one is refused", async () => {
  const anvil = new Service().start(packaged('anvil'), [
    ...['--port', '0', '--chain-id', '31337', '--block-time', '1', '--slots-in-an-epoch', '1'],
    ...['--mnemonic-random', '--config-out', 'anvil.json'],
  ], 'anvil.log');
  const l2 = `http://${await anvil.said(/Listening on (\S+)/)}`;
  const { available_accounts: [owner] } = await waitFor('accounts', () => {
    try {
      return JSON.parse(readFileSync(join(here, 'anvil.json'), 'utf8'));
    } catch {
      return null;
    }
  });
  const at = ['--rpc-url', l2];
  const cast = (...args) => run(packaged('cast'), args, { cwd: here });
  /** A keystore with a passphrase, as the manual installs both, with gas to spend. */
  const newKey = async (name) => {
    const passphrase = write(`${name}.passphrase`, `the passphrase of ${name}`);
    const address = (await run('anchor-relay', ['key', 'new', `${name}.key`, '--passphrase-file', passphrase], { cwd: here })).trim();
    await cast('send', ...at, '--unlocked', '--from', owner, '--value', '10ether', address);
    return address;
  };
  const install = (name) => ['key', 'passphrase'].forEach((kind) => {
    const to = join(here, `relay.${kind}`);
    rmSync(to, { force: true });
    cpSync(join(here, `${name}.${kind}`), to);
    chmodSync(to, 0o400);
  });
  const first = await newKey('first');
  const second = await newKey('second');
  const { proxy } = JSON.parse(await run(process.execPath, [join(root, 'contracts/script/deploy.mjs'),
    ...at, '--chain-id', '31337', '--owner', owner, '--sequencer', first, '--unlocked', owner], { cwd: here }));
  const authorize = (who, may) => cast('send', ...at, '--unlocked', '--from', owner, proxy,
    'setSequencerAuthorization(address,bool)', who, String(may));
  const may = async (who) => (await cast('call', ...at, proxy, 'authorizedSequencers(address)(bool)', who)).trim();
  install('first');
  write('relay.toml', [
    `[source]\nnode_url = "${archive.url.replace('http', 'ws')}"`,
    `[destination]\nrpc_url = "${l2}"\nchain_id = 31337\nregistry = "${proxy}"\nconfirmations = "finalized"`,
    '[key]\nfile = "relay.key"\npassphrase_file = "relay.passphrase"\n[journal]\npath = "relay.db"\n[send]\npoll_ms = 250\n[http]\nlisten = "127.0.0.1:0"\n',
  ].join('\n'));
  const relay = (...args) => run('anchor-relay', ['--config', 'relay.toml', ...args], { cwd: here });
  const start = (log) => new Service().start(program('anchor-relay'), ['--config', 'relay.toml', 'run'], log);
  // The audit's exit code says whether the contract holds all there is.
  const complete = () => waitFor('everything to be anchored', () =>
    relay('verify', '--complete', '--json').then(JSON.parse, () => null));

  let service = start('relay-1.log');
  const { batches } = await complete();
  // The drill: authorise the new key, change the file, take the old key's right away. A journal
  // belongs to one key; what is anchored is in the contract.
  await authorize(second, true);
  await service.stop();
  renameSync(join(here, 'relay.db'), join(here, 'relay-of-the-old-key.db'));
  install('second');
  await relay('config', 'check');
  service = start('relay-2.log');
  await authorize(first, false);
  same('the right of the old key', await may(first), 'false');
  await archive.agent.order('A-4', { total: '4.00' });
  // The archive has another address since it was started anew.
  const url = ['--node', archive.url.replace('http', 'ws')];
  await archive.agent.cli(['push', ...url]);
  const audit = await complete();
  ensure(audit.batches > batches, `${audit.batches} batches after ${batches}`);
  const status = JSON.parse(await relay('status', '--json'));
  same('who sends', status.destination.sender.toLowerCase(), second.toLowerCase());
  await service.stop();
  same('how it ended', service.ended, 'exit 0');
  await anvil.stop();
  return `${audit.batches} batches anchored, ${batches} of them by the old key`;
});

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold`);
process.exit(failures === 0 ? 0 : 1);
