"""What must hold when clients, the API process or the engine vanish in mid-stream."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest

from tests.support.server import Server, serving
from whalefall.settings import EMBEDDED_MODEL_DIR

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not EMBEDDED_MODEL_DIR.is_dir(), reason="the embedded model is not part of this checkout"
    ),
]

LONG = "Tell me a very long story about a king, a fox and a river. " * 3


def connect(server: Server, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.url, api_key=key, max_retries=0, timeout=120)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def stream(client: openai.AsyncOpenAI, max_tokens: int) -> AsyncIterator[object]:
    chunks = await client.chat.completions.create(
        model="deepseek-chat",
        messages=[{"role": "user", "content": LONG}],
        max_tokens=max_tokens,
        temperature=1.5,
        stream=True,
    )
    async for chunk in chunks:
        yield chunk


async def test_fifty_streams_finish_and_each_is_charged_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        key = server.key("fifty@example.org", "10.00")

        async def one(client: openai.AsyncOpenAI) -> int:
            last = None
            async for chunk in stream(client, 24):
                last = chunk
            usage = getattr(last, "usage", None)
            assert usage is not None
            return int(usage.completion_tokens)

        async with connect(server, key) as client:
            counts = await asyncio.gather(*(one(client) for _ in range(50)))
        assert all(0 < count <= 24 for count in counts)
        report = server.command("ledger", "verify")
        assert report["ok"]
        assert report["usage_records"] == 50


async def test_client_that_hangs_up_pays_for_what_was_generated(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        key = server.key("leaver@example.org", "10.00")
        async with connect(server, key) as client:
            chunks = await client.chat.completions.create(
                model="deepseek-chat",
                messages=[{"role": "user", "content": LONG}],
                max_tokens=8000,
                temperature=2,
                stream=True,
            )
            received = 0
            async for _ in chunks:
                received += 1
                if received == 5:
                    break
            await chunks.close()
        report = server.command("ledger", "verify")
        for _ in range(100):
            if report["usage_records"] == 1:
                break
            await asyncio.sleep(0.1)
            report = server.command("ledger", "verify")
        assert report["ok"]
        assert report["usage_records"] == 1


async def test_kill_nine_of_the_api_resolves_every_hold_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        key = server.key("unlucky@example.org", "10.00")
        async with connect(server, key) as client:

            async def until_cut() -> int:
                received = 0
                try:
                    async for _ in stream(client, 4000):
                        received += 1
                        if received == 3:
                            started.release()
                except openai.APIError:
                    pass
                return received

            started = asyncio.Semaphore(0)
            streams = [asyncio.create_task(until_cut()) for _ in range(5)]
            for _ in streams:
                await started.acquire()
            engine_pid = server.engine_pid
            server.kill_dash_nine()
            received = await asyncio.gather(*streams, return_exceptions=True)
        assert len(received) == 5
    for _ in range(50):
        if not is_alive(engine_pid):
            break
        await asyncio.sleep(0.1)
    assert not is_alive(engine_pid), "the engine outlived its parent"
    with serving(tmp_path / "data") as server:
        report = server.command("ledger", "verify")
        assert report["ok"]
        assert report["usage_records"] == 5
        users = server.command("users", "list")
        assert len(users) == 2


async def test_kill_nine_of_the_engine_is_an_error_then_service_again(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        key = server.key("steady@example.org", "10.00")
        async with connect(server, key) as client:
            received = 0
            with pytest.raises(openai.APIError):  # noqa: PT012 - the error comes in mid-stream
                async for _ in stream(client, 8000):
                    received += 1
                    if received == 5:
                        os.kill(server.engine_pid, signal.SIGKILL)
            assert received >= 5
            reply = await client.chat.completions.create(
                model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}], max_tokens=8
            )
            assert reply.choices[0].finish_reason in ("stop", "length")
        report = server.command("ledger", "verify")
        assert report["ok"]
        assert report["usage_records"] == 2
