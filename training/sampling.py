"""Answers of the model in training to a few fixed questions: what it would say if asked now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from training.examples import Passage
from training.rendering import MODEL_NAME, Renderer
from training.vocabulary import SHARED_ROW, SubVocabulary
from whalefall.chat.formats.v3_2 import V32Format
from whalefall.chat.messages import ChatRequest, Message, Role
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_QUESTIONS = (
    "Hi",
    "Who are you?",
    "What is 7 + 8?",
    "你好，请介绍一下你自己。",
    "Tell me a joke",
    "What is the capital of France?",
)
_PASSAGES = (
    Passage("Once upon a time, ", ""),
    Passage("def add(a, b):\n", "", "\nprint(add(1, 2))"),
)
_TOKENS_MAX = 48


def sample_answers(
    model: DeepseekV32ForCausalLM, vocabulary: SubVocabulary, renderer: Renderer
) -> Iterator[str]:
    """Lines of "question -> answer", always the likeliest token."""
    chat = V32Format(renderer.tokenizer)
    for question in _QUESTIONS:
        request = ChatRequest(model=MODEL_NAME, messages=(Message(Role.USER, question),))
        answer = continuation(model, vocabulary, renderer, chat.render(request))
        yield f"  {question} -> {answer!r}"
    for passage in _PASSAGES:
        ids = renderer.render(passage).token_ids[:-1]
        yield f"  {passage.prompt!r} -> {continuation(model, vocabulary, renderer, ids)!r}"


def continuation(
    model: DeepseekV32ForCausalLM,
    vocabulary: SubVocabulary,
    renderer: Renderer,
    token_ids: Sequence[int],
    num_tokens_max: int = _TOKENS_MAX,
) -> str:
    """What a model in training says after `token_ids`. It never says an unused token."""
    end = int(vocabulary.rows([renderer.end_id])[0])
    barred = torch.tensor([SHARED_ROW])
    said = likeliest(model, vocabulary.rows(token_ids), end, num_tokens_max, barred)
    return renderer.tokenizer.decode(vocabulary.token_ids[row - 1] for row in said)


@torch.no_grad()
def likeliest(
    model: DeepseekV32ForCausalLM,
    rows: Tensor,
    end: int,
    num_tokens_max: int,
    barred: Tensor | None = None,
) -> list[int]:
    """rows int64 [T] -> the likeliest continuation before `end`. Recomputes the whole sequence
    for each token: slow, but needs no cache."""
    said: list[int] = []
    while len(said) < num_tokens_max:
        logits = model.compute_logits(model.forward_dense(rows.unsqueeze(0))[0, -1])
        if barred is not None:
            logits[barred] = -torch.inf
        row = int(logits.argmax())
        if row == end:
            break
        said.append(row)
        rows = torch.cat((rows, torch.tensor([row])))
    return said
