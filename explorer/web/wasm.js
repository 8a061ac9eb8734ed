// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The verification code, compiled from the same source as the node's and the command line's.

import init, * as verifier from './verifier.js';

let loaded = null;

/** The wasm's functions; loaded once. */
export function wasm() {
  const place = new URL('./verifier_bg.wasm', import.meta.url);
  loaded ??= init({ module_or_path: place }).then(() => verifier);
  return loaded;
}

/** Does something with the wasm; what it throws is told as an error. */
export function attempt(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) {
      throw new Error('the verifier stopped; load the page anew');
    }
    throw error instanceof Error ? error : new Error(String(error));
  }
}

/** Calls one of its functions and reads the JSON it answers with. */
export async function compute(name, ...args) {
  const functions = await wasm();
  return JSON.parse(attempt(() => functions[name](...args)));
}
