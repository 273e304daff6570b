"""Sends one generation to one client, as a stream or as a single body, and notices when the client
leaves.

The bytes come from an encoder (a pure state machine of the dialect); the waiting, the disconnects,
the keep-alives and the time limits are here. Knows no dialect.

Until the first byte is due nothing is sent, so an early failure still has its own status. A
keep-alive or the first text sends the 200 head; a failure after that can only be told in the body,
by the encoder's `fail`."""

from __future__ import annotations

import asyncio
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


def error_after_start(error: PlatformError, *, is_stream: bool) -> bytes:
    """The standard error body; as an event it ends a stream that never gets its [DONE]."""
    body = error_body(error)
    return b"data: " + body + b"\n\n" if is_stream else body


class _Watch:
    """Cancels the running task when its client leaves, or leaves a write waiting for too long.

    `has_lost_client` tells these cancellations from anyone else's."""

    def __init__(self, receive: Receive, write_timeout_seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.has_lost_client = False
        self.writing_since: float | None = None
        self.loop = asyncio.get_running_loop()
        self._timeout = write_timeout_seconds
        self._timer = self.loop.call_later(write_timeout_seconds, self._check)
        self._listener = self.loop.create_task(self._listen(receive))

    def close(self) -> None:
        self._timer.cancel()
        self._listener.cancel()

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._give_up()

    def _check(self) -> None:
        """One timer per response instead of one per write: a write takes a few microseconds."""
        now = self.loop.time()
        due = self._timeout + (now if self.writing_since is None else self.writing_since)
        if due <= now:
            self._give_up()
        else:
            self._timer = self.loop.call_at(due, self._check)

    def _give_up(self) -> None:
        self.has_lost_client = True
        self.task.cancel()


class GenerationResponse:
    """ASGI app that drives one generation to its end, or to its abort when the client leaves or
    stops reading."""

    def __init__(self, generation: Generation, encoder: EventEncoder, options: WireOptions) -> None:
        self._generation = generation
        self._encoder = encoder
        self._options = options
        self._has_started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = _Watch(receive, self._options.write_timeout_seconds)
        try:
            error = await self._send_events(send, watch)
            if error is not None:
                await self._send_error(error, scope, receive, send, watch)
        except asyncio.CancelledError:
            if not watch.has_lost_client:
                raise
            watch.task.uncancel()
            _log.info("the client of %s has gone", self._generation.id)
        finally:
            watch.close()
            await self._generation.aclose()

    async def _send_events(self, send: Send, watch: _Watch) -> PlatformError | None:
        """The error that ended the generation early, if one did."""
        push = self._encoder.push
        is_finished = False
        try:
            async for event in self._generation.events():
                data = push(event)
                is_finished = isinstance(event, Finished)
                if data:
                    await self._write(send, data, watch, is_last=is_finished)
        except PlatformError as error:
            return error
        except Exception:  # noqa: BLE001 - the rim: a bug becomes a 500, its text stays in the log
            _log.exception("generation %s failed", self._generation.id)
            return ServerError("Internal Server Error")
        return None if is_finished else ServerError("Internal Server Error")

    async def _send_error(
        self, error: PlatformError, scope: Scope, receive: Receive, send: Send, watch: _Watch
    ) -> None:
        if self._has_started:
            await self._write(send, self._encoder.fail(error), watch, is_last=True)
        else:
            await error_response(error, self._options.era)(scope, receive, send)

    async def _write(self, send: Send, data: bytes, watch: _Watch, *, is_last: bool) -> None:
        """Waits while the server's write buffer is full, for as long as the watch allows."""
        watch.writing_since = watch.loop.time()
        if not self._has_started:
            self._has_started = True
            await send(self._start(len(data) if is_last else None))
        await send({"type": "http.response.body", "body": data, "more_body": not is_last})
        watch.writing_since = None
        if is_last:
            watch.close()  # the server reports a disconnect once all is sent

    def _start(self, length: int | None) -> dict[str, object]:
        headers = [(b"content-type", self._encoder.media_type.encode())]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        if self._encoder.media_type == EVENT_STREAM:
            headers.append((b"cache-control", b"no-cache"))
        return {"type": "http.response.start", "status": 200, "headers": headers}
