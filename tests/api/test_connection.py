"""Bounds on the head of a request, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from typing_extensions import override

from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import wire_app
from whalefall.api import connection
from whalefall.api.connection import BoundedConnection


class Hasty(BoundedConnection):
    """Gives a head a tenth of a second."""

    @override
    def _expect_head(self) -> None:
        super()._expect_head()
        self._stop_timer()
        self._head_timer = self.loop.call_later(0.1, self._give_up)


@contextlib.asynccontextmanager
async def listening(protocol: type[BoundedConnection]) -> AsyncIterator[int]:
    config = uvicorn.Config(
        wire_app(ScriptedPlatform()), http=protocol, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def answer_to(port: int, *pieces: bytes) -> bytes:
    """What comes back until the server closes, or within five seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_head_without_end_is_cut_off() -> None:
    async with listening(BoundedConnection) as port:
        pieces = [b"GET /models HTTP/1.1\r\n"] + [b"x: " + b"y" * 8000 + b"\r\n"] * 9
        answer = await answer_to(port, *pieces)
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("start", [b"", b"GET /mod", b"GET /models HTTP/1.1\r\nhost: a\r\n"])
async def test_head_that_never_comes_to_its_end_is_given_up(start: bytes) -> None:
    async with listening(Hasty) as port:
        assert await answer_to(port, start) == b""


async def test_slow_body_is_not_the_heads_business_and_the_next_head_is_bounded_again() -> None:
    first = b"GET /models HTTP/1.1\r\nhost: a\r\n\r\n"
    async with listening(Hasty) as port:
        answer = await answer_to(port, first, first, b"GET /models")
    assert answer.count(b"HTTP/1.1 401 ") == 2


def test_limit_is_the_documented_one() -> None:
    assert connection.HEAD_BYTES_MAX == 64 * 1024
