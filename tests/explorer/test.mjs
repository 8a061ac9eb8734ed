#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The explorer page in headless Chromium against a real node of its own. One line for each claim;
// exit code 0 if and only if all of them hold. Pictures: explorer-screenshots in the target folder.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { claim, ensure, same, score, sleep, startNode, startProgram, waitFor, workingDirectory } from '../polkadotjs/harness.mjs';
import { Agent, STORE, TENANT, play } from '../polkadotjs/scene.mjs';
import { Browser, checks, outcome, pictures } from './browser.mjs';
import { connectCable } from './cable.mjs';
import { manyStores, manyStreams, setsThatEnded } from './retold.mjs';
import { SPOILED, members, substance } from './spoil.mjs';

const FIRST_PAINT_MS = 1_000;
const PAINTS = 5;
const LIMIT = '1000.00';
const STREAM = `${TENANT}/${STORE}`;
/** What an agent may write, and a careless page would run. */
const MARKUP = '<img src=x onerror="document.title=1">';
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

process.exitCode = 1;
const directory = workingDirectory();
const node = await startNode(directory);
const { agent, plain, secret, bad } = await play(directory, node.url);

// More of it: markup from an agent, a proven event, a proven batch.
await agent.order(MARKUP, { total: '1.00', note: MARKUP });
await agent.order('A-9', { total: '980.00' }, '--encrypt-to-self');
await agent.cli(['push']);
await agent.cli(['pull']);
const proven = await agent.cli(['prove', secret, '--policy', 'aml.threshold', '--limit', LIMIT]);
const single = await agent.order('A-10', { total: '12.50' }, '--encrypt-to-self');
await agent.cli(['push']);
await agent.cli(['pull']);
const provenBatch = await agent.cli(['prove', '--batch-of', single, '--policy', 'order_total.cap', '--limit', LIMIT]);
const exported = await agent.cli(['export', secret, '--out', 'bundle.json']);
const bundleText = readFileSync(join(agent.cwd, 'bundle.json'), 'utf8');
const bundle = JSON.parse(bundleText);

// Between page and node, so that the connection can be cut.
const cable = await connectCable(new URL(node.url).port);
const { told: server } = await startProgram(
  'ves-explorer',
  ['--rpc', `ws://127.0.0.1:${cable.port}`, '--listen', '127.0.0.1:0'],
  join(directory, 'explorer.log'),
  /explorer: (\S+)/,
);
const browser = await Browser.start(`${server}/`);

// The median: other tests share the machine.
await claim(`The first paint comes within ${FIRST_PAINT_MS} ms`, async () => {
  const paints = [];
  for (let n = 0; n < PAINTS; n += 1) {
    const page = await browser.page();
    const first = await waitFor('the first paint', () =>
      page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime),
    );
    paints.push(Math.round(first));
    await page.context().close();
  }
  paints.sort((one, other) => one - other);
  ensure(paints[Math.floor(PAINTS / 2)] <= FIRST_PAINT_MS, `first paints after ${paints.join(', ')} ms`);
  return `${paints.join(', ')} ms of ${PAINTS} fresh loads`;
});

const page = await browser.page();

await claim('The overview shows blocks as they become final, batches, streams and lags', async () => {
  await page.waitForSelector('text=final >> nth=0');
  const card = (name) => page.textContent(`[data-card="${name}"]`);
  const before = Number(await waitFor('a final block', async () => Number(await card('finalized'))));
  await waitFor('another final block', async () => Number(await card('finalized')) > before);
  const unanchored = await waitFor('the lag of anchors', async () => Number(await card('anchor-lag')));
  const streams = await page.locator('section', { hasText: 'Streams' }).textContent();
  ensure(streams.includes(STORE), 'the store is not listed');
  await browser.picture(page, 'overview');
  return `block ${before} and on, ${unanchored} batches to be anchored, store behind ${await card('store-lag')}`;
});

