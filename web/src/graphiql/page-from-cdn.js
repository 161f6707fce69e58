// The page where `web/` was not built: GraphiQL, React and ReactDOM are the globals of the CDN's files.

import { connection } from './connection.js';
import { examples } from './examples.js';

const { GraphiQL, React, ReactDOM } = globalThis;

// A file that did not come, or whose hash is another: the browser has said so, and the page's own text stays.
if (GraphiQL && React && ReactDOM) {
  const properties = {
    fetcher: GraphiQL.createFetcher(connection(window.location)),
    defaultTabs: examples,
    // Headers hold tokens: they are not left behind in the browser's storage.
    shouldPersistHeaders: false,
    isHeadersEditorEnabled: true,
  };
  ReactDOM.createRoot(document.getElementById('graphiql')).render(React.createElement(GraphiQL, properties));
}
