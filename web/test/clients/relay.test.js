// Relay's runtime, with operations that its compiler has held against schema.graphql.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { commitMutation, Environment, fetchQuery, Network, RecordSource, Store } from 'relay-runtime';

import { startServer } from '../server.js';
import { imageUrl } from './recorder.js';
import Create from './relay/__generated__/operationsCreateMutation.graphql.js';
import List from './relay/__generated__/operationsListQuery.graphql.js';
import Refetch from './relay/__generated__/operationsRefetchQuery.graphql.js';
import Restore from './relay/__generated__/operationsRestoreMutation.graphql.js';
import SoftDelete from './relay/__generated__/operationsSoftDeleteMutation.graphql.js';

let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

/** Relay's network layer, as its documentation writes it. */
async function fetchFunction({ text, name }, variables) {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: {
      Accept: 'application/graphql-response+json; charset=utf-8, application/json; charset=utf-8',
      'Content-Type': 'application/json',
    },
    body: JSON.stringify({ query: text, variables, operationName: name }),
  });
  return response.json();
}

function newEnvironment() {
  return new Environment({ network: Network.create(fetchFunction), store: new Store(new RecordSource()) });
}

function mutate(environment, mutation, variables) {
  return new Promise((resolve, reject) => {
    commitMutation(environment, { mutation, variables, onCompleted: resolve, onError: reject });
  });
}

test('images are made, listed page by page, put in the trash and taken out of it', async () => {
  const environment = newEnvironment();
  const ids = [];
  for (let count = 0; count < 3; count += 1) {
    const variables = { input: { userId: 'relay', imageUrl: imageUrl() } };
    const { createImage } = await mutate(environment, Create, variables);
    assert.deepEqual(createImage.userErrors, []);
    ids.unshift(createImage.image.id);
  }

  const listed = [];
  let after = null;
  do {
    const variables = { userId: 'relay', first: 2, after };
    const { images } = await fetchQuery(environment, List, variables).toPromise();
    listed.push(...images.edges.map(({ node }) => node.id));
    after = images.pageInfo.hasNextPage ? images.pageInfo.endCursor : null;
  } while (after);
  assert.deepEqual(listed, ids);

  const { softDeleteImage } = await mutate(environment, SoftDelete, { id: ids[0] });
  assert.equal(softDeleteImage.changed, true);
  // One id, one record: the mutation's answer has changed what the list shows.
  const record = environment.getStore().getSource().get(ids[0]);
  assert.equal(record.deletedAt, softDeleteImage.image.deletedAt);

  const { restoreImage } = await mutate(environment, Restore, { id: ids[0] });
  assert.equal(restoreImage.image.deletedAt, null);
});

test('an object is found again by its id alone', async () => {
  const environment = newEnvironment();
  const variables = { input: { userId: 'relay-node', imageUrl: imageUrl() } };
  const { createImage } = await mutate(environment, Create, variables);
  const { node } = await fetchQuery(environment, Refetch, { id: createImage.image.id }).toPromise();
  assert.equal(node.userId, 'relay-node');
});

test('errors reach the caller', async () => {
  const list = fetchQuery(newEnvironment(), List, { userId: 'relay', first: 101 }).toPromise();
  await assert.rejects(list, (error) => {
    assert.equal(error.source.errors[0].extensions.code, 'BAD_USER_INPUT');
    return true;
  });
});
