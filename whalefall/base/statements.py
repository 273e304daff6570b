"""Core statements that are compiled once and then run on the driver's own cursor.

Executing a Core statement costs 40 to 50 microseconds of Python each time, most of it spent on
finding the compiled form again; on a driver cursor the same statement costs 5 to 10. The dozen
statements that every API call runs go through here, all others through `conn.execute`. Values pass
the driver unconverted: instants are microseconds, enums their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement

Row = tuple[Any, ...]


Values = Mapping[str, Any] | tuple[Any, ...]


class _Cursor(Protocol):
    rowcount: int

    def execute(self, sql: str, parameters: Values) -> object: ...
    def executemany(self, sql: str, parameters: Sequence[Values]) -> object: ...
    def fetchall(self) -> list[Row]: ...
    def close(self) -> None: ...


class _Driver(Protocol):
    def cursor(self) -> _Cursor: ...


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    order: tuple[str, ...] | None
    """Parameter names by position, or None where the driver takes names."""
    constants: Mapping[str, Any]
    """Values that are part of the statement itself."""

    def bind(self, parameters: Mapping[str, Any]) -> Values:
        """What the driver wants. KeyError for a parameter that is missing."""
        values = {**self.constants, **parameters} if self.constants else parameters
        if self.order is None:
            return values
        return tuple([values[name] for name in self.order])


class Prepared:
    """One statement, one compiled text per database.

    It runs inside the connection's open transaction and nowhere else, and raises the driver's
    own errors. `IN` lists of changing length are not supported."""

    def __init__(self, statement: CompilerElement) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, conn: Connection, parameters: Mapping[str, Any]) -> list[Row]:
        compiled, cursor = self._start(conn)
        cursor.execute(compiled.sql, compiled.bind(parameters))
        rows = cursor.fetchall()
        cursor.close()
        return rows

    def row(self, conn: Connection, parameters: Mapping[str, Any]) -> Row | None:
        """The only row, or None."""
        rows = self.rows(conn, parameters)
        assert len(rows) <= 1, f"{len(rows)} rows where at most one was expected"
        return rows[0] if rows else None

    def run(self, conn: Connection, parameters: Mapping[str, Any]) -> int:
        """How many rows it wrote."""
        compiled, cursor = self._start(conn)
        cursor.execute(compiled.sql, compiled.bind(parameters))
        count = cursor.rowcount
        cursor.close()
        return count

    def run_many(self, conn: Connection, parameters: Sequence[Mapping[str, Any]]) -> int:
        """Once per set of parameters; how many rows were written in all."""
        if len(parameters) == 1:
            return self.run(conn, parameters[0])
        compiled, cursor = self._start(conn)
        cursor.executemany(compiled.sql, [compiled.bind(row) for row in parameters])
        count = cursor.rowcount
        cursor.close()
        return count

    def _start(self, conn: Connection) -> tuple[_Compiled, _Cursor]:
        assert conn.in_transaction(), "a prepared statement needs an open transaction"
        dialect = conn.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, dialect)
        # The driver's connection, or under an async engine SQLAlchemy's synchronous view of it.
        driver = cast("_Driver | None", conn.connection.dbapi_connection)
        assert driver is not None, "the connection is closed"
        return compiled, driver.cursor()


def _compile(statement: CompilerElement, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    named = compiled.construct_params(_check=False)
    constants = {
        name: named[name] for bind, name in compiled.bind_names.items() if not bind.required
    }
    order = compiled.positiontup
    return _Compiled(str(compiled), None if order is None else tuple(order), constants)
