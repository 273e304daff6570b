from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from whalefall.base.db import Database
from whalefall.base.statements import Prepared

things = Table(
    "things",
    MetaData(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
)
INSERT = Prepared(insert(things))
BY_ID = Prepared(select(things).where(things.c.id == bindparam("wanted")))
RED = Prepared(select(things.c.id).where(things.c.kind == "red").order_by(things.c.id))
PAINT = Prepared(
    update(things).where(things.c.kind == bindparam("old")).values(kind=bindparam("new"))
)


@pytest.fixture
def stocked(database: Database) -> Database:
    def stock(conn: Connection) -> None:
        things.create(conn)
        rows = [{"id": number, "kind": "red" if number % 2 else "blue"} for number in range(4)]
        assert INSERT.run_many(conn, rows) == 4

    database.run(stock)
    return database


def test_rows_come_as_the_driver_gives_them(stocked: Database) -> None:
    assert stocked.run_read(RED.rows, {}) == [(1,), (3,)]
    assert stocked.run_read(BY_ID.row, {"wanted": 2}) == (2, "blue")
    assert stocked.run_read(BY_ID.row, {"wanted": 9}) is None


def test_writing_counts_rows(stocked: Database) -> None:
    assert stocked.run(PAINT.run, {"old": "red", "new": "green"}) == 2
    assert stocked.run(PAINT.run, {"old": "red", "new": "green"}) == 0


def test_a_missing_parameter_is_an_error(stocked: Database) -> None:
    with pytest.raises((KeyError, psycopg.ProgrammingError), match="new"):
        stocked.run(PAINT.run, {"old": "red"})
    assert stocked.run_read(RED.rows, {}) == [(1,), (3,)]


def test_text_is_data_and_never_part_of_the_statement(stocked: Database) -> None:
    hostile = "'; DROP TABLE things; -- %s %(id)s ?"
    stocked.run(PAINT.run, {"old": "red", "new": hostile})
    assert stocked.run_read(BY_ID.row, {"wanted": 1}) == (1, hostile)
