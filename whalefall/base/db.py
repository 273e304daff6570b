"""The database at the rim: connections, transactions, retries, and one writer that commits many
operations together. It knows SQL's plumbing and nothing of what the tables mean.

An operation is a plain synchronous function `fn(conn, *args)`. It must not keep the connection,
must do nothing but SQL, and may be run again from the start when the database asks for that."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from whalefall.base.errors import OverloadedError, ServerError
from whalefall.base.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

NUM_READERS = 4
READ_QUEUE_LENGTH_MAX = 4096
WRITE_QUEUE_LENGTH_MAX = 8192
BUSY_TIMEOUT_SECONDS = 10
LOCK_TIMEOUT_SECONDS = 1


class Database:
    """One SQLite file or one PostgreSQL database. Safe to use from any thread and event loop."""

    def __init__(
        self,
        write_engine: Engine,
        read_engine: Engine,
        *,
        write_queue_length_max: int,
        read_queue_length_max: int,
    ) -> None:
        self._read_engine = read_engine
        self._writer = Writer(write_engine, queue_length_max=write_queue_length_max)
        self._readers = ThreadPoolExecutor(NUM_READERS, thread_name_prefix="database-reader")
        self._read_slots = threading.BoundedSemaphore(read_queue_length_max)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        write_queue_length_max: int = WRITE_QUEUE_LENGTH_MAX,
        read_queue_length_max: int = READ_QUEUE_LENGTH_MAX,
    ) -> Database:
        """`sqlite:////path/to/file` or `postgresql://user@host/name`. Connects on first use."""
        target = _checked_url(url)
        return cls(
            _engine(target, read_only=False),
            _engine(target, read_only=True),
            write_queue_length_max=write_queue_length_max,
            read_queue_length_max=read_queue_length_max,
        )

    async def read(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run fn on one consistent snapshot, in a reader thread. Nothing it writes is kept."""
        if not self._read_slots.acquire(blocking=False):
            raise OverloadedError
        try:
            operation = partial(self._read_now, lambda conn: fn(conn, *args, **kwargs))
            running = self._readers.submit(operation)
        except RuntimeError as error:
            self._read_slots.release()
            raise ServerError("the database is closed") from error
        running.add_done_callback(lambda _: self._read_slots.release())
        return await asyncio.wrap_future(running)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run fn in the writer and return its result once that is durable.

        Operations that wait together share one transaction, each inside its own savepoint: one
        that raises leaves no trace and does not disturb the others. Raises OverloadedError at
        once when the queue is full, ServerError when the commit failed. A caller that is
        cancelled does not take its operation back."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._writer.submit(lambda conn: fn(conn, *args, **kwargs), future, loop)
        return await future

    def run(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The synchronous twin of write, for commands and scripts."""
        return self._writer.run(lambda conn: fn(conn, *args, **kwargs))

    def run_read(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The synchronous twin of read, in the caller's own thread."""
        return self._read_now(lambda conn: fn(conn, *args, **kwargs))

    async def close(self) -> None:
        """Finish what was accepted, then let go of all connections."""
        await asyncio.to_thread(self.shutdown)

    def shutdown(self) -> None:
        """The synchronous twin of close."""
        self._writer.close()
        self._readers.shutdown(wait=True)
        self._read_engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()

    def _read_now(self, operation: Callable[[Connection], T]) -> T:
        with self._read_engine.connect() as conn, conn.begin() as transaction:
            result = operation(conn)
            transaction.rollback()
            return result


def upgrade(url: str) -> None:
    """Bring the schema to the newest revision. Harmless when it is there already, and when two
    processes do it at once."""
    target = _checked_url(url)
    engine = _engine(target, read_only=False)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.connect() as conn, conn.begin():
            if engine.dialect.name == "postgresql":
                conn.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
                conn.exec_driver_sql("SELECT pg_advisory_xact_lock(7733100258)")
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def _checked_url(url: str) -> URL:
    target = make_url(url)
    backend = target.get_backend_name()
    if backend == "postgresql":
        return target.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ServerError(
            f"the database URL starts with {backend!r}; use sqlite:////path or postgresql://..."
        )
    if target.database in (None, "", ":memory:"):
        raise ServerError("the SQLite database must be a file: several connections share it")
    return target


def _engine(target: URL, *, read_only: bool) -> Engine:
    is_sqlite = target.get_backend_name() == "sqlite"
    return (_sqlite_engine if is_sqlite else _postgresql_engine)(target, read_only)


def _sqlite_engine(target: URL, read_only: bool) -> Engine:
    assert target.database is not None
    _make_private_file(Path(target.database))
    engine = create_engine(
        target,
        pool_size=NUM_READERS if read_only else 1,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"]
    if read_only:
        pragmas.append("query_only=ON")

    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver's own transaction handling is switched off: it would begin too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _make_private_file(path: Path) -> None:
    """The file holds password and key digests, so nobody else on the machine may read it."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise ServerError(f"cannot open the database file {path}: {error.strerror}") from error
    os.close(descriptor)


def _postgresql_engine(target: URL, read_only: bool) -> Engine:
    options: Sequence[str] = (
        f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s",
        "-c synchronous_commit=on",
        "-c timezone=UTC",
    )
    return create_engine(
        target,
        pool_size=NUM_READERS if read_only else 1,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,
        isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
        execution_options={"postgresql_readonly": True} if read_only else {},
        connect_args={
            "connect_timeout": 10,
            "application_name": "whalefall",
            "options": " ".join(options),
        },
    )
