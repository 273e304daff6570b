"""Plain and fill-in-the-middle completion: the prompt, and the old style of log probabilities.

    BOS prompt                                                    nothing after the gap
    BOS <｜fim▁begin｜> prompt <｜fim▁hole｜> suffix <｜fim▁end｜>      a suffix after the gap

Recorded traffic shows no marks when the suffix is null; an empty suffix says the same, that
nothing follows. It must not know chats.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from whalefall.chat.formats.base import BOS, PromptBuilder
from whalefall.chat.messages import CompletionRequest, TextLogprobs
from whalefall.chat.tokenizer import Tokenizer

_FIM_BEGIN = "<｜fim▁begin｜>"
_FIM_HOLE = "<｜fim▁hole｜>"
_FIM_END = "<｜fim▁end｜>"


def render_completion(tokenizer: Tokenizer, request: CompletionRequest) -> list[int]:
    """The prompt's token ids. Special tokens spelled in the caller's texts stay text."""
    prompt = PromptBuilder(tokenizer)
    prompt.mark(BOS)
    if not request.suffix:
        prompt.text(request.prompt)
        return prompt.token_ids()
    prompt.mark(_FIM_BEGIN)
    prompt.text(request.prompt)
    prompt.mark(_FIM_HOLE)
    prompt.text(request.suffix)
    prompt.mark(_FIM_END)
    return prompt.token_ids()


@dataclass(frozen=True, slots=True)
class CompletionLogprobs:
    """Four lists side by side, one place per token; `top_logprobs` is None when only the chosen
    tokens were asked for."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class CompletionLogprobsWriter:
    """Keeps count of where each token stands, in characters, over one completion's pieces.

    Offsets begin behind the prompt, whether or not it is echoed."""

    def __init__(self, prompt: str, num_top: int) -> None:
        """`num_top` is the caller's `logprobs`: 0 asks for the chosen tokens alone."""
        self._offset = len(prompt)
        self._wants_top = num_top > 0

    def piece(self, logprobs: Iterable[TextLogprobs]) -> CompletionLogprobs:
        piece = CompletionLogprobs([], [], [] if self._wants_top else None, [])
        for each in logprobs:
            piece.tokens.append(each.token)
            piece.token_logprobs.append(each.logprob)
            piece.text_offset.append(self._offset)
            self._offset += len(each.token)
            if piece.top_logprobs is not None:
                piece.top_logprobs.append({top.token: top.logprob for top in each.top})
        return piece
