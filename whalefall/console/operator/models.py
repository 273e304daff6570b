"""The models and the engines behind them, with their load now and over the last day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from whalefall.base.activity_log import LoadSample, recent_loads
from whalefall.console.charts import Series
from whalefall.console.forms import NoFields
from whalefall.console.routing import View
from whalefall.console.session import Standing, Visit
from whalefall.serving.backends import Backend
from whalefall.serving.generation import ServingLimits

SLOT = timedelta(minutes=30)
NUM_SLOTS = 48


@dataclass(frozen=True, slots=True)
class ModelsPage:
    backends: tuple[Backend, ...]
    limits: ServingLimits | None
    slots: tuple[datetime, ...]
    """The beginnings of the last 48 half hours."""
    speeds: tuple[Series, ...]
    """Generated tokens per second, in thousandths, by model."""
    waits: tuple[Series, ...]
    """Requests waiting for the engine, the most in each half hour, by model."""


async def load_models(visit: Visit, _query: NoFields) -> ModelsPage:
    return await visit.database.read(
        _models, visit.context.backends(), visit.context.serving_limits, visit.now
    )


def _models(
    conn: Connection, engines: tuple[Backend, ...], limits: ServingLimits | None, now: datetime
) -> ModelsPage:
    slots = recent_slots(now)
    samples = recent_loads(conn, now)
    return ModelsPage(
        engines, limits, slots, speeds(samples, slots), _by_model(samples, slots, _most_waiting)
    )


def recent_slots(now: datetime) -> tuple[datetime, ...]:
    """Half hours, oldest first; the last one is running."""
    minute = 30 if now.minute >= 30 else 0
    last = now.replace(minute=minute, second=0, microsecond=0)
    return tuple(last - SLOT * (NUM_SLOTS - 1 - index) for index in range(NUM_SLOTS))


def speeds(samples: Sequence[LoadSample], slots: Sequence[datetime]) -> tuple[Series, ...]:
    return _by_model(samples, slots, _milli_tokens_per_second)


def _by_model(
    samples: Sequence[LoadSample],
    slots: Sequence[datetime],
    value: Callable[[Sequence[LoadSample]], int],
) -> tuple[Series, ...]:
    found: dict[str, dict[int, list[LoadSample]]] = {}
    for sample in samples:
        slot = (sample.sampled_at - slots[0]) // SLOT
        found.setdefault(sample.model, {}).setdefault(slot, []).append(sample)
    return tuple(
        Series(name, tuple(value(in_slot.get(index, ())) for index in range(len(slots))))
        for name, in_slot in sorted(found.items())
    )


def _milli_tokens_per_second(samples: Sequence[LoadSample]) -> int:
    milliseconds = sum(sample.milliseconds for sample in samples)
    tokens = sum(sample.output_tokens for sample in samples)
    return tokens * 1_000_000 // milliseconds if milliseconds else 0


def _most_waiting(samples: Sequence[LoadSample]) -> int:
    return max((sample.num_waiting for sample in samples), default=0)


VIEWS = (
    View(
        "/operator/models",
        "operator/models.html",
        load_models,
        "The engines with their load now and over the last day, and the limits in force.",
        standing=Standing.OPERATOR,
    ),
)
