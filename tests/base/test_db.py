from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support.bank import Bank
from whalefall import accounts, base, billing
from whalefall.base.db import Database, upgrade
from whalefall.base.errors import OverloadedError, ServerError
from whalefall.base.tables import metadata
from whalefall.billing import payments

notes = Table(
    "notes",
    MetaData(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
)


def create(conn: Connection) -> None:
    notes.create(conn)


def add(conn: Connection, number: int, note: str = "") -> int:
    conn.execute(insert(notes).values(id=number, text=note))
    return number


def add_and_fail(conn: Connection, number: int) -> None:
    add(conn, number)
    raise LookupError("on purpose")


def all_notes(conn: Connection) -> list[int]:
    return list(conn.execute(select(notes.c.id).order_by(notes.c.id)).scalars())


class Gate:
    """An operation that keeps the writer busy until it is opened."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._opened = threading.Event()

    def operation(self, _conn: Connection) -> None:
        self._entered.set()
        assert self._opened.wait(30)

    def wait_until_entered(self) -> None:
        assert self._entered.wait(30)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def noted(database: Database) -> Database:
    database.run(create)
    return database


async def test_what_was_written_can_be_read(noted: Database) -> None:
    assert await noted.write(add, 1, "one") == 1
    assert await noted.read(all_notes) == [1]
    assert noted.run_read(all_notes) == [1]


async def test_operations_that_wait_share_a_transaction_and_each_is_answered(
    noted: Database,
) -> None:
    gate = Gate()
    waiting = asyncio.create_task(noted.write(gate.operation))
    await asyncio.to_thread(gate.wait_until_entered)
    tasks = [asyncio.create_task(noted.write(add, number)) for number in range(20)]
    await asyncio.sleep(0)
    gate.open()
    assert await asyncio.gather(*tasks) == list(range(20))
    await waiting
    assert await noted.read(all_notes) == list(range(20))


async def test_an_operation_that_fails_leaves_no_trace_and_disturbs_nobody(
    noted: Database,
) -> None:
    gate = Gate()
    waiting = asyncio.create_task(noted.write(gate.operation))
    await asyncio.to_thread(gate.wait_until_entered)
    before = asyncio.create_task(noted.write(add, 1))
    failing = asyncio.create_task(noted.write(add_and_fail, 2))
    colliding = asyncio.create_task(noted.write(add, 1))
    after = asyncio.create_task(noted.write(add, 3))
    await asyncio.sleep(0)
    gate.open()
    await waiting
    assert (await before, await after) == (1, 3)
    with pytest.raises(LookupError, match="on purpose"):
        await failing
    with pytest.raises(IntegrityError):
        await colliding
    assert await noted.read(all_notes) == [1, 3]


async def test_nothing_is_answered_before_the_commit(noted: Database) -> None:
    """A second operation holds the shared transaction open; the first has run but must wait."""
    first_gate, second_gate = Gate(), Gate()
    first = asyncio.create_task(noted.write(first_gate.operation))
    await asyncio.to_thread(first_gate.wait_until_entered)
    added = asyncio.create_task(noted.write(add, 1))
    second = asyncio.create_task(noted.write(second_gate.operation))
    await asyncio.sleep(0)
    first_gate.open()
    await asyncio.to_thread(second_gate.wait_until_entered)
    await asyncio.sleep(0.05)
    assert not added.done()
    assert await noted.read(all_notes) == []
    second_gate.open()
    await asyncio.gather(first, added, second)
    assert await noted.read(all_notes) == [1]


async def test_a_full_queue_refuses_at_once(sqlite_url: str) -> None:
    with Database.open(sqlite_url, write_queue_length_max=2) as database:
        gate = Gate()
        running = asyncio.create_task(database.write(gate.operation))
        await asyncio.to_thread(gate.wait_until_entered)
        queued = [asyncio.create_task(database.write(lambda _: 7)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await database.write(lambda _: 7)
        gate.open()
        assert await asyncio.gather(*queued) == [7, 7]
        await running


async def test_too_many_waiting_reads_are_refused(sqlite_url: str) -> None:
    with Database.open(sqlite_url, read_queue_length_max=1) as database:
        gate = Gate()
        running = asyncio.create_task(database.read(gate.operation))
        await asyncio.to_thread(gate.wait_until_entered)
        with pytest.raises(OverloadedError):
            await database.read(lambda _: 7)
        gate.open()
        await running
        assert await database.read(lambda _: 7) == 7


async def test_a_commit_that_fails_is_told_to_everyone_in_it(noted: Database) -> None:
    """A deferred foreign key is checked by COMMIT, after every operation has succeeded."""
    child = (
        "CREATE TABLE children (id BIGINT PRIMARY KEY, parent BIGINT REFERENCES notes (id)"
        " DEFERRABLE INITIALLY DEFERRED)"
    )
    noted.run(lambda conn: conn.execute(text(child)))
    gate = Gate()
    waiting = asyncio.create_task(noted.write(gate.operation))
    await asyncio.to_thread(gate.wait_until_entered)
    innocent = asyncio.create_task(noted.write(add, 1))
    orphan = text("INSERT INTO children VALUES (1, 99)")
    guilty = asyncio.create_task(noted.write(lambda conn: conn.execute(orphan).rowcount))
    await asyncio.sleep(0)
    gate.open()
    await waiting
    for task in (innocent, guilty):
        with pytest.raises(ServerError, match="did not confirm"):
            await task
    assert await noted.read(all_notes) == []
    assert await noted.write(add, 2) == 2


async def test_a_cancelled_caller_does_not_take_its_operation_back(noted: Database) -> None:
    gate = Gate()
    waiting = asyncio.create_task(noted.write(gate.operation))
    await asyncio.to_thread(gate.wait_until_entered)
    leaving = asyncio.create_task(noted.write(add, 1))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.open()
    await waiting
    await noted.write(add, 2)
    assert leaving.cancelled()
    assert await noted.read(all_notes) == [1, 2]


def test_errors_do_not_tell_the_values_that_were_written(noted: Database) -> None:
    noted.run(add, 1, "something secret")
    with pytest.raises(IntegrityError) as caught:
        noted.run(add, 1, "something secret")
    assert "secret" not in str(caught.value)


def test_reads_cannot_write(noted: Database) -> None:
    with pytest.raises(DBAPIError):
        noted.run_read(add, 1)
    assert noted.run_read(all_notes) == []


def test_a_read_sees_one_snapshot(noted: Database) -> None:
    noted.run(add, 1)

    def before_and_after(conn: Connection) -> tuple[list[int], list[int]]:
        before = all_notes(conn)
        noted.run(add, 2)
        return before, all_notes(conn)

    assert noted.run_read(before_and_after) == ([1], [1])
    assert noted.run_read(all_notes) == [1, 2]


async def test_close_finishes_what_was_accepted_and_refuses_more(database_url: str) -> None:
    database = Database.open(database_url)
    database.run(create)
    tasks = [asyncio.create_task(database.write(add, number)) for number in range(50)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*tasks) == list(range(50))
    for refused in (database.write(add, 99), database.read(all_notes)):
        with pytest.raises(ServerError, match="closed"):
            await refused
    await database.close()
    with Database.open(database_url) as again:
        assert again.run_read(all_notes) == list(range(50))


def test_one_process_waits_while_another_writes(noted: Database, database_url: str) -> None:
    gate = Gate()
    with Database.open(database_url) as other:

        def slow(conn: Connection) -> int:
            add(conn, 1)
            gate.operation(conn)
            return 1

        ends: list[int] = []
        first = threading.Thread(target=lambda: ends.append(noted.run(slow)))
        second = threading.Thread(target=lambda: ends.append(other.run(add, 2)))
        first.start()
        gate.wait_until_entered()
        second.start()
        gate.open()
        first.join()
        second.join()
        assert sorted(ends) == [1, 2]
        assert other.run_read(all_notes) == [1, 2]


def test_two_processes_that_block_each_other_both_finish(postgresql_url: str) -> None:
    """Each has one row locked and wants the other's; whoever gives way starts again."""
    change = text("UPDATE notes SET text = text || 'x' WHERE id = :id")
    meeting = threading.Barrier(2)
    arrivals = iter([True, True])

    def cross(conn: Connection, first: int, second: int) -> None:
        conn.execute(change, {"id": first})
        if next(arrivals, False):
            meeting.wait(10)
        conn.execute(change, {"id": second})

    with Database.open(postgresql_url) as one, Database.open(postgresql_url) as two:
        one.run(create)
        one.run(add, 1)
        one.run(add, 2)
        threads = [
            threading.Thread(target=one.run, args=(cross, 1, 2)),
            threading.Thread(target=two.run, args=(cross, 2, 1)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        texts = one.run_read(lambda conn: conn.execute(select(notes.c.text)).scalars().all())
        assert texts == ["xx", "xx"]


def test_a_lost_connection_is_told_and_then_replaced(postgresql_url: str) -> None:
    with Database.open(postgresql_url) as database, psycopg.connect(postgresql_url) as killer:
        database.run(create)

        def lose(conn: Connection) -> None:
            own = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
            killer.execute("SELECT pg_terminate_backend(%s)", [own])
            killer.commit()
            add(conn, 1)

        with pytest.raises(ServerError, match="did not confirm"):
            database.run(lose)
        assert database.run(add, 2) == 2
        assert database.run_read(all_notes) == [2]


def test_upgrading_again_changes_nothing_and_the_schema_is_the_tables(
    database: Database, database_url: str
) -> None:
    upgrade(database_url)
    for package in (accounts, base, billing, payments):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    def differences(conn: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(conn), metadata))

    assert database.run_read(differences) == []


def test_two_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    threads = [threading.Thread(target=upgrade, args=(url,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Database.open(url) as database:
        Bank(database).user(topped_up=1)


@pytest.mark.parametrize("table", ["transfers", "usage_records"])
@pytest.mark.parametrize("change", ["DELETE FROM {0}", "UPDATE {0} SET user_id = user_id"])
def test_history_cannot_be_edited(database: Database, table: str, change: str) -> None:
    bank = Bank(database)
    user = bank.user(topped_up=100)
    bank.charge(bank.hold(user, 10), bank.api_key(user), 5)
    statement = change.format(table).replace("user_id", "currency")
    with pytest.raises(DBAPIError, match="append-only"):
        database.run(lambda conn: conn.execute(text(statement)).rowcount)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_databases_we_cannot_keep_are_refused(url: str) -> None:
    with pytest.raises(ServerError):
        Database.open(url)


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="cannot open"):
        Database.open(f"sqlite:///{tmp_path / 'missing' / 'whalefall.db'}")


@pytest.fixture
def new_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "private.db"
    with Database.open(f"sqlite:///{path}") as database:
        database.run(create)
        yield path


def test_the_file_is_private_durable_and_checked(new_file: Path) -> None:
    assert stat.S_IMODE(new_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(new_file.with_name("private.db-wal").stat().st_mode) == 0o600
    plain = sqlite3.connect(new_file)
    assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    plain.close()


def test_connections_are_durable_and_check_references(sqlite_url: str) -> None:
    with Database.open(sqlite_url) as database:

        def pragma(conn: Connection, name: str) -> int:
            return int(conn.execute(text(f"PRAGMA {name}")).scalar_one())

        assert database.run(pragma, "synchronous") == 2
        assert database.run(pragma, "foreign_keys") == 1
        assert database.run_read(pragma, "query_only") == 1
