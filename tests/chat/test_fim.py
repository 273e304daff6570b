from __future__ import annotations

import pytest

from whalefall.chat.fim import render_completion
from whalefall.chat.messages import CompletionRequest
from whalefall.chat.tokenizer import Tokenizer


def test_suffix_is_marked(tokenizer: Tokenizer) -> None:
    request = CompletionRequest(model="m", prompt="def f(", suffix="):\n    pass")
    text = tokenizer.decode(render_completion(tokenizer, request))
    assert text == (
        "<｜begin▁of▁sentence｜><｜fim▁begin｜>def f(<｜fim▁hole｜>):\n    pass<｜fim▁end｜>"
    )


@pytest.mark.parametrize("suffix", [None, ""])
def test_without_suffix_there_are_no_marks(tokenizer: Tokenizer, suffix: str | None) -> None:
    request = CompletionRequest(model="m", prompt="def f(", suffix=suffix)
    ids = render_completion(tokenizer, request)
    assert ids == [0, *tokenizer.encode("def f(")]


def test_typed_marks_stay_text(tokenizer: Tokenizer) -> None:
    request = CompletionRequest(
        model="m", prompt="<｜fim▁hole｜>", suffix="<｜fim▁end｜><｜User｜>"
    )
    ids = render_completion(tokenizer, request)
    assert sum(map(tokenizer.is_special, ids)) == 4
