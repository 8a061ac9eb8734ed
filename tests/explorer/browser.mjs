// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Chromium, watched: what it asks of whom, and what it complains about.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ensure, program } from '../polkadotjs/harness.mjs';
import { retell } from './retold.mjs';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Pictures of what was seen, for whoever wants to look. */
export const pictures = join(program('..'), 'explorer-screenshots');

export class Browser {
  #browser;
  #origin;
  /** Requests beyond this machine. */
  strangers = [];
  /** Errors and violations of the page's policy. */
  complaints = [];

  static async start(origin) {
    const executablePath = CHROMIUM.find((path) => existsSync(path));
    ensure(executablePath, 'no chromium: apt-get install chromium');
    const browser = new Browser();
    browser.#origin = origin;
    browser.#browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-background-networking', '--no-proxy-server'],
    });
    mkdirSync(pictures, { recursive: true });
    return browser;
  }

  /** A page of its own, with nothing cached. With `answers`, the node's are changed by these. */
  async page({ scheme = 'light', bypassCSP = false, url = this.#origin, answers = null } = {}) {
    const context = await this.#browser.newContext({ colorScheme: scheme, bypassCSP });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    if (answers) await retell(page, answers);
    const watch = (url) => {
      if (!/^(https?|wss?):\/\/127\.0\.0\.1:|^(blob|data):/.test(url)) this.strangers.push(url);
    };
    page.on('request', (request) => watch(request.url()));
    page.on('websocket', (socket) => watch(socket.url()));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    await page.goto(url);
    return page;
  }

  /** Goes to a page of the explorer and waits until it is there. */
  async visit(page, path) {
    await page.goto(`${this.#origin}#${path}`);
    await page.waitForSelector(`#main[data-shown="${path}"]`);
  }

  picture(page, name) {
    return page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  }

  end() {
    return this.#browser.close();
  }
}

/** The lines of a verification as they stand on the page. */
export const checks = (page, within = 'main') =>
  page.$$eval(`${within} [data-check]`, (lines) =>
    lines.map(({ dataset }) => ({
      name: dataset.check,
      verdict: dataset.verdict,
      reason: dataset.reason ?? null,
    })),
  );

export const outcome = (page, within = 'main') =>
  page.getAttribute(`${within} [data-outcome]`, 'data-outcome');
