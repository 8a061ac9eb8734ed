// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// The newest blocks, as they come and as they become final.

const BLOCKS_KEPT = 15;
/** Finalized at once without a message for each, after a reconnection for instance. */
const CATCH_UP_MAX = BLOCKS_KEPT;

export class Live {
  #chain;
  #listeners = new Set();
  #ends = [];
  #work = Promise.resolve();
  /** By number, newest first: `{ number, hash, final, commitment, batches, time }`. */
  blocks = [];
  best = 0;
  finalized = 0;

  constructor(chain) {
    this.#chain = chain;
  }

  /** Hears of each change; returns what ends it. Nobody listening, nothing is asked of the node. */
  listen(listener) {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) for (const end of this.#ends.splice(0)) end();
    };
  }

  #start() {
    const { rpc } = this.#chain;
    const then = (work) => {
      // One after another, so that a slow answer does not put an old block over a new one.
      this.#work = this.#work.then(work).catch((error) => console.warn(error.message));
    };
    this.#ends = [
      rpc.subscribe('chain_subscribeNewHeads', 'chain_unsubscribeNewHeads', (head) =>
        then(() => this.#best(head)),
      ),
      rpc.subscribe('chain_subscribeFinalizedHeads', 'chain_unsubscribeFinalizedHeads', (head) =>
        then(() => this.#final(head)),
      ),
    ];
  }

  async #best(told) {
    const head = await this.#chain.readHeader(told);
    this.best = head.number;
    if (head.number > this.finalized) this.#put({ ...head, final: false });
    this.#tell();
  }

  async #final(told) {
    const head = await this.#chain.readHeader(told);
    const known = this.finalized || head.number - CATCH_UP_MAX;
    const from = Math.max(known, head.number - CATCH_UP_MAX, 0) + 1;
    for (let number = from; number <= head.number; number += 1) {
      const header =
        number === head.number
          ? head
          : await this.#chain.header(await this.#chain.blockHash(number));
      if (header) this.#put({ ...header, final: true, ...(await this.#content(header)) });
    }
    this.finalized = head.number;
    this.best = Math.max(this.best, head.number);
    this.#tell();
  }

  async #content(header) {
    const [time, batches] = await Promise.all([
      this.#chain.blockTime(header.hash).catch(() => null),
      header.commitment ? this.#chain.batchesInBlock(header.number, header.hash) : [],
    ]);
    return { time, batches };
  }

  #put(block) {
    const others = this.blocks.filter((other) => other.number !== block.number);
    this.blocks = [block, ...others]
      .sort((one, other) => other.number - one.number)
      .slice(0, BLOCKS_KEPT);
  }

  #tell() {
    for (const listener of this.#listeners) listener(this);
  }
}
