// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The same claims in a page in headless Chromium, with the bundles that polkadot.js publishes for
// browsers and over the browser's own WebSocket.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LATEST_EXTRINSIC_VERSION } from '@polkadot/types/extrinsic/constants';
import { unwrapStorageSi } from '@polkadot/types/util';
import { Browser } from '../explorer/browser.mjs';
import { addScore, claim, ensure } from './claims.mjs';

const here = dirname(fileURLToPath(import.meta.url));
/** In the order in which they need each other. */
const BUNDLES = ['util', 'util-crypto', 'keyring', 'types', 'api'];
const SHIMS = ['api', 'types'];
const MODULES = ['claims.mjs', 'chain.mjs', 'decoding.mjs'];

const script = 'text/javascript';
const bundle = (name) => join(here, `node_modules/@polkadot/${name}/bundle-polkadot-${name}.js`);
/** The API's bundle takes two modules of the types' package from globals that no bundle makes. */
const missing = `globalThis.constants = { LATEST_EXTRINSIC_VERSION: ${LATEST_EXTRINSIC_VERSION} };
globalThis.util$1 = { unwrapStorageSi: ${unwrapStorageSi} };`;
const files = new Map([
  ['/missing.js', [script, missing]],
  ...BUNDLES.map((name) => [`/${name}.js`, [script, readFileSync(bundle(name))]]),
  ...MODULES.map((name) => [`/${name}`, [script, readFileSync(join(here, name))]]),
  // The modules ask for packages by name; the bundles leave them as globals.
  ['/api.mjs', [script, 'export const { ApiPromise, Keyring, WsProvider } = polkadotApi;']],
  ['/types.mjs', [script, 'export const { Metadata, TypeRegistry } = polkadotTypes;']],
  ['/favicon.ico', ['image/x-icon', '']],
  [
    '/',
    [
      'text/html; charset=utf-8',
      `<!doctype html><title>polkadot.js</title>
${['missing', ...BUNDLES].map((name) => `<script src="/${name}.js"></script>`).join('\n')}
<script type="importmap">
${JSON.stringify({ imports: Object.fromEntries(SHIMS.map((name) => [`@polkadot/${name}`, `/${name}.mjs`])) })}
</script>`,
    ],
  ],
]);

function serve() {
  const server = createServer(({ url }, response) => {
    const [type, body] = files.get(url) ?? ['text/plain', null];
    response.writeHead(body === null ? 404 : 200, { 'content-type': type }).end(body ?? 'no such file');
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

/** Makes the claims about decoding in a page of its own. */
export async function decodeInPage(url, scene) {
  const server = await serve();
  const browser = await Browser.start(`http://127.0.0.1:${server.address().port}/`);
  const page = await browser.page();
  page.on('console', (message) => {
    if (message.type() === 'log') console.log(message.text());
  });
  // The agent is a program beside the browser; what the scene says of it is plain data.
  const { agent, ...told } = scene;
  const may = new Set(['order', 'signed', 'signWithoutSending']);
  await page.exposeFunction('askAgent', async (what, ...args) => {
    ensure(may.has(what), `the page may not ask for ${what}`);
    return agent[what](...args);
  });
  console.log('      now in Chromium:');
  await claim('polkadot.js runs in a page and makes the same claims there', async () => {
    const result = await page.evaluate(
      async ({ url, told, may }) => {
        const warnings = [];
        for (const level of ['warn', 'error']) {
          console[level] = (...parts) => warnings.push(parts.map(String).join(' '));
        }
        const [{ connect }, { decode }, { score }] = await Promise.all([
          import('/chain.mjs'),
          import('/decoding.mjs'),
          import('/claims.mjs'),
        ]);
        const agent = Object.fromEntries(
          may.map((what) => [what, (...args) => globalThis.askAgent(what, ...args)]),
        );
        const api = await connect(url);
        await decode(api, { ...told, agent }, warnings);
        await api.disconnect();
        return score();
      },
      { url, told, may: [...may] },
    );
    addScore(result);
    ensure(browser.complaints.length === 0, browser.complaints.join('; '));
    ensure(browser.strangers.length === 0, `it asked ${browser.strangers}`);
    return `${result.claims} claims, nothing asked beyond this machine`;
  });
  await browser.end();
  server.close();
}
