// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Claims with a line each. Runs under Node and in a page.

const PATIENCE_MS = 120_000;
const POLL_MS = 100;

let failures = 0;
let claims = 0;

/** How many claims were made and how many of them failed. */
export const score = () => ({ claims, failures });

/** Adds what was claimed elsewhere. */
export function addScore(other) {
  claims += other.claims;
  failures += other.failures;
}

/**
 * Settles a claim: prints a line with what `show` returns as evidence, or with why it failed, and
 * returns whether it holds. The test goes on either way.
 */
export async function claim(text, show) {
  claims += 1;
  const began = Date.now();
  try {
    const evidence = await show();
    console.log(`PASS  ${text}: ${evidence} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${text}: ${error.message}`);
    return false;
  }
}

/** Throws unless the condition holds; `what` names it. */
export function ensure(condition, what) {
  if (!condition) throw new Error(what);
}

/** Throws unless both are the same. */
export function same(what, found, expected) {
  ensure(found === expected, `${what} is ${found}, expected ${expected}`);
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Looks until it finds something. */
export async function waitFor(what, look, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    ensure(Date.now() < deadline, `waited ${patience / 1000} s in vain for ${what}`);
    await sleep(POLL_MS);
  }
}
