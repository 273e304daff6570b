"""Password hashing off the event loop, a few at a time: each costs 64 MiB and a core for a moment,
and a crowd at the door must not take the machine away from everyone else."""

from __future__ import annotations

import asyncio

from whalefall.accounts.passwords import hash_password, verify_password
from whalefall.base.errors import OverloadedError

NUM_AT_ONCE = 2
NUM_WAITING_MAX = 64


class PasswordWorker:
    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(NUM_AT_ONCE)
        self._num_waiting = 0

    async def hash(self, password: str) -> str:
        """InvalidRequestError for a password that is too weak, OverloadedError in a crowd."""
        async with _Place(self):
            return await asyncio.to_thread(hash_password, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Takes equally long for a user without a password and for nobody at all."""
        async with _Place(self):
            return await asyncio.to_thread(verify_password, password_hash, password)

    async def enter(self) -> None:
        if self._num_waiting >= NUM_WAITING_MAX:
            raise OverloadedError
        self._num_waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._num_waiting -= 1

    def leave(self) -> None:
        self._slots.release()


class _Place:
    """One slot for as long as the block runs."""

    def __init__(self, worker: PasswordWorker) -> None:
        self._worker = worker

    async def __aenter__(self) -> None:
        await self._worker.enter()

    async def __aexit__(self, *_details: object) -> None:
        self._worker.leave()
