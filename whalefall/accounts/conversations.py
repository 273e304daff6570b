"""Conversations of the chat page: whose they are, what was said, what each answer cost. They are
the person's own: erased when the person says so, and with the account."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata

TITLE_LENGTH_MAX = 60
NUM_LISTED_MAX = 100
NUM_MESSAGES_MAX = 400
TEXT_LENGTH_MAX = 100_000
SEARCH_LENGTH_MAX = 200

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "user_id", "updated_at"),
)

conversation_messages = Table(
    "conversation_messages",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("is_from_model", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("reasoning", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("finish_reason", Text, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    user_id: str
    title: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Words:
    """What is said; all but `text` belongs to answers and is empty otherwise."""

    text: str
    is_from_model: bool = False
    reasoning: str = ""
    model: str = ""
    finish_reason: str = ""
    cost_nanos: int = 0
    currency: Currency = Currency.CNY


@dataclass(frozen=True, slots=True)
class SaidMessage:
    """One message of a conversation."""

    position: int
    created_at: datetime
    text: str
    is_from_model: bool
    reasoning: str
    model: str
    finish_reason: str
    cost_nanos: int
    currency: Currency


def start_conversation(
    conn: Connection, user_id: str, first_text: str, now: datetime
) -> Conversation:
    """Titled by its first words."""
    made = Conversation(new_id("chat"), user_id, _title(first_text), now, now)
    values = {name: getattr(made, name) for name in Conversation.__slots__}
    conn.execute(insert(conversations).values(values))
    return made


def get_conversation(conn: Connection, conversation_id: str, user_id: str) -> Conversation:
    """NotFoundError for an unknown id and for anyone else's."""
    query = select(*_COLUMNS).where(
        conversations.c.id == conversation_id, conversations.c.user_id == user_id
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no conversation {conversation_id}")
    return _conversation_from_row(row)


def rename_conversation(conn: Connection, conversation_id: str, user_id: str, title: str) -> None:
    """NotFoundError for anyone else's, InvalidRequestError for an empty title; a long one is
    cut."""
    get_conversation(conn, conversation_id, user_id)
    words = _title(title)
    if not words:
        raise InvalidRequestError(NO_TITLE)
    mine = update(conversations).where(conversations.c.id == conversation_id)
    conn.execute(mine.values(title=words))


def has_conversation(conn: Connection, conversation_id: str) -> bool:
    query = select(conversations.c.id).where(conversations.c.id == conversation_id)
    return conn.execute(query).first() is not None


def list_conversations(conn: Connection, user_id: str, *, search: str = "") -> list[Conversation]:
    """Latest first; with `search` those whose title or messages contain the text, literally."""
    query = select(*_COLUMNS).where(conversations.c.user_id == user_id)
    wanted = search.strip()[:SEARCH_LENGTH_MAX]
    if wanted:
        says_it = select(conversation_messages.c.conversation_id).where(
            conversation_messages.c.conversation_id == conversations.c.id,
            conversation_messages.c.text.icontains(wanted, autoescape=True),
        )
        titled = conversations.c.title.icontains(wanted, autoescape=True)
        query = query.where(or_(titled, says_it.exists()))
    ordered = query.order_by(conversations.c.updated_at.desc(), conversations.c.id)
    rows = conn.execute(ordered.limit(NUM_LISTED_MAX))
    return [_conversation_from_row(row) for row in rows]


def messages_of(conn: Connection, conversation_id: str) -> list[SaidMessage]:
    """In the order they were said."""
    query = select(*_MESSAGE_COLUMNS).where(
        conversation_messages.c.conversation_id == conversation_id
    )
    rows = conn.execute(query.order_by(conversation_messages.c.position).limit(NUM_MESSAGES_MAX))
    return [_message_from_row(row) for row in rows]


def say(conn: Connection, conversation_id: str, words: Words, now: datetime) -> int:
    """Add a message at the end; its position. InvalidRequestError when it is empty or too long, or
    the conversation has become so."""
    if not words.is_from_model and not 1 <= len(words.text.strip()) <= TEXT_LENGTH_MAX:
        raise InvalidRequestError(ODD_TEXT)
    position = _next_position(conn, conversation_id)
    if position >= NUM_MESSAGES_MAX:
        raise InvalidRequestError(TOO_MANY)
    row = {name: getattr(words, name) for name in Words.__slots__}
    row |= {"conversation_id": conversation_id, "position": position, "created_at": now}
    conn.execute(insert(conversation_messages).values(**{**row, "currency": words.currency.value}))
    mine = update(conversations).where(conversations.c.id == conversation_id)
    conn.execute(mine.values(updated_at=now))
    return position


def take_back_answer(conn: Connection, conversation_id: str) -> bool:
    """Remove the last message if the model said it, so that it can be asked again."""
    said = messages_of(conn, conversation_id)
    if not said or not said[-1].is_from_model:
        return False
    last = conversation_messages.c.position == said[-1].position
    mine = conversation_messages.c.conversation_id == conversation_id
    conn.execute(delete(conversation_messages).where(mine, last))
    return True


def delete_conversation(conn: Connection, conversation_id: str, user_id: str) -> None:
    """NotFoundError for an unknown id and for anyone else's."""
    get_conversation(conn, conversation_id, user_id)
    conn.execute(
        delete(conversation_messages).where(
            conversation_messages.c.conversation_id == conversation_id
        )
    )
    conn.execute(delete(conversations).where(conversations.c.id == conversation_id))


def delete_conversations(conn: Connection, user_id: str) -> None:
    """Everything this user said and was told."""
    own = select(conversations.c.id).where(conversations.c.user_id == user_id)
    conn.execute(
        delete(conversation_messages).where(conversation_messages.c.conversation_id.in_(own))
    )
    conn.execute(delete(conversations).where(conversations.c.user_id == user_id))


NO_TITLE = "A conversation needs a title."
ODD_TEXT = "A message has 1 to 100,000 characters."
TOO_MANY = "This conversation is very long by now. Please start a new one."

_COLUMNS = [conversations.c[name] for name in Conversation.__slots__]
_MESSAGE_COLUMNS = [conversation_messages.c[name] for name in SaidMessage.__slots__]


def _title(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= TITLE_LENGTH_MAX else words[: TITLE_LENGTH_MAX - 1] + "…"


def _next_position(conn: Connection, conversation_id: str) -> int:
    query = select(func.coalesce(func.max(conversation_messages.c.position) + 1, 0)).where(
        conversation_messages.c.conversation_id == conversation_id
    )
    return int(conn.execute(query).scalar_one())


def _conversation_from_row(row: Row[Any]) -> Conversation:
    return Conversation(*tuple(row))


def _message_from_row(row: Row[Any]) -> SaidMessage:
    said = SaidMessage(*tuple(row))
    return replace(said, currency=Currency(said.currency))
