"""Sends one generation to one client, as a stream or as a single body, and notices when the client
leaves.

The bytes come from an encoder (a pure state machine of the dialect); the waiting, the disconnects,
the keep-alives and the time limits are here. Knows no dialect.

Until the first byte is due nothing is sent, so an early failure still has its own status. A
keep-alive or the first text sends the 200 head; a failure after that can only be told in the body,
by the encoder's `fail`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Receive, Scope, Send

from whalefall.api.errors import error_body, error_response
from whalefall.api.options import WireOptions
from whalefall.base.errors import PlatformError, ServerError
from whalefall.chat.messages import Event, Finished
from whalefall.serving.platform import Generation

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What every chunk of one answer repeats."""

    id: str
    created: int
    model: str
    system_fingerprint: str

    @classmethod
    def of(cls, generation: Generation) -> ResponseHead:
        return cls(
            generation.id, generation.created, generation.model, generation.system_fingerprint
        )


class EventEncoder(Protocol):
    """One dialect's way to write one generation."""

    @property
    def media_type(self) -> str: ...

    def push(self, event: Event) -> bytes:
        """What the client is to receive for this event; empty for nothing yet."""
        ...

    def fail(self, error: PlatformError) -> bytes:
        """What to say when it fails after the 200 head was sent."""
        ...


class _StalledReaderError(Exception):
    """The client keeps the connection and does not read it."""


def error_after_start(error: PlatformError, *, is_stream: bool) -> bytes:
    """The standard error body; as an event it ends a stream that never gets its [DONE]."""
    body = error_body(error)
    return b"data: " + body + b"\n\n" if is_stream else body


class GenerationResponse:
    """ASGI app that drives one generation to its end, or to its abort when the client leaves or
    stops reading."""

    def __init__(self, generation: Generation, encoder: EventEncoder, options: WireOptions) -> None:
        self._generation = generation
        self._encoder = encoder
        self._options = options
        self._has_started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pump = asyncio.ensure_future(self._pump(scope, receive, send))
        watch = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((pump, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            if not pump.done():
                pump.cancel()
            await asyncio.gather(pump, watch, return_exceptions=True)
            await self._generation.aclose()
        if not pump.cancelled():
            pump.result()

    async def _pump(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = await self._send_events(send)
        if error is None:
            return
        if self._has_started:
            with contextlib.suppress(_StalledReaderError):
                await self._write(send, self._encoder.fail(error), is_last=True)
        else:
            await error_response(error, self._options.era)(scope, receive, send)

    async def _send_events(self, send: Send) -> PlatformError | None:
        """The error that ended the generation early, if one did."""
        try:
            async for event in self._generation.events():
                data = self._encoder.push(event)
                is_last = isinstance(event, Finished)
                if data:
                    await self._write(send, data, is_last=is_last)
                if is_last:
                    return None
        except PlatformError as error:
            return error
        except _StalledReaderError:
            _log.info("the client of %s stopped reading", self._generation.id)
            return None
        except Exception:  # noqa: BLE001 - the rim: a bug becomes a 500, its text stays in the log
            _log.exception("generation %s failed", self._generation.id)
            return ServerError("Internal Server Error")
        return ServerError("Internal Server Error")

    async def _write(self, send: Send, data: bytes, *, is_last: bool) -> None:
        """Raises _StalledReaderError when the write buffer stays full for too long."""
        try:
            async with asyncio.timeout(self._options.write_timeout_seconds):
                if not self._has_started:
                    self._has_started = True
                    await send(self._start(len(data) if is_last else None))
                await send({"type": "http.response.body", "body": data, "more_body": not is_last})
        except TimeoutError:
            raise _StalledReaderError from None

    def _start(self, length: int | None) -> dict[str, object]:
        headers = [(b"content-type", self._encoder.media_type.encode())]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        if self._encoder.media_type == EVENT_STREAM:
            headers.append((b"cache-control", b"no-cache"))
        return {"type": "http.response.start", "status": 200, "headers": headers}


async def _disconnected(receive: Receive) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
