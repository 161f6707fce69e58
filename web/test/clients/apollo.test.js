// Apollo Client: the cache, pages, the trash, and its links for GET, persisted queries, batches and retries.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { RetryLink } from '@apollo/client/link/retry';
import { relayStylePagination } from '@apollo/client/utilities';

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
      pageInfo { hasNextPage endCursor }
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

const COUNT = gql`
  query Count($userId: String!) {
    images(userId: $userId) { totalCount }
  }
`;

// `id` is unique among all types, so Apollo's default keys do; the lists grow page by page.
function clientWith(link) {
  const cache = new InMemoryCache({
    typePolicies: { Query: { fields: { images: relayStylePagination(['userId', 'filter', 'orderBy']) } } },
  });
  return new ApolloClient({ link, cache });
}

async function create(client, userId) {
  const variables = { input: { userId, imageUrl: imageUrl() } };
  const { data } = await client.mutate({ mutation: CREATE, variables });
  assert.deepEqual(data.createImage.userErrors, []);
  return data.createImage;
}

test('images are made, listed page by page, put in the trash and taken out of it', async () => {
  const client = clientWith(new HttpLink({ uri: server.url }));
  const ids = [];
  for (let count = 0; count < 3; count += 1) {
    const { created, image } = await create(client, 'apollo');
    assert.equal(created, true);
    ids.unshift(image.id);
  }

  const list = { query: LIST, variables: { userId: 'apollo', first: 2 } };
  const pages = client.watchQuery(list);
  const subscription = pages.subscribe(() => {});
  const firstPage = await client.query(list);
  await pages.fetchMore({ variables: { after: firstPage.data.images.pageInfo.endCursor } });
  const { images } = client.readQuery(list);
  assert.deepEqual(images.edges.map(({ node }) => node.id), ids);
  assert.equal(images.pageInfo.hasNextPage, false);

  const deleted = await client.mutate({ mutation: SOFT_DELETE, variables: { id: ids[0] } });
  assert.equal(deleted.data.softDeleteImage.changed, true);
  // The list in the cache knows it as well: both name the image by the same id.
  const inCache = client.cache.extract()[`Image:${ids[0]}`];
  assert.equal(inCache.deletedAt, deleted.data.softDeleteImage.image.deletedAt);
  const restored = await client.mutate({ mutation: RESTORE, variables: { id: ids[0] } });
  assert.equal(restored.data.restoreImage.image.deletedAt, null);
  subscription.unsubscribe();
});

test('errors arrive with their code', async () => {
  const client = clientWith(new HttpLink({ uri: server.url }));
  await assert.rejects(client.query({ query: LIST, variables: { userId: 'apollo', first: 101 } }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.equal(error.errors[0].extensions.code, 'BAD_USER_INPUT');
    return true;
  });
});

test('queries may go by GET, mutations go by POST', async () => {
  const { fetch, exchanges } = recorder();
  const client = clientWith(new HttpLink({ uri: server.url, useGETForQueries: true, fetch }));
  await create(client, 'apollo-get');
  const { data } = await client.query({ query: COUNT, variables: { userId: 'apollo-get' } });
  assert.equal(data.images.totalCount, 1);
  assert.deepEqual(exchanges.map(({ method }) => method), ['POST', 'GET']);
});

for (const useGETForHashedQueries of [false, true]) {
  test(`persisted queries send the text once (${useGETForHashedQueries ? 'GET' : 'POST'})`, async () => {
    const { fetch, exchanges } = recorder();
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    // A query of this test's own, which the server has not seen yet.
    const query = useGETForHashedQueries
      ? gql`query ByGet($userId: String!) { images(userId: $userId) { totalCount } }`
      : gql`query ByPost($userId: String!) { images(userId: $userId) { totalCount } }`;
    const client = clientWith(
      ApolloLink.from([
        new PersistedQueryLink({ sha256, useGETForHashedQueries }),
        new HttpLink({ uri: server.url, fetch }),
      ]),
    );
    for (let count = 0; count < 2; count += 1) {
      const { data } = await client.query({ query, variables: { userId: 'nobody' }, fetchPolicy: 'network-only' });
      assert.equal(data.images.totalCount, 0);
    }

    assert.deepEqual(exchanges.map(({ status }) => status), [200, 200, 200]);
    const [unknown, taught, known] = exchanges;
    assert.equal(unknown.answer.errors[0].message, 'PersistedQueryNotFound');
    assert.equal(unknown.answer.errors[0].extensions.code, 'PERSISTED_QUERY_NOT_FOUND');
    const sendsText = ({ body, url }) => (body ? 'query' in body : url.searchParams.has('query'));
    assert.deepEqual([unknown, taught, known].map(sendsText), [false, true, false]);
    assert.equal(known.method, useGETForHashedQueries ? 'GET' : 'POST');
  });
}

test('operations of one moment go as one batch', async () => {
  const { fetch, exchanges } = recorder();
  const client = clientWith(new BatchHttpLink({ uri: server.url, batchMax: 10, batchInterval: 20, fetch }));
  const users = ['batch-1', 'batch-2', 'batch-3'];
  await Promise.all(users.map((userId) => create(client, userId)));
  const counts = users.map((userId) => client.query({ query: COUNT, variables: { userId } }));
  for (const { data } of await Promise.all(counts)) {
    assert.equal(data.images.totalCount, 1);
  }
  assert.deepEqual(exchanges.map(({ body }) => body.length), [3, 3]);
});

test('one bad operation leaves the rest of its batch alone', async () => {
  const client = clientWith(new BatchHttpLink({ uri: server.url, batchInterval: 20 }));
  const [good, bad] = await Promise.allSettled([
    client.query({ query: COUNT, variables: { userId: 'nobody' } }),
    client.query({ query: gql`{ nonsense }` }),
  ]);
  assert.equal(good.value?.data.images.totalCount, 0);
  assert.ok(CombinedGraphQLErrors.is(bad.reason), String(bad.reason));
  assert.equal(bad.reason.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

test('an answer that was lost is asked for again, and nothing is stored twice', async () => {
  let attempts = 0;
  const losingTheFirst = async (...request) => {
    const response = await fetch(...request);
    attempts += 1;
    if (attempts === 1) {
      throw new TypeError('the connection broke');
    }
    return response;
  };
  const client = clientWith(
    ApolloLink.from([
      new RetryLink({ delay: { initial: 10 } }),
      new HttpLink({ uri: server.url, fetch: losingTheFirst }),
    ]),
  );
  const { created, image } = await create(client, 'apollo-retry');
  assert.equal(attempts, 2);
  // The first attempt stored it, so this one found it there.
  assert.equal(created, false);
  assert.equal(image.userId, 'apollo-retry');
  const { data } = await client.query({ query: COUNT, variables: { userId: 'apollo-retry' } });
  assert.equal(data.images.totalCount, 1);
});
