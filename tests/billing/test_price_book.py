from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from whalefall.base.errors import ServerError
from whalefall.base.money import Currency
from whalefall.billing.price_book import NoPriceError, PriceBook
from whalefall.billing.price_windows import Calendar
from whalefall.billing.pricing import text_from_micros

CHAT, REASONER, FLASH, PRO = (
    "deepseek-chat",
    "deepseek-reasoner",
    "deepseek-v4-flash",
    "deepseek-v4-pro",
)

# The published price list: (model, currency, instant in UTC, hit, miss, output).
PUBLISHED = [
    (CHAT, "CNY", "2024-07-01T12:00", "1", "1", "2"),
    (CHAT, "USD", "2024-08-02T00:00", "0.014", "0.14", "0.28"),
    (CHAT, "CNY", "2025-01-15T00:00", "0.1", "1", "2"),
    (CHAT, "CNY", "2025-02-08T15:59", "0.1", "1", "2"),
    (CHAT, "CNY", "2025-02-08T16:00", "0.5", "2", "8"),
    (CHAT, "USD", "2025-02-10T12:00", "0.07", "0.27", "1.1"),
    (REASONER, "CNY", "2025-01-20T12:00", "1", "4", "16"),
    (REASONER, "USD", "2025-02-10T20:00", "0.14", "0.55", "2.19"),
    (CHAT, "USD", "2025-03-10T16:29", "0.07", "0.27", "1.1"),
    (CHAT, "USD", "2025-03-10T16:30", "0.035", "0.135", "0.55"),
    (REASONER, "CNY", "2025-03-11T00:29", "0.25", "1", "4"),
    (REASONER, "CNY", "2025-03-11T00:30", "1", "4", "16"),
    (CHAT, "CNY", "2025-09-05T15:59", "0.5", "2", "8"),
    (CHAT, "CNY", "2025-09-05T16:00", "0.5", "4", "12"),
    (REASONER, "USD", "2025-09-05T17:00", "0.07", "0.56", "1.68"),
    (CHAT, "CNY", "2025-09-29T00:00", "0.2", "2", "3"),
    (REASONER, "USD", "2026-01-15T20:00", "0.028", "0.28", "0.42"),
    (FLASH, "USD", "2026-04-25T00:00", "0.028", "0.14", "0.28"),
    (FLASH, "CNY", "2026-04-26T12:15", "0.02", "1", "2"),
    (PRO, "USD", "2026-04-24T01:00", "0.145", "1.74", "3.48"),
    (PRO, "CNY", "2026-04-27T00:00", "0.1", "12", "24"),
    (PRO, "USD", "2026-06-01T00:00", "0.003625", "0.435", "0.87"),
    (FLASH, "USD", "2026-08-16T15:59", "0.0028", "0.14", "0.28"),
    (FLASH, "USD", "2026-08-16T16:00", "0.007", "0.22", "0.66"),
    (FLASH, "USD", "2026-08-17T01:00", "0.014", "0.44", "1.32"),
    (FLASH, "USD", "2026-08-17T04:00", "0.007", "0.22", "0.66"),
    (FLASH, "CNY", "2026-08-17T06:00", "0.1", "3", "9"),
    (FLASH, "CNY", "2026-08-22T02:00", "0.1", "3", "9"),  # a Saturday before weekends were free
    (FLASH, "CNY", "2026-08-29T02:00", "0.05", "1.5", "4.5"),  # a Saturday after
    (PRO, "CNY", "2026-08-24T09:59", "0.3", "9", "27"),
    (PRO, "CNY", "2026-08-24T10:00", "0.15", "4.5", "13.5"),
    (PRO, "USD", "2026-10-01T02:00", "0.022", "0.66", "1.98"),  # a holiday
    (PRO, "USD", "2026-10-08T02:00", "0.044", "1.32", "3.96"),
    (FLASH, "USD", "2026-09-11T12:00", "0.003", "0.15", "0.6"),
    (FLASH, "USD", "2026-09-11T02:00", "0.006", "0.3", "1.2"),
]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.load()


@pytest.mark.parametrize(("model", "currency", "instant", "hit", "miss", "output"), PUBLISHED)
def test_the_published_history_is_right(
    book: PriceBook, model: str, currency: str, instant: str, hit: str, miss: str, output: str
) -> None:
    moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    price = book.price_at(model, Currency(currency), moment)
    found = [
        text_from_micros(m) for m in (price.hit_micros, price.miss_micros, price.output_micros)
    ]
    assert found == [hit, miss, output]
    assert price.id.endswith(f"/{model}/{currency}")


