// Python's gql (gql_client.py), in a virtual environment of its own.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startServer } from '../server.js';

const run = promisify(execFile);
const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

test('gql makes, lists, deletes and restores, one by one and in a batch', { timeout: 180_000 }, async (context) => {
  const environment = await mkdtemp(join(tmpdir(), 'image-gallery-gql-'));
  context.after(() => rm(environment, { recursive: true }));
  await run('python3', ['-m', 'venv', environment]);
  const python = join(environment, 'bin/python');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:'];
  await run(python, [...pip, '--requirement', beside('requirements.txt')]);

  const server = await startServer();
  context.after(() => server.stop());
  await run(python, [beside('gql_client.py'), server.url]);
});
