// graphql-ws as it comes (`lazy`): it closes the socket after the last operation, and opens another one for the next. By
// itself, as Apollo's link, and as urql's exchange for subscriptions.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ApolloClient, CombinedGraphQLErrors, gql, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { startServer } from '../server.js';
import { imageUrl } from './recorder.js';

// Apollo's link wants it there; Node has it since version 22.
globalThis.WebSocket ??= WebSocket;

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const COUNT = `query Count($userId: String!) { images(userId: $userId) { totalCount } }`;

const CREATE = `mutation Create($input: CreateImageInput!) {
  createImage(input: $input) { created image { id } userErrors { code } }
}`;

const FOLLOW = `subscription Follow($after: String) {
  galleryEvents(after: $after) { cursor imageId }
}`;

/** A client with the defaults, and the close codes that it saw; `closed()` waits for the next one. */
function connect() {
  const codes = [];
  let wake = () => {};
  const client = createClient({ url: server.url.replace('http:', 'ws:'), webSocketImpl: WebSocket });
  client.on('closed', ({ code }) => {
    codes.push(code);
    wake();
  });
  const closed = async (count) => {
    while (codes.length < count) {
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
    return codes;
  };
  return { client, codes, closed };
}

/** The one result of an operation, or its error. */
function only(client, query, variables) {
  return new Promise((resolve, reject) => {
    let result;
    client.subscribe(
      { query, variables },
      {
        next: (value) => {
          result = value;
        },
        error: reject,
        complete: () => resolve(result),
      },
    );
  });
}

for (const pause of ['at once', 'after the close']) {
  test(`graphql-ws: one operation after another, each ${pause}`, { timeout: 60_000 }, async () => {
    const { client, closed } = connect();
    const userId = `lazy ${pause}`;
    let operations = 0;
    const settled = async () => {
      operations += 1;
      if (pause === 'after the close') {
        await closed(operations);
      }
    };

    for (const expected of [0, 1, 2]) {
      const counted = await only(client, COUNT, { userId });
      assert.equal(counted.data.images.totalCount, expected);
      await settled();
      const created = await only(client, CREATE, { input: { userId, imageUrl: imageUrl() } });
      assert.equal(created.data.createImage.created, true);
      await settled();
      await assert.rejects(only(client, '{ nothing }'), ([error]) => {
        assert.equal(error.extensions.code, 'GRAPHQL_VALIDATION_FAILED');
        return true;
      });
      await settled();
    }
    const codes = await closed(pause === 'at once' ? 1 : operations);
    assert.deepEqual(new Set(codes), new Set([1000]));
  });
}

test('Apollo: queries, mutations and failures one after another', { timeout: 60_000 }, async () => {
  const { client: socket, closed } = connect();
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new GraphQLWsLink(socket),
    defaultOptions: { query: { fetchPolicy: 'network-only' } },
  });
  for (const expected of [0, 1]) {
    for (let again = 0; again < 2; again += 1) {
      const { data } = await client.query({ query: gql(COUNT), variables: { userId: 'lazy-apollo' } });
      assert.equal(data.images.totalCount, expected);
    }
    const input = { userId: 'lazy-apollo', imageUrl: imageUrl() };
    const { data } = await client.mutate({ mutation: gql(CREATE), variables: { input } });
    assert.equal(data.createImage.created, true);
    await assert.rejects(client.query({ query: gql`{ nothing }` }), (error) => {
      assert.ok(CombinedGraphQLErrors.is(error), String(error));
      assert.equal(error.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
      return true;
    });
  }
  assert.deepEqual(new Set(await closed(1)), new Set([1000]));
});

test('urql: a subscription right behind other operations keeps its place', { timeout: 60_000 }, async () => {
  const { client: socket, codes } = connect();
  const client = new Client({
    url: server.url,
    exchanges: [
      subscriptionExchange({
        enableAllOperations: true,
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });
  const create = async () => {
    const { data, error } = await client.mutation(CREATE, { input: { userId: 'urql', imageUrl: imageUrl() } });
    assert.equal(error, undefined);
    return data.createImage.image.id;
  };
  let last;
  for (let round = 0; round < 5; round += 1) {
    const expected = [await create(), await create()];
    const seen = await new Promise((resolve, reject) => {
      const ids = [];
      const { unsubscribe } = client.subscription(FOLLOW, { after: last ?? '' }).subscribe(({ data, error }) => {
        if (error) {
          reject(error);
          return;
        }
        last = data.galleryEvents.cursor;
        ids.push(data.galleryEvents.imageId);
        if (ids.includes(expected[1])) {
          unsubscribe();
          resolve(ids);
        }
      });
    });
    assert.deepEqual(seen.slice(-2), expected);
    if (round > 0) {
      // Nothing comes twice, and nothing is left out.
      assert.deepEqual(seen, expected);
    }
  }
  assert.deepEqual(codes.filter((code) => code !== 1000), []);
});
