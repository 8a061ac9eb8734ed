// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// JSON-RPC over a WebSocket that comes back by itself. Subscriptions are made anew after that; what
// happened in between is for the subscriber to ask.

const TIMEOUT_MS = 30_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
/** Questions under way at once; more is a mistake of this page. */
const OPEN_MAX = 512;

/** A refusal by the node, or its silence. */
export class RpcError extends Error {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

export class Rpc {
  #url;
  #socket = null;
  #nextId = 1;
  #open = new Map();
  #waiting = [];
  #subscriptions = new Set();
  #listeners = new Map();
  #failures = 0;
  #onState;

  /** `onState` hears `connecting`, `open` and `lost`. */
  constructor(url, onState = () => {}) {
    this.#url = url;
    this.#onState = onState;
    this.#connect();
  }

  /** Asks, and gives the result. */
  async call(method, params = []) {
    return JSON.parse(await this.raw(method, params)).result;
  }

  /** Asks, and gives the whole answer as it came. Its numbers may exceed what scripts can hold. */
  raw(method, params = []) {
    if (this.#open.size + this.#waiting.length >= OPEN_MAX) {
      return Promise.reject(new RpcError('too many questions at once'));
    }
    const id = this.#nextId++;
    return new Promise((done, failed) => {
      const timer = setTimeout(() => {
        this.#open.delete(id);
        this.#waiting = this.#waiting.filter((question) => question.id !== id);
        failed(new RpcError(`no answer to ${method} within ${TIMEOUT_MS / 1000} s`));
      }, TIMEOUT_MS);
      const text = JSON.stringify({ jsonrpc: '2.0', id, method, params });
      this.#open.set(id, { done, failed, timer });
      if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
      else this.#waiting.push({ id, text });
    });
  }

  /** Follows a subscription, across reconnections. Returns what ends it. */
  subscribe(method, end, onItem) {
    const subscription = { method, end, onItem, id: null, starting: false };
    this.#subscriptions.add(subscription);
    this.#start(subscription);
    return () => {
      this.#subscriptions.delete(subscription);
      if (subscription.id === null) return;
      this.#listeners.delete(subscription.id);
      this.call(end, [subscription.id]).catch(() => {});
    };
  }

  async #start(subscription) {
    // Asked for before the connection was there: that question is still to be sent.
    if (subscription.starting) return;
    subscription.starting = true;
    try {
      const id = await this.call(subscription.method);
      if (!this.#subscriptions.has(subscription)) {
        this.call(subscription.end, [id]).catch(() => {});
        return;
      }
      subscription.id = id;
      this.#listeners.set(id, subscription.onItem);
    } catch (error) {
      console.warn(`${subscription.method}: ${error.message}`);
    } finally {
      subscription.starting = false;
    }
  }

  #connect() {
    this.#onState('connecting');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      const again = this.#failures > 0;
      this.#failures = 0;
      for (const { text } of this.#waiting.splice(0)) socket.send(text);
      if (again) for (const subscription of this.#subscriptions) this.#start(subscription);
      this.#onState('open');
    };
    socket.onmessage = ({ data }) => this.#hear(data);
    socket.onclose = () => {
      const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
      this.#failures += 1;
      this.#listeners.clear();
      for (const subscription of this.#subscriptions) subscription.id = null;
      const waiting = new Set(this.#waiting.map((question) => question.id));
      for (const [id, question] of this.#open) {
        // What was never sent waits for the next connection.
        if (waiting.has(id)) continue;
        this.#settle(id, question, () => question.failed(new RpcError('the connection was lost')));
      }
      this.#onState('lost');
      setTimeout(() => this.#connect(), wait);
    };
  }

  #settle(id, question, settle) {
    clearTimeout(question.timer);
    this.#open.delete(id);
    settle();
  }

  #hear(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.method) {
      this.#listeners.get(message.params?.subscription)?.(message.params.result);
      return;
    }
    const question = this.#open.get(message.id);
    if (!question) return;
    this.#settle(message.id, question, () => {
      if (message.error) {
        question.failed(new RpcError(String(message.error.message), message.error.code));
      } else question.done(data);
    });
  }
}
