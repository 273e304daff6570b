"""What noting a delivery costs, against writing it to the database.

python -m bench.journal
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import Connection, text

from whalefall.base.db import Database
from whalefall.serving.journal import Journal, Progress

NOTES = 100_000
WRITES = 2_000
CONCURRENCY = 64
ROUNDS = 5


def note_microseconds(folder: Path) -> float:
    journal = Journal(folder, "inst_bench")
    slot = journal.open("hold")
    start = time.perf_counter()
    for count in range(NOTES):
        journal.note(slot, Progress(100, 64, count, 0))
    spent = time.perf_counter() - start
    journal.close_slot(slot)
    journal.close()
    return spent / NOTES * 1e6


async def write_microseconds(folder: Path) -> float:
    """One row updated per delivery, group-committed with 63 others."""
    database = Database.open(f"sqlite:///{folder / 'bench.db'}")

    def create(conn: Connection) -> None:
        conn.execute(
            text("CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY, n INTEGER)")
        )
        conn.execute(text("INSERT OR REPLACE INTO progress SELECT 1, 0"))

    def write(conn: Connection, count: int) -> None:
        conn.execute(text("UPDATE progress SET n = :n WHERE id = 1"), {"n": count})

    async def worker() -> None:
        for count in range(WRITES // CONCURRENCY):
            await database.write(write, count)

    await database.write(create)
    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    spent = time.perf_counter() - start
    await database.close()
    return spent / (WRITES // CONCURRENCY * CONCURRENCY) * 1e6


def main() -> None:
    notes, writes = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            notes.append(note_microseconds(Path(folder)))
            writes.append(asyncio.run(write_microseconds(Path(folder))))
    print(f"journal note      {statistics.median(notes):8.2f} us")
    print(f"group-committed   {statistics.median(writes):8.2f} us")
    print(f"ratio             {statistics.median(writes) / statistics.median(notes):8.0f}")


if __name__ == "__main__":
    main()
