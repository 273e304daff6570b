"""What is done from the command line stands in the audit log, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database

P = ParamSpec("P")
T = TypeVar("T")

COMMAND_LINE = Actor(None, "command line", "")


@dataclass(frozen=True)
class Deed(Generic[T]):
    """Without slots: a frozen generic with them cannot be written `Deed[Grant](…)`."""

    action: str
    """As in accounts/audit: `user.suspended`."""
    subject: Callable[[T], str]
    """The id of what it was done to, from what came of it."""
    detail: str = ""


def run_audited(
    database: Database,
    deed: Deed[T],
    fn: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run fn and note the deed, both or neither."""

    def run(conn: Connection) -> T:
        done = fn(conn, *args, **kwargs)
        now = SystemClock().now()
        record_action(conn, COMMAND_LINE, deed.action, deed.subject(done), now, deed.detail)
        return done

    return database.run(run)
