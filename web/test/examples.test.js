// Every operation that GraphiQL opens with is valid against the schema, with the variables that stand beside it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { buildSchema, Kind, parse, validate } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';

import { examples } from '../src/graphiql/examples.js';

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));

for (const { query, variables } of examples) {
  const document = parse(query);
  for (const operation of document.definitions) {
    assert.equal(operation.kind, Kind.OPERATION_DEFINITION);
    test(`the example ${operation.name.value} is valid`, () => {
      assert.deepEqual(validate(schema, document), []);
      const { errors } = getVariableValues(schema, operation.variableDefinitions, JSON.parse(variables ?? '{}'));
      assert.equal(errors, undefined);
    });
  }
}

test('the examples show the main queries, mutations and the subscription', () => {
  const fields = examples.flatMap(({ query }) =>
    parse(query).definitions.flatMap(({ selectionSet }) => selectionSet.selections.map((field) => field.name.value)),
  );
  const wanted = [
    'createImage', 'deletedImages', 'emptyTrash', 'galleryEvents', 'galleryStats', 'images', 'prompts', 'purgeImage', 'renameTag', 'restoreImage',
    'setFavorite', 'softDeleteImage', 'softDeleteMatching', 'tagImages', 'tags', 'undo', 'updateImage',
  ];
  assert.deepEqual([...new Set(fields)].sort(), wanted);
});
