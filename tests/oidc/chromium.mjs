// Starts the system's Chromium, as a child in this process's own group: who ends the group ends the browser.

import { spawn } from 'node:child_process';

import puppeteer from 'puppeteer-core';

/** Longest wait for it to come up, in milliseconds. */
const PATIENCE = 30_000;

export async function start(program, folder, front) {
  const chromium = spawn(
    program,
    [
      ...puppeteer.defaultArgs({ headless: true, userDataDir: folder }),
      '--remote-debugging-port=0',
      // Containers have no user namespaces, and small /dev/shm; the pages are our own.
      '--no-sandbox',
      '--no-zygote',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--disable-crash-reporter',
      '--ignore-certificate-errors',
      `--host-resolver-rules=MAP *.example.test ${front}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  // Here and not in an end of its own: without a browser every command would wait in vain.
  chromium.on('exit', () => process.exit());
  const browser = await puppeteer.connect({ browserWSEndpoint: await endpoint(chromium), defaultViewport: null });
  return { browser, stop: () => chromium.kill('SIGKILL') };
}

function endpoint(chromium) {
  return new Promise((found, failed) => {
    let said = '';
    const clock = setTimeout(() => failed(new Error(`Chromium is not up after ${PATIENCE} ms; it said:\n${said}`)), PATIENCE);
    chromium.on('error', failed);
    chromium.stderr.setEncoding('utf8').on('data', (text) => {
      // Only until it is up: what it says later is read, so that it can go on, and dropped.
      if (said === undefined) {
        return;
      }
      said += text;
      const line = said.match(/DevTools listening on (ws:\S+)/);
      if (line) {
        clearTimeout(clock);
        said = undefined;
        found(line[1]);
      }
    });
  });
}
