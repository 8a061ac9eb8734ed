// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Two clients that share nothing with the server: version 1 of the TypeScript SDK, which speaks
// protocol 2025-11-25, and version 2, which speaks 2026-07-28. Both check structured answers
// against the output schemas that the server states.

import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { program } from '../polkadotjs/harness.mjs';

const INFO = { name: 'ves-test', version: '1.0.0' };

/** The protocol revisions, each with the client that speaks it. */
export const REVISIONS = ['2025-11-25', '2026-07-28'];

/** Everything that servers and clients said, to be searched for secrets. */
export const heard = [];

function client(revision, answer) {
  const capabilities = answer ? { elicitation: { form: {} } } : {};
  if (revision === '2025-11-25') {
    const made = new ClientV1(INFO, { capabilities });
    if (answer) made.setRequestHandler(ElicitRequestSchema, async ({ params }) => answer(params));
    return made;
  }
  const versionNegotiation = { mode: { pin: revision } };
  const made = new ClientV2(INFO, { capabilities, versionNegotiation });
  if (answer) made.setRequestHandler('elicitation/create', async ({ params }) => answer(params));
  return made;
}

/** A connection with what the tests need of it. */
class Connection {
  constructor(made, revision) {
    this.client = made;
    this.revision = revision;
  }

  /** The names and descriptions of the tools; both clients keep the output schemas for checking. */
  tools = async () => this.hear((await this.client.listTools()).tools);

  /** Calls a tool. The answer's object, whether it is an error, and the error's code. */
  async call(name, args = {}, options = { timeout: 120_000 }) {
    const request = { name, arguments: args };
    const result =
      this.client instanceof ClientV1
        ? await this.client.callTool(request, undefined, options)
        : await this.client.callTool(request, options);
    this.hear(result);
    const value = result.structuredContent;
    return { ...value, isError: result.isError === true, code: value?.error?.code, text: result.content };
  }

  /** Calls a tool that must not fail. */
  async good(name, args = {}) {
    const answer = await this.call(name, args);
    if (answer.isError) throw new Error(`${name}: ${answer.code}: ${answer.error.message}`);
    return answer;
  }

  /** Does what must end as an error of the protocol, and returns it. */
  async refused(ask) {
    try {
      await ask(this.client);
    } catch (error) {
      return this.hear({ message: error.message, code: error.code, data: error.data });
    }
    throw new Error('was not refused');
  }

  hear(said) {
    heard.push(JSON.stringify(said));
    return said;
  }

  close = () => this.client.close();
}

/** Starts a server of an agent on stdin and stdout, and connects. */
export async function connect(revision, agent, flags = [], { answer, env = {} } = {}) {
  const made = client(revision, answer);
  const Transport = revision === '2025-11-25' ? StdioV1 : StdioV2;
  const transport = new Transport({
    command: program('stateset-sync'),
    args: ['mcp', ...flags],
    cwd: agent.cwd,
    env: { PATH: process.env.PATH, HOME: agent.cwd, ...env },
    stderr: 'pipe',
  });
  transport.stderr?.on('data', (data) => heard.push(String(data)));
  await made.connect(transport);
  return new Connection(made, revision);
}

/** Connects to a server that runs already. */
export async function connectHttp(revision, url, headers) {
  const made = client(revision);
  const Transport = revision === '2025-11-25' ? HttpV1 : HttpV2;
  await made.connect(new Transport(new URL(url), { requestInit: { headers } }));
  return new Connection(made, revision);
}
