"""Crashes between the steps of a transaction: the n-th statement from now on is not executed, and
whoever ran it gets an exception that no code of ours knows."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from sqlalchemy import Engine, event


class Crashed(Exception):
    """The power went out."""


class Faults:
    """A context: only inside it do statements fail, and only when armed."""

    def __init__(self) -> None:
        self._countdown: int | None = None

    def arm(self, num_statements: int | None) -> None:
        """After so many more statements; None for never."""
        self._countdown = num_statements

    def __enter__(self) -> Faults:
        event.listen(Engine, "before_cursor_execute", self._on_statement)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        event.remove(Engine, "before_cursor_execute", self._on_statement)

    def _on_statement(self, *_about: Any) -> None:  # noqa: ANN401 - whatever the driver tells
        if self._countdown is None:
            return
        self._countdown -= 1
        if self._countdown < 0:
            self._countdown = None
            raise Crashed
