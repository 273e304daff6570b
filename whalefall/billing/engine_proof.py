"""What was billed beside what the engines counted, over the last day, whose minutes are known.

Nobody may be billed for more than the engines did; what they did and nobody was billed for may be
little: probes, and work given up. Only requests count that began and ended while the counters were
noted: a minute of them is lost when a process dies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from whalefall.base.activity_log import LoadSample, recent_loads
from whalefall.billing.differences import Difference
from whalefall.billing.holds import HoldState, holds
from whalefall.billing.usage import usage_records

WINDOW = timedelta(hours=23, minutes=30)
SETTLING = timedelta(minutes=15)
"""A request takes at most this long, as a rule, from its arrival to its record."""
LATEST = timedelta(minutes=2)
"""So old is what is surely noted."""
SEAM = timedelta(seconds=5)
"""Between two samples there is no more than this when none is missing."""
UNBILLED_SHARE = 10
"""In percent."""
UNBILLED_PER_SAMPLE = 4
"""Tokens that probes may have been answered with, per minute and model."""


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """Tokens of the last day; of the engines in full, of the bills as far as comparable."""

    num_samples: int
    engine_prompt: int
    engine_cached: int
    engine_output: int
    num_requests: int
    billed_prompt: int
    billed_cached: int
    billed_output: int


@dataclass(frozen=True, slots=True)
class _Billed:
    began: datetime
    ended: datetime
    hit: int
    miss: int
    output: int


def engine_figures(conn: Connection, now: datetime) -> EngineFigures:
    samples = recent_loads(conn, now)
    covered = _covered(samples)
    records = [each for each in _records(conn, now) if _is_within(each, covered)]
    return EngineFigures(
        num_samples=len(samples),
        engine_prompt=sum(each.prompt_tokens for each in samples),
        engine_cached=sum(each.cached_tokens for each in samples),
        engine_output=sum(each.output_tokens for each in samples),
        num_requests=len(records),
        billed_prompt=sum(each.hit + each.miss for each in records),
        billed_cached=sum(each.hit for each in records),
        billed_output=sum(each.output for each in records),
    )


def check_engines(conn: Connection, now: datetime) -> Iterator[Difference]:
    figures = engine_figures(conn, now)
    for name, did, billed in (
        ("prompt", figures.engine_prompt, figures.billed_prompt),
        ("cached prompt", figures.engine_cached, figures.billed_cached),
        ("output", figures.engine_output, figures.billed_output),
    ):
        if billed > did:
            yield Difference("engines", f"{name} tokens", f"at most {did} billed", str(billed))
    yield from _check_unbilled(conn, now)


def _check_unbilled(conn: Connection, now: datetime) -> Iterator[Difference]:
    """Work inside the day against everything billed in or near it. A request that runs very long
    has worked and not been billed yet; then nothing can be said."""
    long_ago = now - SETTLING
    waits = holds.c.state == HoldState.OPEN.value
    if conn.execute(select(holds.c.id).where(waits, holds.c.created_at < long_ago)).first():
        return
    inner = [
        each
        for each in recent_loads(conn, now)
        if now - WINDOW + SETTLING <= each.sampled_at <= now - SETTLING
    ]
    did = sum(each.output_tokens for each in inner)
    query = select(func.coalesce(func.sum(usage_records.c.output_tokens), 0)).where(
        usage_records.c.created_at >= now - WINDOW - SETTLING
    )
    billed = int(conn.execute(query).scalar_one())
    allowed = did * UNBILLED_SHARE // 100 + UNBILLED_PER_SAMPLE * len(inner)
    if did - billed > allowed:
        expected = f"at most {allowed} of {did} without a bill"
        yield Difference("engines", "unbilled output tokens", expected, str(did - billed))


def _records(conn: Connection, now: datetime) -> Iterator[_Billed]:
    query = (
        select(usage_records, holds.c.resolved_at)
        .join(holds, holds.c.id == usage_records.c.request_id)
        .where(usage_records.c.created_at >= now - WINDOW, holds.c.resolved_at <= now - LATEST)
    )
    for row in conn.execute(query, execution_options={"yield_per": 1000}):
        yield _billed_from_row(row)


def _billed_from_row(row: Row[Any]) -> _Billed:
    return _Billed(
        row.created_at, row.resolved_at, row.hit_tokens, row.miss_tokens, row.output_tokens
    )


def _covered(samples: Sequence[LoadSample]) -> list[tuple[datetime, datetime]]:
    """Spans of time whose work is noted, of whichever process."""
    spans = sorted(
        (each.sampled_at - timedelta(milliseconds=each.milliseconds), each.sampled_at)
        for each in samples
    )
    joined: list[tuple[datetime, datetime]] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1] + SEAM:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _is_within(record: _Billed, spans: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(begin <= record.began and record.ended <= end for begin, end in spans)
