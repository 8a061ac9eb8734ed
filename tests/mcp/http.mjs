// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The server over streamable HTTP: who gets in, and who does not.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { claim, ensure, program, run, same, waitFor } from '../polkadotjs/harness.mjs';
import { REVISIONS, connectHttp, heard } from './clients.mjs';

/** What HTTP clients must present. */
export const TOKEN = randomBytes(32).toString('hex');

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  },
};

async function start(agent, flags = []) {
  const child = spawn(program('stateset-sync'), ['mcp', '--http', '127.0.0.1:0', ...flags], {
    cwd: agent.cwd,
    env: { PATH: process.env.PATH, HOME: agent.cwd, VES_MCP_TOKEN: TOKEN },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
    heard.push(String(data));
  });
  const url = await waitFor('the server to listen', () => /serving (\S+)\n/.exec(said)?.[1]);
  return { url, stop: () => child.kill() };
}

/** A request as anybody may make it; `fetch` would not let us choose the host. */
function ask(url, { method = 'POST', headers = {}, body = JSON.stringify(INITIALIZE) } = {}) {
  return new Promise((done, failed) => {
    const all = {
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    };
    for (const name of Object.keys(all)) if (all[name] === null) delete all[name];
    const sent = request(url, { method, headers: all }, (response) => {
      let text = '';
      response.on('data', (data) => (text += data));
      response.on('end', () => {
        heard.push(text, JSON.stringify(response.headers));
        done({ status: response.statusCode, headers: response.headers, text });
      });
    });
    sent.on('error', failed);
    sent.end(method === 'GET' ? undefined : body);
  });
}

export async function http({ ann }) {
  const server = await start(ann);
  const { url } = server;
  const status = async (options) => (await ask(url, options)).status;

  for (const revision of REVISIONS) {
    await claim(`HTTP, ${revision}: the same tools answer`, async () => {
      const reader = await connectHttp(revision, url, { authorization: `Bearer ${TOKEN}` });
      const tools = await reader.tools();
      const { health } = await reader.good('ves_status');
      await reader.close();
      return `${tools.length} tools, ${health}`;
    });
  }
  await claim('HTTP: nobody gets in without the token', async () => {
    same('none', await status({ headers: { authorization: null } }), 401);
    same('wrong', await status({ headers: { authorization: `Bearer ${'0'.repeat(64)}` } }), 401);
    same('other scheme', await status({ headers: { authorization: `Basic ${TOKEN}` } }), 401);
    same('right', await status(), 200);
    return '401, and 200 with it';
  });
  await claim('HTTP: no web page gets in, even with the token', async () => {
    same('foreign', await status({ headers: { origin: 'https://evil.example' } }), 403);
    same('null', await status({ headers: { origin: 'null' } }), 403);
    same('own host', await status({ headers: { origin: new URL(url).origin } }), 403);
    const open = await start(ann, ['--http-allow-origin', 'https://app.example:443']);
    const named = { headers: { origin: 'https://app.example' } };
    same('named', (await ask(open.url, named)).status, 200);
    open.stop();
    return '403 unless the operator names its origin';
  });
  await claim('HTTP: a name that was bent to this machine does not get in', async () => {
    same('host', await status({ headers: { host: 'evil.example' } }), 403);
    return '403';
  });
  await claim('HTTP: a body has a bound', async () => {
    // One byte more than is taken: of what is much longer, the end is never read.
    const { length } = JSON.stringify({ ...INITIALIZE, padding: '' });
    const sized = (bytes) => JSON.stringify({ ...INITIALIZE, padding: 'x'.repeat(bytes - length) });
    same('large', await status({ body: sized(4 * 1024 * 1024 + 1) }), 413);
    ensure((await status({ body: sized(4 * 1024 * 1024) })) !== 413, 'the bound is lower');
    ensure((await status({ body: '{' })) >= 400, 'half an object is accepted');
    return '413';
  });
  await claim('HTTP: nothing is kept between requests', async () => {
    const { headers } = await ask(url);
    ensure(!('mcp-session-id' in headers), 'there is a session');
    return 'no sessions';
  });
  await claim('HTTP: other paths lead nowhere', async () => {
    same('root', (await ask(new URL('/', url))).status, 404);
    return '404';
  });
  server.stop();
  await claim('HTTP: a public address and a missing token end the server', async () => {
    const env = { VES_MCP_TOKEN: TOKEN };
    const options = { cwd: ann.cwd, codes: [2] };
    await run('stateset-sync', ['mcp', '--http', '0.0.0.0:0'], { ...options, env });
    await run('stateset-sync', ['mcp', '--http', '127.0.0.1:0'], options);
    await run('stateset-sync', ['mcp', '--http', '127.0.0.1:0'], { ...options, env: { VES_MCP_TOKEN: 'short' } });
    return 'exit code 2';
  });
}
