"""Who has to slow down. There is no fixed limit: it depends on the engine's load and on how much
an account has used lately, so that heavy accounts are asked to wait first and everyone is told
that the service is busy only when it is saturated. A key may carry fixed limits of its own, and an
account too, over all its keys.

All state is in this process and bounded; the clock is handed in. Knows no engine and no wire."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from whalefall.accounts.api_keys import NO_LIMITS, Caller, KeyLimits
from whalefall.base.clock import Clock
from whalefall.base.errors import OverloadedError, RateLimitedError
from whalefall.engine.client import EngineLoad

HALF_LIFE_SECONDS = 60.0
"""Use of a minute ago counts half as much as use of now."""
SOFT_PRESSURE = 0.25
"""Below this share of the queue being full nobody is slowed down."""
LIGHT_USE_TOKENS = 10_000.0
"""Recent use well below this is nobody's fault, however little the others use."""
NUM_ACCOUNTS_MAX = 10_000
"""Accounts remembered; the ones idle longest are forgotten first."""
WINDOW_SECONDS = 60.0

BUSY_TEXT = "Rate limit reached: you are sending requests too quickly. Please pace your requests."


@dataclass(slots=True)
class _Account:
    """Tokens used lately, decaying, and the requests that run."""

    use: float = 0.0
    updated_at: float = 0.0
    num_running: int = 0

    def decayed(self, now: float) -> float:
        return self.use * math.exp2((self.updated_at - now) / HALF_LIFE_SECONDS)

    def add(self, use: float, now: float) -> None:
        self.use = self.decayed(now) + use
        self.updated_at = now


@dataclass(slots=True)
class _Window:
    """The last minute of one key or account that has limits."""

    num_running: int = 0
    requests: deque[float] = field(default_factory=deque)
    tokens: deque[tuple[float, int]] = field(default_factory=deque)
    num_tokens: int = 0

    def forget_before(self, instant: float) -> None:
        while self.requests and self.requests[0] <= instant:
            self.requests.popleft()
        while self.tokens and self.tokens[0][0] <= instant:
            self.num_tokens -= self.tokens.popleft()[1]


@dataclass(slots=True)
class Ticket:
    """A request that was let in; give it back with `Limiter.leave`."""

    user_id: str
    limited: tuple[str, ...] = ()
    """The ids of the key and the account, as far as they have limits."""
    has_left: bool = False


class Limiter:
    def __init__(self, clock: Clock, queue_length_max: int) -> None:
        self._clock = clock
        self._queue_length_max = queue_length_max
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._windows: dict[str, _Window] = {}
        self._account_limits: Mapping[str, KeyLimits] = {}

    def set_account_limits(self, limits: Mapping[str, KeyLimits]) -> None:
        """By user id; accounts that are not named have none."""
        self._account_limits = limits

    def enter(self, caller: Caller, load: EngineLoad, num_prompt_tokens: int) -> Ticket:
        """Let a request in or raise RateLimitedError (this caller) or OverloadedError (all)."""
        now = self._clock.monotonic()
        account_limits = self._account_limits.get(caller.user_id, NO_LIMITS)
        limits = {caller.api_key_id: caller.limits, caller.user_id: account_limits}
        limited = tuple(name for name, each in limits.items() if each != NO_LIMITS)
        for name in limited:
            self._check_window(name, limits[name], now, num_prompt_tokens)
        self._check_load(caller.user_id, load, now)
        account = self._account(caller.user_id)
        account.num_running += 1
        account.add(num_prompt_tokens, now)
        for name in limited:
            window = self._windows.setdefault(name, _Window())
            window.num_running += 1
            window.requests.append(now)
            self._add_tokens(window, now, num_prompt_tokens)
        return Ticket(caller.user_id, limited)

    def leave(self, ticket: Ticket, num_output_tokens: int) -> None:
        """The request has ended, having generated so much. Harmless when repeated."""
        if ticket.has_left:
            return
        ticket.has_left = True
        now = self._clock.monotonic()
        account = self._account(ticket.user_id)
        account.num_running = max(0, account.num_running - 1)
        account.add(num_output_tokens, now)
        for name in ticket.limited:
            window = self._windows[name]
            window.num_running -= 1
            self._add_tokens(window, now, num_output_tokens)
            window.forget_before(now - WINDOW_SECONDS)
            if not (window.num_running or window.requests or window.tokens):
                del self._windows[name]

    def _check_load(self, user_id: str, load: EngineLoad, now: float) -> None:
        pressure = load.num_waiting / self._queue_length_max
        if pressure < SOFT_PRESSURE:
            return
        share, fair_share = self._shares(user_id, now)
        # From the soft point to a full queue, what one account may have sinks to its fair share.
        slack = max(0.0, (1.0 - pressure) / (1.0 - SOFT_PRESSURE))
        allowed = fair_share + (1.0 - fair_share) * slack
        is_heavy = share > allowed or (pressure >= 1.0 and share >= fair_share)
        if is_heavy:
            raise RateLimitedError(BUSY_TEXT)
        if pressure >= 1.0:
            raise OverloadedError

    def _shares(self, user_id: str, now: float) -> tuple[float, float]:
        """This account's share of all running requests or of recent use, whichever is larger, and
        what each would have if all active accounts had the same."""
        active = [each for each in self._accounts.values() if each.num_running]
        mine = self._accounts.get(user_id)
        if mine is None or not active:
            return 0.0, 1.0 / (len(active) + 1)
        num_active = len(active) + (mine.num_running == 0)
        running = sum(each.num_running for each in active)
        used = sum(each.decayed(now) for each in active) + LIGHT_USE_TOKENS
        used += mine.decayed(now) if mine.num_running == 0 else 0.0
        return max(mine.num_running / running, mine.decayed(now) / used), 1.0 / num_active

    def _check_window(
        self, name: str, limits: KeyLimits, now: float, num_prompt_tokens: int
    ) -> None:
        window = self._windows.get(name) or _Window()
        window.forget_before(now - WINDOW_SECONDS)
        if limits.concurrency is not None and window.num_running >= limits.concurrency:
            raise RateLimitedError(
                f"Too many requests. Your current concurrency is {window.num_running + 1}, which "
                f"exceeds your concurrency limit of {limits.concurrency}."
            )
        rpm = limits.requests_per_minute
        if rpm is not None and len(window.requests) >= rpm:
            raise RateLimitedError("Rate limit reached for RPM")
        tpm = limits.tokens_per_minute
        if tpm is not None and window.num_tokens + num_prompt_tokens > tpm:
            raise RateLimitedError("Rate limit reached for TPM")

    def _account(self, user_id: str) -> _Account:
        account = self._accounts.get(user_id)
        if account is None:
            account = self._accounts[user_id] = _Account(updated_at=self._clock.monotonic())
            self._forget_idle()
        self._accounts.move_to_end(user_id)
        return account

    def _forget_idle(self) -> None:
        if len(self._accounts) <= NUM_ACCOUNTS_MAX:
            return
        idle = next((name for name, each in self._accounts.items() if not each.num_running), None)
        if idle is not None:
            del self._accounts[idle]

    @staticmethod
    def _add_tokens(window: _Window, now: float, num_tokens: int) -> None:
        window.tokens.append((now, num_tokens))
        window.num_tokens += num_tokens
