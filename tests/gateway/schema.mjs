// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Requests made from the OpenAPI document, good and bad ones, by schemathesis: no answer may be a fault of
// the gateway, and every answer must be what the document says.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claim, ensure, same } from '../polkadotjs/harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const schemathesis = process.env.VES_SCHEMATHESIS ?? join(homedir(), '.cache/ves-appchain/schemathesis/bin/schemathesis');
const CHECKS = ['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_schema_conformance', 'unsupported_method', 'ignored_auth'];

function run(args, cwd) {
  return new Promise((done, failed) => {
    const child = spawn(schemathesis, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
    let out = '';
    child.stdout.on('data', (part) => { out += part; });
    child.stderr.on('data', (part) => { out += part; });
    child.on('error', failed);
    child.on('close', (code) => done({ code, out }));
  });
}

export async function schema({ directory, gateway, wide, operator }) {
  await claim('The document that is served is the committed one', async () => {
    const served = await gateway.get('/openapi.json');
    same('the document', served.text, readFileSync(join(here, '../../gateway/openapi.json'), 'utf8'));
    return `${served.json.openapi}, ${Object.keys(served.json.paths).length} paths`;
  });

  for (const [who, key] of [['an agent', wide], ['an operator', operator]]) {
    await claim(`What schemathesis makes of the document for ${who} is answered as the document says`, async () => {
      ensure(existsSync(schemathesis), 'schemathesis is missing: run scripts/setup.sh');
      // With one worker: CPython 3.11 parses Python in one thread at a time only (its issue 106905), which two of
      // this tool's run into now and then.
      const { code, out } = await run([
        'run', `${gateway.url}/openapi.json`, '--seed', '7', '--max-examples', '15', '--phases', 'examples,coverage,fuzzing',
        '--checks', CHECKS.join(), '--header', `x-api-key: ${key}`, '--request-timeout', '60', '--workers', '1',
        '--suppress-health-check', 'all', '--warnings', 'off', '--max-failures', '20',
      ], directory);
      ensure(code === 0, out.slice(-6000));
      const [, cases] = /(\d+) generated/.exec(out) ?? [];
      ensure(Number(cases) > 100, `only ${cases} cases: ${out.slice(-800)}`);
      return `${cases} cases`;
    });
  }
}
