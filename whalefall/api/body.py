"""Takes the request body off the socket within its limits, and decodes it to a wire struct.

Knows media types, sizes and time limits, not what any body means."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from whalefall.api.errors import BodyTimeoutError
from whalefall.api.options import WireOptions
from whalefall.api.serde import decode_fast, decode_slow
from whalefall.base.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    UnsupportedMediaTypeError,
)

T = TypeVar("T")

_THREADED_BYTES_MIN = 64 * 1024
"""Explaining what is wrong with a larger body would stall the event loop noticeably."""


async def read_body(headers: Headers, receive: Receive, options: WireOptions) -> bytes:
    """Raises UnsupportedMediaTypeError, BodyTooLargeError, BodyTimeoutError or ClientDisconnect."""
    _check_media_type(headers)
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > options.body_bytes_max:
        raise BodyTooLargeError("Failed to buffer the request body: length limit exceeded")
    try:
        async with asyncio.timeout(options.body_timeout_seconds):
            return await _collect(receive, options.body_bytes_max)
    except TimeoutError:
        raise BodyTimeoutError("Failed to buffer the request body: timed out") from None


def _check_media_type(headers: Headers) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    if not is_json:
        raise UnsupportedMediaTypeError("Expected request with `Content-Type: application/json`")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMediaTypeError("Expected request without `Content-Encoding`")


async def _collect(receive: Receive, bytes_max: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        size += len(piece)
        if size > bytes_max:
            raise BodyTooLargeError("Failed to buffer the request body: length limit exceeded")
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def decode_body(body: bytes, wire_type: type[T], options: WireOptions) -> T:
    """Raises MalformedBodyError in serde_json's words, or InvalidRequestError for a body of an
    absurd number of values."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > options.body_values_max:
        raise InvalidRequestError("Failed to parse the request body as JSON: too many values")
    decoded = decode_fast(body, wire_type)
    if decoded is not None:
        return decoded
    if len(body) < _THREADED_BYTES_MIN:
        return decode_slow(body, wire_type)
    return await asyncio.to_thread(decode_slow, body, wire_type)
