"""What the wire dialects see of the platform: authenticate, start a generation, balance, models.

The api folder is written against these protocols and values alone; the real implementation is
assembled in app.py, a scripted one drives the wire tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from whalefall.accounts.api_keys import Caller
from whalefall.base.money import Currency
from whalefall.chat.messages import ChatRequest, CompletionRequest, Event


@dataclass(frozen=True, slots=True)
class Base:
    """The base path a call came through: the plain one, /beta, or a dated comparison endpoint."""

    is_beta: bool = False
    comparison: str | None = None
    """The first path segment of a comparison endpoint, e.g. `v3.1_terminus_expires_on_20251015`."""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What a model's name fixes on a base path, whatever a request says."""

    thinking: bool | None = None
    """True: always, False: never, None: the request decides."""
    max_tokens_limit: int | None = None
    """The largest max_tokens of a chat; None: the dialect's usual one."""


@dataclass(frozen=True, slots=True)
class WalletBalance:
    currency: Currency
    granted_nanos: int
    topped_up_nanos: int
    """Both without what open holds reserve being subtracted: holds are not spent yet."""

    @property
    def total_nanos(self) -> int:
        return self.granted_nanos + self.topped_up_nanos


class Generation(Protocol):
    """One admitted request. It bills by itself, whatever happens to whoever reads its events."""

    @property
    def id(self) -> str: ...

    @property
    def created(self) -> int:
        """Unix seconds."""
        ...

    @property
    def model(self) -> str:
        """The name to report: the alias asked for, or a comparison endpoint's real model."""
        ...

    @property
    def system_fingerprint(self) -> str: ...

    def events(self) -> AsyncIterator[Event]:
        """All events, ending with Finished. KeepAlive comes every ten seconds while it waits for
        its first token. Raises a PlatformError when the engine fails; what was delivered until
        then has been billed."""
        ...

    async def aclose(self) -> None:
        """The reader has left: abort in the engine and settle. Harmless after the end."""
        ...


class Platform(Protocol):
    async def authenticate(self, secret: str) -> Caller | None:
        """Who owns this API key; None for unknown, revoked and expired keys alike."""
        ...

    async def start_chat(self, caller: Caller, request: ChatRequest, base: Base) -> Generation:
        """Validate against the model, hold the money, submit. Raises PlatformError; nothing has
        been charged then."""
        ...

    async def start_completion(
        self, caller: Caller, request: CompletionRequest, base: Base
    ) -> Generation: ...

    async def count_prompt_tokens(self, caller: Caller, request: ChatRequest, base: Base) -> int:
        """How many tokens the prompt renders to; free of charge."""
        ...

    async def balance(self, caller: Caller) -> tuple[WalletBalance, ...]:
        """One entry per wallet; at least the one in the account's own currency."""
        ...

    def models(self, base: Base) -> tuple[str, ...]:
        """Model names that can be called through this base, in listing order. Raises
        InvalidRequestError for a comparison endpoint that has expired."""
        ...

    def model_rules(self, base: Base) -> Mapping[str, ModelRules]:
        """The same names, each with what it fixes."""
        ...
