"""Clients that leave, stall, or pile up: what happens on the other side of a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable

import pytest

from tests.api.scenarios import finished
from tests.support.listening import listening
from tests.support.scripted_serving import (
    SECRET,
    Pause,
    ScriptedGeneration,
    ScriptedPlatform,
    Step,
)
from tests.support.wire import chat_body, wire_app
from whalefall.api.options import WireOptions
from whalefall.base.errors import OverloadedError
from whalefall.chat.messages import ContentDelta, KeepAlive

FOREVER = Pause(3600.0)
NUM_CHUNKS = 20_000


def request_bytes(**fields: object) -> bytes:
    body = json.dumps(chat_body(**fields)).encode()
    head = (
        f"POST /chat/completions HTTP/1.1\r\nHost: wire\r\nAuthorization: Bearer {SECRET}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextlib.asynccontextmanager
async def connected(
    platform: ScriptedPlatform, options: WireOptions | None = None, receive_buffer: int = 0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with listening(wire_app(platform, options)) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=plain, limit=1024)
        try:
            yield reader, writer
        finally:
            writer.close()


async def within(seconds: float, waiting: Awaitable[object]) -> None:
    await asyncio.wait_for(waiting, seconds)


async def the_generation(platform: ScriptedPlatform) -> ScriptedGeneration:
    await within(5, platform.started.wait())
    return platform.generations[0]


@pytest.mark.parametrize(
    "script",
    [
        (FOREVER,),
        (ContentDelta("a"), FOREVER),
        (KeepAlive(), FOREVER),
        (KeepAlive(), KeepAlive(), FOREVER),
    ],
    ids=["before the first token", "mid-stream", "while queued", "still queued"],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_leaves_ends_its_generation(
    script: tuple[Step, ...], *, stream: bool
) -> None:
    platform = ScriptedPlatform(script)
    async with connected(platform) as (_, writer):
        writer.write(request_bytes(stream=stream))
        generation = await the_generation(platform)
        await asyncio.sleep(0.02)
        assert not generation.is_closed
        writer.close()
        await within(2, generation.closed.wait())


async def test_first_bytes_arrive_while_the_rest_is_still_to_come() -> None:
    platform = ScriptedPlatform((ContentDelta("early"), FOREVER))
    async with connected(platform) as (reader, writer):
        writer.write(request_bytes(stream=True))
        async with asyncio.timeout(2):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"200 OK" in head
            assert b'"early"' in await reader.readuntil(b'"early"')


@pytest.mark.parametrize(("stream", "filler"), [(True, b": keep-alive\n\n"), (False, b"\n")])
async def test_keep_alives_arrive_while_waiting(filler: bytes, *, stream: bool) -> None:
    platform = ScriptedPlatform((KeepAlive(), KeepAlive(), FOREVER))
    async with connected(platform) as (reader, writer):
        writer.write(request_bytes(stream=stream))
        async with asyncio.timeout(2):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"200 OK" in head
            for _ in range(2):
                size = int(await reader.readline(), 16)
                assert await reader.readexactly(size + 2) == filler + b"\r\n"


async def test_nothing_is_sent_before_there_is_something_to_say() -> None:
    platform = ScriptedPlatform((Pause(0.05), ContentDelta("a"), FOREVER))
    async with connected(platform) as (reader, writer):
        writer.write(request_bytes(stream=True))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.03)


async def test_reader_who_stops_reading_is_given_up_and_holds_little() -> None:
    script: tuple[Step, ...] = (*(ContentDelta("x" * 1000) for _ in range(NUM_CHUNKS)), finished())
    platform = ScriptedPlatform(script)
    options = WireOptions(write_timeout_seconds=0.2)
    async with connected(platform, options, receive_buffer=4096) as (_, writer):
        writer.write(request_bytes(stream=True))
        generation = await the_generation(platform)
        await within(10, generation.closed.wait())
        assert generation.num_yielded < NUM_CHUNKS / 2, "the rest was never asked for"


async def test_slow_but_steady_reader_gets_everything() -> None:
    script: tuple[Step, ...] = (*(ContentDelta("x" * 1000) for _ in range(2000)), finished())
    platform = ScriptedPlatform(script)
    options = WireOptions(write_timeout_seconds=5)
    received = 0
    async with connected(platform, options, receive_buffer=4096) as (reader, writer):
        writer.write(request_bytes(stream=True))
        tail = b""
        async with asyncio.timeout(20):
            while b"[DONE]" not in tail:
                piece = await reader.read(65536)
                assert piece
                received += len(piece)
                tail = (tail + piece)[-200:]
    assert received > 2_000_000
    assert platform.generations[0].num_yielded == 2001


async def test_generation_ends_when_the_handler_is_cancelled() -> None:
    platform = ScriptedPlatform((FOREVER,))
    async with contextlib.AsyncExitStack() as stack:
        _, writer = await stack.enter_async_context(connected(platform))
        writer.write(request_bytes())
        generation = await the_generation(platform)
    await within(5, generation.closed.wait())


async def test_keep_alive_connection_serves_the_next_request() -> None:
    platform = ScriptedPlatform((ContentDelta("a"), finished()))
    async with connected(platform) as (reader, writer):
        for _ in range(3):
            writer.write(request_bytes())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            body = json.loads(await reader.readexactly(length))
            assert body["choices"][0]["message"]["content"] == "a"


@pytest.mark.parametrize("stream", [True, False])
async def test_generation_may_tidy_up_after_its_last_event(*, stream: bool) -> None:
    platform = ScriptedPlatform((ContentDelta("a"), finished(), Pause(0.05)))
    async with connected(platform) as (_, writer):
        writer.write(request_bytes(stream=stream))
        generation = await the_generation(platform)
        await within(5, generation.closed.wait())
        assert generation.has_run_out


async def test_client_that_leaves_inside_its_body_starts_nothing() -> None:
    platform = ScriptedPlatform((ContentDelta("a"), finished()))
    app = wire_app(platform)
    async with listening(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        for kept in (-1, -20):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(request_bytes()[:kept])
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_bytes())
        await within(5, reader.readuntil(b"200 OK"))
        writer.close()
    assert len(platform.requests) == 1


async def test_stalled_reader_of_a_failing_stream_is_given_up_too() -> None:
    many = (ContentDelta("x" * 1000) for _ in range(NUM_CHUNKS))
    platform = ScriptedPlatform((*many, OverloadedError()))
    options = WireOptions(write_timeout_seconds=0.2)
    async with connected(platform, options, receive_buffer=4096) as (_, writer):
        writer.write(request_bytes(stream=True))
        generation = await the_generation(platform)
        await within(10, generation.closed.wait())
