// What the page without built assets loads from the CDN: files of npm packages, as they are.

import { readFileSync } from 'node:fs';

/** The page. */
export const cdnPage = new URL('../../src/server/graphiql.html', import.meta.url);

const files = [
  // `graphiql` is installed as version 5, which has no file of this kind; 4 stands beside it under another name.
  { name: 'graphiql', folder: 'graphiql-cdn', path: 'graphiql.min.css' },
  { name: 'react', folder: 'react', path: 'umd/react.production.min.js' },
  { name: 'react-dom', folder: 'react-dom', path: 'umd/react-dom.production.min.js' },
  { name: 'graphiql', folder: 'graphiql-cdn', path: 'graphiql.min.js' },
];

/** Each file's package and path, its address at the CDN, and its content in node_modules. */
export function cdnFiles() {
  return files.map(({ name, folder, path }) => {
    const installed = new URL(`../node_modules/${folder}/`, import.meta.url);
    const { version } = JSON.parse(readFileSync(new URL('package.json', installed), 'utf8'));
    return {
      name,
      path,
      url: `https://cdn.jsdelivr.net/npm/${name}@${version}/${path}`,
      content: readFileSync(new URL(path, installed)),
    };
  });
}
