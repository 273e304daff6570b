"""Answers of the model in training to a few fixed questions: what it would say if asked now."""

from __future__ import annotations

from collections.abc import Iterator

import torch

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
        yield f"  {passage.prompt!r} -> {continuation(model, vocabulary, renderer, list(ids))!r}"


@torch.no_grad()
def continuation(
    model: DeepseekV32ForCausalLM,
    vocabulary: SubVocabulary,
    renderer: Renderer,
    token_ids: list[int],
    num_tokens_max: int = _TOKENS_MAX,
) -> str:
    """Greedy, recomputing the whole sequence for each token: slow, but needs no cache."""
    end = renderer.tokenizer.special_id("<｜end▁of▁sentence｜>")
    rows = vocabulary.rows(token_ids).unsqueeze(0)
    said: list[int] = []
    for _ in range(num_tokens_max):
        logits = model.compute_logits(model.forward_dense(rows)[0, -1])
        logits[SHARED_ROW] = -torch.inf
        row = int(logits.argmax())
        token_id = vocabulary.token_ids[row - 1]
        if token_id == end:
            break
        said.append(token_id)
        rows = torch.cat((rows, torch.tensor([[row]])), dim=1)
    return renderer.tokenizer.decode(said)
