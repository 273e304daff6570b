"""A month of usage as the platform's export: a zip of two CSV files, `amount` split by key and kind
of token, `cost` by wallet. UTF-8 with BOM, CRLF, UTC days, exact decimals.

Columns, names and precision follow the real platform's export as seen from 2025-04 on."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from typing_extensions import override

from whalefall.base.money import NANOS_PER_UNIT
from whalefall.billing.usage import UsageRow

AMOUNT_COLUMNS = (
    "user_id",
    "utc_date",
    "model",
    "api_key_name",
    "api_key",
    "type",
    "price",
    "amount",
)
COST_COLUMNS = ("user_id", "utc_date", "model", "wallet_type", "cost", "currency")
FIRST_YEAR, LAST_YEAR = 2000, 2999
_FORMULA = re.compile(r"""(^|[;,\t\r\n][\s"']*|["'][;,\t])(?=\s*[=+\-@＝＋－＠]|^[\t\r\n])""")


@dataclass(frozen=True, slots=True)
class Month:
    year: int
    number: int

    @classmethod
    def from_text(cls, text: str) -> Month:
        """`2026-09`. ValueError for anything else."""
        year, _, number = text.partition("-")
        if not (text.isascii() and len(year) == 4 and len(number) == 2):
            raise ValueError(f"{text!r} is not a month; write it like 2026-09")
        if not FIRST_YEAR <= int(year) <= LAST_YEAR:
            raise ValueError(f"{text!r} is out of range")
        return cls.of(date(int(year), int(number), 1))

    @classmethod
    def of(cls, day: date) -> Month:
        return cls(day.year, day.month)

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        return self.following.first_day - timedelta(days=1)

    @property
    def following(self) -> Month:
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> Month:
        return Month.of(self.first_day - timedelta(days=1))

    @property
    def days(self) -> list[date]:
        return [
            self.first_day + timedelta(days=index)
            for index in range((self.last_day - self.first_day).days + 1)
        ]

    @override
    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


def export_name(month: Month) -> str:
    return f"usage_data_{month.year}_{month.number}.zip"


def export_zip(rows: Sequence[UsageRow], month: Month) -> bytes:
    """The same rows give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, lines in (("amount", amount_lines(rows)), ("cost", cost_lines(rows))):
            entry = zipfile.ZipInfo(f"{kind}-{month.year}-{month.number}.csv")
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, csv_bytes(lines))
    return content.getvalue()


def amount_lines(rows: Iterable[UsageRow]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [AMOUNT_COLUMNS]
    for row in rows:
        shared = (
            row.user_id,
            _compact(row.day),
            row.model,
            row.api_key_name,
            row.masked_key,
        )
        lines += [
            (*shared, "request_count", "", str(row.num_requests)),
            (*shared, "output_tokens", _per_token(row.output_micros), str(row.output_tokens)),
            (*shared, "input_cache_hit_tokens", _per_token(row.hit_micros), str(row.hit_tokens)),
            (
                *shared,
                "input_cache_miss_tokens",
                _per_token(row.miss_micros),
                str(row.miss_tokens),
            ),
        ]
    return lines


def cost_lines(rows: Iterable[UsageRow]) -> list[tuple[str, ...]]:
    """One line per day, model, wallet and currency; wallets that paid nothing are left out."""
    totals: dict[tuple[str, date, str, str, str], int] = {}
    for row in rows:
        for wallet, nanos in (("Paid", row.paid_nanos), ("Granted", row.granted_nanos)):
            key = (row.user_id, row.day, row.model, wallet, row.currency.value)
            totals[key] = totals.get(key, 0) + nanos
    return [
        COST_COLUMNS,
        *(
            (user_id, _compact(day), model, wallet, _exact(nanos), currency)
            for (user_id, day, model, wallet, currency), nanos in totals.items()
            if nanos
        ),
    ]


def csv_bytes(lines: Iterable[Sequence[str]], plain: frozenset[int] = frozenset()) -> bytes:
    """`plain` names columns of figures of our own, which may begin with a minus."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows(
        [
            [field if index in plain else _inert(field) for index, field in enumerate(line)]
            for line in lines
        ]
    )
    return text.getvalue().encode("utf-8-sig")


def _inert(field: str) -> str:
    """Where a spreadsheet would begin a formula, at the start of the field or behind something it
    may take for the end of a cell, an apostrophe comes first."""
    return _FORMULA.sub(r"\1'", field)


def _compact(day: date) -> str:
    return day.strftime("%Y%m%d")


def _per_token(micros_per_million: int) -> str:
    return f"{Decimal(micros_per_million).scaleb(-12).normalize():f}"


def _exact(nanos: int) -> str:
    return f"{(Decimal(nanos) / NANOS_PER_UNIT).normalize():f}"
