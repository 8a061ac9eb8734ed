// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Elements from data. Text is only ever set as text: nothing a node says becomes markup.

/**
 * An element. `options` are properties; `class`, `role`, `scope`, `aria-*` and `data-*` become
 * attributes. Children are elements or text; null and undefined are left out.
 */
export function el(name, options = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value === null) continue;
    if (/^(class|role|scope|for|aria-.*|data-.*)$/.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A list of names and values; rows without a value are left out. */
export function facts(rows) {
  const list = el('dl', { class: 'facts' });
  for (const [name, value] of rows) {
    if (value === null || value === undefined) continue;
    list.append(el('dt', {}, name), el('dd', {}, value));
  }
  return list;
}

/**
 * A table. `columns` are `[heading, class]`, `rows` lists of cells; the first cell heads its row.
 * Wide tables scroll, by keyboard too.
 */
export function table(caption, columns, rows, { empty = 'None.' } = {}) {
  const head = columns.map(([text, kind]) => el('th', { scope: 'col', class: kind }, text));
  const body = rows.map((cells) =>
    el(
      'tr',
      {},
      cells.map((cell, at) => {
        const options = { class: columns[at][1] };
        return at === 0 ? el('th', { scope: 'row', ...options }, cell) : el('td', options, cell);
      }),
    ),
  );
  if (rows.length === 0) {
    body.push(el('tr', {}, el('td', { colSpan: columns.length, class: 'note' }, empty)));
  }
  const content = el(
    'table',
    {},
    el('caption', {}, caption),
    el('thead', {}, el('tr', {}, head)),
    el('tbody', {}, body),
  );
  return el('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': caption }, content);
}

/** Cards of `[name, value]`. */
export function cards(label, items) {
  const list = items.map(([name, value, id]) =>
    el(
      'li',
      {},
      el('span', { class: 'name' }, name),
      el('span', { class: 'value', 'data-card': id }, value),
    ),
  );
  return el('ul', { class: 'cards', 'aria-label': label }, list);
}

export const link = (href, text, options = {}) => el('a', { href, ...options }, text);

export const code = (text) => el('code', {}, text);

/** The middle of a long hash left out; whole on hover, and for whoever copies it from its own page. */
export function short(hash, length = 8) {
  const text = String(hash);
  if (text.length <= 2 * length + 4) return code(text);
  return el('code', { title: text }, `${text.slice(0, length + 2)}…${text.slice(-length)}`);
}

export const time = (ms) => {
  const date = new Date(Number(ms));
  const text = Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
  return el('time', { dateTime: text }, text.replace('T', ' ').replace('.000Z', 'Z'));
};
