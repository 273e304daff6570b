"""Delivers the sandbox's notices over HTTP, again and again until they are taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

import httpx

DELAYS_SECONDS = (0.0, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0)
"""Much shorter than the real providers', who go on for a day: here somebody is watching."""
TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Notice:
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoticeReply:
    status: int
    body: bytes


class Courier:
    def __init__(self, delays_seconds: Sequence[float] = DELAYS_SECONDS) -> None:
        self._delays_seconds = delays_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()
        self.num_taken = 0
        self.num_refused = 0
        """Tries that were not answered as documented."""

    def send(self, write: Callable[[], Notice], is_taken: Callable[[NoticeReply], bool]) -> None:
        """`write` is asked for every try anew: each is signed at its own time."""
        self._run(self._deliver(write, is_taken), self._tasks)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """In a while, or as soon as somebody calls `hurry`; with no seconds right after this."""
        if seconds:
            self._run(self._act_later(seconds, act), self._waiting)
        else:
            asyncio.get_running_loop().call_soon(act)

    def hurry(self) -> None:
        """What was to happen later happens now."""
        self._hurry.set()
        self._hurry = asyncio.Event()

    async def settled(self) -> None:
        """Until no notice is under way any more."""
        await asyncio.sleep(0)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        tasks = [*self._tasks, *self._waiting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _deliver(
        self, write: Callable[[], Notice], is_taken: Callable[[NoticeReply], bool]
    ) -> None:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            for delay in self._delays_seconds:
                await asyncio.sleep(delay)
                if is_taken(await _posted(client, write())):
                    self.num_taken += 1
                    return
                self.num_refused += 1

    async def _act_later(self, seconds: float, act: Callable[[], None]) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
        act()


async def _posted(client: httpx.AsyncClient, notice: Notice) -> NoticeReply:
    """Nobody listening is a reply, too: status 0."""
    with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
        response = await client.post(notice.url, headers=notice.headers, content=notice.body)
        return NoticeReply(response.status_code, response.content)
    return NoticeReply(0, b"")
