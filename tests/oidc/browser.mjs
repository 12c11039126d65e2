// Drives a real browser for the end-to-end tests: `node browser.mjs CHROMIUM FOLDER FRONT`.
//
// FOLDER is an empty one for the browser's profile, FRONT the `address:port` that all of *.example.test is sent to.
// Every other name is nobody's: the browser reaches nothing outside of this machine.
//
// Standard input: a command a line, `{"id": 1, "command": "goto", "page": 1, "url": "https://…"}`.
// Standard output: `{"ready": true}`, then an answer a line, `{"id": 1, "ok": …}` or `{"id": 1, "error": "…"}`.
// The end of the input ends the browser.

import { createInterface } from 'node:readline';

import { start } from './chromium.mjs';
import { commands } from './commands.mjs';

/** Longest time for one command, in milliseconds. */
const PATIENCE = 15_000;

const [program, folder, front] = process.argv.slice(2);
if (front === undefined) {
  console.error('usage: node browser.mjs CHROMIUM FOLDER FRONT');
  process.exit(2);
}

const { browser, stop } = await start(program, folder, front);
const run = commands(browser, PATIENCE);
tell({ ready: true });

const input = createInterface({ input: process.stdin });
input.on('line', async (line) => {
  const { id, command, ...words } = JSON.parse(line);
  try {
    if (!Object.hasOwn(run, command)) {
      throw new Error(`no command ${command}; there are ${Object.keys(run).join(', ')}`);
    }
    tell({ id, ok: (await bounded(run[command](words), command)) ?? null });
  } catch (error) {
    tell({ id, error: error.message });
  }
});
input.on('close', stop);

function bounded(work, command) {
  let clock;
  const late = new Promise((_, failed) => {
    clock = setTimeout(() => failed(new Error(`${command}: nothing within ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(clock));
}

function tell(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
