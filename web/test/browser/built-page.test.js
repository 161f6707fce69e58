// GraphiQL as it is built into the program.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { run, startServer } from '../server.js';
import { execute, launch, openGraphiql, openPage, pressExecute, screenshot, type, typeHeaders } from './browser.js';

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('the page needs nothing but the server, and runs what a person types', { timeout: 60_000 }, async () => {
  const { page, complaints, strayRequests } = await openPage(browser, server);
  await openGraphiql(page, server);

  for (const tab of ['Gallery', 'Store', 'Search', 'Update', 'SoftDelete', 'SoftDeleteMatching', 'Tag', 'Follow', 'Statistics']) {
    await page.getByRole('tab', { name: new RegExp(`^${tab}\\b`) }).waitFor();
  }

  // The documentation comes by introspection.
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const documentation = page.locator('.graphiql-doc-explorer');
  await documentation.getByText('Query', { exact: true }).first().click();
  await documentation.getByText('All queries.').waitFor();
  await documentation.getByText('ImageConnection', { exact: true }).first().click();
  await documentation.getByText('A page of images, and its position in the list.').waitFor();
  await screenshot(page, 'built-page-documentation');

  // Dialogs bring styles of their own along.
  await page.getByRole('button', { name: 'Open settings dialog' }).click();
  await page.getByRole('dialog').getByText('Theme', { exact: true }).waitFor();
  await page.keyboard.press('Escape');

  await type(
    page,
    'mutation { createImage(input: { userId: "bob", imageUrl: "https://res.cloudinary.com/demo/image/upload/v1/' +
      '11111111-2222-4333-8444-555555555555.png" }) { created image { id } } }',
  );
  await execute(page, '"created": true');
  const stored = await run(server.url, '{ images { nodes { id userId } } }');
  assert.deepEqual(stored.data.images.nodes, [{ id: '11111111-2222-4333-8444-555555555555', userId: 'bob' }]);

  await type(page, '{ images(userId: "bob") { totalCount nodes { id } } }');
  await execute(page, '"totalCount": 1');
  await screenshot(page, 'built-page-answer');

  assert.deepEqual(strayRequests, [], 'requests that left the machine');
  assert.deepEqual(complaints, [], 'errors in the console');
});

test('an example runs as it stands, with its variables', { timeout: 60_000 }, async () => {
  const { page, complaints } = await openPage(browser, server);
  await openGraphiql(page, server);
  await page.getByRole('tab', { name: 'Store' }).click();
  await execute(page, '"createImage"');
  await page.getByRole('tab', { name: 'Gallery' }).click();
  await execute(page, '"originalPrompt": "a cat on a bicycle"');
  assert.deepEqual(complaints, []);
});

test('a subscription shows what happens in the gallery', { timeout: 60_000 }, async () => {
  const { page, complaints, strayRequests } = await openPage(browser, server);
  await openGraphiql(page, server);
  await page.getByRole('tab', { name: 'Follow' }).click();
  const subscribed = page.waitForEvent('websocket').then((socket) =>
    socket.waitForEvent('framesent', ({ payload }) => JSON.parse(payload).type === 'subscribe'),
  );
  await pressExecute(page);
  await subscribed;
  // Nothing tells that the server has begun to listen.
  await page.waitForTimeout(1000);
  const url = 'https://res.cloudinary.com/demo/image/upload/v1/99999999-2222-4333-8444-555555555555.png';
  await run(server.url, `mutation { createImage(input: { userId: "carol", imageUrl: "${url}" }) { created } }`);
  await page.locator('.result-window', { hasText: '99999999-2222-4333-8444-555555555555' }).waitFor();
  assert.deepEqual(strayRequests, []);
  assert.deepEqual(complaints, []);
});

test('what stands in the headers editor is sent', { timeout: 60_000 }, async () => {
  const { page } = await openPage(browser, server);
  await openGraphiql(page, server);
  await typeHeaders(page, '{ "Authorization": "Bearer of-a-test" }');
  const sent = page.waitForRequest((request) => request.postData()?.includes('query Gallery'));
  await pressExecute(page);
  assert.equal((await sent).headers().authorization, 'Bearer of-a-test');
});

test('a subscription goes over the WebSocket of the same URL, and brings the headers as connection_init', { timeout: 60_000 }, async () => {
  const { page } = await openPage(browser, server);
  const opened = new Promise((resolve) => {
    page.routeWebSocket(/.*/, (socket) => {
      socket.onMessage((message) => resolve({ url: socket.url(), message: JSON.parse(message) }));
    });
  });
  await openGraphiql(page, server);
  await typeHeaders(page, '{ "Authorization": "Bearer of-a-test" }');
  await type(page, 'subscription { galleryEvents { __typename } }');
  await pressExecute(page);
  const { url, message } = await opened;
  assert.equal(url, server.url.replace('http:', 'ws:'));
  assert.deepEqual(message, { type: 'connection_init', payload: { Authorization: 'Bearer of-a-test' } });
});

test('without introspection the page says so once, and runs operations', { timeout: 60_000 }, async () => {
  const closed = await startServer({ settings: { GRAPHQL_INTROSPECTION: 'false' } });
  try {
    const { page } = await openPage(browser, closed);
    await openGraphiql(page, closed);
    await page.locator('.result-window', { hasText: 'introspection is turned off' }).waitFor();
    await screenshot(page, 'built-page-without-introspection');
    await type(page, '{ images(userId: "bob") { totalCount } }');
    await execute(page, '"totalCount": 0');
  } finally {
    await closed.stop();
  }
});

test('the page says what it may do, and its assets may be kept', { timeout: 60_000 }, async () => {
  const page = await fetch(server.url, { headers: { Accept: 'text/html' } });
  const policy = page.headers.get('content-security-policy').split('; ');
  assert.ok(policy.includes("default-src 'none'"));
  assert.ok(policy.includes("script-src 'self'"));
  assert.ok(policy.includes("connect-src 'self'"));
  assert.ok(policy.includes("frame-ancestors 'none'"));
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(page.headers.get('referrer-policy'), 'no-referrer');
  assert.equal(page.headers.get('cache-control'), 'no-cache');

  const assets = [...(await page.text()).matchAll(/(?:src|href)="(\.\/assets\/[^"]+)"/g)].map(([, path]) => path);
  assert.notEqual(assets.length, 0);
  for (const path of assets) {
    const asset = await fetch(new URL(path, server.url));
    assert.equal(asset.status, 200);
    assert.match(asset.headers.get('content-type'), path.endsWith('.css') ? /^text\/css/ : /^text\/javascript/);
    assert.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(asset.headers.get('x-content-type-options'), 'nosniff');
    await asset.arrayBuffer();
  }
  for (const path of ['/assets/none.js', '/assets/..%2fgraphiql.html', '/assets/']) {
    assert.equal((await fetch(new URL(path, server.url))).status, 404, path);
  }
});

test('turned off, neither the page nor its assets are there', { timeout: 60_000 }, async () => {
  const closed = await startServer({ settings: { GRAPHIQL: 'false' } });
  try {
    const html = await (await fetch(server.url, { headers: { Accept: 'text/html' } })).text();
    const [, asset] = html.match(/src="\.(\/assets\/[^"]+)"/);
    assert.equal((await fetch(new URL(asset, closed.url))).status, 404);
    const page = await fetch(closed.url, { headers: { Accept: 'text/html' } });
    assert.doesNotMatch(page.headers.get('content-type'), /html/);
  } finally {
    await closed.stop();
  }
});
