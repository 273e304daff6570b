"""Grammars that outputs must follow: compiled beside the step loop, applied as masks inside it.

llguidance does the parsing. Its work is bounded by fuel (regex states, parser items), by the size
of the grammar text, by a queue and by a time limit, so no schema can stop the engine; what exceeds
a bound is rejected alone. This module must not know requests or logits."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from numpy.typing import NDArray

from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.request import StructureSpec

_MESSAGE_LENGTH_MAX = 300


@dataclass(frozen=True)
class StructureLimits:
    num_bytes_max: int = 256 * 1024
    """Of one grammar's text."""
    num_cached_max: int = 64
    num_pending_max: int = 64
    compile_timeout_seconds: float = 10.0
    """From handing it in until it must be ready, the wait behind other grammars included."""
    initial_lexer_fuel: int = 1_000_000
    step_lexer_fuel: int = 50_000
    """A mask is worked out inside the step loop, where everyone waits for it: this much takes a few
    hundredths of a second at most."""
    step_max_items: int = 20_000
    max_lexer_states: int = 50_000
    max_grammar_size: int = 200_000


class GrammarMatcher:
    """Where one request stands in its grammar."""

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher = matcher
        self._vocab_size = vocab_size

    def allowed(self) -> NDArray[np.bool_]:
        """bool [V]: which tokens may follow; end tokens only where the grammar accepts.
        Raises EngineRejectedError when working it out takes too much."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        _raise_if_broken(self._matcher)
        mask = np.unpackbits(bits, count=min(self._vocab_size, bits.size * 8), bitorder="little")
        if mask.size < self._vocab_size:
            mask = np.pad(mask, (0, self._vocab_size - mask.size))
        return mask.view(np.bool_)

    def accept(self, token_id: int) -> None:
        """Move on by a token that was allowed."""
        self._matcher.consume_token(token_id)
        _raise_if_broken(self._matcher)

    @property
    def is_finished(self) -> bool:
        """The output is complete and nothing but an end token may follow."""
        return bool(self._matcher.is_stopped())


class PendingGrammar:
    """A grammar that is being compiled."""

    def __init__(self, future: Future[LLMatcher], vocab_size: int, deadline: float) -> None:
        self._future = future
        self._vocab_size = vocab_size
        self._deadline = deadline

    def poll(self) -> GrammarMatcher | None:
        """A matcher of one's own, or None if it is not ready yet. Raises EngineRejectedError when
        the grammar is wrong, too complex, or takes too long."""
        if not self._future.done():
            if time.monotonic() < self._deadline:
                return None
            self._future.cancel()
            raise EngineRejectedError("the grammar takes too long to compile")
        return GrammarMatcher(self._future.result().deep_copy(), self._vocab_size)


class GrammarCompiler:
    """Compiles in one thread of its own and keeps the most recently used grammars."""

    def __init__(
        self,
        tokenizer_path: Path,
        vocab_size: int,
        eos_token_ids: tuple[int, ...],
        limits: StructureLimits | None = None,
    ) -> None:
        self._limits = limits or StructureLimits()
        self._vocab_size = vocab_size
        self._tokenizer = LLTokenizer(
            without_marks(tokenizer_path.read_text(encoding="utf-8")),
            n_vocab=vocab_size,
            eos_token=list(eos_token_ids) or None,
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="grammar")
        self._futures: OrderedDict[StructureSpec, Future[LLMatcher]] = OrderedDict()

    def begin(self, spec: StructureSpec) -> PendingGrammar:
        """Start compiling, or find it compiled. Raises EngineRejectedError at once for a grammar
        that is too large, of unknown kind, or one too many in the queue."""
        if spec.kind not in ("lark", "json_schema"):
            raise EngineRejectedError(f"unknown kind of grammar {spec.kind!r}")
        num_bytes = len(spec.grammar.encode("utf-8", "surrogatepass"))
        if num_bytes > self._limits.num_bytes_max:
            raise EngineRejectedError(
                f"the grammar has {num_bytes} bytes; at most {self._limits.num_bytes_max} are taken"
            )
        deadline = time.monotonic() + self._limits.compile_timeout_seconds
        return PendingGrammar(self._future(spec), self._vocab_size, deadline)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _future(self, spec: StructureSpec) -> Future[LLMatcher]:
        known = self._futures.get(spec)
        if known is not None and not known.cancelled():
            self._futures.move_to_end(spec)
            return known
        if sum(not future.done() for future in self._futures.values()) >= (
            self._limits.num_pending_max
        ):
            raise EngineRejectedError("too many grammars are being compiled already")
        future = self._thread.submit(self._compile, spec)
        self._futures[spec] = future
        if len(self._futures) > self._limits.num_cached_max + self._limits.num_pending_max:
            oldest = next(s for s, future in self._futures.items() if future.done())
            del self._futures[oldest]
        return future

    def _compile(self, spec: StructureSpec) -> LLMatcher:
        matcher = LLMatcher(
            self._tokenizer, _grammar_text(spec), log_level=0, limits=_parser_limits(self._limits)
        )
        _raise_if_broken(matcher)
        matcher.deep_copy().compute_bitmask()  # builds the lexer's first states off the step loop
        return matcher


def without_marks(tokenizer_json: str) -> str:
    """The tokenizer without its added tokens: they spell nothing and are asked for by id alone.

    Otherwise a grammar's text that happens to hold the spelling of such a token would be forced
    into it: a mark the model was never taught, or one that means something else to it. Whoever
    renders the prompts keeps marks and text apart in the same way."""
    definition = json.loads(tokenizer_json)
    for token in definition.get("added_tokens") or ():
        definition["model"]["vocab"].pop(token["content"], None)
    definition["added_tokens"] = []
    return json.dumps(definition, ensure_ascii=False)


def _grammar_text(spec: StructureSpec) -> str:
    if spec.kind == "lark":
        return LLMatcher.grammar_from_lark(spec.grammar)
    try:
        return LLMatcher.grammar_from_json_schema(spec.grammar)
    except ValueError as error:
        raise EngineRejectedError(f"the schema is not JSON: {_short(str(error))}") from error


def _parser_limits(limits: StructureLimits) -> LLParserLimits:
    return LLParserLimits(
        initial_lexer_fuel=limits.initial_lexer_fuel,
        step_lexer_fuel=limits.step_lexer_fuel,
        step_max_items=limits.step_max_items,
        max_lexer_states=limits.max_lexer_states,
        max_grammar_size=limits.max_grammar_size,
        verbose_errors=False,
    )


def _raise_if_broken(matcher: LLMatcher) -> None:
    if matcher.is_error():
        raise EngineRejectedError(f"the grammar cannot be followed: {_short(matcher.get_error())}")


def _short(message: str) -> str:
    lines = message.strip().splitlines() or ["no reason given"]
    return lines[0][:_MESSAGE_LENGTH_MAX]
