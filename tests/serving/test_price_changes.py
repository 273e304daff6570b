"""Holds and charges at the instant a price changes: who asked before it pays the old one, even for
what is generated after it, and each charge keeps its price id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.serving.harness import Harness, all_events, asks, running, says
from tests.support.fake_clock import FakeClock
from tests.support.scripted_engine import ScriptedEngine
from whalefall.base.db import Database
from whalefall.base.money import Currency
from whalefall.billing.announced_prices import LEAD_TIME, PriceDraft
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.price_book import PriceBook
from whalefall.billing.price_changes import PriceOrder, announce
from whalefall.billing.usage import usage_records
from whalefall.billing.verification import verify
from whalefall.serving.platform import Base
from whalefall.serving.price_reader import PriceReader

TEXT = "A price that changes while it streams."
DRAFT = PriceDraft(
    "deepseek-chat", Currency.CNY, 1_000_000, 7_000_000, 11_000_000,
    FakeClock().now(), note="dearer",
)  # fmt: skip


@pytest.fixture
async def harness(database_url: str, tmp_path: Path) -> AsyncIterator[Harness]:
    async with running(database_url, tmp_path, ScriptedEngine(says(TEXT))) as harness:
        yield harness


async def announced_elsewhere(harness: Harness, url: str, draft: PriceDraft) -> str:
    """By another program on the same database; its price id."""
    with Database.open(url) as other:
        prices = CurrentPrices(PriceBook.load())
        now = harness.clock.now()
        return other.run(announce, prices, PriceOrder(draft), "user_1", now).price.id


async def charged(harness: Harness) -> list[tuple[str, int, int, int, int]]:
    columns = ("price_id", "hit_tokens", "miss_tokens", "output_tokens", "granted_nanos")
    query = select(*(usage_records.c[name] for name in columns)).order_by(
        usage_records.c.created_at
    )
    return await harness.database.read(lambda conn: [tuple(row) for row in conn.execute(query)])


async def test_a_request_pays_the_price_of_the_instant_it_was_received(
    harness: Harness, database_url: str
) -> None:
    caller = await harness.caller(10**12)
    starts = harness.clock.now() + LEAD_TIME
    new_id = await announced_elsewhere(harness, database_url, replace(DRAFT, effective_from=starts))
    await PriceReader(harness.database, harness.prices, harness.clock).read()
    harness.clock.advance(LEAD_TIME.total_seconds() - 0.000_001)
    generation = await harness.platform.start_chat(caller, asks(), Base())
    num_events = 0
    async for _ in generation.events():
        if num_events == 0:  # the price changes while the answer streams
            harness.clock.advance(0.000_001)
            assert harness.clock.now() == starts
        num_events += 1
    assert num_events > 1
    await all_events(await harness.platform.start_chat(caller, asks(), Base()))
    old, new = await charged(harness)
    assert (old[0], new[0]) == ("v3.2/deepseek-chat/CNY", new_id)
    for (_, hit, miss, output, cost), figures in (
        (old, (200_000, 2_000_000, 3_000_000)),
        (new, (1_000_000, 7_000_000, 11_000_000)),
    ):
        assert cost == (hit * figures[0] + miss * figures[1] + output * figures[2]) // 1000
        assert output > 0
    assert (await harness.database.read(verify)).is_consistent


async def test_without_its_reader_a_process_reads_before_it_charges(
    harness: Harness, database_url: str
) -> None:
    caller = await harness.caller(10**12)
    await all_events(await harness.platform.start_chat(caller, asks(), Base()))
    starts = harness.clock.now() + LEAD_TIME
    new_id = await announced_elsewhere(harness, database_url, replace(DRAFT, effective_from=starts))
    harness.clock.advance(LEAD_TIME.total_seconds())
    await all_events(await harness.platform.start_chat(caller, asks(), Base()))
    old, new = await charged(harness)
    assert (old[0], new[0]) == ("v3.2/deepseek-chat/CNY", new_id)
