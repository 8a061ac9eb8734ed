// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Finds the node, and shows the page that the address names.

import { Chain } from './chain.js';
import { el } from './dom.js';
import { Live } from './live.js';
import { Rpc } from './rpc.js';
import { batchPage } from './pages/batch.js';
import { blockPage } from './pages/block.js';
import { eventPage } from './pages/event.js';
import { overviewPage } from './pages/overview.js';
import { streamPage, streamsPage } from './pages/streams.js';
import { verifyPage } from './pages/verify.js';

const UUID = '([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})';
const PAGES = [
  [/^\/?$/, 'overview', overviewPage],
  [/^\/streams$/, 'streams', streamsPage],
  [new RegExp(`^/stream/${UUID}/${UUID}(?:/from/(\\d+))?$`), 'streams', streamPage],
  [new RegExp(`^/event/${UUID}/${UUID}/${UUID}$`), 'streams', eventPage],
  [new RegExp(`^/batch/${UUID}/${UUID}/(\\d+)$`), 'streams', batchPage],
  [/^\/block\/(\d+)$/, 'overview', blockPage],
  [/^\/verify$/, 'verify', verifyPage],
];
const STATES = {
  connecting: 'Connecting…',
  open: 'Connected',
  lost: 'Connection lost, trying again',
};

/** Where the node is: `?rpc=`, else what the server says; only a port if that is on its own host. */
async function endpoint() {
  const asked = new URLSearchParams(location.search).get('rpc');
  if (asked) {
    if (!/^wss?:\/\//.test(asked)) throw new Error('?rpc= must be a ws:// or wss:// address');
    return asked;
  }
  const config = await (await fetch('config.json')).json();
  if (config.rpc_url) return config.rpc_url;
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return `${scheme}://${location.hostname}:${config.rpc_port}`;
}

function showState(state) {
  const line = document.getElementById('connection');
  line.dataset.state = state;
  line.textContent = STATES[state];
}

/** What a page registers here is undone when the reader leaves it. */
class Scope {
  #undo = [];
  over = false;

  onLeave(undo) {
    this.#undo.push(undo);
  }

  leave() {
    this.over = true;
    for (const undo of this.#undo.splice(0)) undo();
  }
}

let scope = new Scope();
let shown = null;

async function show(context) {
  const path = location.hash.startsWith('#/') ? location.hash.slice(1) : '/';
  scope.leave();
  const own = new Scope();
  scope = own;
  const main = document.getElementById('main');
  let [page, name, args] = [null, null, []];
  for (const [pattern, section, candidate] of PAGES) {
    const match = pattern.exec(path);
    if (match) [page, name, args] = [candidate, section, match.slice(1)];
  }
  for (const anchor of document.querySelectorAll('nav a')) {
    if (anchor.dataset.page === name) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
  const heading = el('h1', {}, 'Not found');
  const body = el('div');
  main.replaceChildren(heading, body);
  delete main.dataset.shown;
  const title = (text) => {
    heading.textContent = text;
    document.title = `${text} · VES explorer`;
  };
  title(page ? 'Loading…' : 'Not found');
  // Not at first: whoever opens the page starts at its top.
  if (shown !== null) main.focus();
  shown = path;
  if (!page) {
    body.append(el('p', {}, 'There is no such page.'));
  } else {
    try {
      await page({ ...context, scope: own, title, body }, ...args);
    } catch (error) {
      if (own.over) return;
      if (heading.textContent === 'Loading…') title('Cannot be shown');
      body.append(el('p', { class: 'problem', role: 'alert' }, error.message));
    }
  }
  // For whoever waits until all of it is there.
  if (!own.over) main.dataset.shown = path;
}

async function start() {
  let url;
  try {
    url = await endpoint();
  } catch (error) {
    showState('lost');
    const main = document.getElementById('main');
    main.append(el('p', { class: 'problem', role: 'alert' }, `No node to ask: ${error.message}`));
    return;
  }
  document.getElementById('endpoint').textContent = url;
  // The address names the page, so this link must not change it.
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault();
    document.getElementById('main').focus();
  });
  const rpc = new Rpc(url, showState);
  const chain = new Chain(rpc);
  const context = { chain, live: new Live(chain) };
  window.addEventListener('hashchange', () => show(context));
  await show(context);
}

start();
