"""Log probabilities from the engine's ids to the wire's texts.

Of the wire it knows one rule: a chosen token that is not among the 20 likeliest is reported with
the sentinel -9999.0. That can only be told when the engine was asked for all 20."""

from __future__ import annotations

from whalefall.chat.messages import TextLogprobs, TopLogprob
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.request import TokenLogprobs

UNLIKELY_LOGPROB = -9999.0
NUM_TOP_MAX = 20


def text_logprobs(
    tokenizer: Tokenizer, logprobs: TokenLogprobs, num_top: int = NUM_TOP_MAX
) -> TextLogprobs:
    """One generated token and its `num_top` likeliest alternatives, as text and as bytes."""
    is_unlikely = len(logprobs.top) >= NUM_TOP_MAX and all(
        token_id != logprobs.token_id for token_id, _ in logprobs.top[:NUM_TOP_MAX]
    )
    return TextLogprobs(
        token=tokenizer.token_text(logprobs.token_id),
        logprob=UNLIKELY_LOGPROB if is_unlikely else _reported(logprobs.logprob),
        bytes=_bytes_or_none(tokenizer, logprobs.token_id),
        top=tuple(
            TopLogprob(
                token=tokenizer.token_text(token_id),
                logprob=_reported(logprob),
                bytes=_bytes_or_none(tokenizer, token_id),
            )
            for token_id, logprob in logprobs.top[:num_top]
        ),
    )


def _bytes_or_none(tokenizer: Tokenizer, token_id: int) -> tuple[int, ...] | None:
    """None for a token that stands for no text."""
    return tuple(tokenizer.token_bytes(token_id)) or None


def _reported(logprob: float) -> float:
    """Never below the sentinel, which also stands in for minus infinity and NaN: JSON has
    neither."""
    return logprob if logprob > UNLIKELY_LOGPROB else UNLIKELY_LOGPROB
