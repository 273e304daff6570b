"""The price list: every price there has been, with the instants between which it held.

Prices are data. The platform's own list lies beside this file in prices/*.toml; an operator's
files are laid over it, later ones first. An entry is never edited once it was charged: a change is
a new entry with a later `from`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from whalefall.base.errors import ServerError
from whalefall.base.money import Currency
from whalefall.base.tables import EPOCH
from whalefall.billing.price_windows import (
    Calendar,
    PriceWindow,
    calendar_from_table,
    window_from_table,
)
from whalefall.billing.pricing import Price, micros_from_text

PRICES_DIRECTORY = Path(__file__).parent / "prices"
_ENTRY_KEYS = {"id", "models", "from", "to", "window", "note", "CNY", "USD"}


class NoPriceError(ServerError):
    """The model is served but nobody said what it costs."""


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """A price and when it holds: from `effective_from` until `effective_to`, and within those
    only inside the window, if it has one."""

    price: Price
    effective_from: datetime
    effective_to: datetime | None
    window: PriceWindow | None
    note: str
    layer: int
    """0 is the platform's list; operators' files count up."""

    def holds_at(self, instant: datetime) -> bool:
        if instant < self.effective_from:
            return False
        if self.effective_to is not None and instant >= self.effective_to:
            return False
        return self.window is None or self.window.contains(instant)

    @property
    def precedence(self) -> tuple[int, bool, datetime]:
        """Of several that hold, the greatest counts: the operator's word before the list, a
        window before the plain price, the later before the earlier."""
        return self.layer, self.window is not None, self.effective_from


class PriceBook:
    """Immutable. `price_at` is the only question asked while a request runs."""

    def __init__(self, listed: Iterable[ListedPrice]) -> None:
        self._listed: dict[tuple[str, Currency], list[ListedPrice]] = {}
        seen: set[str] = set()
        for entry in listed:
            if entry.price.id in seen:
                raise ValueError(f"there are two prices with the id {entry.price.id}")
            seen.add(entry.price.id)
            key = (entry.price.model, entry.price.currency)
            self._listed.setdefault(key, []).append(entry)
        for entries in self._listed.values():
            entries.sort(key=lambda entry: entry.precedence, reverse=True)

    @classmethod
    def load(
        cls,
        layers: Sequence[Path] = (),
        holidays: Mapping[str, Calendar] | None = None,
    ) -> PriceBook:
        """The platform's list with an operator's files over it. `holidays` replaces calendars by
        name, for years the shipped ones do not know. ServerError names the file and the fault."""
        calendars = dict(holidays or {})
        listed: list[ListedPrice] = []
        own = sorted(PRICES_DIRECTORY.glob("*.toml"))
        for layer, paths in enumerate([own, *([path] for path in layers)]):
            for path in paths:
                try:
                    listed += _read(path, layer, calendars)
                except (OSError, ValueError, TypeError, KeyError) as error:
                    raise ServerError(f"price file {path}: {error}") from error
        try:
            return cls(listed)
        except ValueError as error:
            raise ServerError(str(error)) from error

    def price_at(self, model: str, currency: Currency, instant: datetime) -> Price:
        """NoPriceError when nothing is listed for that model, currency and instant."""
        for entry in self._listed.get((model, currency), ()):
            if entry.holds_at(instant):
                return entry.price
        raise NoPriceError(f"there is no {currency} price for {model} at {instant.isoformat()}")

    def models(self) -> tuple[str, ...]:
        return tuple(sorted({model for model, _ in self._listed}))

    def listed(self, model: str | None = None) -> list[ListedPrice]:
        """The whole list, or one model's: by model, currency, then time."""
        entries = [entry for entries in self._listed.values() for entry in entries]
        chosen = [entry for entry in entries if model is None or entry.price.model == model]
        return sorted(
            chosen,
            key=lambda entry: (
                entry.price.model,
                entry.price.currency,
                entry.effective_from,
                entry.window is not None,
                entry.layer,
            ),
        )


def _read(path: Path, layer: int, calendars: Mapping[str, Calendar]) -> list[ListedPrice]:
    table = tomllib.loads(path.read_text("utf-8"))
    unknown = set(table) - {"calendars", "windows", "price"}
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    own = {
        name: calendar_from_table(name, value) for name, value in table.get("calendars", {}).items()
    }
    known = {**own, **calendars}
    windows = {
        name: window_from_table(name, value, known)
        for name, value in table.get("windows", {}).items()
    }
    return [
        listed
        for entry in table.get("price", [])
        for listed in _listed_from_entry(entry, windows, layer)
    ]


def _listed_from_entry(
    entry: Mapping[str, Any], windows: Mapping[str, PriceWindow], layer: int
) -> list[ListedPrice]:
    """One `[[price]]` lists several models in one or both currencies at once."""
    name = entry.get("id")
    if not isinstance(name, str) or not name:
        raise ValueError("every [[price]] has an id")
    unknown = set(entry) - _ENTRY_KEYS
    if unknown:
        raise ValueError(f"price {name}: unknown {', '.join(sorted(unknown))}")
    models = entry.get("models")
    if not isinstance(models, list) or not models:
        raise ValueError(f"price {name}: models is a list of names")
    effective_from = _instant(name, entry.get("from", EPOCH))
    effective_to = _instant(name, entry["to"]) if "to" in entry else None
    if effective_to is not None and effective_to <= effective_from:
        raise ValueError(f"price {name}: it ends before it begins")
    if "window" in entry and entry["window"] not in windows:
        raise ValueError(f"price {name}: there is no window {entry['window']!r}")
    return [
        ListedPrice(
            price=_price(name, str(model), currency, entry[currency]),
            effective_from=effective_from,
            effective_to=effective_to,
            window=windows[entry["window"]] if "window" in entry else None,
            note=str(entry.get("note", "")),
            layer=layer,
        )
        for model in models
        for currency in Currency
        if currency in entry
    ]


def _price(name: str, model: str, currency: Currency, table: Mapping[str, Any]) -> Price:
    if set(table) != {"hit", "miss", "output"}:
        raise ValueError(f"price {name}: {currency} has hit, miss and output")
    if not all(isinstance(text, str) for text in table.values()):
        raise ValueError(f"price {name}: figures are written as strings, so that none is a float")
    return Price(
        id=f"{name}/{model}/{currency}",
        model=model,
        currency=currency,
        hit_micros=micros_from_text(table["hit"]),
        miss_micros=micros_from_text(table["miss"]),
        output_micros=micros_from_text(table["output"]),
    )


def _instant(name: str, value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"price {name}: from and to are instants like 2025-09-05T16:00:00Z")
    return value
