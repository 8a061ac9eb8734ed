// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Bill of materials of one package, CycloneDX 1.5: what is compiled into it on a platform, with the
// checksums of Cargo.lock. `cargo tree` says what that is: `cargo metadata` has the features of the whole
// workspace, and so names more. The same input gives the same bytes.
//
// node tools/sbom.mjs PACKAGE TARGET CARGO_LOCK TREE <metadata.json

import { readFileSync } from 'node:fs';

const [name, target, lockFile, treeFile] = process.argv.slice(2);
const { packages, resolve } = JSON.parse(readFileSync(0, 'utf8'));
const byId = new Map(packages.map((p) => [p.id, p]));
const nodes = new Map(resolve.nodes.map((n) => [n.id, n]));
const root = packages.find((p) => p.name === name && p.source === null);
if (!root) throw new Error(`no package ${name} in this workspace`);

const checksums = new Map();
for (const entry of readFileSync(lockFile, 'utf8').split('[[package]]')) {
  const of = (key) => entry.match(new RegExp(`^${key} = "(.*)"$`, 'm'))?.[1];
  if (of('checksum')) checksums.set(`${of('name')} ${of('version')}`, of('checksum'));
}

const compiled = new Set(
  readFileSync(treeFile, 'utf8')
    .split('\n')
    .map((line) => line.match(/^(\S+) v(\S+)/))
    .filter(Boolean)
    .map(([, crate, version]) => `${crate} ${version}`),
);
const isCompiled = (id) => compiled.has(`${byId.get(id).name} ${byId.get(id).version}`);

// Normal dependencies alone: what builds or tests the program is not in it. Of procedural macros the
// output is.
const isNormal = (dep) => dep.dep_kinds.some((kind) => kind.kind === null);
const below = (id) =>
  nodes.get(id).deps.filter(isNormal).map((dep) => dep.pkg).filter(isCompiled);
const found = new Set();
const open = [root.id];
while (open.length) {
  const id = open.pop();
  if (found.has(id)) continue;
  found.add(id);
  open.push(...below(id));
}

const purl = (p) => `pkg:cargo/${p.name}@${p.version}`;
const component = (p) => ({
  type: p.id === root.id ? 'application' : 'library',
  'bom-ref': purl(p),
  name: p.name,
  version: p.version,
  ...(p.description ? { description: p.description.trim().replace(/\s+/g, ' ') } : {}),
  ...(checksums.has(`${p.name} ${p.version}`)
    ? { hashes: [{ alg: 'SHA-256', content: checksums.get(`${p.name} ${p.version}`) }] }
    : {}),
  ...(p.license ? { licenses: [{ expression: p.license.replaceAll('/', ' OR ') }] } : {}),
  purl: purl(p),
});
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const all = [...found].map((id) => byId.get(id)).sort((a, b) => order(purl(a), purl(b)));

console.log(
  JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      version: 1,
      metadata: {
        component: component(root),
        properties: [{ name: 'cargo:target', value: target }],
      },
      components: all.filter((p) => p.id !== root.id).map(component),
      dependencies: all.map((p) => ({
        ref: purl(p),
        dependsOn: [...new Set(below(p.id).map((id) => purl(byId.get(id))))].sort(order),
      })),
    },
    null,
    2,
  ),
);
