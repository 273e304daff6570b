"""The one interface the platform knows an engine by: token ids in, token events out.

`engine/clients/` holds the implementations; everything above (templates, parsing, stop strings,
JSON, billing) is written once against this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import msgspec

from whalefall.engine.request import EngineOutput, EngineRequest


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the layers above need to know about the model that an engine serves."""

    name: str
    max_model_len: int
    """Prompt plus output, in tokens."""
    vocab_size: int
    eos_token_ids: tuple[int, ...]
    block_size: int = 64
    num_parameters: int = 0
    fingerprint: str = ""
    """Ten hex digits of the weights' and config's digest."""


class EngineLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot for admission, metrics and the status page."""

    num_running: int = 0
    num_waiting: int = 0
    num_free_blocks: int = 0
    num_blocks: int = 0
    prompt_tokens_total: int = 0
    cached_tokens_total: int = 0
    output_tokens_total: int = 0
    is_ready: bool = False


Progress = Callable[[str, float], None]
"""Called while starting with what is being done and how far it is, 0.0 to 1.0."""


class EngineClient(Protocol):
    async def start(self, progress: Progress | None = None) -> ModelInfo:
        """Start the engine and wait until it can serve. Raises EngineError when it cannot."""
        ...

    @property
    def model_info(self) -> ModelInfo:
        """Known after start."""
        ...

    def generate(self, request: EngineRequest) -> AsyncIterator[EngineOutput]:
        """Submit and iterate the request's outputs until the one with a finish reason.

        Closing the iterator early aborts the request in the engine within one step. Raises
        EngineRejectedError when this request cannot run and EngineDiedError when the engine died.
        """
        ...

    async def abort(self, request_id: str) -> None:
        """End a request early; its iterator yields a last output with reason `abort`."""
        ...

    def load(self) -> EngineLoad:
        """The newest snapshot the engine sent; cheap."""
        ...

    async def close(self) -> None:
        """Stop the engine and wait until its process has ended."""
        ...
