"""The engines behind the models, as the operator sees them: what each runs, under which names it is
called, and how busy it is now. Addresses and credentials of back ends never leave serving."""

from __future__ import annotations

from dataclasses import dataclass

from whalefall.base.clock import Clock
from whalefall.serving.models import ModelRegistry


@dataclass(frozen=True, slots=True)
class Backend:
    model: str
    kind: str
    """What kind of engine it is: `embedded`, or a peer's name."""
    names: tuple[str, ...]
    """What callers call it."""
    num_parameters: int
    max_model_len: int
    fingerprint: str
    is_ready: bool
    num_running: int
    num_waiting: int
    num_cache_blocks: int
    num_free_cache_blocks: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    """Since the engine started."""


def backends(registry: ModelRegistry, clock: Clock) -> tuple[Backend, ...]:
    """One per engine, in the order of the settings."""
    names = registry.names_by_model(clock.now())
    found = []
    for model in registry.models:
        info, load = model.engine.model_info, model.engine.load()
        found.append(
            Backend(
                model=model.name,
                kind=model.backend,
                names=names.get(model.name, ()),
                num_parameters=info.num_parameters,
                max_model_len=info.max_model_len,
                fingerprint=info.fingerprint,
                is_ready=load.is_ready,
                num_running=load.num_running,
                num_waiting=load.num_waiting,
                num_cache_blocks=load.num_blocks,
                num_free_cache_blocks=load.num_free_blocks,
                prompt_tokens=load.prompt_tokens_total,
                cached_tokens=load.cached_tokens_total,
                output_tokens=load.output_tokens_total,
            )
        )
    return tuple(found)
