// The page that is built into the server: GraphiQL with all it needs, from the server itself.

import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';

import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { connection } from './connection.js';
import { examples } from './examples.js';

const fetcher = createGraphiQLFetcher(connection(window.location));

createRoot(document.getElementById('graphiql')).render(
  // Headers hold tokens: they are not left behind in the browser's storage.
  <GraphiQL fetcher={fetcher} defaultTabs={examples} shouldPersistHeaders={false} isHeadersEditorEnabled />,
);
