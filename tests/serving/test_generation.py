"""One generation from hold to settlement: who pays what, whatever happens on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.serving.harness import Harness, all_events, asks, housekeeper, running, says, tokenizer
from tests.support.events import joined_content, joined_reasoning
from tests.support.scripted_engine import Die, Finish, Gate, Pause, Reject, ScriptedEngine
from whalefall.accounts.api_keys import KeyLimits
from whalefall.base.errors import (
    InsufficientBalanceError,
    InvalidRequestError,
    OverloadedError,
    RateLimitedError,
)
from whalefall.base.money import NANOS_PER_UNIT, Currency
from whalefall.billing.holds import open_holds
from whalefall.chat.messages import ChatRequest, Event, Finished, FinishReason, KeepAlive
from whalefall.serving.generation import ServingLimits
from whalefall.serving.journal import Journal
from whalefall.serving.platform import Base

ONE_YUAN = NANOS_PER_UNIT
MISS, OUTPUT = 2000, 3000
"""Nanos per token of deepseek-chat in CNY: 2 and 3 per million."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


async def finished(harness: Harness, request: ChatRequest, amount: int = ONE_YUAN) -> Finished:
    caller = await harness.caller(amount)
    generation = await harness.platform.start_chat(caller, request, Base())
    last = (await all_events(generation))[-1]
    assert isinstance(last, Finished)
    return last


async def test_reply_is_charged_exactly_once_for_the_tokens_used(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, ScriptedEngine(says("Hello there!"))) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks("Hi"), Base())
        events = await all_events(generation)
        assert joined_content(events) == "Hello there!"
        last = events[-1]
        assert isinstance(last, Finished)
        usage = last.usage
        assert usage.completion_tokens == len(tokenizer().encode("Hello there!"))
        balance = await harness.balance(caller)
        cost = usage.prompt_tokens * MISS + usage.completion_tokens * OUTPUT
        assert balance.total_nanos == balance.available_nanos == ONE_YUAN - cost
        assert balance.held_nanos == 0


async def test_empty_answer_costs_its_prompt(url: str, tmp_path: Path) -> None:
    """The model read it and had nothing to say; a usage that is told is a usage that is charged."""
    async with running(url, tmp_path, ScriptedEngine([Finish()])) as harness:
        caller = await harness.caller(ONE_YUAN)
        events = await all_events(await harness.platform.start_chat(caller, asks("Hi"), Base()))
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.usage.completion_tokens == 0
        balance = await harness.balance(caller)
        assert last.usage.prompt_tokens > 0
        assert balance.total_nanos == ONE_YUAN - last.usage.prompt_tokens * MISS
        assert balance.held_nanos == 0


async def test_limits_of_a_key_are_kept_and_free_of_charge(url: str, tmp_path: Path) -> None:
    gate = Gate()
    engine = ScriptedEngine([gate, *says("Hello")])
    async with running(url, tmp_path, engine) as harness:
        caller = await harness.caller(ONE_YUAN, limits=KeyLimits(concurrency=1))
        first = await harness.platform.start_chat(caller, asks(max_tokens=10), Base())
        held = (await harness.balance(caller)).held_nanos
        with pytest.raises(RateLimitedError, match="concurrency limit of 1"):
            await harness.platform.start_chat(caller, asks(), Base())
        assert (await harness.balance(caller)).held_nanos == held
        gate.open()
        await all_events(first)
        await all_events(await harness.platform.start_chat(caller, asks(), Base()))


async def test_thinking_is_split_and_counted(url: str, tmp_path: Path) -> None:
    engine = ScriptedEngine(says("Two plus two.</think>Four."))
    async with running(url, tmp_path, engine) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks(thinking=True), Base())
        events = await all_events(generation)
        assert joined_reasoning(events) == "Two plus two."
        assert joined_content(events) == "Four."
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.usage.reasoning_tokens == len(tokenizer().encode("Two plus two."))


async def test_empty_balance_is_refused_and_nothing_reaches_the_engine(
    url: str, tmp_path: Path
) -> None:
    async with running(url, tmp_path, ScriptedEngine(says("x"))) as harness:
        caller = await harness.caller(0)
        with pytest.raises(InsufficientBalanceError, match="Insufficient Balance"):
            await harness.platform.start_chat(caller, asks(), Base())
        assert harness.engine.requests == []


