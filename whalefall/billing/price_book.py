"""The price list: every price there has been, with the instants between which it held.

Prices are data. The platform's own list lies beside this file in prices/*.toml; an operator's
files are laid over it, later ones first. What an operator announced in the console counts as if it
stood in the last of those files. An entry is never edited once it was charged: a change is a new
entry with a later `from`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
ANNOUNCED = "announced"
"""The source of prices that are in no file; ids that begin so are theirs alone."""
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
    source: str = ""
    """The name of its file, or ANNOUNCED."""

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

    def __init__(
        self,
        listed: Iterable[ListedPrice],
        windows: Mapping[str, PriceWindow] | None = None,
        calendars: Mapping[str, Calendar] | None = None,
    ) -> None:
        self.windows = dict(windows or {})
        """Every rule for hours that is written down, by name; of one name the last file's."""
        self.calendars = dict(calendars or {})
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
        given = dict(holidays or {})
        listed: list[ListedPrice] = []
        windows: dict[str, PriceWindow] = {}
        calendars: dict[str, Calendar] = {}
        own = sorted(PRICES_DIRECTORY.glob("*.toml"))
        for layer, paths in enumerate([own, *([path] for path in layers)]):
            for path in paths:
                try:
                    file = _read(path, layer, given)
                except (OSError, ValueError, TypeError, KeyError) as error:
                    raise ServerError(f"price file {path}: {error}") from error
                listed += file.listed
                windows |= file.windows
                calendars |= file.calendars
        try:
            return cls(listed, windows, calendars | given)
        except ValueError as error:
            raise ServerError(str(error)) from error

    @property
    def operator_layer(self) -> int:
        """Where an operator's newest word stands: with the last of the operator's files."""
        return max((1, *(entry.layer for entry in self.listed())))

    def with_announced(self, announced: Iterable[ListedPrice]) -> PriceBook:
        """Prices laid over the files as if they stood in the operator's last one. ServerError
        where two begin at one instant, so that nobody could say which of them counts."""
        listed = self.listed()
        for entry in announced:
            for other in listed:
                if collide(entry, other):
                    raise ServerError(
                        f"the prices {entry.price.id} ({entry.source}) and {other.price.id} "
                        f"({other.source}) both begin at {entry.effective_from.isoformat()}; give "
                        "the one in the price file another `from`, or withdraw the announced one"
                    )
            listed.append(entry)
        try:
            return PriceBook(listed, self.windows, self.calendars)
        except ValueError as error:
            raise ServerError(str(error)) from error

    def price_at(self, model: str, currency: Currency, instant: datetime) -> Price:
        """NoPriceError when nothing is listed for that model, currency and instant."""
        for entry in self._listed.get((model, currency), ()):
            if entry.holds_at(instant):
                return entry.price
        raise NoPriceError(f"there is no {currency} price for {model} at {instant.isoformat()}")

    def in_force(
        self, model: str, currency: Currency, instant: datetime
    ) -> tuple[ListedPrice, ...]:
        """Every price that can be charged on such a day: those of hours in the order in which
        they count, then the plain one. What another of them always goes before is left out."""
        found: list[ListedPrice] = []
        for entry in self._listed.get((model, currency), ()):
            is_over = entry.effective_to is not None and entry.effective_to <= instant
            if instant < entry.effective_from or is_over:
                continue
            if entry.window is None:
                return (*found, entry)
            if all(other.window.rule != entry.window.rule for other in found if other.window):
                found.append(entry)
        return tuple(found)

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


def collide(one: ListedPrice, other: ListedPrice) -> bool:
    """Whether nothing says which of the two counts."""
    return (one.price.model, one.price.currency, one.precedence) == (
        other.price.model,
        other.price.currency,
        other.precedence,
    )


@dataclass(frozen=True, slots=True)
class _PriceFile:
    listed: list[ListedPrice]
    windows: dict[str, PriceWindow]
    calendars: dict[str, Calendar]


def _read(path: Path, layer: int, given: Mapping[str, Calendar]) -> _PriceFile:
    table = tomllib.loads(path.read_text("utf-8"))
    unknown = set(table) - {"calendars", "windows", "price"}
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    own = {
        name: calendar_from_table(name, value) for name, value in table.get("calendars", {}).items()
    }
    known = {**own, **given}
    windows = {
        name: window_from_table(name, value, known)
        for name, value in table.get("windows", {}).items()
    }
    listed = [
        replace(listed, layer=layer, source=path.name)
        for entry in table.get("price", [])
        for listed in _listed_from_entry(entry, windows)
    ]
    return _PriceFile(listed, windows, own)


def _listed_from_entry(
    entry: Mapping[str, Any], windows: Mapping[str, PriceWindow]
) -> list[ListedPrice]:
    """One `[[price]]` lists several models in one or both currencies at once."""
    name = entry.get("id")
    if not isinstance(name, str) or not name:
        raise ValueError("every [[price]] has an id")
    if name.startswith(ANNOUNCED):
        raise ValueError(f"price {name}: ids that begin with {ANNOUNCED} are not for files")
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
            layer=0,
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