await claim('The stream shows every event in order, and new ones without a reload', async () => {
  await browser.visit(page, `/stream/${STREAM}`);
  const before = await waitFor('events', async () => {
    const found = await sequences(page);
    return found.length > 0 && found;
  });
  const fresh = await agent.order('A-11', { total: '3.00' });
  await agent.cli(['push']);
  const after = await waitFor('the new event', async () => {
    const found = await sequences(page);
    return found.length > before.length && found;
  });
  same('the newest sequence', after[0], before[0] + 1);
  after.forEach((sequence, at) => same(`sequence ${at}`, sequence, after[0] - at));
  ensure(await page.locator(`a[href$="${fresh}"]`).count(), 'the new event is not linked');
  await browser.picture(page, 'stream');
  return `${before.length} events, then ${after.length}`;
});

await claim('What an agent writes stays text', async () => {
  const shown = page.locator('td', { hasText: MARKUP });
  await shown.first().waitFor();
  same('images in the page', await page.locator('main img').count(), 0);
  return MARKUP;
});

await claim('An event is shown with its receipt, and verified in the browser with its proof', async () => {
  await browser.visit(page, `/event/${STREAM}/${secret}`);
  await page.waitForSelector('[data-outcome]');
  same('the outcome', await outcome(page), 'pass');
  const lines = await checks(page);
  for (const name of ['inclusion', 'batch', 'block_commitment', 'header', 'justification', 'proof_endorsement', 'proof', 'trust_genesis']) {
    same(name, lines.find((line) => line.name === name)?.verdict, 'pass');
  }
  const receipt = bundle.event.receipt_hash;
  const text = await page.textContent('main');
  ensure(text.includes(receipt), 'the receipt is not shown');
  ensure(text.includes('VES-ENC-1') && !text.includes('7.50'), 'an encrypted payload is not shown as one');
  await browser.picture(page, 'event');
  return `${lines.filter((line) => line.verdict === 'pass').length} checks, receipt ${receipt.slice(0, 12)}…`;
});

await claim('The node tells the chain’s verdicts on the proven event and the proven batch, and none on others', async () => {
  const ofEvent = await ask('ves_complianceProofs', [TENANT, STORE, secret]);
  same('proofs of the event', ofEvent.length, 1);
  const ofBatch = await ask('ves_batchProof', [TENANT, STORE, provenBatch.batch_index]);
  for (const [what, found, told] of [['event', ofEvent[0], proven], ['batch', ofBatch, provenBatch]]) {
    same(`the verdict on the ${what}`, found.verdict, 'verified');
    same(`the hash of the ${what}’s proof`, found.proof_hash, told.proof_hash);
    same(`the block that verified the ${what}’s`, found.block_number, told.block);
  }
  same('the event', ofEvent[0].event_id, secret);
  same('the batch', ofBatch.batch_id, provenBatch.batch_id);
  same('proofs of another event', (await ask('ves_complianceProofs', [TENANT, STORE, plain])).length, 0);
  same('the proof of another batch', await ask('ves_batchProof', [TENANT, STORE, 0]), null);
  return `${proven.proof_hash.slice(0, 12)}…, ${provenBatch.proof_hash.slice(0, 12)}…`;
});

await claim('The bundle that the page offers satisfies the command line, without a node', async () => {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.click('text=Download the bundle'),
  ]);
  const file = join(agent.cwd, 'from-page.json');
  await download.saveAs(file);
  const pins = ['--genesis', exported.genesis_hash, '--authorities', exported.authority_set];
  const verified = await agent.cli(['verify', '--bundle', 'from-page.json', ...pins]);
  same('verified', verified.verified, true);
  const fromPage = JSON.parse(readFileSync(file, 'utf8'));
  same('proofs', fromPage.proofs.length, 1);
  same('the event', JSON.stringify(fromPage.event), JSON.stringify(bundle.event));
  return `${verified.checks.length} checks, authorities pinned`;
});

await claim('A plaintext event shows its payload, and one that was refused says why', async () => {
  await browser.visit(page, `/event/${STREAM}/${plain}`);
  await page.waitForSelector('[data-outcome="pass"]');
  ensure((await page.textContent('pre')).includes('12.00'), 'the payload is not shown');
  await browser.visit(page, `/event/${STREAM}/${bad}`);
  await page.waitForSelector('text=Refusals');
  const reason = await page.textContent('[aria-label^="Blocks that refused"] tbody td');
  ensure(reason.length > 3, 'no reason is shown');
  return reason;
});