async def test_small_balance_cuts_max_tokens_and_ends_with_length(url: str, tmp_path: Path) -> None:
    engine = ScriptedEngine(says("one two three four five six seven eight nine ten"))
    async with running(url, tmp_path, engine) as harness:
        poor = await harness.caller(1)
        prompt = await harness.platform.count_prompt_tokens(poor, asks(), Base())
        caller = await harness.caller(prompt * MISS + 3 * OUTPUT)
        generation = await harness.platform.start_chat(caller, asks(), Base())
        last = (await all_events(generation))[-1]
        assert isinstance(last, Finished)
        assert last.finish_reason is FinishReason.LENGTH
        assert last.usage.completion_tokens == 3
        assert (await harness.balance(caller)).total_nanos == 0


async def test_other_wallet_pays_when_the_own_one_is_empty(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, ScriptedEngine(says("ok"))) as harness:
        caller = await harness.caller(0)
        await harness.give(caller.user_id, ONE_YUAN, Currency.USD)
        await all_events(await harness.platform.start_chat(caller, asks(), Base()))
        own, other = await harness.platform.balance(caller)
        assert (own.currency, own.total_nanos) == (Currency.CNY, 0)
        assert other.currency is Currency.USD
        assert 0 < other.total_nanos < ONE_YUAN


async def test_reader_who_leaves_pays_for_what_was_generated(url: str, tmp_path: Path) -> None:
    gate = Gate()
    engine = ScriptedEngine([*says("one two three"), gate, *says(" four five")])
    async with running(url, tmp_path, engine) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks(), Base())
        await gate.reached.wait()
        await generation.aclose()
        assert engine.aborted == [generation.id]
        prompt = len(engine.requests[0].prompt_token_ids)
        generated = engine.num_tokens_yielded[generation.id]
        assert generated == 3
        spent = ONE_YUAN - (await harness.balance(caller)).total_nanos
        assert spent == prompt * MISS + generated * OUTPUT


async def test_reader_who_leaves_before_the_first_token_pays_nothing(
    url: str, tmp_path: Path
) -> None:
    gate = Gate()
    async with running(url, tmp_path, ScriptedEngine([gate, *says("x")])) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks(), Base())
        await gate.reached.wait()
        await generation.aclose()
        balance = await harness.balance(caller)
        assert (balance.available_nanos, balance.held_nanos) == (ONE_YUAN, 0)


async def test_engine_death_is_an_error_and_delivered_tokens_are_paid(
    url: str, tmp_path: Path
) -> None:
    engine = ScriptedEngine([*says("one two"), Pause(0.01), Die()])
    async with running(url, tmp_path, engine) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks(), Base())
        with pytest.raises(OverloadedError):
            await all_events(generation)
        spent = ONE_YUAN - (await harness.balance(caller)).total_nanos
        assert spent == len(engine.requests[0].prompt_token_ids) * MISS + 2 * OUTPUT


async def test_request_the_engine_rejects_is_a_400_and_free(url: str, tmp_path: Path) -> None:
    engine = ScriptedEngine([Reject("the grammar is too large")])
    async with running(url, tmp_path, engine) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks(), Base())
        with pytest.raises(InvalidRequestError, match="the grammar is too large"):
            await all_events(generation)
        assert (await harness.balance(caller)).available_nanos == ONE_YUAN


async def test_waiting_reader_is_kept_alive_and_then_given_up_for_nothing(
    url: str, tmp_path: Path
) -> None:
    limits = ServingLimits(keep_alive_seconds=0.05, start_timeout_seconds=0.3)
    async with running(url, tmp_path, ScriptedEngine([Pause(30)]), limits) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks(), Base())
        seen: list[Event] = []
        with pytest.raises(OverloadedError):
            await all_events(generation, seen)
        assert len(seen) >= 3
        assert all(isinstance(event, KeepAlive) for event in seen)
        assert (await harness.balance(caller)).available_nanos == ONE_YUAN


