"""What the model is trained on, before it becomes tokens: exchanges, dialogues and passages.

It must not know tokens, chat formats, or how examples are chosen."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from whalefall.chat.messages import Message, ResponseFormat, Tool


@dataclass(frozen=True)
class Exchange:
    """One question and its answer; `reasoning` is what is thought when thinking is on."""

    question: str
    answer: str
    reasoning: str = ""


@dataclass(frozen=True)
class Dialogue:
    """A whole conversation that ends with an assistant message."""

    messages: tuple[Message, ...]
    is_thinking: bool = False
    tools: tuple[Tool, ...] = ()
    response_format: ResponseFormat = field(default_factory=ResponseFormat)


@dataclass(frozen=True)
class Passage:
    """A completion: `text` follows `prompt`, or stands between `prompt` and `suffix`."""

    prompt: str
    text: str
    suffix: str | None = None


Example = Dialogue | Passage


@dataclass(frozen=True)
class Pair:
    """Hand-written phrasings of one question, of its answer, and of follow-ups."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    weight: float = 1.0
    then: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class Snippet:
    """A small function: what it does, as the end of "a function that ...", and its code."""

    task: str
    code: str
    task_zh: str = ""


@dataclass(frozen=True)
class World:
    """Everything that skills draw from: hand-written pairs, tables of facts, and the corpus."""

    pairs: Mapping[str, tuple[Pair, ...]]
    """By language: "en", "zh"."""
    facts: Mapping[str, list[Any]]
    tales: Mapping[str, Mapping[str, list[str]]]
    """By language and kind of word."""
    snippets: tuple[Snippet, ...]
    corpus: Mapping[str, list[list[str]]] = field(default_factory=dict)
    """By name: "dialogues" (turns), "problems" (question, answer), "tales" (paragraphs)."""


Exchanges = list[Exchange]
"""Consecutive exchanges that belong together."""

ExchangeSkill = Callable[[random.Random, World], Exchanges]
ExampleSkill = Callable[[random.Random, World], Example]