await claim('Proofs that the chain refused are shown with the verdict, of an event and of a batch, and none are without', async () => {
  await browser.visit(page, `/event/${STREAM}/${plain}`);
  await page.waitForSelector('[data-outcome="pass"]');
  same('refused proofs', await page.locator('[aria-label="Proofs that the chain refused"]').count(), 0);
  const refusal = (block, reason) => ({
    verdict: 'refused', agent_id: bundle.event.event.source_agent_id, reason, units: 8, block_number: block, extrinsic_index: 1,
  });
  const answer = () => [refusal(3, 'proof_invalid'), refusal(4, MARKUP)];
  const other = await browser.page({ answers: { ves_refusedProofs: answer, ves_refusedBatchProofs: answer } });
  for (const at of [`/event/${STREAM}/${plain}`, `/batch/${STREAM}/0`]) {
    await browser.visit(other, at);
    const rows = other.locator('[aria-label="Proofs that the chain refused"] tbody tr');
    await rows.first().waitFor();
    // The newest first.
    ensure((await rows.nth(0).textContent()).includes(MARKUP), 'the newest is not the first');
    ensure((await rows.nth(1).textContent()).includes('proof_invalid'), 'the reason is not shown');
    same('rows', await rows.count(), 2);
  }
  same('images in the page', await other.locator('main img').count(), 0);
  await other.context().close();
  return '2 of each';
});

await claim('A payload that is no canonical JSON is shown as it is, and called that', async () => {
  const raw = Buffer.from(`{"total": "1.00", "note": "${MARKUP}" }`);
  const other = await browser.page({
    answers: {
      ves_event: (_, record) => {
        delete record.event.payload;
        return { ...record, event: { ...record.event, payload_raw_b64u: raw.toString('base64url') } };
      },
    },
  });
  await browser.visit(other, `/event/${STREAM}/${plain}`);
  await other.waitForSelector('text=its author broke the rule');
  same('the payload', await other.textContent('pre'), raw.toString());
  await other.context().close();
  return raw.toString();
});

await claim('Behind a forced change of validators an event is verified once the reader accepts their set', async () => {
  const blockOf = async (id) => (await ask('ves_event', [TENANT, STORE, id])).block_number;
  const [before, behind] = await Promise.all([plain, single].map(blockOf));
  ensure(3 < before && before < behind, `blocks ${before} and ${behind}`);
  const other = await browser.page({ answers: setsThatEnded(1, 2, 3, before), bypassCSP: true });
  const visit = async (id) => {
    await browser.visit(other, `/event/${STREAM}/${id}`);
    await other.waitForSelector('[data-outcome]');
  };
  const trust = async () => {
    const lines = await checks(other);
    same('the justification', lines.find(({ name }) => name === 'justification').verdict, 'pass');
    const { verdict, reason } = lines.find(({ name }) => name === 'trust_authorities');
    return [await outcome(other), verdict, reason].join();
  };
  await visit(plain);
  same('before the change', await trust(), 'pass,trusted,');
  same('sets to accept there', await other.locator('[data-forced]').count(), 0);

  await visit(single);
  same('behind it', await trust(), 'fail,fail,authorities_mismatch');
  const told = await other.textContent('[data-forced="open"]');
  ensure(told.includes(`Block ${before + 1} forced the chain to authority set 4`), told);
  const hash = await other.textContent('[data-forced] code');
  await other.addScriptTag({ path: axe });
  const { violations } = await other.evaluate(() => globalThis.axe.run());
  same('what axe objects to', violations.map(({ id }) => id).join(), '');
  await browser.picture(other, 'forced');
  for (const [typed, answer] of [['a word', 'expected 32 bytes in hex'], [`0x${'01'.repeat(32)}`, 'not forced to a set with this hash']]) {
    await other.fill('[name="accepted"]', typed);
    await other.click('text="Accept"');
    await other.waitForSelector(`[data-forced="open"] [role="status"]:has-text("${answer}")`);
    same(`the outcome with ${typed}`, await outcome(other), 'fail');
  }
  await other.fill('[name="accepted"]', hash);
  await other.click('text="Accept"');
  await other.waitForSelector('[data-forced="accepted"]');
  same('once it is accepted', await trust(), 'pass,pass,');

  const [download] = await Promise.all([other.waitForEvent('download'), other.click('text=Download the bundle')]);
  await download.saveAs(join(agent.cwd, 'forced.json'));
  const verify = ['verify', '--bundle', 'forced.json', '--authorities'];
  same('verified', (await agent.cli([...verify, hash])).verified, true);
  const { error } = await agent.cli([...verify, exported.authority_set], { codes: [7] });
  ensure(error.message.includes(hash), error.message);

  await visit(plain);
  same('before the change, still', await trust(), 'pass,trusted,');
  await visit(single);
  same('behind it, still', await trust(), 'pass,pass,');
  await other.reload();
  await visit(single);
  same('in a page loaded anew', await trust(), 'fail,fail,authorities_mismatch');
  await other.context().close();
  return `blocks ${before} and ${behind}, set ${hash.slice(0, 12)}…`;
});

