"""A client for the one operation of the pipeline: store an image."""

import os

import httpx

SAVE_IMAGE = """
mutation SaveImage($input: CreateImageInput!) {
  createImage(input: $input) {
    created
    image { id imageUrl }
    userErrors { code message path }
  }
}
"""

# These pass: the database is away or slow, or too many requests were sent.
TEMPORARY = {"SERVICE_UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"}


class Unavailable(Exception):
    """The gallery cannot be reached or cannot serve now. The same call may succeed later."""

    def __init__(self, reason, retry_after=None):
        super().__init__(reason)
        # Seconds, if the gallery stated them.
        self.retry_after = retry_after


class Refused(Exception):
    """The gallery will never accept this call."""


class Gallery:
    """One instance per process: it keeps connections open."""

    def __init__(self, url, token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        self.http = httpx.Client(headers=headers, timeout=30)

    @classmethod
    def from_environment(cls):
        return cls(os.environ["GALLERY_URL"], os.environ.get("GALLERY_TOKEN"))

    def save_image(self, image):
        """Stores an image, a `CreateImageInput`. Returns the stored image and whether this call created it."""
        payload = self._run(SAVE_IMAGE, {"input": image})["createImage"]
        if payload["userErrors"]:
            raise Refused(payload["userErrors"])
        return payload["image"], payload["created"]

    def _run(self, query, variables):
        try:
            response = self.http.post(self.url, json={"query": query, "variables": variables})
        except httpx.TransportError as error:
            raise Unavailable(repr(error)) from error
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise Unavailable(f"status {response.status_code}", retry_after(response))
        try:
            reply = response.json()
        except ValueError as error:
            raise Refused(f"status {response.status_code}, not JSON") from error
        errors = reply.get("errors") or []
        codes = {(error.get("extensions") or {}).get("code") for error in errors}
        if codes & TEMPORARY:
            raise Unavailable(errors, retry_after(response))
        if errors:
            raise Refused(errors)
        return reply["data"]


def retry_after(response):
    seconds = response.headers.get("Retry-After", "")
    return int(seconds) if seconds.isdigit() else None
