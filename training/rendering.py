"""Examples to token ids, exactly as they are served, with a mark on every token to be learnt."""

from __future__ import annotations

from dataclasses import dataclass

from training.examples import Dialogue, Example, Passage
from whalefall.chat.fim import render_completion
from whalefall.chat.formats.v3_2 import V32Format
from whalefall.chat.messages import ChatRequest, CompletionRequest
from whalefall.chat.tokenizer import Tokenizer

MODEL_NAME = "whalefall-tiny"
_BOS, _EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"


@dataclass(frozen=True)
class RenderedExample:
    token_ids: tuple[int, ...]
    is_target: tuple[bool, ...]
    """Whether the token at this place is one the model itself would write."""


class Renderer:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._format = V32Format(tokenizer)
        self.end_id = tokenizer.special_id(_EOS)
        self._thinks = {tokenizer.special_id("<think>"), tokenizer.special_id("</think>")}

    def render(self, example: Example) -> RenderedExample:
        if isinstance(example, Passage):
            return self._render_passage(example)
        return self._render_dialogue(example)

    def _render_dialogue(self, dialogue: Dialogue) -> RenderedExample:
        """The format opens one more assistant turn after the last answer; it is cut off."""
        ids = self._format.render(request_from_dialogue(dialogue))
        end = len(ids) - ids[::-1].index(self.end_id)
        ids = ids[:end]
        return RenderedExample(tuple(ids), tuple(self._targets(ids)))

    def _targets(self, ids: list[int]) -> list[bool]:
        """An answer begins after a think mark and ends with end-of-sentence."""
        is_target, is_inside = [], False
        for token_id in ids:
            is_target.append(is_inside)
            if token_id in self._thinks:
                is_inside = True
            elif token_id == self.end_id:
                is_inside = False
        return is_target

    def _render_passage(self, passage: Passage) -> RenderedExample:
        request = CompletionRequest(model=MODEL_NAME, prompt=passage.prompt, suffix=passage.suffix)
        prompt = render_completion(self.tokenizer, request)
        text = [*self.tokenizer.encode(passage.text), self.end_id]
        return RenderedExample((*prompt, *text), (False,) * len(prompt) + (True,) * len(text))


def request_from_dialogue(dialogue: Dialogue) -> ChatRequest:
    return ChatRequest(
        model=MODEL_NAME,
        messages=dialogue.messages,
        thinking=dialogue.is_thinking,
        tools=dialogue.tools,
        response_format=dialogue.response_format,
    )
