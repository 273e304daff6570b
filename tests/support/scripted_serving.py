"""A Platform that serves what it is told to: generations are lists of events, pauses and errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from whalefall.accounts.api_keys import Caller
from whalefall.base.money import Currency
from whalefall.chat.messages import ChatRequest, CompletionRequest, Event
from whalefall.serving.platform import Base, ModelRules, WalletBalance

SECRET = "sk-0123456789abcdef0123456789abcdef"
CALLER = Caller("user_1", "key_1", "tests", "sk-01****cdef", Currency.CNY)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next event; the script's way to be slow."""

    seconds: float


Step = Event | Pause | Exception


@dataclass
class ScriptedGeneration:
    script: Sequence[Step]
    model: str
    id: str = "bac6eb88-1766-49c2-bf23-9eab31024ea6"
    created: int = 1740636518
    system_fingerprint: str = "fp_3a5770e1b4_prod0225"
    num_yielded: int = 0
    has_run_out: bool = False
    is_closed: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def events(self) -> AsyncIterator[Event]:
        for step in self.script:
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Exception):
                raise step
            else:
                self.num_yielded += 1
                yield step
        self.has_run_out = True

    async def aclose(self) -> None:
        self.is_closed = True
        self.closed.set()


@dataclass
class ScriptedPlatform:
    """Knows one key. Remembers what it was asked; `refusal` makes every start fail."""

    script: Sequence[Step] = ()
    refusal: Exception | None = None
    names: tuple[str, ...] = ("deepseek-chat", "deepseek-reasoner")
    fixed: Mapping[str, ModelRules] = field(
        default_factory=lambda: {"deepseek-reasoner": ModelRules(thinking=True)}
    )
    comparison_model: str = "deepseek-v3.1-terminus"
    wallets: tuple[WalletBalance, ...] = (WalletBalance(Currency.CNY, 0, 4_950_000_000),)
    requests: list[ChatRequest | CompletionRequest] = field(default_factory=list)
    bases: list[Base] = field(default_factory=list)
    generations: list[ScriptedGeneration] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def authenticate(self, secret: str) -> Caller | None:
        self.secrets.append(secret)
        return CALLER if secret == SECRET else None

    async def start_chat(
        self, caller: Caller, request: ChatRequest, base: Base
    ) -> ScriptedGeneration:
        assert caller == CALLER
        return self._start(request, base)

    async def start_completion(
        self, caller: Caller, request: CompletionRequest, base: Base
    ) -> ScriptedGeneration:
        assert caller == CALLER
        return self._start(request, base)

    async def count_prompt_tokens(self, caller: Caller, request: ChatRequest, base: Base) -> int:
        assert caller == CALLER
        self.requests.append(request)
        self.bases.append(base)
        return sum(len(message.content.split()) for message in request.messages)

    async def balance(self, caller: Caller) -> tuple[WalletBalance, ...]:
        assert caller == CALLER
        return self.wallets

    def models(self, base: Base) -> tuple[str, ...]:
        assert base is not None
        return self.names

    def model_rules(self, base: Base) -> Mapping[str, ModelRules]:
        return {name: self.fixed.get(name, ModelRules()) for name in self.models(base)}

    def _start(self, request: ChatRequest | CompletionRequest, base: Base) -> ScriptedGeneration:
        if self.refusal is not None:
            raise self.refusal
        self.requests.append(request)
        self.bases.append(base)
        model = self.comparison_model if base.comparison is not None else request.model
        generation = ScriptedGeneration(self.script, model)
        self.generations.append(generation)
        self.started.set()
        return generation