def test_what_nobody_priced_has_no_price(book: PriceBook) -> None:
    for model, instant in ((CHAT, datetime(2020, 1, 1, tzinfo=UTC)), ("nobody", _now())):
        with pytest.raises(NoPriceError, match=model):
            book.price_at(model, Currency.CNY, instant)


def test_peak_hours_of_a_week_are_35(book: PriceBook) -> None:
    peak = [
        book.price_at(PRO, Currency.USD, datetime(2026, 8, 24 + day, hour, tzinfo=UTC))
        for day in range(7)
        for hour in range(24)
    ]
    assert sum(price.id.startswith("v4-pro-peak") for price in peak) == 35


def test_the_list_can_be_shown(book: PriceBook) -> None:
    listed = book.listed(CHAT)
    assert {entry.price.model for entry in listed} == {CHAT}
    assert len({entry.price.id for entry in book.listed()}) == len(book.listed())
    assert {CHAT, REASONER, FLASH, PRO} <= set(book.models())
    current = [entry for entry in listed if entry.holds_at(_now())]
    assert any(entry.price.id == "v3.2/deepseek-chat/CNY" for entry in current)


def test_an_operators_price_goes_before_the_list_and_its_windows(tmp_path: Path) -> None:
    own = _file(
        tmp_path,
        """
        [[price]]
        id = "house"
        models = ["deepseek-v4-pro", "our-model"]
        CNY = { hit = "0", miss = "0.5", output = "1" }
        """,
    )
    book = PriceBook.load([own])
    peak = datetime(2026, 8, 24, 2, tzinfo=UTC)
    assert book.price_at(PRO, Currency.CNY, peak).id == f"house/{PRO}/CNY"
    assert book.price_at(PRO, Currency.USD, peak).id == f"v4-pro-peak/{PRO}/USD"
    assert book.price_at("our-model", Currency.CNY, _now()).output_micros == 1_000_000


def test_a_later_file_goes_before_an_earlier_one(tmp_path: Path) -> None:
    text = '[[price]]\nid = "{0}"\nmodels = ["m"]\nCNY = {{ hit = "1", miss = "1", output = "1" }}'
    first = _file(tmp_path, text.format("first"), "first.toml")
    second = _file(tmp_path, text.format("second"), "second.toml")
    book = PriceBook.load([first, second])
    assert book.price_at("m", Currency.CNY, _now()).id == "second/m/CNY"


def test_holidays_can_be_handed_in() -> None:
    holiday = Calendar("cn", frozenset({date(2026, 8, 24)}))
    book = PriceBook.load(holidays={"cn": holiday})
    peak = datetime(2026, 8, 24, 2, tzinfo=UTC)
    assert book.price_at(PRO, Currency.USD, peak).id == f"v4-pro-off-peak/{PRO}/USD"


FINE = 'CNY = { hit = "1", miss = "1", output = "1" }'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[price]", "price file"),
        ("[prices]", "unknown prices"),
        ('[[price]]\nmodels = ["m"]', "has an id"),
        (f'[[price]]\nid = "a"\n{FINE}', "models"),
        (f'[[price]]\nid = "a"\nmodels = ["m"]\nwindow = "x"\n{FINE}', "no window"),
        (f'[[price]]\nid = "a"\nmodels = ["m"]\nfrom = 2025-01-01\n{FINE}', "instants"),
        (f'[[price]]\nid = "a"\nmodels = ["m"]\nfrom = 2025-01-01T00:00:00\n{FINE}', "instants"),
        (
            '[[price]]\nid = "a"\nmodels = ["m"]\nfrom = 2025-01-02T00:00:00Z\n'
            f"to = 2025-01-01T00:00:00Z\n{FINE}",
            "ends before",
        ),
        ('[[price]]\nid = "a"\nmodels = ["m"]\nCNY = { hit = "1" }', "hit, miss and output"),
        (
            '[[price]]\nid = "a"\nmodels = ["m"]\nCNY = { hit = 0.1, miss = "1", output = "1" }',
            "float",
        ),
        (
            '[[price]]\nid = "a"\nmodels = ["m"]\nCNY = { hit = "-1", miss = "1", output = "1" }',
            "not a price",
        ),
        (f'[[price]]\nid = "a"\nmodels = ["m"]\nEUR = 1\n{FINE}', "unknown EUR"),
        (f'[[price]]\nid = "v3.2"\nmodels = ["deepseek-chat"]\n{FINE}', "two prices"),
    ],
)
def test_odd_price_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ServerError, match=complaint):
        PriceBook.load([_file(tmp_path, text)])


def test_a_missing_price_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"nowhere\.toml"):
        PriceBook.load([tmp_path / "nowhere.toml"])


def _file(folder: Path, text: str, name: str = "prices.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def _now() -> datetime:
    return datetime(2026, 1, 15, 12, tzinfo=UTC)
