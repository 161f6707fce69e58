// The hashes in src/server/graphiql.html, computed from the npm packages that package-lock.json pins:
//
//   npm run cdn-integrity              writes them, and the packages' versions
//   npm run cdn-integrity -- --check   fails where the page says anything else

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

import { cdnFiles, cdnPage } from './cdn-files.js';

const written = readFileSync(cdnPage, 'utf8');
let right = written;
for (const { name, path, url, content } of cdnFiles()) {
  const integrity = `sha384-${createHash('sha384').update(content).digest('base64')}`;
  const link = new RegExp(`(")https://[^"]*/npm/${name}@[^/"]*/${path}("\\s+integrity=")[^"]*(")`);
  if (!link.test(right)) {
    throw new Error(`src/server/graphiql.html does not load ${path} of ${name}`);
  }
  right = right.replace(link, `$1${url}$2${integrity}$3`);
  console.log(`${url} ${integrity}`);
}

if (right === written) {
  console.log('src/server/graphiql.html has these hashes');
} else if (process.argv.includes('--check')) {
  console.error('src/server/graphiql.html has others: run `npm run cdn-integrity`');
  process.exitCode = 1;
} else {
  writeFileSync(cdnPage, right);
  console.log('src/server/graphiql.html is written');
}
