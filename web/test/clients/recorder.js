// A `fetch` that notes what a client really sends, and what it is answered.

/** `fetch` to give to a client, and the list of `exchanges` that it fills. */
export function recorder() {
  const exchanges = [];
  const record = async (input, init) => {
    const request = new Request(input, init);
    const body = await request.clone().text();
    const response = await fetch(request);
    exchanges.push({
      method: request.method,
      url: new URL(request.url),
      accept: request.headers.get('accept'),
      body: body && JSON.parse(body),
      status: response.status,
      answer: await response.clone().json(),
    });
    return response;
  };
  return { fetch: record, exchanges };
}

let images = 0;

/** The URL of an image that no other test has. */
export function imageUrl() {
  images += 1;
  const number = String(images).padStart(12, '0');
  return `https://res.cloudinary.com/demo/image/upload/v1/aaaaaaaa-0000-4000-8000-${number}.png`;
}
