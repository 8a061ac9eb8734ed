// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// What zombienet calls for `js-script`. The steps are in one program that runs as long as the scenario,
// because agents, load and relay go on between its lines; it ends with zombienet.
const { fork } = require('node:child_process');
const { join } = require('node:path');

const asked = [];
let scene = null;

function theScene() {
  if (scene) return scene;
  scene = fork(join(__dirname, 'steps.mjs'));
  scene.on('message', ({ id, answer, error }) => (error ? asked[id].failed(new Error(error)) : asked[id].done(answer)));
  scene.on('exit', (code, signal) => asked.forEach(({ failed }) => failed(new Error(`the steps' program ended: ${code ?? signal}`))));
  return scene;
}

exports.run = (name, { nodesByName }, [step, ...args]) =>
  new Promise((done, failed) => {
    const nodes = Object.values(nodesByName).map((node) => ({ name: node.name, url: node.wsUri }));
    const id = asked.push({ done, failed }) - 1;
    theScene().send({ id, name, nodes, step, args });
  });
