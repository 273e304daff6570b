"""What is new: the operator's announcements, for everyone to read and for operators to write. The
changes of the program itself are a guide, `changelog`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.announcements import (
    TEXT_LENGTH_MAX,
    TITLE_LENGTH_MAX,
    Announcement,
    Notice,
    list_announcements,
    publish,
    withdraw,
)
from whalefall.accounts.audit import Actor, record_action
from whalefall.billing.announced_prices import list_announced
from whalefall.console.forms import NoFields
from whalefall.console.language import Language, mark
from whalefall.console.price_news import price_notice
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

Title = Annotated[str, msgspec.Meta(max_length=TITLE_LENGTH_MAX)]
Text = Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX)]
ODD_NOTICE = mark(
    "An announcement needs a title of at most 120 characters in at least one language."
)


class NewAnnouncement(msgspec.Struct, frozen=True):
    title_en: Title = ""
    text_en: Text = ""
    """Markdown."""
    title_zh: Title = ""
    text_zh: Text = ""


class AnnouncementsQuery(msgspec.Struct, frozen=True):
    price: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """The id of an announced price, to begin the news of it."""


class AnnouncementId(msgspec.Struct, frozen=True):
    announcement_id: Annotated[str, msgspec.Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class NewsItem:
    id: str
    published_at: datetime
    title: str
    markdown: str


@dataclass(frozen=True, slots=True)
class NewsPage:
    items: tuple[NewsItem, ...]


@dataclass(frozen=True, slots=True)
class AnnouncementsPage:
    announcements: tuple[Announcement, ...]
    draft: Notice
    """What the form begins with."""


async def load_news(visit: Visit, _query: NoFields) -> NewsPage:
    found = await visit.database.read(list_announcements)
    in_chinese = visit.language is Language.CHINESE
    return NewsPage(tuple(_item(each, in_chinese=in_chinese) for each in found))


async def load_announcements(visit: Visit, query: AnnouncementsQuery) -> AnnouncementsPage:
    found = await visit.database.read(list_announcements, with_withdrawn=True)
    prices = await visit.database.read(list_announced) if query.price else []
    of_price = [each for each in prices if each.id == query.price]
    draft = price_notice(visit.console.catalogs, of_price[0]) if of_price else Notice()
    return AnnouncementsPage(tuple(found), draft)


async def announce(visit: Visit, fields: NewAnnouncement) -> Announcement:
    notice = Notice(fields.title_en, fields.text_en, fields.title_zh, fields.text_zh)
    return await visit.database.write(_announce, visit.actor, notice, visit.now)


async def take_back(visit: Visit, fields: AnnouncementId) -> None:
    await visit.database.write(_take_back, visit.actor, fields.announcement_id, visit.now)


def _item(each: Announcement, *, in_chinese: bool) -> NewsItem:
    title, text = each.title(in_chinese=in_chinese), each.text(in_chinese=in_chinese)
    return NewsItem(each.id, each.published_at, title, text)


def _announce(conn: Connection, actor: Actor, notice: Notice, now: datetime) -> Announcement:
    made = publish(conn, notice, now)
    record_action(conn, actor, "announcement.published", made.id, now, made.title(in_chinese=False))
    return made


def _take_back(conn: Connection, actor: Actor, announcement_id: str, now: datetime) -> None:
    withdraw(conn, announcement_id, now)
    record_action(conn, actor, "announcement.withdrawn", announcement_id, now)


NEWS = View(
    "/news",
    "news.html",
    load_news,
    "Announcements, newest first, in the reader's language.",
    standing=Standing.VISITOR,
)
ANNOUNCEMENTS = View(
    "/operator/announcements",
    "operator/announcements.html",
    load_announcements,
    "Announcements with those withdrawn, in both languages.",
    query=AnnouncementsQuery,
    standing=Standing.OPERATOR,
)
VIEWS = (NEWS, ANNOUNCEMENTS)
ACTIONS = (
    Action(
        "/operator/announcements",
        announce,
        ANNOUNCEMENTS,
        "Announce something to everyone.",
        fields=NewAnnouncement,
        then="/operator/announcements?notice=announced",
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/announcements/{announcement_id}/withdraw",
        take_back,
        ANNOUNCEMENTS,
        "Withdraw an announcement.",
        fields=AnnouncementId,
        then="/operator/announcements?notice=withdrawn",
        standing=Standing.OPERATOR,
    ),
)
