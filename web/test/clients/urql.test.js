// urql with graphcache: normalised cache, pages, the trash; small queries by GET; persisted queries.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { Client, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { persistedExchange } from '@urql/exchange-persisted';
import { buildSchema, introspectionFromSchema } from 'graphql';

import { startServer } from '../server.js';
import { imageUrl, recorder } from './recorder.js';

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const CREATE = gql`
  mutation Create($input: CreateImageInput!) {
    createImage(input: $input) {
      created
      image { id userId deletedAt }
      userErrors { code message path }
    }
  }
`;

const LIST = gql`
  query List($userId: String!, $first: Int, $after: String) {
    images(userId: $userId, first: $first, after: $after) {
      edges { cursor node { id createdAt deletedAt } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

const SOFT_DELETE = gql`
  mutation SoftDelete($id: ID!) {
    softDeleteImage(id: $id) { changed image { id deletedAt } userErrors { code } }
  }
`;

const RESTORE = gql`
  mutation Restore($id: ID!) {
    restoreImage(id: $id) { changed image { id deletedAt } userErrors { code } }
  }
`;

const schema = introspectionFromSchema(
  buildSchema(readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8')),
);

// With the schema, graphcache knows which fields may be null, and that an Image is a Node. What is in no list by itself
// changes when something is made, goes to the trash or comes back: these lists are asked for anew.
const forgetLists = (result, args, cache) => {
  for (const { fieldName, arguments: of } of cache.inspectFields('Query')) {
    if (fieldName === 'images' || fieldName === 'deletedImages') {
      cache.invalidate('Query', fieldName, of);
    }
  }
};
const cache = () =>
  cacheExchange({
    schema,
    resolvers: { Query: { images: relayPagination(), deletedImages: relayPagination() } },
    updates: { Mutation: { createImage: forgetLists, softDeleteImage: forgetLists, restoreImage: forgetLists } },
  });

function clientWith({ exchanges = [fetchExchange], ...options } = {}) {
  return new Client({ url: server.url, exchanges: [cache(), ...exchanges], ...options });
}

async function create(client, userId) {
  const { data, error } = await client.mutation(CREATE, { input: { userId, imageUrl: imageUrl() } });
  assert.equal(error, undefined);
  return data.createImage;
}

test('images are made, listed page by page, put in the trash and taken out of it', async () => {
  const client = clientWith({ preferGetMethod: false });
  const ids = [];
  for (let count = 0; count < 3; count += 1) {
    ids.unshift((await create(client, 'urql')).image.id);
  }
  const list = async (variables) => {
    const { data, error } = await client.query(LIST, { userId: 'urql', first: 2, ...variables });
    assert.equal(error, undefined);
    return data.images;
  };
  const listed = ({ edges }) => edges.map(({ node }) => node.id);

  const first = await list();
  assert.deepEqual(listed(first), ids.slice(0, 2));
  // `relayPagination` answers with all the pages so far.
  const both = await list({ after: first.pageInfo.endCursor });
  assert.deepEqual(listed(both), ids);
  assert.equal(both.pageInfo.hasNextPage, false);

  const deleted = await client.mutation(SOFT_DELETE, { id: ids[0] });
  assert.equal(deleted.data.softDeleteImage.changed, true);
  assert.deepEqual(listed(await list()), ids.slice(1), 'the list without it');
  const restored = await client.mutation(RESTORE, { id: ids[0] });
  assert.equal(restored.data.restoreImage.image.deletedAt, null);
  assert.deepEqual(listed(await list()), ids.slice(0, 2), 'the list with it again');
});

test('errors arrive with their code', async () => {
  const { error } = await clientWith({ preferGetMethod: false }).query(LIST, { userId: 'urql', first: 101 });
  assert.equal(error.graphQLErrors[0].extensions.code, 'BAD_USER_INPUT');
});

test('small queries go by GET, as urql does of itself', async () => {
  const { fetch, exchanges } = recorder();
  const client = clientWith({ fetch });
  await create(client, 'urql-get');
  const { data, error } = await client.query(LIST, { userId: 'urql-get' });
  assert.equal(error, undefined);
  assert.equal(data.images.edges.length, 1);
  assert.deepEqual(exchanges.map(({ method }) => method), ['POST', 'GET']);
  // It names streams last in `Accept`; a query is answered as JSON all the same.
  assert.match(exchanges[1].accept, /text\/event-stream/);
});

for (const preferGetForPersistedQueries of [false, true]) {
  test(`persisted queries send the text once (${preferGetForPersistedQueries ? 'GET' : 'POST'})`, async () => {
    const { fetch, exchanges } = recorder();
    const exchange = persistedExchange({ preferGetForPersistedQueries });
    const client = clientWith({ exchanges: [exchange, fetchExchange], fetch, preferGetMethod: false });
    // A query of this test's own, which the server has not seen yet.
    const query = preferGetForPersistedQueries
      ? gql`query ByGet($userId: String!) { images(userId: $userId) { totalCount } }`
      : gql`query ByPost($userId: String!) { images(userId: $userId) { totalCount } }`;
    for (let count = 0; count < 2; count += 1) {
      const { data, error } = await client.query(query, { userId: 'nobody' }, { requestPolicy: 'network-only' });
      assert.equal(error, undefined);
      assert.equal(data.images.totalCount, 0);
    }

    assert.deepEqual(exchanges.map(({ status }) => status), [200, 200, 200]);
    const [unknown, taught, known] = exchanges;
    assert.equal(unknown.answer.errors[0].message, 'PersistedQueryNotFound');
    const sendsText = ({ body, url }) => (body ? Boolean(body.query) : Boolean(url.searchParams.get('query')));
    assert.deepEqual([unknown, taught, known].map(sendsText), [false, true, false]);
    assert.equal(known.method, preferGetForPersistedQueries ? 'GET' : 'POST');
  });
}
