"""Python's `gql`: images are made, listed page by page, put in the trash and taken out of it.

    gql_client.py http://127.0.0.1:9999/graphql
"""

import sys

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport

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


if __name__ == "__main__":
    main(sys.argv[1])
