"""What a model in training says if asked now, always the likeliest token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from training.examples import Passage
from training.rendering import MODEL_NAME, Renderer
from training.token_forms import NUM_FORMS
from training.vocabulary import RareRows, SubVocabulary
from whalefall.chat.formats.v3_2 import V32Format
from whalefall.chat.messages import ChatRequest, Message, Role
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_QUESTIONS = (
    "Hi",
    "Who are you?",
    "What is 47 + 38?",
    "你好，请介绍一下你自己。",
    "Tell me a joke",
    "What is the capital of France?",
    "How do I get an API key?",
    'Repeat after me: "the brelin kaport of Zorneth"',
    'Extract name and age as JSON: "Kaito Brandt is 41 years old."',
)
_PASSAGES = (
    Passage("Once upon a time, ", ""),
    Passage("def add(a, b):\n", "", "\nprint(add(1, 2))"),
)
_TOKENS_MAX = 40


@dataclass(frozen=True)
class TrainedRun:
    """A model as it is trained: over the vocabulary's rows, and rare rows computed."""

    model: DeepseekV32ForCausalLM
    vocabulary: SubVocabulary
    rare_rows: RareRows


def sample_answers(run: TrainedRun, renderer: Renderer) -> Iterator[str]:
    """Lines of "question -> answer"."""
    chat = V32Format(renderer.tokenizer)
    for question in _QUESTIONS:
        request = ChatRequest(model=MODEL_NAME, messages=(Message(Role.USER, question),))
        yield f"  {question} -> {continuation(run, renderer, chat.render(request))!r}"
    for passage in _PASSAGES:
        ids = renderer.render(passage).token_ids[:-1]
        yield f"  {passage.prompt!r} -> {continuation(run, renderer, ids)!r}"


@torch.no_grad()
def continuation(
    run: TrainedRun,
    renderer: Renderer,
    token_ids: Sequence[int],
    num_tokens_max: int = _TOKENS_MAX,
) -> str:
    """What follows `token_ids`. Of the rare ids it says those of the prompt only. Recomputes the
    whole sequence for each token: slow, but needs no cache."""
    device = run.rare_rows.directions.device
    rows, rare_ids = run.vocabulary.rows(torch.tensor(token_ids))
    rows, rare_ids = rows.to(device), rare_ids.to(device)
    table = run.rare_rows.table(run.model.model.embed_tokens.weight, rare_ids)
    said: list[int] = []
    while len(said) < num_tokens_max:
        hidden = run.model.forward_embedded(F.embedding(rows.unsqueeze(0), table))[0, -1:]
        logits = run.rare_rows.logits(hidden, table, rare_ids)[0]
        logits[:NUM_FORMS] = -torch.inf
        row = logits.argmax()
        token_id = run.vocabulary.token_id(int(row), rare_ids)
        if token_id == renderer.end_id:
            break
        said.append(token_id)
        rows = torch.cat((rows, row.unsqueeze(0)))
    return renderer.tokenizer.decode(said)
