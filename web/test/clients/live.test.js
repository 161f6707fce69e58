// Live changes with graphql-ws and graphql-sse: both come back by themselves after a restart of the server. They send their
// first `after` again when they do, so what was seen before comes once more, and is told by its `id`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import WebSocket from 'ws';

import { run, startServer } from '../server.js';
import { imageUrl } from './recorder.js';

const FOLLOW = `subscription Follow($after: String) {
  galleryEvents(after: $after) { id cursor type imageId image { userId } }
}`;

const CREATE = `mutation Create($input: CreateImageInput!) {
  createImage(input: $input) { created image { id } }
}`;

async function createImage(url) {
  const answer = await run(url, CREATE, { input: { userId: 'alice', imageUrl: imageUrl() } });
  return answer.data.createImage.image.id;
}

/** Follows the gallery from its beginning; `next()` gives the next event that was not seen yet. */
function follow(client) {
  const seen = new Set();
  const events = [];
  let wake = () => {};
  const end = client.subscribe(
    { query: FOLLOW, variables: { after: '' } },
    {
      next({ data, errors }) {
        assert.equal(errors, undefined);
        const event = data.galleryEvents;
        if (!seen.has(event.id)) {
          seen.add(event.id);
          events.push(event);
          wake();
        }
      },
      error(error) {
        throw error;
      },
      complete() {},
    },
  );
  return {
    end,
    async next() {
      while (events.length === 0) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      return events.shift();
    },
  };
}

const clients = {
  'graphql-ws': (url) =>
    createWsClient({
      url: url.replace('http:', 'ws:'),
      webSocketImpl: WebSocket,
      retryAttempts: 50,
      retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
      // The library comes back after a close code by itself; a server that is not there yet counts as well.
      shouldRetry: () => true,
    }),
  'graphql-sse': (url) =>
    createSseClient({
      url,
      retryAttempts: 50,
      retry: () => new Promise((resolve) => setTimeout(resolve, 100)),
    }),
};

for (const [name, connect] of Object.entries(clients)) {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    test(`${name} follows the gallery through a restart by ${signal}`, { timeout: 60_000 }, async (context) => {
      const server = await startServer();
      context.after(() => server.stop());
      const before = await createImage(server.url);
      const client = connect(server.url);
      const gallery = follow(client);
      context.after(() => gallery.end());

      const first = await gallery.next();
      assert.deepEqual([first.type, first.imageId, first.image], ['CREATED', before, { userId: 'alice' }]);
      const live = await createImage(server.url);
      assert.equal((await gallery.next()).imageId, live);

      await server.restart(signal);
      const after = await createImage(server.url);
      assert.equal((await gallery.next()).imageId, after);
      gallery.end();
      client.dispose();
    });
  }
}
