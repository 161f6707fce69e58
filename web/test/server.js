// A server of one's own: the real program, with a gallery in a temporary folder, on a free port.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url));

/** The program with the built pages in it. */
export const program = process.env.IMAGE_GALLERY ?? join(target, 'debug/image-gallery');

/** The program without them; `.ci/run` builds it. */
export const programWithoutPages = process.env.IMAGE_GALLERY_WITHOUT_PAGES ?? join(target, 'without-pages/image-gallery');

/** Starts a server; `stop()` ends it and removes its gallery, `restart()` ends it and starts it anew at the same address. */
export async function startServer({ binary = program, settings = {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'image-gallery-'));
  let running = await startProcess(binary, folder, settings);
  const { url } = running;
  return {
    url,
    log: () => running.log(),
    async restart(signal = 'SIGTERM') {
      await running.end(signal);
      running = await startProcess(binary, folder, { ...settings, PORT: new URL(url).port });
    },
    async stop() {
      await running.end('SIGTERM');
      await rm(folder, { recursive: true });
    },
  };
}

async function startProcess(binary, folder, settings) {
  // Nothing of the caller's settings reaches it.
  const env = { PATH: process.env.PATH, PORT: '0', RUST_LOG: 'info', ...settings };
  const child = spawn(binary, ['serve'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let log = '';
  const url = await new Promise((resolve, reject) => {
    const read = (chunk) => {
      log += chunk;
      const found = log.match(/listening on (http:\/\/127\.0\.0\.1:\d+\/graphql)/);
      if (found) {
        resolve(found[1]);
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
  });
  return {
    url,
    log: () => log,
    async end(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

/** One operation by POST, without any client's help; the parsed answer. */
export async function run(url, query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}
