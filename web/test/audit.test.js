// The audit of GraphQL over HTTP, <https://github.com/graphql/graphql-http>: each MUST, SHOULD and MAY is a test.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { startServer } from './server.js';

let server;

before(async () => {
  server = await startServer();
});

after(() => server?.stop());

for (const { id, name, fn } of serverAudits({ url: () => server.url })) {
  test(`${id} ${name}`, async () => {
    const { status, reason } = await fn();
    assert.equal(status, 'ok', reason);
  });
}
