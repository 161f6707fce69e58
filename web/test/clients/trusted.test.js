// Trusted documents: a server that runs nothing but a manifest, with the clients whose tools wrote it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import { commitMutation, Environment, fetchQuery, Network, RecordSource, Store } from 'relay-runtime';
import WebSocket from 'ws';

import { startServer } from '../server.js';
import { imageUrl, recorder } from './recorder.js';
import RelayCreate from './relay/__persisted__/operationsCreateMutation.graphql.js';
import RelayList from './relay/__persisted__/operationsListQuery.graphql.js';
import { CREATE, LIST } from './trusted/operations.js';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const read = async (name) => JSON.parse(await readFile(path(name)));
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** A server that runs only what this manifest holds. */
async function withTrusted(name, body) {
  const server = await startServer({ settings: { TRUSTED_DOCUMENTS: path(name) } });
  try {
    await body(server.url);
    assert.doesNotMatch(server.log(), /will be refused/);
  } finally {
    await server.stop();
  }
}

const apolloClient = (...links) => new ApolloClient({ link: ApolloLink.from(links), cache: new InMemoryCache() });

async function createAndList(client) {
  const variables = { input: { userId: 'trusted', imageUrl: imageUrl() } };
  const created = await client.mutate({ mutation: CREATE, variables });
  assert.equal(created.data.createImage.created, true);
  const { data } = await client.query({ query: LIST, variables: { userId: 'trusted' } });
  assert.equal(data.images.nodes[0].id, created.data.createImage.image.id);
}

async function assertForbidden(client) {
  await assert.rejects(client.query({ query: gql`query Foreign { images { totalCount } }` }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.equal(error.errors[0].extensions.code, 'FORBIDDEN');
    return true;
  });
}

test("Apollo Client sends the ids of Apollo's manifest", async () => {
  await withTrusted('./trusted/apollo.json', async (uri) => {
    const { fetch, exchanges } = recorder();
    const ids = generatePersistedQueryIdsFromManifest({ loadManifest: () => read('./trusted/apollo.json') });
    await createAndList(apolloClient(new PersistedQueryLink(ids), new HttpLink({ uri, fetch })));
    assert.deepEqual(exchanges.map(({ body }) => 'query' in body), [false, false]);
  });
});

test("Apollo Client sends the texts of Apollo's manifest", async () => {
  await withTrusted('./trusted/apollo.json', async (uri) => {
    const client = apolloClient(new HttpLink({ uri }));
    await createAndList(client);
    await assertForbidden(client);
  });
});

test('automatic persisted queries fall back to the text, and teach the server nothing', async () => {
  await withTrusted('./trusted/apollo.json', async (uri) => {
    const { fetch, exchanges } = recorder();
    const client = apolloClient(new PersistedQueryLink({ sha256 }), new HttpLink({ uri, fetch }));
    await createAndList(client);
    const known = exchanges.length;
    await assertForbidden(client);
    await assertForbidden(client);
    const codes = exchanges.slice(known).map(({ answer }) => answer.errors[0].extensions.code);
    assert.deepEqual(codes, ['PERSISTED_QUERY_NOT_FOUND', 'FORBIDDEN', 'PERSISTED_QUERY_NOT_FOUND', 'FORBIDDEN']);
  });
});

test("the ids of graphql-codegen's documents run by POST, GET, WebSocket and server-sent events", async () => {
  const documents = await read('./trusted/codegen.json');
  const idOf = (name) => Object.keys(documents).find((id) => documents[id].includes(` ${name}`));
  await withTrusted('./trusted/codegen.json', async (url) => {
    const variables = { input: { userId: 'trusted', imageUrl: imageUrl() } };
    const created = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' },
      body: JSON.stringify({ documentId: idOf('TrustedCreate'), variables }),
    });
    const { id } = (await created.json()).data.createImage.image;
    const query = new URLSearchParams({ documentId: idOf('TrustedList'), variables: '{"userId":"trusted"}' });
    const listed = await (await fetch(`${url}?${query}`)).json();
    assert.equal(listed.data.images.nodes[0].id, id);

    const follow = { query: '', documentId: idOf('TrustedFollow') };
    for (const client of [
      createWsClient({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 }),
      createSseClient({ url, retryAttempts: 0 }),
    ]) {
      const { data } = await first(client, follow);
      assert.deepEqual(data.galleryEvents, { type: 'CREATED', imageId: id });
      await client.dispose();
    }
  });
});

/** The first thing that a client is told. */
function first(client, payload) {
  return new Promise((resolve, reject) => {
    const end = client.subscribe(payload, {
      next(result) {
        resolve(result);
        end();
      },
      error: reject,
      complete: () => reject(new Error('nothing came')),
    });
  });
}

test("Relay sends the ids of its compiler's documents", async () => {
  await withTrusted('./relay/__persisted__/documents.json', async (url) => {
    // As Relay's documentation writes it.
    const fetchFunction = async ({ id }, variables) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ doc_id: id, variables }),
      });
      return response.json();
    };
    const network = Network.create(fetchFunction);
    const environment = new Environment({ network, store: new Store(new RecordSource()) });
    const variables = { input: { userId: 'relay', imageUrl: imageUrl() } };
    const { createImage } = await new Promise((resolve, reject) => {
      commitMutation(environment, { mutation: RelayCreate, variables, onCompleted: resolve, onError: reject });
    });
    assert.equal(createImage.created, true);
    const { images } = await fetchQuery(environment, RelayList, { userId: 'relay', first: 2 }).toPromise();
    assert.equal(images.edges[0].node.id, createImage.image.id);
  });
});
