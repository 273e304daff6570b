"""Refunds and a provider that is down, mute, late or strict: each is made once or not at all."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bank import Bank
from tests.support.counterpart import Counterpart, Mood, paid_online
from tests.support.fake_clock import FakeClock
from whalefall.accounts.closure import close_account
from whalefall.accounts.users import User
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.base.mail import list_mails
from whalefall.billing.chargebacks import ChargebackKind, Reversal, charge_back, list_chargebacks
from whalefall.billing.payments.base import ProviderError, RefundAnswer
from whalefall.billing.payments.base import RefundState as AnswerState
from whalefall.billing.refund_queue import claim_refund
from whalefall.billing.refunds import (
    Refund,
    RefundRequest,
    RefundState,
    ask_refund,
    confirm_refund,
    get_refund,
)
from whalefall.billing.top_ups import get_top_up
from whalefall.console.language import load_catalogs
from whalefall.console.refund_sender import RefundSender, give_up, order_of, record_answer

FEN = 10_000_000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def bank(database: Database, clock: FakeClock) -> Bank:
    return Bank(database, clock)


@pytest.fixture
def provider() -> Counterpart:
    return Counterpart()


@pytest.fixture
def sender(bank: Bank, provider: Counterpart) -> RefundSender:
    return sender_over(bank.database, bank, provider)


def sender_over(database: Database, bank: Bank, provider: Counterpart) -> RefundSender:
    return RefundSender(database, bank.clock, {provider.source: provider}, load_catalogs())


def asked_refund(bank: Bank, nanos: int = 100 * FEN) -> tuple[User, Refund]:
    user = bank.user()
    paid_online(bank, user, nanos)
    request = RefundRequest(user.id, bank.currency, nanos, "key", bank.now)
    return user, bank.database.run(ask_refund, request)[0]


def state_of(bank: Bank, refund: Refund) -> RefundState:
    return bank.database.run(get_refund, refund.id).state


def letters_to(bank: Bank, user: User) -> list[str]:
    return [mail.subject for mail in bank.database.run(list_mails) if mail.recipient == user.email]


async def test_a_refund_is_sent_done_and_told_once(
    bank: Bank, provider: Counterpart, sender: RefundSender
) -> None:
    user, refund = asked_refund(bank)
    assert await sender.round() == 1
    assert await sender.round() == 0
    assert provider.num_calls == 1
    done = bank.database.run(get_refund, refund.id)
    assert (done.state, done.provider_reference) == (RefundState.DONE, f"re_{refund.id[-8:]}")
    assert letters_to(bank, user) == ["Your Whalefall refund is done"]
    assert bank.verify().differences == ()


async def test_a_provider_that_is_down_is_asked_again_later(
    bank: Bank, provider: Counterpart, sender: RefundSender
) -> None:
    _, refund = asked_refund(bank)
    provider.moods.extend([Mood.DOWN, Mood.DOWN])
    await sender.round()
    await sender.round()
    assert provider.num_calls == 1
    waiting = bank.database.run(get_refund, refund.id)
    assert (waiting.state, waiting.problem) == (RefundState.SENT, "nobody answers")
    bank.clock.advance(30)
    await sender.round()
    bank.clock.advance(60)
    assert await sender.round() == 1
    assert provider.paid_out_nanos == 100 * FEN
    assert bank.verify().differences == ()


async def test_an_answer_that_is_lost_refunds_nothing_twice(
    bank: Bank, provider: Counterpart, sender: RefundSender
) -> None:
    _, refund = asked_refund(bank)
    provider.moods.append(Mood.MUTE)
    await sender.round()
    assert state_of(bank, refund) is RefundState.SENT
    bank.clock.advance(30)
    assert await sender.round() == 1
    assert len(provider.books) == 1
    assert provider.paid_out_nanos == 100 * FEN
    assert bank.verify().differences == ()


@pytest.mark.parametrize("end", [AnswerState.DONE, AnswerState.FAILED])
async def test_a_provider_that_finishes_later(
    bank: Bank, provider: Counterpart, sender: RefundSender, end: AnswerState
) -> None:
    user, refund = asked_refund(bank)
    provider.moods.append(Mood.LATE)
    await sender.round()
    assert state_of(bank, refund) is RefundState.SENT
    assert bank.balance(user).total_nanos == 0
    provider.finish(end)
    bank.clock.advance(30)
    assert await sender.round() == 1
    is_done = end is AnswerState.DONE
    assert state_of(bank, refund) is (RefundState.DONE if is_done else RefundState.FAILED)
    assert bank.balance(user).total_nanos == (0 if is_done else 100 * FEN)
    assert bank.verify().differences == ()


@pytest.mark.parametrize("mood", [Mood.STRICT, Mood.BROKE])
async def test_a_refund_that_is_refused_returns_and_is_told(
    bank: Bank, provider: Counterpart, sender: RefundSender, mood: Mood
) -> None:
    user, refund = asked_refund(bank)
    provider.moods.append(mood)
    assert await sender.round() == 1
    assert state_of(bank, refund) is RefundState.FAILED
    assert bank.balance(user).topped_up_nanos == 100 * FEN
    assert provider.paid_out_nanos == 0
    assert letters_to(bank, user) == ["Your Whalefall refund failed"]


async def test_two_processes_take_turns(
    bank: Bank, provider: Counterpart, database_url: str
) -> None:
    refunds = [asked_refund(bank)[1] for _ in range(12)]
    with Database.open(database_url) as other:
        senders = [sender_over(each, bank, provider) for each in (bank.database, other)]
        await asyncio.gather(*(each.round() for each in (*senders, *senders)))
    assert provider.num_calls == 12
    assert {state_of(bank, each) for each in refunds} == {RefundState.DONE}
    assert len(bank.database.run(list_mails)) == 12
    assert bank.verify().differences == ()


async def test_giving_up_asks_the_provider_first(bank: Bank, provider: Counterpart) -> None:
    providers = {provider.source: provider}
    user, unknown = asked_refund(bank)
    assert (await give_up(bank.database, providers, unknown.id, bank.now)).problem
    assert bank.balance(user).topped_up_nanos == 100 * FEN
    _, done = asked_refund(bank)
    provider.moods.append(Mood.MUTE)
    await sender_over(bank.database, bank, provider).round()
    ended = await give_up(bank.database, providers, done.id, bank.now)
    assert ended.state is RefundState.DONE
    _, late = asked_refund(bank)
    provider.moods.append(Mood.LATE)
    await sender_over(bank.database, bank, provider).round()
    assert (await give_up(bank.database, providers, late.id, bank.now)).is_open
    del provider.books[late.id]
    assert (await give_up(bank.database, providers, late.id, bank.now)).is_open
    _, unclear = asked_refund(bank)
    provider.moods.append(Mood.DOWN)
    with pytest.raises(ProviderError):
        await give_up(bank.database, providers, unclear.id, bank.now)
    assert state_of(bank, unclear) is RefundState.SENT
    _, busy = asked_refund(bank)
    bank.database.run(claim_refund, busy.id, bank.now)
    with pytest.raises(InvalidRequestError, match="being sent"):
        await give_up(bank.database, providers, busy.id, bank.now)
    assert bank.verify().differences == ()


async def test_an_answer_does_not_undo_what_a_notice_told(bank: Bank) -> None:
    """The provider denies a refund that it confirms in the same moment."""
    user, refund = asked_refund(bank)
    bank.database.run(confirm_refund, refund.id, "re_1", bank.now)
    denied = RefundAnswer(AnswerState.FAILED, reason="never heard of it")
    bank.database.run(record_answer, refund.id, denied, bank.now)
    assert state_of(bank, refund) is RefundState.DONE
    assert bank.balance(user).total_nanos == 0


async def test_a_refund_of_a_deleted_account_goes_on_without_a_letter(
    bank: Bank, sender: RefundSender
) -> None:
    user, refund = asked_refund(bank)
    bank.database.run(close_account, user.id, bank.now)
    assert await sender.round() == 1
    assert state_of(bank, refund) is RefundState.DONE
    assert bank.database.run(list_mails) == []


async def test_losses_are_collected_when_money_comes_free(bank: Bank, sender: RefundSender) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 100)
    held = bank.hold(user, 100)
    kind = ChargebackKind.DISPUTE
    bank.database.run(charge_back, Reversal(top_up.id, kind, "dp", bank.currency, 100, bank.now))
    bank.charge(held, bank.api_key(user), 10)
    await sender.round()
    (made,) = bank.database.run(list_chargebacks)
    assert (made.taken_nanos, made.loss_nanos) == (90, 10)
    assert bank.verify().differences == ()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_killed_after_the_call_refunds_nothing_twice(
    bank: Bank, database_url: str
) -> None:
    """The provider has the refund and our process dies before it can note that."""
    user, refund = asked_refund(bank)
    command = [sys.executable, "-m", "tests.support.dying_sender", database_url, refund.id]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == refund.id
        process.send_signal(signal.SIGKILL)
    assert state_of(bank, refund) is RefundState.SENT
    provider = Counterpart()
    top_up = bank.database.run(get_top_up, refund.top_up_id)
    provider.books[refund.id] = (order_of(refund, top_up), AnswerState.DONE)
    bank.clock.advance(600)
    sender = sender_over(bank.database, bank, provider)
    assert asyncio.run(sender.round()) == 1
    assert provider.num_calls == 1
    assert provider.paid_out_nanos == 100 * FEN
    assert bank.balance(user).total_nanos == 0
    assert bank.verify().differences == ()
