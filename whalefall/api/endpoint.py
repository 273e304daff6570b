"""One path of the wire as a self-contained ASGI app: method, credentials, media type, body, errors
and the headers every answer carries. What an endpoint does is its handler's business."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whalefall.accounts.api_keys import Caller
from whalefall.api.auth import SecretReader, authenticate, bearer_secret
from whalefall.api.body import read_body
from whalefall.api.errors import error_response
from whalefall.api.options import WireOptions
from whalefall.base.errors import (
    MethodNotAllowedError,
    NotFoundError,
    PlatformError,
    ServerError,
)
from whalefall.serving.platform import Base, Platform

_log = logging.getLogger(__name__)

_WIRE_HEADERS = (
    (b"vary", b"origin, access-control-request-method, access-control-request-headers"),
    (b"access-control-allow-credentials", b"true"),
    (b"x-content-type-options", b"nosniff"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, its body read and not yet understood."""

    caller: Caller
    base: Base
    body: bytes
    path_params: dict[str, str]


Handler = Callable[[Call], Awaitable[ASGIApp]]
"""Answers a call; what it returns writes the response. PlatformErrors are rendered for it."""


NoteStatus = Callable[[int], None]
"""Told the status of every answer, for the operator's charts."""


def unnoted(_status: int) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    platform: Platform
    options: WireOptions
    base: Base
    method: str
    handler: Handler
    read_secret: SecretReader = bearer_secret
    note_status: NoteStatus = unnoted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        marked = with_wire_headers(scope, headers, noting(send, self.note_status))
        try:
            response = await self._respond(scope, headers, receive)
        except ClientDisconnect:
            return
        except MethodNotAllowedError as error:
            response = error_response(error, self.options.era)
            response.headers["allow"] = self.method
        except PlatformError as error:
            response = error_response(error, self.options.era)
        except Exception:  # noqa: BLE001 - the rim: a bug becomes a 500, its text stays in the log
            _log.exception("%s %s failed", scope["method"], scope["path"])
            response = error_response(ServerError("Internal Server Error"), self.options.era)
        await response(scope, receive, marked)

    async def _respond(self, scope: Scope, headers: Headers, receive: Receive) -> ASGIApp:
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return _preflight(headers)
        if scope["method"] != self.method:
            raise MethodNotAllowedError("")
        # Behind a trusted proxy the server has put the client's own address here; see cli/serve.
        address = (scope.get("client") or ("unknown", 0))[0]
        caller = await authenticate(
            self.platform, headers, address, self.read_secret, self.options.era
        )
        body = b""
        if self.method == "POST":
            body = await read_body(headers, receive, self.options)
        return await self.handler(Call(caller, self.base, body, scope.get("path_params", {})))


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """404 with an empty body, for every path the wire does not know."""
    marked = with_wire_headers(scope, Headers(scope=scope), send)
    await error_response(NotFoundError(""))(scope, receive, marked)


def with_wire_headers(scope: Scope, headers: Headers, send: Send) -> Send:
    """Adds to the response's head what every answer of the real API carries.

    The trace id is also left in `scope["trace_id"]` for whoever logs."""
    trace_id = secrets.token_hex(16)
    scope["trace_id"] = trace_id
    added = [*_WIRE_HEADERS, (b"x-ds-trace-id", trace_id.encode())]
    if "origin" in headers:
        added.append((b"access-control-allow-origin", headers["origin"].encode("latin-1")))
        added.append((b"access-control-expose-headers", b"x-ds-trace-id"))

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return marked


def noting(send: Send, note_status: NoteStatus) -> Send:
    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            note_status(message["status"])
        await send(message)

    return noted


def _preflight(headers: Headers) -> Response:
    """A browser asks before it calls. Keys travel in a header that no page sends by itself, so
    every origin may call."""
    return Response(
        headers={
            "access-control-allow-methods": headers["access-control-request-method"],
            "access-control-allow-headers": headers.get("access-control-request-headers", "*"),
            "access-control-max-age": "86400",
        }
    )
