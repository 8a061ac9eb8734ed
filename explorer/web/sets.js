// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Which authority sets finalized what: followed from the chain's first one on, as far as a page needs
// it, and kept for the next page.

import { RpcError } from './rpc.js';
import { attempt, wasm } from './wasm.js';

/** Changes asked for at once, and as many as a bundle may carry. */
export const CHANGES_PAGE = 64;

/** Whether the node did not answer at all. An answer that refuses has a code. */
const isSilence = (error) => error instanceof RpcError && error.code === null;

export class AuthoritySets {
  #chain;
  #sets = null;
  #work = Promise.resolve();

  constructor(chain) {
    this.#chain = chain;
  }

  /**
   * The sets (the wasm's) up to the one that justified the block at this height, and what stood in the
   * way if they do not get there. No sets at nodes that forget old states: they do not know the first.
   */
  follow(height) {
    // One after another: each goes on where the one before has come to.
    const followed = this.#work.then(() => this.#follow(height));
    this.#work = followed.catch(() => {});
    return followed;
  }

  async #follow(height) {
    const sets = await this.#open();
    if (sets === null) return { sets, trouble: null };
    try {
      let question = JSON.parse(sets.ask(height));
      while (question !== null) question = JSON.parse(await this.#answer(sets, question, height));
      return { sets, trouble: null };
    } catch (error) {
      if (isSilence(error)) throw error;
      return { sets, trouble: error.message };
    }
  }

  async #open() {
    if (this.#sets !== null) return this.#sets;
    const [functions, genesis] = await Promise.all([wasm(), this.#chain.genesisHash()]);
    let authorities;
    try {
      authorities = await this.#chain.api('GrandpaApi_grandpa_authorities', '', genesis);
    } catch (error) {
      if (isSilence(error)) throw error;
      return null;
    }
    this.#sets = attempt(() => new functions.Sets(genesis, authorities));
    return this.#sets;
  }

  /** Puts the wasm's question to the node; gives the next one. */
  async #answer(sets, question, height) {
    if (question.finality === undefined) {
      const changes = await this.#chain.rpc.call('ves_setChanges', [question.changes, CHANGES_PAGE]);
      return attempt(() => sets.take(JSON.stringify(changes), height));
    }
    const block = question.finality;
    const proof = await this.#chain.finality(block);
    if (proof === null) {
      throw new Error(`block ${block} forces another authority set, which has not finalized it yet`);
    }
    attempt(() => sets.confirm(JSON.stringify(proof)));
    return sets.ask(height);
  }
}
