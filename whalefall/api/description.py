"""Serves the description of the API: /openapi.json for programs, /docs for people.

Both are made on the first request for them, off the event loop, and need no key."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, resources
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from whalefall.api.docs_page import docs_page
from whalefall.api.endpoint import with_wire_headers
from whalefall.api.openapi import document
from whalefall.api.options import WireOptions

DOCUMENT_PATH = "/openapi.json"
PAGE_PATH = "/docs"
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def description_routes(routes: Sequence[BaseRoute], options: WireOptions) -> list[BaseRoute]:
    """Describes `routes`, not itself."""
    description = _Description(routes, options)
    styled = f"{_POLICY}; style-src 'sha256-{description.style_digest}'"
    return [
        Route(DOCUMENT_PATH, FixedPage(description.read_document, "application/json", _POLICY)),
        Route(PAGE_PATH, FixedPage(description.read_page, "text/html", styled)),
    ]


class _Description:
    def __init__(self, routes: Sequence[BaseRoute], options: WireOptions) -> None:
        self._routes = routes
        self._options = options
        self._style = resources.files("whalefall.api").joinpath("docs_page.css").read_text("utf-8")

    @property
    def style_digest(self) -> str:
        """Lets the page's one style sheet through a policy that lets nothing else through."""
        return base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()

    @cached_property
    def _document(self) -> dict[str, Any]:
        return document(self._routes, self._options.era, metadata.version("whalefall"))

    @cached_property
    def _page(self) -> bytes:
        return docs_page(self._document, self._style).encode()

    def read_document(self) -> bytes:
        return msgspec.json.encode(self._document)

    def read_page(self) -> bytes:
        return self._page


@dataclass(frozen=True, slots=True)
class FixedPage:
    """ASGI app that answers GET and HEAD with the same bytes each time."""

    read: Callable[[], bytes]
    media_type: str
    content_security_policy: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        marked = with_wire_headers(scope, Headers(scope=scope), send)
        response = Response(status_code=405, headers={"allow": "GET, HEAD"})
        if scope["method"] in ("GET", "HEAD"):
            content = await asyncio.to_thread(self.read)
            response = self._response(content, is_head=scope["method"] == "HEAD")
        await response(scope, receive, marked)

    def _response(self, content: bytes, *, is_head: bool) -> Response:
        headers = {
            "cache-control": "no-cache",
            "content-security-policy": self.content_security_policy,
            "content-length": str(len(content)),
        }
        return Response(b"" if is_head else content, 200, headers, media_type=self.media_type)
