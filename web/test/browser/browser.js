// Chromium, and a page that notes everything that should not happen.

import { chromium } from 'playwright-core';

/** Debian's Chromium; Playwright brings none of its own here. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-background-networking', '--disable-gpu'],
  });
}

/**
 * A new page. `answer(url)` gives what an address outside of the server answers, or nothing: then the request is
 * refused, and noted in `strayRequests`. Whatever the console calls an error, violations of the Content-Security-Policy
 * included, is in `complaints`.
 */
export async function openPage(browser, server, answer = () => undefined) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints = [];
  const strayRequests = [];
  page.on('console', (message) => {
    if (message.type() === 'error') {
      complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const { origin } = new URL(server.url);
  await context.route('**/*', async (route) => {
    const url = route.request().url();
    if (new URL(url).origin === origin) {
      return route.continue();
    }
    const content = answer(url);
    if (content === undefined) {
      strayRequests.push(url);
      return route.abort();
    }
    return route.fulfill(content);
  });
  return { page, complaints, strayRequests };
}

/** Opens GraphiQL, and waits until its editor has come to life: then names are coloured by their meaning. */
export async function openGraphiql(page, server) {
  await page.goto(server.url);
  await page.locator('.graphiql-query-editor :is([class^=mtk]:not(.mtk1), .cm-property)').first().waitFor();
}

/** Types an operation into the editor, in place of what stands there. */
export async function type(page, text) {
  await typeInto(page, page.locator('.graphiql-query-editor'), text);
}

/** Types into the editor "Headers". */
export async function typeHeaders(page, text) {
  await page.getByRole('button', { name: 'Headers' }).click();
  await typeInto(page, page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden)'), text);
}

async function typeInto(page, editor, text) {
  await editor.click();
  await editor.locator('.monaco-editor.focused, .CodeMirror-focused').waitFor();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  // Key by key, as a person types: the editor closes brackets and offers names meanwhile.
  await page.keyboard.type(text, { delay: 5 });
  await page.keyboard.press('Escape');
}

/** Runs what stands in the editor, and waits until the answer holds `expected`. */
export async function execute(page, expected) {
  await pressExecute(page);
  await page.locator('.result-window', { hasText: expected }).waitFor();
}

/** Presses the triangle. GraphiQL reads what was typed a tenth of a second later; no person is that quick. */
export async function pressExecute(page) {
  await page.waitForTimeout(500);
  await page.getByRole('button', { name: /Execute query/ }).click();
}

/** Leaves a picture of the page in the folder that `SCREENSHOTS` names, where it names one. */
export async function screenshot(page, name) {
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });
  }
}