await claim('What waits for its anchor is summed over all streams, and said so where it is not', async () => {
  const { streams } = await ask('ves_streams', [null, null, 1000]);
  const batches = streams.reduce((sum, stream) => sum + stream.batch_count, 0);
  for (const [answers, count, label] of [
    // No relay is there.
    [{}, batches, 'Batches not reported as anchored'],
    [manyStreams(2_500), 2_500, 'Batches not reported as anchored'],
    [manyStreams(6_000), 5_000, 'Batches not reported as anchored, in the first 5000 streams'],
  ]) {
    const other = await browser.page({ answers });
    const card = other.locator('li', { has: other.locator('[data-card="anchor-lag"]') });
    await card.filter({ hasText: String(count) }).waitFor();
    same('the card', await card.textContent(), `${label}${count}`);
    await other.context().close();
  }
  return `${batches} of ${streams.length} stream(s); 2500 and 5000 of made-up ones`;
});

await claim('The list of streams goes on as long as there are stores', async () => {
  const other = await browser.page({ answers: manyStores(450) });
  await browser.visit(other, '/streams');
  const rows = other.locator('[aria-label="Registered stores"] tbody tr');
  const shown = [await rows.count()];
  while (await other.isVisible('text="More"')) {
    await other.click('text="More"');
    await waitFor('more rows', async () => (await rows.count()) > shown.at(-1));
    await other.waitForSelector('button:not([disabled]):text("More")', { state: 'attached' });
    shown.push(await rows.count());
  }
  same('rows', shown.join(), '200,400,450');
  const stores = await rows.locator('th').allTextContents();
  same('different ones', new Set(stores).size, 450);
  await browser.visit(other, '/');
  await other.waitForSelector('text=Only 20 are shown');
  await other.context().close();
  return shown.join(', ');
});

await claim('A batch is shown, and its proof verified in the browser', async () => {
  await browser.visit(page, `/event/${STREAM}/${single}`);
  await page.click('section:has(h2:text-is("Batch")) a');
  await page.waitForSelector('text=order_total.cap');
  await page.click('text=Verify here');
  await page.waitForSelector('[data-outcome]');
  const lines = await checks(page);
  ensure(lines.length === 5 && lines.every((line) => line.verdict === 'pass'), JSON.stringify(lines));
  await browser.picture(page, 'batch');
  return lines.map((line) => line.name).join(', ');
});

await claim('A block is shown; its header hashes to its name', async () => {
  await browser.visit(page, `/block/${bundle.event.block_number}`);
  await page.waitForSelector('text=the header hashes to it');
  const text = await page.textContent('main');
  ensure(text.includes(bundle.event.block_hash), 'another hash');
  ensure(/\d+ header\(s\) to the justified block/.test(text), 'no justification');
  await browser.picture(page, 'block');
  return `block ${bundle.event.block_number}`;
});

