"""Which model a name means: aliases with effective dates, comparison endpoints, and what is served.

Pure look-ups over values given at start; the clock's reading comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from whalefall.base.errors import InvalidRequestError
from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.client import EngineClient
from whalefall.serving.platform import Base

THINKING_TEMPERATURE = 0.6
"""Thinking ignores the caller's temperature; this one is used. 0.5 to 0.7 is what the DeepSeek-R1
model card recommends; a checkpoint's generation_config.json overrides it."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One engine with the text rules of the model it runs."""

    name: str
    engine: EngineClient
    tokenizer: Tokenizer
    format: ChatFormat
    thinking_temperature: float = THINKING_TEMPERATURE

    @property
    def system_fingerprint(self) -> str:
        return f"fp_{self.engine.model_info.fingerprint}_whalefall"


@dataclass(frozen=True, slots=True)
class Alias:
    """A name callers may use, from and until stated instants (None: unbounded)."""

    name: str
    model: str
    thinking: bool | None = None
    effective_from: datetime | None = None
    effective_until: datetime | None = None

    def is_effective(self, now: datetime) -> bool:
        return (self.effective_from is None or self.effective_from <= now) and (
            self.effective_until is None or now < self.effective_until
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A dated base path that serves another model under the usual names until it expires."""

    path: str
    model: str
    reported_model: str
    expires_at: datetime
    thinking_only: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """What a request's model name came to."""

    model: ServedModel
    priced_as: str
    """The alias the price list knows."""
    reported_model: str
    thinking: bool | None
    """None: the request decides."""


class ModelRegistry:
    def __init__(
        self,
        models: tuple[ServedModel, ...],
        aliases: tuple[Alias, ...],
        comparisons: tuple[Comparison, ...] = (),
    ) -> None:
        """Raises ValueError when an alias or a comparison endpoint names a model not served."""
        self._models = {model.name: model for model in models}
        self._aliases = aliases
        self._comparisons = {comparison.path: comparison for comparison in comparisons}
        named = [alias.model for alias in aliases] + [each.model for each in comparisons]
        for name in named:
            if name not in self._models:
                served = ", ".join(self._models)
                raise ValueError(f"an alias names the model {name}, but only {served} is served")

    @property
    def default_model(self) -> ServedModel:
        """The one the first alias names."""
        return self._models[self._aliases[0].model]

    def names(self, now: datetime) -> tuple[str, ...]:
        """Callable names in configured order, each once."""
        return tuple(
            dict.fromkeys(alias.name for alias in self._aliases if alias.is_effective(now))
        )

    def resolve(self, name: str, base: Base, now: datetime) -> Route:
        """Raises InvalidRequestError with the wire's text for a name that means nothing now."""
        alias = next(
            (each for each in self._aliases if each.name == name and each.is_effective(now)), None
        )
        if alias is None:
            raise InvalidRequestError("Model Not Exist")
        if base.comparison is None:
            return Route(self._models[alias.model], name, name, alias.thinking)
        return self._resolve_comparison(alias, base.comparison, now)

    def _resolve_comparison(self, alias: Alias, path: str, now: datetime) -> Route:
        comparison = self._comparisons[path]
        if now >= comparison.expires_at:
            expired = comparison.expires_at.strftime("%Y-%m-%d %H:%M UTC")
            raise InvalidRequestError(
                f"The comparison endpoint /{path} expired at {expired}. "
                "Please use the standard base URL."
            )
        if comparison.thinking_only and alias.thinking is not True:
            raise InvalidRequestError("This endpoint supports thinking mode only")
        return Route(
            self._models[comparison.model],
            alias.name,
            comparison.reported_model,
            alias.thinking,
        )
