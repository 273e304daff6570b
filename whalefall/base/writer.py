"""Group commit: one thread takes every waiting operation into one transaction and answers them
all after its COMMIT. Used by Database alone."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, Transaction
from sqlalchemy.exc import DBAPIError

from whalefall.base.errors import OverloadedError, ServerError

T = TypeVar("T")
Operation = Callable[[Connection], Any]
AnyFuture = asyncio.Future[Any] | concurrent.futures.Future[Any]

BATCH_LENGTH_MAX = 64
NUM_ATTEMPTS = 8
BACKOFF_SECONDS = 0.01
IMPATIENT_MILLISECONDS = 20
"""How long an operation waits for a row while its batch already holds others."""

_TRY_AGAIN = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.SerializationFailure,
)


@dataclass(frozen=True, slots=True)
class _Job:
    operation: Operation
    future: AnyFuture
    loop: asyncio.AbstractEventLoop | None
    """Where the future lives; None for one that may be answered from any thread."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: Any = None
    error: Exception | None = None


class Writer:
    """A bounded queue and the one thread that empties it, started on the first operation."""

    def __init__(self, engine: Engine, *, queue_length_max: int) -> None:
        self._engine = engine
        self._queue_length_max = queue_length_max
        self._queue: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(
        self, operation: Operation, future: AnyFuture, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        """Queue an operation; its future is answered after the commit. OverloadedError when the
        queue is full, ServerError after close."""
        with self._changed:
            if self._is_closed:
                raise ServerError("the database is closed")
            if len(self._queue) >= self._queue_length_max:
                raise OverloadedError
            self._queue.append(_Job(operation, future, loop))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="database-writer")
                self._thread.daemon = True
                self._thread.start()
            self._changed.notify()

    def run(self, operation: Callable[[Connection], T]) -> T:
        """Queue an operation and wait for its result."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.submit(operation, future, None)
        return future.result()

    def close(self) -> None:
        """Finish what is queued, then stop. Harmless when repeated."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        self._engine.dispose()

    def _work(self) -> None:
        while jobs := self._take():
            self._finish(jobs)

    def _take(self) -> list[_Job]:
        """Whatever is waiting, up to one batch; nothing once closed and empty."""
        with self._changed:
            while not self._queue and not self._is_closed:
                self._changed.wait()
            count = min(len(self._queue), BATCH_LENGTH_MAX)
            return [self._queue.popleft() for _ in range(count)]

    def _finish(self, jobs: list[_Job]) -> None:
        """Answer every job. What another process blocks is tried again, alone at first."""
        num_failures = 0
        while jobs:
            outcomes = self._commit(jobs)
            if outcomes:
                num_failures = 0
            elif num_failures + 1 < NUM_ATTEMPTS:
                num_failures += 1
                threading.Event().wait(BACKOFF_SECONDS * 2**num_failures)
            else:
                outcomes = [_Outcome(error=OverloadedError())]
                num_failures = 0
            _deliver(jobs[: len(outcomes)], outcomes)
            jobs = jobs[len(outcomes) :]

    def _commit(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        """One transaction. The outcomes of as many jobs as could be run, in order: when one meets
        a lock it cannot have, those before it are committed so that others can go on."""
        try:
            with self._engine.connect() as conn, conn.begin() as transaction:
                if len(jobs) > 1:
                    return _run_all(conn, jobs)
                return [_run_alone(conn, jobs[0], transaction)]
        except Exception as error:  # noqa: BLE001 - whatever it was, every caller is told
            if _should_try_again(error):
                return []
            return [_Outcome(error=_not_committed(error)) for _ in jobs]


def _run_alone(conn: Connection, job: _Job, transaction: Transaction) -> _Outcome:
    """A batch of one needs no savepoint: its failure takes the whole transaction back."""
    try:
        return _Outcome(result=job.operation(conn))
    except Exception as error:
        if _should_try_again(error) or _is_lost(conn):
            raise
        transaction.rollback()
        return _Outcome(error=error)


def _is_lost(conn: Connection) -> bool:
    """Whether the server has gone away under the connection."""
    return conn.invalidated or bool(getattr(conn.connection.dbapi_connection, "closed", False))


def _run_all(conn: Connection, jobs: Sequence[_Job]) -> list[_Outcome]:
    """The first operation waits for rows as long as the connection allows: it holds nothing that
    others want. Those after it hardly wait, so that two processes whose batches meet in opposite
    orders let go of what they hold instead of running into a deadlock."""
    if conn.connection.driver_connection is None:
        raise ServerError("the database connection is gone")
    cursor = conn.connection.driver_connection.cursor()
    outcomes: list[_Outcome] = []
    for job in jobs:
        cursor.execute("SAVEPOINT operation")
        try:
            outcome = _Outcome(result=job.operation(conn))
        except Exception as error:  # noqa: BLE001 - handed to the caller of this operation
            cursor.execute("ROLLBACK TO SAVEPOINT operation")
            if _should_try_again(error):
                break
            outcome = _Outcome(error=error)
        cursor.execute("RELEASE SAVEPOINT operation")
        if not outcomes and conn.dialect.name == "postgresql":
            cursor.execute(f"SET LOCAL lock_timeout = {IMPATIENT_MILLISECONDS}")
        outcomes.append(outcome)
    cursor.close()
    return outcomes


def _should_try_again(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return isinstance(cause, _TRY_AGAIN)


def _not_committed(cause: Exception) -> ServerError:
    error = ServerError(f"the database did not confirm the write: {cause}")
    error.__cause__ = cause
    return error


def _deliver(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    """One wake-up per event loop, however many of its futures are answered."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[tuple[AnyFuture, _Outcome]]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        by_loop.setdefault(job.loop, []).append((job.future, outcome))
    for loop, answers in by_loop.items():
        if loop is None:
            _answer(answers)
            continue
        try:
            loop.call_soon_threadsafe(_answer, answers)
        except RuntimeError:
            # The loop was closed while its operations waited: they are done, nobody listens.
            logging.getLogger(__name__).warning("%d answers had no listener", len(answers))


def _answer(answers: Sequence[tuple[AnyFuture, _Outcome]]) -> None:
    for future, outcome in answers:
        if future.cancelled():
            continue
        if outcome.error is None:
            future.set_result(outcome.result)
        else:
            future.set_exception(outcome.error)
