"""Keys for some models only and with a monthly budget, in a running platform."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.serving.harness import Harness, all_events, asks, running, says
from tests.support.scripted_engine import Gate, ScriptedEngine
from whalefall.accounts.api_keys import Caller, authenticate, create_api_key
from whalefall.accounts.key_rules import KeyRules
from whalefall.base.errors import InsufficientBalanceError, PermissionDeniedError
from whalefall.base.money import NANOS_PER_UNIT, Currency
from whalefall.billing.key_budgets import spent_this_month
from whalefall.chat.messages import Finished, FinishReason
from whalefall.serving.platform import Base

LONG = "word " * 400


async def caller_with(harness: Harness, rules: KeyRules) -> Caller:
    owner = await harness.caller(10 * NANOS_PER_UNIT)
    now = harness.clock.now()
    _, secret = await harness.database.write(
        create_api_key, user_id=owner.user_id, name="narrow", now=now, rules=rules
    )
    found = await harness.database.read(authenticate, secret, now)
    assert found is not None
    return found


async def spent(harness: Harness, caller: Caller) -> int:
    now = harness.clock.now()
    by_key = await harness.database.read(spent_this_month, caller.user_id, Currency.CNY, now)
    return by_key.get(caller.api_key_id, 0)


async def ask(harness: Harness, caller: Caller, max_tokens: int = 4096) -> Finished:
    request = asks("Hi", max_tokens=max_tokens)
    generation = await harness.platform.start_chat(caller, request, Base())
    last = (await all_events(generation))[-1]
    assert isinstance(last, Finished)
    return last


async def test_a_key_for_one_model_opens_no_other(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ScriptedEngine(says("Hello"))) as harness:
        caller = await caller_with(harness, KeyRules(models=("deepseek-reasoner",)))
        with pytest.raises(PermissionDeniedError, match="may not use the model deepseek-chat"):
            await harness.platform.start_chat(caller, asks(), Base())
        await all_events(await harness.platform.start_chat(caller, asks(thinking=True), Base()))


async def test_a_budget_cuts_the_answer_and_then_refuses(database_url: str, tmp_path: Path) -> None:
    budget = 900_000
    async with running(database_url, tmp_path, ScriptedEngine(says(LONG))) as harness:
        caller = await caller_with(harness, KeyRules(monthly_nanos=budget))
        assert (await ask(harness, caller)).finish_reason is FinishReason.LENGTH
        assert 0 < await spent(harness, caller) <= budget
        with pytest.raises(InsufficientBalanceError, match="monthly budget"):
            await ask(harness, caller)
        assert (await harness.balance(caller)).held_nanos == 0


async def test_a_budget_begins_anew_with_the_month(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ScriptedEngine(says(LONG))) as harness:
        caller = await caller_with(harness, KeyRules(monthly_nanos=900_000))
        await ask(harness, caller)
        with pytest.raises(InsufficientBalanceError):
            await ask(harness, caller)
        month_end = datetime(2026, 2, 1, tzinfo=UTC)
        harness.clock.advance((month_end - harness.clock.now()).total_seconds() - 1)
        with pytest.raises(InsufficientBalanceError):
            await ask(harness, caller)
        harness.clock.advance(1)
        await ask(harness, caller)


async def test_requests_at_once_cannot_exceed_a_budget_together(
    database_url: str, tmp_path: Path
) -> None:
    gate = Gate()
    async with running(database_url, tmp_path, ScriptedEngine([gate, *says(LONG)])) as harness:
        caller = await caller_with(harness, KeyRules(monthly_nanos=3_000_000))
        answers = [asyncio.create_task(ask(harness, caller, 400)) for _ in range(20)]
        await asyncio.sleep(0.5)
        gate.open()
        ended = await asyncio.gather(*answers, return_exceptions=True)
        refused = [one for one in ended if isinstance(one, InsufficientBalanceError)]
        assert 0 < len(refused) < 20
        assert len(refused) + sum(isinstance(one, Finished) for one in ended) == 20
        assert 0 < await spent(harness, caller) <= 3_000_000


async def test_a_budget_counts_as_it_is_now(database_url: str, tmp_path: Path) -> None:
    """The caller was looked up before: what the key row says at the hold decides."""
    async with running(database_url, tmp_path, ScriptedEngine(says("Hello"))) as harness:
        caller = await caller_with(harness, KeyRules(monthly_nanos=1))
        generous = replace(caller, rules=KeyRules(monthly_nanos=10**9))
        with pytest.raises(InsufficientBalanceError):
            await ask(harness, generous)
