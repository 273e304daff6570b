"""What the operator tells everyone: dated, in both languages, withdrawn but never edited, so that
nobody has read something that was not said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, Row, Table, Text, insert, select, update

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

TITLE_LENGTH_MAX = 120
TEXT_LENGTH_MAX = 20_000
NUM_LISTED_MAX = 100

announcements = Table(
    "announcements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("published_at", Instant, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("text_en", Text, nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("text_zh", Text, nullable=False),
    Column("withdrawn_at", Instant),
    Index(None, "published_at"),
)


@dataclass(frozen=True, slots=True)
class Notice:
    """The words. One language may be left out; its readers then see the other."""

    title_en: str = ""
    text_en: str = ""
    title_zh: str = ""
    text_zh: str = ""


@dataclass(frozen=True, slots=True)
class Announcement:
    id: str
    published_at: datetime
    title_en: str
    text_en: str
    """Markdown."""
    title_zh: str
    text_zh: str
    withdrawn_at: datetime | None = None

    def title(self, *, in_chinese: bool) -> str:
        first, second = self.title_en, self.title_zh
        return (second or first) if in_chinese else (first or second)

    def text(self, *, in_chinese: bool) -> str:
        first, second = self.text_en, self.text_zh
        return (second or first) if in_chinese else (first or second)


def publish(conn: Connection, notice: Notice, now: datetime) -> Announcement:
    """InvalidRequestError when there is no title, or it is too long."""
    for title, text in (
        (notice.title_en.strip(), notice.text_en),
        (notice.title_zh.strip(), notice.text_zh),
    ):
        if len(title) > TITLE_LENGTH_MAX or len(text) > TEXT_LENGTH_MAX or (text and not title):
            raise InvalidRequestError(ODD_NOTICE)
    if not (notice.title_en.strip() or notice.title_zh.strip()):
        raise InvalidRequestError(ODD_NOTICE)
    made = Announcement(
        new_id("news"),
        now,
        notice.title_en.strip(),
        notice.text_en,
        notice.title_zh.strip(),
        notice.text_zh,
    )
    values = {name: getattr(made, name) for name in Announcement.__slots__}
    conn.execute(insert(announcements).values(values))
    return made


def withdraw(conn: Connection, announcement_id: str, now: datetime) -> None:
    """NotFoundError for an unknown one and for one withdrawn already."""
    mine = update(announcements).where(
        announcements.c.id == announcement_id, announcements.c.withdrawn_at.is_(None)
    )
    if conn.execute(mine.values(withdrawn_at=now)).rowcount != 1:
        raise NotFoundError(f"there is no announcement {announcement_id}")


def list_announcements(
    conn: Connection, *, with_withdrawn: bool = False, limit: int = NUM_LISTED_MAX
) -> list[Announcement]:
    """Newest first."""
    query = select(*_COLUMNS).order_by(announcements.c.published_at.desc(), announcements.c.id)
    if not with_withdrawn:
        query = query.where(announcements.c.withdrawn_at.is_(None))
    return [_from_row(row) for row in conn.execute(query.limit(min(limit, NUM_LISTED_MAX)))]


ODD_NOTICE = "An announcement needs a title of at most 120 characters in at least one language."

_COLUMNS = [announcements.c[name] for name in Announcement.__slots__]


def _from_row(row: Row[Any]) -> Announcement:
    return Announcement(*tuple(row))
