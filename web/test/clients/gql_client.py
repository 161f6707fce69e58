"""Python's `gql`: images are made, listed page by page, put in the trash and taken out of it; over HTTP and a WebSocket.

    gql_client.py http://127.0.0.1:9999/graphql
"""

import asyncio
import sys

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport

CREATE = gql("""
    mutation Create($input: CreateImageInput!) {
      createImage(input: $input) {
        created
        image { id userId deletedAt }
        userErrors { code message path }
      }
    }
""")

LIST = gql("""
    query List($userId: String!, $first: Int, $after: String) {
      images(userId: $userId, first: $first, after: $after) {
        nodes { id createdAt deletedAt }
        pageInfo { hasNextPage endCursor }
      }
    }
""")

SOFT_DELETE = gql("""
    mutation SoftDelete($id: ID!) {
      softDeleteImage(id: $id) { changed image { id deletedAt } userErrors { code } }
    }
""")

RESTORE = gql("""
    mutation Restore($id: ID!) {
      restoreImage(id: $id) { changed image { id deletedAt } userErrors { code } }
    }
""")


FOLLOW = gql("""
    subscription Follow($after: String) {
      galleryEvents(after: $after) { cursor imageId }
    }
""")


def run(session, operation, **variables):
    operation.variable_values = variables
    return session.execute(operation)


def list_all(session, user_id):
    """Every image's id, page by page."""
    after = None
    while True:
        images = run(session, LIST, userId=user_id, first=2, after=after)["images"]
        yield from (image["id"] for image in images["nodes"])
        if not images["pageInfo"]["hasNextPage"]:
            return
        after = images["pageInfo"]["endCursor"]


async def follow(session, after, count):
    """The next events behind a cursor."""
    FOLLOW.variable_values = {"after": after}
    events = []
    async for answer in session.subscribe(FOLLOW):
        events.append(answer["galleryEvents"])
        if len(events) == count:
            return events


async def live(url):
    """A WebSocket with the transport's defaults: it offers both protocols."""

    async def create(session, number):
        image_url = f"https://res.cloudinary.com/demo/image/upload/v1/cccccccc-0000-4000-8000-{number:012}.png"
        CREATE.variable_values = {"input": {"userId": "python-live", "imageUrl": image_url}}
        payload = (await session.execute(CREATE))["createImage"]
        assert payload["userErrors"] == [], payload
        return payload["image"]["id"]

    async with Client(transport=WebsocketsTransport(url=url)) as session:
        first = await create(session, 1)
        # From the beginning: what was made over HTTP comes before.
        cursor = None
        for event in await follow(session, "", 6):
            cursor = event["cursor"]
        assert event["imageId"] == first, event

        LIST.variable_values = {"userId": "python-live", "first": 101}
        try:
            await session.execute(LIST)
        except TransportQueryError as error:
            assert error.errors[0]["extensions"]["code"] == "BAD_USER_INPUT", error
        else:
            raise AssertionError("a page of 101 was answered")
        try:
            await session.execute(gql("{ nothing }"))
        except TransportQueryError as error:
            assert error.errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED", error
        else:
            raise AssertionError("an unknown field was answered")
        # The socket goes on, and an event that comes live is seen.
        following = asyncio.create_task(follow(session, cursor, 2))
        made = [await create(session, 2), await create(session, 3)]
        events = await following
        assert [event["imageId"] for event in events] == made, events

    # Another socket resumes where the first one was.
    async with Client(transport=WebsocketsTransport(url=url)) as session:
        resumed = await follow(session, cursor, 2)
        assert resumed == events, resumed


def main(url):
    # With the schema, operations are validated before they are sent.
    with Client(transport=RequestsHTTPTransport(url=url), fetch_schema_from_transport=True) as session:
        ids = []
        for number in range(3):
            image_url = f"https://res.cloudinary.com/demo/image/upload/v1/bbbbbbbb-0000-4000-8000-{number:012}.png"
            payload = run(session, CREATE, input={"userId": "python", "imageUrl": image_url})["createImage"]
            assert payload["userErrors"] == [], payload
            ids.insert(0, payload["image"]["id"])
        assert list(list_all(session, "python")) == ids

        assert run(session, SOFT_DELETE, id=ids[0])["softDeleteImage"]["changed"]
        assert list(list_all(session, "python")) == ids[1:]
        assert run(session, RESTORE, id=ids[0])["restoreImage"]["image"]["deletedAt"] is None
        assert list(list_all(session, "python")) == ids

        try:
            run(session, LIST, userId="python", first=101)
        except TransportQueryError as error:
            assert error.errors[0]["extensions"]["code"] == "BAD_USER_INPUT", error
        else:
            raise AssertionError("a page of 101 was answered")

    # Several operations in one request.
    with Client(transport=RequestsHTTPTransport(url=url)) as session:
        operations = [gql(f'{{ images(userId: "{user}") {{ totalCount }} }}') for user in ("python", "nobody")]
        counts = [answer["images"]["totalCount"] for answer in session.execute_batch(operations)]
        assert counts == [3, 0], counts

    asyncio.run(live(url.replace("http:", "ws:")))


if __name__ == "__main__":
    main(sys.argv[1])