async def test_stop_string_aborts_the_engine_and_bills_what_it_made(
    url: str, tmp_path: Path
) -> None:
    engine = ScriptedEngine(says("alpha beta gamma delta"))
    async with running(url, tmp_path, engine) as harness:
        request = ChatRequest(model="deepseek-chat", messages=asks().messages, stop=(" gamma",))
        last = await finished(harness, request)
        assert last.finish_reason is FinishReason.STOP
        assert last.stop_sequence == " gamma"
        assert last.usage.completion_tokens < len(tokenizer().encode("alpha beta gamma delta"))
        assert harness.engine.aborted


async def test_two_hundred_at_once_on_money_for_ten_never_overdraw(
    url: str, tmp_path: Path
) -> None:
    engine = ScriptedEngine([*says("word"), Pause(0.05), Finish()])
    async with running(url, tmp_path, engine) as harness:
        poor = await harness.caller(1)
        prompt = await harness.platform.count_prompt_tokens(poor, asks(), Base())
        caller = await harness.caller(10 * (prompt * MISS + OUTPUT))

        async def one() -> bool:
            try:
                generation = await harness.platform.start_chat(caller, asks(max_tokens=1), Base())
            except InsufficientBalanceError:
                return False
            await all_events(generation)
            return True

        served = sum(await asyncio.gather(*(one() for _ in range(200))))
        balance = await harness.balance(caller)
        assert served == 10
        assert balance.total_nanos == balance.available_nanos == 0


async def test_unknown_model_and_too_long_prompt_are_refused_for_free(
    url: str, tmp_path: Path
) -> None:
    async with running(url, tmp_path, ScriptedEngine(says("x"))) as harness:
        caller = await harness.caller(ONE_YUAN)
        request = ChatRequest(model="gpt-9", messages=asks().messages)
        with pytest.raises(InvalidRequestError, match="Model Not Exist"):
            await harness.platform.start_chat(caller, request, Base())
        with pytest.raises(InvalidRequestError) as refusal:
            await harness.platform.start_chat(caller, asks(max_tokens=8192), Base())
        prompt = await harness.platform.count_prompt_tokens(caller, asks(), Base())
        assert refusal.value.message == (
            "This model's maximum context length is 8192 tokens. However, you requested "
            f"{prompt + 8192} tokens ({prompt} in the messages, 8192 in the completion). "
            "Please reduce the length of the messages or completion."
        )
        assert (await harness.balance(caller)).available_nanos == ONE_YUAN


async def test_holds_of_a_dead_instance_are_resolved_from_its_journal(
    url: str, tmp_path: Path
) -> None:
    """Two generations of an instance that then vanishes: one had delivered, one had not."""
    gate = Gate()
    engine = ScriptedEngine([*says("one two"), gate])
    async with running(url, tmp_path, engine) as harness:
        caller = await harness.caller(ONE_YUAN)
        generation = await harness.platform.start_chat(caller, asks(), Base())
        await gate.reached.wait()
        await asyncio.sleep(0)
        waiting = Gate()
        engine_two = ScriptedEngine([waiting])
        async with running(url, tmp_path, engine_two) as other:
            second = await other.platform.start_chat(caller, asks(), Base())
            await waiting.reached.wait()
            # What a killed process leaves: open holds, and its journal without a lock.
            copies = {
                each.path.with_name(f"{each.path.stem}.journal"): each.path.read_bytes()
                for each in (harness.journal, other.journal)
            }
            graveyard = tmp_path / "graveyard" / "journal"
            graveyard.mkdir(parents=True)
            for path, content in copies.items():
                (graveyard / path.name).write_bytes(content)
            keeper = housekeeper(harness, tmp_path / "graveyard")
            assert await keeper.resolve_dead() == 2
            assert await keeper.resolve_dead() == 0
            spent = ONE_YUAN - (await harness.balance(caller)).total_nanos
            prompt = len(engine.requests[0].prompt_token_ids)
            assert spent == prompt * MISS + 2 * OUTPUT
            assert await harness.database.read(open_holds) == []
            await second.aclose()
        # The instance was not dead after all: settling again changes nothing.
        await generation.aclose()
        assert ONE_YUAN - (await harness.balance(caller)).total_nanos == spent


def test_journal_name_is_the_instance(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "inst_x")
    assert journal.path.stem == "inst_x"
    journal.close()
