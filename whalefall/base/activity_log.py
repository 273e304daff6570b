"""What the operator's charts are made of: answers of the API by status, summed per day, and the
engines' work, minute by minute for a day. What an engine or an answer is is not known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.days import day_from_number, number_from_day
from whalefall.base.tables import Instant, metadata

RECENT = timedelta(hours=24)
KEPT_DAYS = 400

answer_days = Table(
    "answer_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("status", Integer, primary_key=True, autoincrement=False),
    Column("num_answers", BigInteger, nullable=False),
)

load_samples = Table(
    "load_samples",
    metadata,
    Column("model", Text, nullable=False),
    Column("sampled_at", Instant, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("num_running", Integer, nullable=False),
    Column("num_waiting", Integer, nullable=False),
    Index(None, "sampled_at"),
)

Answers = Mapping[tuple[date, int], int]
"""How many answers by day (UTC) and status."""


@dataclass(frozen=True, slots=True)
class LoadSample:
    """What one engine did since the sample before, and what it is doing."""

    model: str
    sampled_at: datetime
    milliseconds: int
    """Since the sample before."""
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    num_running: int
    num_waiting: int


@dataclass(frozen=True, slots=True)
class AnswerDay:
    day: date
    status: int
    num_answers: int


def record_activity(
    conn: Connection, answers: Answers, samples: Sequence[LoadSample], now: datetime
) -> None:
    """Add to the days, note the samples, and forget what is too old to be shown."""
    for (day, status), number in answers.items():
        _add_answers(conn, day, status, number)
    for sample in samples:
        values = {name: getattr(sample, name) for name in LoadSample.__slots__}
        conn.execute(insert(load_samples).values(values))
    conn.execute(delete(load_samples).where(load_samples.c.sampled_at < now - RECENT))
    oldest = (now - timedelta(days=KEPT_DAYS)).astimezone(UTC).date()
    conn.execute(delete(answer_days).where(answer_days.c.day < number_from_day(oldest)))


def recent_loads(conn: Connection, now: datetime) -> list[LoadSample]:
    """Of the last 24 hours, oldest first."""
    columns = [load_samples.c[name] for name in LoadSample.__slots__]
    query = select(*columns).where(load_samples.c.sampled_at >= now - RECENT)
    rows = conn.execute(query.order_by(load_samples.c.sampled_at))
    return [LoadSample(*row) for row in map(tuple, rows)]


def answers_between(conn: Connection, first: date, last: date) -> list[AnswerDay]:
    """From the first to the last day, both included."""
    columns = [answer_days.c.day, answer_days.c.status, answer_days.c.num_answers]
    query = select(*columns).where(
        answer_days.c.day.between(number_from_day(first), number_from_day(last))
    )
    rows = conn.execute(query.order_by(answer_days.c.day, answer_days.c.status))
    return [
        AnswerDay(day_from_number(day), status, number) for day, status, number in map(tuple, rows)
    ]


def _add_answers(conn: Connection, day: date, status: int, number: int) -> None:
    statement = upsert(answer_days).values(
        day=number_from_day(day), status=status, num_answers=number
    )
    added = answer_days.c.num_answers + statement.excluded.num_answers
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[answer_days.c.day, answer_days.c.status], set_={"num_answers": added}
        )
    )
