"""Hold and charge per second: group commit behind a thread hop, against SQLAlchemy's async engine
with a transaction for each, running the same ledger functions.

python -m bench.ledger [--rounds 5] [--seconds 1.0]

The async engine needs `pip install aiosqlite greenlet`; without them its rows are left out. The
PostgreSQL is a throw-away one with fsync on. One JSON line per figure: pairs of a hold and a charge
per second, median of the rounds, and CPU time of this process per pair. Rounds of all ways
alternate, so that a busy machine is busy for each of them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.bank import Bank
from tests.support.postgresql import NoPostgreSQLError, PostgreSQLServer
from whalefall.accounts.api_keys import APIKey
from whalefall.accounts.users import User
from whalefall.base.db import Database, upgrade
from whalefall.billing.ledger import HoldRequest, hold
from whalefall.billing.usage import Usage, charge

CONCURRENCIES = (1, 4, 16, 64)
NUM_USERS = 16
NUM_CONNECTIONS = 16

Write = Callable[..., Any]


@dataclass(frozen=True)
class Way:
    """One way to the database, already open, with customers of its own."""

    name: str
    write: Write
    bank: Bank
    customers: list[tuple[User, APIKey]]


async def main(rounds: int, seconds: float) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ways = [way async for way in open_ways(stack, folder)]
        figures: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for concurrency in CONCURRENCIES:
                for way in ways:
                    found = await measure(way, concurrency, seconds)
                    figures.setdefault((way.name, concurrency), []).append(found)
        for (name, concurrency), found_all in sorted(figures.items()):
            row = {
                "bench": "ledger",
                "way": name,
                "concurrency": concurrency,
                "pairs_per_second": round(statistics.median(rate for rate, _ in found_all)),
                "cpu_ms_per_pair": round(statistics.median(cpu for _, cpu in found_all), 3),
                "rounds": rounds,
            }
            print(json.dumps(row))
        for way in ways:
            assert way.bank.verify().is_consistent, "the books do not add up"


async def measure(way: Way, concurrency: int, seconds: float) -> tuple[float, float]:
    """(pairs per second, CPU milliseconds per pair)."""
    numbers = count()
    deadline = time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < deadline:
            user, key = way.customers[next(numbers) % NUM_USERS]
            request: HoldRequest = way.bank.hold_request(user, 1000)
            held = await way.write(hold, request)
            usage: Usage = way.bank.usage(held, key, 100)
            await way.write(charge, usage, way.bank.now)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(concurrency)))
    num_pairs = next(numbers)
    spent, burnt = time.perf_counter() - start, time.process_time() - cpu
    return num_pairs / spent, burnt / num_pairs * 1000


async def open_ways(stack: AsyncExitStack, folder: Path) -> AsyncIterator[Way]:
    has_greenlet = importlib.util.find_spec("greenlet") is not None
    is_complete = has_greenlet and importlib.util.find_spec("aiosqlite") is not None
    for name in ("grouped", "async engine"):
        url = f"sqlite:///{folder / name.replace(' ', '-')}.db"
        if name == "grouped" or is_complete:
            yield await _open(stack, f"sqlite, {name}", url, is_async=name != "grouped")
    try:
        server = PostgreSQLServer(is_durable=True)
    except NoPostgreSQLError as error:
        print(json.dumps({"bench": "ledger", "skipped": str(error)}))
        return
    stack.callback(server.stop)
    for name in ("grouped", "async engine"):
        url = server.create(name)
        if name == "grouped" or has_greenlet:
            yield await _open(stack, f"postgresql, {name}", url, is_async=name != "grouped")


async def _open(stack: AsyncExitStack, name: str, url: str, *, is_async: bool) -> Way:
    upgrade(url)
    database = Database.open(url)
    stack.push_async_callback(database.close)
    bank = Bank(database)
    customers = []
    for _ in range(NUM_USERS):
        user = bank.user(topped_up=10**15)
        customers.append((user, bank.api_key(user)))
    if not is_async:
        return Way(name, database.write, bank, customers)
    engine = await stack.enter_async_context(_async_engine(url))
    return Way(name, partial(_write, engine), bank, customers)


async def _write(engine: AsyncEngine, fn: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
    """One transaction per operation, as an async application would have it."""
    async with engine.begin() as conn:
        return await conn.run_sync(fn, *arguments)


@asynccontextmanager
async def _async_engine(url: str) -> AsyncIterator[AsyncEngine]:
    driver = url.replace("sqlite:", "sqlite+aiosqlite:").replace("sql://", "sql+psycopg://")
    is_sqlite = url.startswith("sqlite")
    # SQLite has one writer: more connections would only wait in its busy handler.
    engine = create_async_engine(driver, pool_size=1 if is_sqlite else NUM_CONNECTIONS)
    if is_sqlite:
        event.listen(engine.sync_engine, "begin", _begin_immediate)
    try:
        yield engine
    finally:
        await engine.dispose()


def _begin_immediate(conn: Connection) -> None:
    conn.execute(text("PRAGMA synchronous=FULL"))
    conn.exec_driver_sql("BEGIN IMMEDIATE")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    chosen = parser.parse_args()
    asyncio.run(main(chosen.rounds, chosen.seconds))
