"""Which model a name means: aliases with effective dates, comparison endpoints, and what is served.

Pure look-ups over values given at start; the clock's reading comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from whalefall.base.errors import InvalidRequestError
from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.messages import ChatRequest, ResponseFormatKind
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.client import EngineClient
from whalefall.serving.platform import Base, ModelRules

THINKING_TEMPERATURE = 0.6
"""Thinking ignores the caller's temperature; this one is used. 0.5 to 0.7 is what the DeepSeek-R1
model card recommends; a checkpoint's generation_config.json overrides it."""


MAX_TOKENS_THINKING_ONLY = 131_072
"""Both the default and the most of an endpoint that only thinks, as V3.2-Speciale had it."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One engine with the text rules of the model it runs."""

    name: str
    engine: EngineClient
    tokenizer: Tokenizer
    format: ChatFormat
    thinking_temperature: float = THINKING_TEMPERATURE
    backend: str = "embedded"
    """What kind of engine it is, as the operator is told."""

    def count_tokens(self, text: str) -> int:
        return len(self.tokenizer.encode(text))

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
    priced_as: str | None = None
    """The name the price list knows; None: the alias's own."""

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
    thinking_only: bool = False
    """Nothing but thinking is served: no tools, no JSON output, no plain completion."""

    def applied(self, request: ChatRequest) -> ChatRequest:
        """The request as this route serves it. Raises InvalidRequestError for what it does not."""
        thinking = request.thinking if self.thinking is None else self.thinking
        if self.thinking_only:
            self.check_thinks(thinking=thinking)
            if request.tools:
                raise InvalidRequestError("This endpoint does not support tools")
            if request.response_format.kind is not ResponseFormatKind.TEXT:
                raise InvalidRequestError("This endpoint does not support JSON output")
        return replace(request, thinking=thinking)

    def check_thinks(self, *, thinking: bool) -> None:
        """Raises InvalidRequestError for a request without thinking where there is nothing else."""
        if self.thinking_only and not thinking:
            raise InvalidRequestError("This endpoint supports thinking mode only")


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

    @property
    def models(self) -> tuple[ServedModel, ...]:
        return tuple(self._models.values())

    @property
    def engines(self) -> tuple[tuple[str, EngineClient], ...]:
        """Each with the name of the model it runs."""
        return tuple((model.name, model.engine) for model in self.models)

    def names_by_model(self, now: datetime) -> dict[str, tuple[str, ...]]:
        """The callable names of each served model."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.names(now):
            model = self.resolve(name, Base(), now).model.name
            found[model] = (*found.get(model, ()), name)
        return found

    def names(self, now: datetime) -> tuple[str, ...]:
        """Callable names in configured order, each once."""
        return tuple(
            dict.fromkeys(alias.name for alias in self._aliases if alias.is_effective(now))
        )

    def rules(self, base: Base, now: datetime) -> dict[str, ModelRules]:
        """What each callable name fixes. Raises InvalidRequestError once the base has expired."""
        comparison = self._comparison(base, now)
        thinking_only = comparison is not None and comparison.thinking_only
        limit = MAX_TOKENS_THINKING_ONLY if thinking_only else None
        effective = (alias for alias in reversed(self._aliases) if alias.is_effective(now))
        by_name = {alias.name: ModelRules(alias.thinking, limit) for alias in effective}
        return {name: by_name[name] for name in self.names(now)}

    def resolve(self, name: str, base: Base, now: datetime) -> Route:
        """Raises InvalidRequestError with the wire's text for a name that means nothing now."""
        alias = next(
            (each for each in self._aliases if each.name == name and each.is_effective(now)), None
        )
        if alias is None:
            raise InvalidRequestError("Model Not Exist")
        priced_as = alias.priced_as or name
        comparison = self._comparison(base, now)
        if comparison is None:
            return Route(self._models[alias.model], priced_as, name, alias.thinking)
        return Route(
            self._models[comparison.model],
            priced_as,
            comparison.reported_model,
            alias.thinking,
            comparison.thinking_only,
        )

    def _comparison(self, base: Base, now: datetime) -> Comparison | None:
        """The endpoint a call came through. Raises InvalidRequestError once it has expired."""
        if base.comparison is None:
            return None
        comparison = self._comparisons[base.comparison]
        if now >= comparison.expires_at:
            expired = comparison.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
            raise InvalidRequestError(
                f"The comparison endpoint /{comparison.path} expired at {expired}. "
                "Please use the standard base URL."
            )
        return comparison