await claim('After the connection was cut, the page comes back and shows what came meanwhile', async () => {
  await browser.visit(page, '/');
  const final = async () => Number(await page.textContent('[data-card="finalized"]'));
  // What the page remembers from before may be some blocks old; it is cut off when it has caught up.
  const remembered = await waitFor('a final block', final);
  await waitFor('another final block', async () => (await final()) > remembered);
  cable.cut();
  await page.waitForSelector('#connection[data-state="lost"]');
  await browser.picture(page, 'lost');
  const before = await final();
  await sleep(5_000);
  cable.mend();
  await page.waitForSelector('#connection[data-state="open"]');
  await waitFor('later blocks', async () => (await final()) > before + 1);
  const numbers = await waitFor('a row without gaps', async () => {
    const shown = await page.$$eval('[aria-label="The newest blocks"] tbody th', (cells) => cells.map((cell) => Number(cell.textContent)));
    return shown.length > 1 && shown.every((number, at) => number === shown[0] - at) && shown;
  });
  ensure(numbers.includes(before), `block ${before} is gone`);
  return `block ${before}, then ${numbers[0]}, none missing`;
});

await claim('Addresses that name nothing say so', async () => {
  for (const [path, words] of [
    ['/nothing', 'There is no such page'],
    [`/event/${STREAM}/00000000-0000-4000-8000-000000000000`, 'holds no such event'],
    [`/batch/${STREAM}/4000000`, 'holds no such batch'],
    ['/block/4000000000', 'no block of this number'],
    ['/block/99999999999', 'no block of this number'],
  ]) {
    await browser.visit(page, path);
    await page.waitForSelector(`text=${words}`);
  }
  const other = await browser.page({ url: `${server}/?rpc=http://127.0.0.1:1` });
  await other.waitForSelector('text=?rpc= must be a ws:// or wss:// address');
  await other.context().close();
  return '6 of them';
});

await claim('Everything can be reached by keyboard', async () => {
  const keys = await browser.page();
  await keys.keyboard.press('Tab');
  same('first', await keys.evaluate(() => document.activeElement.textContent), 'Skip to content');
  await keys.keyboard.press('Enter');
  same('skipped to', await keys.evaluate(() => document.activeElement.id), 'main');
  await browser.visit(keys, '/verify');
  const reached = new Set();
  for (let n = 0; n < 20; n += 1) {
    await keys.keyboard.press('Tab');
    reached.add(await keys.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.textContent));
  }
  for (const name of ['Overview', 'Streams', 'bundle', 'genesis', 'events_root', 'finality_demanded']) {
    ensure(reached.has(name), `${name} is out of reach`);
  }
  await keys.context().close();
  return `${reached.size} places`;
});

await claim('axe finds nothing to object to, by day and by night', async () => {
  let rules = 0;
  for (const scheme of ['light', 'dark']) {
    const seen = await browser.page({ scheme, bypassCSP: true });
    await seen.addScriptTag({ path: axe });
    for (const path of ['/', '/streams', `/stream/${STREAM}`, `/event/${STREAM}/${secret}`, `/batch/${STREAM}/0`, '/block/1', '/verify']) {
      await browser.visit(seen, path);
      if (path.startsWith('/event')) await seen.waitForSelector('[data-outcome]');
      if (path === '/verify') await offer(seen, 'bundle.json', bundleText);
      const report = await seen.evaluate(() => globalThis.axe.run());
      const found = report.violations.map((v) => `${v.id} (${v.nodes[0].html.slice(0, 80)})`);
      ensure(found.length === 0, `${path}, ${scheme}: ${found.join('; ')}`);
      rules += report.passes.length;
    }
    await browser.picture(seen, `verified-${scheme}`);
    await seen.context().close();
  }
  return `${rules} rules hold`;
});

// From here on without node and network: the file and the page are all there is.
await browser.visit(page, '/verify');
await offer(page, 'bundle.json', bundleText);
node.stop();
cable.cut();
await page.context().setOffline(true);

await claim('A good bundle passes every check, without any server', async () => {
  await offer(page, 'offline.json', bundleText);
  same('the outcome', await outcome(page), 'pass');
  for (const [name, value] of [['genesis', bundle.genesis_hash], ['authorities', exported.authority_set], ['agent_key', exported.agent_key], ['block_hash', exported.block_hash]]) {
    await page.fill(`[name="${name}"]`, value);
  }
  await page.waitForSelector('[data-check="trust_authorities"][data-verdict="pass"]');
  const lines = await checks(page);
  const open = lines.filter((line) => line.verdict !== 'pass').map((line) => line.name);
  same('left to trust', open.join(), 'anchor');
  await browser.picture(page, 'bundle-good');
  return `${lines.length - open.length} checks pass, all pins given; the contract was not asked`;
});

