from __future__ import annotations

import math

import pytest

from whalefall.chat.fim import CompletionLogprobsWriter
from whalefall.chat.logprobs import text_logprobs
from whalefall.chat.messages import TextLogprobs, TopLogprob
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.request import TokenLogprobs


def test_token_has_text_bytes_and_alternatives(tokenizer: Tokenizer) -> None:
    hi, ho = tokenizer.encode("Hi")[0], tokenizer.encode("Ho")[0]
    seen = text_logprobs(tokenizer, TokenLogprobs(hi, -0.5, [(hi, -0.5), (ho, -1.0)]), num_top=1)
    assert seen == TextLogprobs("Hi", -0.5, (72, 105), (TopLogprob("Hi", -0.5, (72, 105)),))


def test_half_a_character_has_bytes_and_no_text(tokenizer: Tokenizer) -> None:
    half = next(i for i in range(3, 400) if tokenizer.token_bytes(i) == b"\xf0")
    seen = text_logprobs(tokenizer, TokenLogprobs(half, -1.0, []))
    assert (seen.token, seen.bytes) == ("\ufffd", (0xF0,))


def test_token_without_text_has_no_bytes(tokenizer: Tokenizer) -> None:
    assert text_logprobs(tokenizer, TokenLogprobs(129_000, -1.0, [])).bytes is None


def test_chosen_token_outside_the_twenty_likeliest_gets_the_sentinel(tokenizer: Tokenizer) -> None:
    top = [(token_id, -1.0) for token_id in range(100, 120)]
    assert text_logprobs(tokenizer, TokenLogprobs(5, -8.0, top)).logprob == -9999.0
    assert text_logprobs(tokenizer, TokenLogprobs(100, -1.0, top)).logprob == -1.0
    assert text_logprobs(tokenizer, TokenLogprobs(5, -8.0, top[:19])).logprob == -8.0


@pytest.mark.parametrize("impossible", [-math.inf, math.nan, -1e9])
def test_what_json_cannot_carry_gets_the_sentinel(tokenizer: Tokenizer, impossible: float) -> None:
    seen = text_logprobs(tokenizer, TokenLogprobs(5, impossible, [(6, impossible)]))
    assert seen.logprob == seen.top[0].logprob == -9999.0


def test_completion_logprobs_list_alternatives_when_asked() -> None:
    entry = TextLogprobs(
        "é", -0.1, None, (TopLogprob("é", -0.1, None), TopLogprob("e", -2.0, None))
    )
    piece = CompletionLogprobsWriter("ab", num_top=2).piece([entry, entry])
    assert piece.top_logprobs == [{"é": -0.1, "e": -2.0}] * 2
    assert piece.text_offset == [2, 3]
