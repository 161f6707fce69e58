// GraphiQL where the pages were not built. The CDN is played with the npm packages' own files, so that the browser
// itself holds them against the hashes in the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { cdnFiles } from '../../scripts/cdn-files.js';
import { programWithoutPages, startServer } from '../server.js';
import { execute, launch, openGraphiql, openPage, pressExecute, screenshot, type, typeHeaders } from './browser.js';

let server;
let browser;

before(async () => {
  server = await startServer({ binary: programWithoutPages });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const files = new Map(cdnFiles().map(({ url, content }) => [url, content]));

/** The CDN; `alter` may change a file. */
function cdn(alter = (url, content) => content) {
  return (url) => {
    const content = files.get(url);
    return content && {
      body: alter(url, content),
      contentType: url.endsWith('.css') ? 'text/css' : 'text/javascript',
      headers: { 'Access-Control-Allow-Origin': '*' },
    };
  };
}

test('the page loads four files of the CDN, and runs what a person types', { timeout: 60_000 }, async () => {
  const { page, complaints, strayRequests } = await openPage(browser, server, cdn());
  await openGraphiql(page, server);

  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  const documentation = page.locator('.graphiql-doc-explorer');
  await documentation.getByText('Query', { exact: true }).first().click();
  await documentation.getByText('All queries.').waitFor();
  await screenshot(page, 'page-from-cdn-documentation');

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
  await type(page, '{ images(userId: "bob") { totalCount nodes { id } } }');
  await execute(page, '"totalCount": 1');
  await screenshot(page, 'page-from-cdn-answer');

  assert.deepEqual(strayRequests, []);
  assert.deepEqual(complaints, []);
});

test('a subscription goes over the WebSocket of the same URL, and brings the headers as connection_init', { timeout: 60_000 }, async () => {
  const { page } = await openPage(browser, server, cdn());
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

for (const url of files.keys()) {
  test(`the browser refuses a ${new URL(url).pathname} that was tampered with`, { timeout: 60_000 }, async () => {
    const tampered = cdn((at, content) => (at === url ? Buffer.concat([content, Buffer.from('\n')]) : content));
    const { page, complaints } = await openPage(browser, server, tampered);
    await page.goto(server.url, { waitUntil: 'load' });
    const refused = complaints.filter((text) => text.includes('integrity') && text.includes(url));
    assert.equal(refused.length, 1, complaints.join('\n'));
    if (!url.endsWith('.css')) {
      await page.getByText('Without it the API works all the same').waitFor();
    }
  });
}

test('a CDN that does not answer leaves a page that says so', { timeout: 60_000 }, async () => {
  const { page } = await openPage(browser, server);
  await page.goto(server.url, { waitUntil: 'load' });
  await page.getByText('GraphiQL is loaded from cdn.jsdelivr.net').waitFor();
});