await claim('A bundle that is dropped on the page is judged like one that is chosen', async () => {
  const dragged = await page.evaluateHandle(([name, content]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([content], name, { type: 'application/json' }));
    return transfer;
  }, ['dropped.json', bundleText]);
  const marked = () => page.locator('.drop.over').count();
  await page.dispatchEvent('.drop', 'dragover', { dataTransfer: dragged });
  same('places that are marked before', await marked(), 1);
  await page.dispatchEvent('.drop', 'drop', { dataTransfer: dragged });
  await page.waitForSelector('h2:has-text("Result for dropped.json")');
  same('places that are marked after', await marked(), 0);
  same('the outcome', await outcome(page), 'pass');
  return 'dropped.json';
});

await claim('Another pin than the bundle’s fails by name', async () => {
  for (const [pin, check, reason] of [
    ['genesis', 'trust_genesis', 'genesis_mismatch'],
    ['authorities', 'trust_authorities', 'authorities_mismatch'],
    ['agent_key', 'trust_agent_key', 'agent_key_mismatch'],
    ['block_hash', 'trust_block', 'block_hash_mismatch'],
  ]) {
    const good = await page.inputValue(`[name="${pin}"]`);
    await page.fill(`[name="${pin}"]`, `0x${'01'.repeat(32)}`);
    const line = page.locator(`[data-check="${check}"]`);
    await waitFor(reason, async () => (await line.getAttribute('data-reason')) === reason);
    same('the outcome', await outcome(page), 'fail');
    await page.fill(`[name="${pin}"]`, good);
  }
  await page.fill('[name="genesis"]', 'not hex');
  await page.waitForSelector('#result .problem:has-text("genesis")');
  await page.fill('[name="genesis"]', '');
  return '4 pins, and one that is no hash';
});

await claim('A spoiled bundle fails the right check', async () => {
  for (const name of ['authorities', 'agent_key', 'block_hash']) await page.fill(`[name="${name}"]`, '');
  for (const [what, check, reason, spoil] of SPOILED) {
    const spoiled = structuredClone(bundle);
    spoil(spoiled);
    await offer(page, `${what}.json`, JSON.stringify(spoiled));
    same(`the outcome with ${what} spoiled`, await outcome(page), 'fail');
    const first = (await checks(page)).find((line) => line.verdict === 'fail');
    same(`the check that fails with ${what} spoiled`, first.name, check);
    ensure(first.reason.match(reason), `${what}: ${first.reason}, expected ${reason}`);
  }
  await browser.picture(page, 'bundle-spoiled');
  return SPOILED.map(([what]) => what).join(', ');
});

await claim('What is no bundle is called that', async () => {
  for (const [name, content] of [
    ['empty', ''],
    ['noise', Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7919) % 256))],
    ['json', '{"schema":"ves.bundle","version":1}'],
    ['another schema', bundleText.replace('ves.bundle', 'ves.other')],
    ['deep', '['.repeat(200_000)],
  ]) {
    await offer(page, `${name}.json`, content);
    const text = await page.textContent('[data-outcome]');
    ensure(text.startsWith('Not a bundle'), `${name}: ${text}`);
  }
  await page.setInputFiles('#bundle', { name: 'huge.json', mimeType: 'application/json', buffer: Buffer.alloc(5 << 20) });
  await page.waitForSelector('text=a bundle has at most');
  return 'empty, noise, other JSON, nesting, 5 MiB';
});

