"""What the engine is asked and what it answers: token ids in, token events out.

These structs cross the process border as msgpack, so they hold plain values only. The engine
knows nothing of people, money, text or HTTP: `cache_namespace` and `fairness_key` are opaque."""

from __future__ import annotations

import enum

import msgspec


class FinishReason(enum.StrEnum):
    """Why a generation ended. The engine itself says `stop`, `length` or `abort`; the layers above
    add the rest. All but `abort` are the wire's own words."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    INSUFFICIENT_SYSTEM_RESOURCE = "insufficient_system_resource"
    ABORT = "abort"


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    max_tokens: int
    """At least 1."""
    temperature: float = 1.0
    """0 means greedy: the largest logit, the lowest id among equals."""
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    """None draws a fresh one; noise is counted per (seed, position), never per batch."""
    logprobs: int | None = None
    """None: none. n: the chosen token's and the n largest (0 to 20)."""
    stop_token_ids: tuple[int, ...] = ()
    """Besides the model's own end tokens. A stop token is neither returned nor counted."""
    ignore_eos: bool = False


class StructureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A grammar the output must follow, applied as a mask before sampling."""

    kind: str
    """`lark` or `json_schema`, as llguidance understands them."""
    grammar: str


class EngineRequest(msgspec.Struct, frozen=True, kw_only=True):
    request_id: str
    prompt_token_ids: list[int]
    sampling_params: SamplingParams
    cache_namespace: str = ""
    """Prefix-cache pages are shared inside one namespace only: account id plus optional user id."""
    fairness_key: str = ""
    """Requests of one key share one turn in the waiting queue: the account id."""
    structure: StructureSpec | None = None


class TokenLogprobs(msgspec.Struct, frozen=True):
    """Log probability of one generated token and the likeliest alternatives at its place."""

    token_id: int
    logprob: float
    top: list[tuple[int, float]]


class EngineOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One step's news of one request. The first carries the prompt figures; the last a reason."""

    request_id: str
    token_ids: list[int]
    """New tokens, in order; empty on a first-scheduled notice or a bare finish."""
    logprobs: list[TokenLogprobs] | None = None
    finish_reason: FinishReason | None = None
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    """Prompt tokens taken from the prefix cache: a multiple of the block size, below the prompt."""
