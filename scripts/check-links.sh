#!/usr/bin/env bash
# SPDX-FileCopyrightText: The VES Appchain contributors
# SPDX-License-Identifier: Apache-2.0
#
# Links of the Markdown files: each file that one points to exists, and so does each heading; documents
# and scripts named in code marks exist too. Links to other hosts are not followed.
set -euo pipefail
cd "$(dirname "$0")/.."
exec node - <<'JS'
const { execFileSync } = require('node:child_process');
const { existsSync, readFileSync, statSync } = require('node:fs');
const { dirname, join, normalize } = require('node:path');

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file && existsSync(file));

/** The text without code, in which brackets mean nothing. */
const prose = (file) =>
  readFileSync(file, 'utf8')
    .replace(/^(```|~~~)[^\n]*\n[\s\S]*?^\1/gm, '')
    .replace(/`[^`\n]*`/g, (code) => '`'.repeat(code.length));

/** The names by which a page's headings can be linked to, as GitHub makes them. */
function anchors(file) {
  const seen = new Map();
  const found = new Set();
  const text = readFileSync(file, 'utf8').replace(/^(```|~~~)[^\n]*\n[\s\S]*?^\1/gm, '');
  for (const [, heading] of text.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '').toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\- _]/gu, '').replace(/ /g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    found.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return found;
}

let links = 0;
const wrong = [];
for (const file of files) {
  const text = prose(file);
  const inline = [...text.matchAll(/\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const defined = [...text.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?\s*$/gm)];
  for (const [, target] of [...inline, ...defined]) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
    links += 1;
    const [path, anchor] = target.split('#');
    const to = path ? normalize(join(dirname(file), decodeURIComponent(path))) : file;
    if (to.startsWith('..') || !existsSync(to)) wrong.push(`${file}: there is no ${to}`);
    else if (anchor && statSync(to).isFile() && !anchors(to).has(anchor)) {
      wrong.push(`${file}: ${to} has no heading #${anchor}`);
    }
  }
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/`([\w./-]+\/[\w./-]+\.(?:md|sh))(?=[`#\s])/g)) {
    links += 1;
    const places = ['', dirname(file), join(dirname(file), '..')];
    if (!places.some((place) => existsSync(join(place, path)))) wrong.push(`${file}: there is no ${path}`);
  }
}
if (files.length === 0 || links === 0) wrong.push('no links found at all');
wrong.forEach((line) => console.error(line));
if (wrong.length === 0) console.log(`${links} links in ${files.length} Markdown files lead somewhere`);
process.exit(wrong.length === 0 ? 0 : 1);
JS
