"""The dynamic limiter: heavy accounts slow down first, everyone only when all is full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_clock import FakeClock
from whalefall.accounts.api_keys import NO_LIMITS, Caller, KeyLimits
from whalefall.base.errors import OverloadedError, PlatformError, RateLimitedError
from whalefall.base.money import Currency
from whalefall.engine.client import EngineLoad
from whalefall.serving.limiter import Limiter

QUEUE = 100


def caller(name: str, limits: KeyLimits = NO_LIMITS) -> Caller:
    return Caller(name, f"key_{name}", name, "sk-…", Currency.CNY, limits)


def waiting(num: int) -> EngineLoad:
    return EngineLoad(num_waiting=num, is_ready=True)


def outcome(limiter: Limiter, name: str, load: EngineLoad) -> int:
    """The status the next request of this account would get; 200 for being let in."""
    try:
        ticket = limiter.enter(caller(name), load, 10)
    except PlatformError as error:
        return error.status
    limiter.leave(ticket, 0)
    return 200


def test_without_load_there_is_no_limit_at_all() -> None:
    limiter = Limiter(FakeClock(), QUEUE)
    for _ in range(2000):
        limiter.enter(caller("a"), waiting(0), 1000)


def test_under_load_the_heavy_account_is_slowed_down_and_the_light_one_is_not() -> None:
    limiter = Limiter(FakeClock(), QUEUE)
    for _ in range(90):
        limiter.enter(caller("heavy"), waiting(0), 1000)
    limiter.enter(caller("light"), waiting(0), 10)
    assert outcome(limiter, "heavy", waiting(80)) == 429
    assert outcome(limiter, "light", waiting(80)) == 200
    assert outcome(limiter, "newcomer", waiting(99)) == 200


def test_full_queue_is_429_for_who_filled_it_and_503_for_the_others() -> None:
    limiter = Limiter(FakeClock(), QUEUE)
    for _ in range(QUEUE):
        limiter.enter(caller("heavy"), waiting(0), 100)
    assert outcome(limiter, "heavy", waiting(QUEUE)) == 429
    assert outcome(limiter, "newcomer", waiting(QUEUE)) == 503


def test_use_is_forgiven_with_time() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, QUEUE)
    ticket = limiter.enter(caller("heavy"), waiting(0), 1_000_000)
    limiter.leave(ticket, 1_000_000)
    for _ in range(9):
        limiter.enter(caller("other"), waiting(0), 100)
    assert outcome(limiter, "heavy", waiting(90)) == 429
    clock.advance(3600)
    assert outcome(limiter, "heavy", waiting(90)) == 200


def test_key_limits_hold_and_recover() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, QUEUE)
    limits = KeyLimits(requests_per_minute=3, tokens_per_minute=100, concurrency=2)
    tickets = [limiter.enter(caller("a", limits), waiting(0), 10) for _ in range(2)]
    with pytest.raises(RateLimitedError, match=r"concurrency is 3, which exceeds .* limit of 2"):
        limiter.enter(caller("a", limits), waiting(0), 10)
    limiter.leave(tickets[0], 50)
    with pytest.raises(RateLimitedError, match="Rate limit reached for TPM"):
        limiter.enter(caller("a", limits), waiting(0), 31)
    limiter.leave(limiter.enter(caller("a", limits), waiting(0), 30), 0)
    with pytest.raises(RateLimitedError, match="Rate limit reached for RPM"):
        limiter.enter(caller("a", limits), waiting(0), 0)
    clock.advance(61)
    limiter.enter(caller("a", limits), waiting(0), 100)


def test_leaving_twice_counts_once() -> None:
    limiter = Limiter(FakeClock(), QUEUE)
    limits = KeyLimits(concurrency=1)
    ticket = limiter.enter(caller("a", limits), waiting(0), 1)
    limiter.leave(ticket, 1)
    limiter.leave(ticket, 1)
    limiter.enter(caller("a", limits), waiting(0), 1)
    with pytest.raises(RateLimitedError):
        limiter.enter(caller("a", limits), waiting(0), 1)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 200), st.integers(0, 5000)), max_size=60
    )
)
def test_everyone_is_refused_only_when_the_queue_is_full(
    steps: list[tuple[str, int, int]],
) -> None:
    limiter = Limiter(FakeClock(), QUEUE)
    tickets = []
    for name, num_waiting, tokens in steps:
        try:
            ticket = limiter.enter(caller(name), waiting(num_waiting), tokens)
        except OverloadedError:
            assert num_waiting >= QUEUE
        except RateLimitedError:
            assert num_waiting >= QUEUE // 4
        else:
            assert num_waiting < QUEUE
            tickets.append(ticket)
        if tokens % 3 == 0 and tickets:
            limiter.leave(tickets.pop(), tokens)


def test_an_account_with_limits_has_them_over_all_its_keys() -> None:
    limiter = Limiter(FakeClock(), QUEUE)
    limiter.set_account_limits({"user_1": KeyLimits(concurrency=2)})
    keys = [Caller("user_1", f"key_{index}", "x", "sk-…", Currency.CNY) for index in range(3)]
    tickets = [limiter.enter(key, waiting(0), 1) for key in keys[:2]]
    with pytest.raises(RateLimitedError, match="concurrency limit of 2"):
        limiter.enter(keys[2], waiting(0), 1)
    limiter.enter(caller("somebody else"), waiting(0), 1)
    limiter.leave(tickets[0], 5)
    limiter.leave(tickets[0], 5)
    limiter.enter(keys[2], waiting(0), 1)
    limiter.set_account_limits({})
    for key in keys:
        limiter.enter(key, waiting(0), 1)


def test_the_narrower_of_the_keys_and_the_accounts_limit_counts() -> None:
    limiter = Limiter(FakeClock(), QUEUE)
    limiter.set_account_limits({"a": KeyLimits(requests_per_minute=5)})
    narrow = caller("a", KeyLimits(requests_per_minute=1))
    limiter.enter(narrow, waiting(0), 1)
    with pytest.raises(RateLimitedError):
        limiter.enter(narrow, waiting(0), 1)
