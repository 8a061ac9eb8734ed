#!/usr/bin/env node
// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
//
// The part of the `solc` command line that forge and slither use (`--version`, `--standard-json` on stdin),
// answered by the npm package solc (the same compiler as wasm).
// The package is looked up in SOLCJS_DIR if that is set, else from the working directory, else beside this file.
'use strict';
const fs = require('fs');
const path = require('path');

const solc = require(process.env.SOLCJS_DIR
  ? path.resolve(process.env.SOLCJS_DIR)
  : require.resolve('solc', { paths: [process.cwd(), __dirname] }));
const args = process.argv.slice(2);

if (args.includes('--version')) {
  // forge parses the native form of the version line
  const version = solc.version().replace('.Emscripten.clang', '.Linux.g++');
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else if (args.includes('--standard-json')) {
  const valuesOf = (flag) => args.flatMap((arg, i) => (arg === flag ? [args[i + 1]] : []));
  const roots = [valuesOf('--base-path')[0] ?? process.cwd(), ...valuesOf('--include-path')];
  const findImport = (name) => {
    const file = roots.map((root) => path.resolve(root, name)).find((candidate) => fs.existsSync(candidate));
    return file ? { contents: fs.readFileSync(file, 'utf8') } : { error: `not found: ${name}` };
  };
  process.stdout.write(solc.compile(fs.readFileSync(0, 'utf8'), { import: findImport }));
} else {
  process.stderr.write(`unsupported arguments: ${args.join(' ')}\n`);
  process.exitCode = 1;
}