await claim('No changed byte of a bundle changes what verifies', async () => {
  const honest = Buffer.from(JSON.stringify(bundle));
  const pins = JSON.stringify({ genesis: bundle.genesis_hash, agent_key: exported.agent_key, block_hash: exported.block_hash });
  const result = await page.evaluate(
    async ([text, pins, step]) => {
      const { wasm } = await import('./wasm.js');
      const verifier = await wasm();
      const bytes = new TextEncoder().encode(text);
      const survivors = [];
      let tried = 0;
      for (let at = 0; at < bytes.length; at += step) {
        const changed = bytes.slice();
        changed[at] ^= 1;
        tried += 1;
        const { holds, checks } = JSON.parse(verifier.verify(changed, pins));
        const payload = checks?.find(({ name }) => name === 'payload_hash')?.verdict === 'pass';
        if (holds) survivors.push([at, new TextDecoder().decode(changed), payload]);
      }
      return { tried, survivors };
    },
    [honest.toString(), pins, 53],
  );
  for (const [at, text, payload] of result.survivors) {
    const names = members(bundle, payload);
    same(`the substance with byte ${at} changed`, substance(JSON.parse(text), names), substance(bundle, names));
  }
  return `${result.tried} of ${honest.length} bytes changed, ${result.survivors.length} of them mean nothing to a check`;
});

await claim('The page asked nobody but its server and its node, and broke none of its own rules', async () => {
  same('requests beyond this machine', browser.strangers.join(), '');
  // A cut connection is reported by the browser itself.
  const broken = browser.complaints.filter((text) => !/WebSocket connection to|ERR_INTERNET_DISCONNECTED/.test(text));
  same('complaints', broken.join('; '), '');
  return 'no stranger, no violation';
});

await browser.end();

mkdirSync(join(directory, 'own'));
const own = await startNode(join(directory, 'own'), ['--explorer', '127.0.0.1:0', '--event-store-retain-blocks', '3']);
let second;

await claim('The node serves the page itself, if asked to', async () => {
  const address = await waitFor('where the page is', () => /Explorer: (http:\S+)/.exec(readFileSync(own.log, 'utf8'))?.[1]);
  second = await Browser.start(`${address}/`);
  const served = await second.page();
  await waitFor('a final block', async () => Number(await served.textContent('[data-card="finalized"]')));
  await served.context().close();
  return address;
});

await claim('A payload that the node has forgotten is called that, not its author’s mistake; the rest is verified', async () => {
  const writer = new Agent(join(directory, 'own'), own.url);
  writeFileSync(join(writer.cwd, 'admin'), '//Alice\n', { mode: 0o600 });
  await writer.enrol();
  const open = await writer.order('A-1', { total: '12.00' });
  const sealed = await writer.order('A-2', { total: '7.50' }, '--encrypt-to-self');
  await writer.cli(['push']);
  const seen = await second.page();
  for (const [id, kind] of [[open, 'plaintext'], [sealed, 'encrypted, VES-ENC-1']]) {
    await waitFor('the payload to be forgotten', async () => {
      const { event } = await ask('ves_event', [TENANT, STORE, id], own);
      return !event.payload && !event.payload_encrypted;
    });
    await second.visit(seen, `/event/${STREAM}/${id}`);
    await seen.waitForSelector('[data-outcome="pass"]');
    const text = await seen.textContent('main');
    ensure(text.includes('This node has forgotten the payload') && text.includes(kind), text);
    ensure(!text.includes('broke the rule'), 'its author is blamed');
    const line = (await checks(seen)).find(({ reason }) => reason === 'payload_pruned');
    same('what cannot be judged', line?.verdict, 'not_judged');
  }
  await second.picture(seen, 'forgotten');
  return 'plaintext and encrypted';
});

await second?.end();
own.stop();

const { claims, failures } = score();
console.log(`${claims - failures} of ${claims} claims hold; pictures: ${pictures}`);
process.exit(failures === 0 ? 0 : 1);

/** What a node answers. */
async function ask(method, params, of = node) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(of.url.replace('ws:', 'http:'), { method: 'POST', headers, body });
  return (await answer.json()).result;
}

/** Sequences in the table of events, as shown. */
async function sequences(where) {
  const rows = await where.$$eval('[aria-label="Events, newest first"] tbody th', (cells) =>
    cells.map((cell) => Number(cell.textContent)),
  );
  return rows;
}

/** Gives a file to the page and waits for its verdict. */
async function offer(where, name, content) {
  await where.setInputFiles('#bundle', { name, mimeType: 'application/json', buffer: Buffer.from(content) });
  await where.waitForSelector(`h2:has-text("Result for ${name}")`);
}
