// Where the page sends operations: the URL that it was opened at, and its WebSocket for subscriptions.

/** The server's address, as `createFetcher` of GraphiQL's toolkit wants it. */
export function connection(page) {
  const url = new URL(page.pathname, page);
  const subscriptionUrl = new URL(url);
  subscriptionUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  // The toolkit opens a socket for each subscription, with the content of the headers editor as `connection_init`'s
  // payload: an `Authorization` reaches the server that way, since a browser cannot send it with the upgrade.
  return { url: url.href, subscriptionUrl: subscriptionUrl.href };
}
