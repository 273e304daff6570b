"""What the model is trained on, before it becomes tokens: exchanges, dialogues and passages.

It must not know tokens, chat formats, or how examples are chosen."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from training.holdout import Split
from training.words import Words
from whalefall.chat.messages import Message, ResponseFormat, Tool

_T = TypeVar("_T")


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


Topic = tuple[tuple[str, ...], ...]
"""Groups of words: an answer on topic has at least one word of each."""


@dataclass(frozen=True)
class Pair:
    """Something people ask or say: many phrasings of it, and its answer."""

    questions: tuple[str, ...]
    """With choices, as training/phrasing.py reads them."""
    answers: tuple[str, ...]
    name: str = ""
    topic: Topic = ()
    thought: str = ""
    """What is thought before the answer when thinking is on."""
    frame: str = "ask"
    """Whether it is a question ("ask"), a remark ("say"), or stands alone ("bare")."""
    weight: float = 1.0
    then: tuple[Pair, ...] = ()
    known: frozenset[str] = frozenset()
    """Pieces of its phrasings that are trained whatever is held out; see training/phrasing.py."""


@dataclass(frozen=True)
class Snippet:
    """A small function: what it does, as the end of "a function that ...", and its code."""

    task: str
    code: str
    task_zh: str = ""


@dataclass(frozen=True)
class ToolSlot:
    """A parameter of a family of tools, in the words that callers may choose."""

    name: str
    """As the requests call it."""
    kind: str
    keys: tuple[str, ...]
    about: tuple[str, ...] = ()
    """Descriptions."""
    tails: tuple[str, ...] = ()
    """How it is mentioned at the end of a request when it may as well be left out."""

    @property
    def is_required(self) -> bool:
        return not self.tails


@dataclass(frozen=True)
class ToolFamily:
    """Tools that do the same under different names, and what users say to get it done."""

    key: str
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    requests: tuple[str, ...]
    slots: tuple[ToolSlot, ...] = ()
    group: str = ""
    """Families whose requests could be taken for one another; never offered together."""
    is_listed: bool = False
    """Whether one request may name several values for the first slot."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Keys and kinds of what the tool returns."""
    results: tuple[str, ...] = ()
    """The same in plain text."""


@dataclass(frozen=True)
class World:
    """Everything that skills draw from: hand-written pairs, tables of facts, and the corpus; and
    which side of it, the one for training or the one held out."""

    pairs: Mapping[str, tuple[Pair, ...]]
    """Of talk by language ("en", "zh"), of the rest by data file ("platform_en" ...)."""
    facts: Mapping[str, list[Any]]
    tales: Mapping[str, Mapping[str, list[str]]]
    """By language and kind of word."""
    snippets: tuple[Snippet, ...]
    words: Words
    records: Mapping[str, Any] = field(default_factory=dict)
    """Texts that hold facts, and the values they are filled with."""
    phrases: Mapping[str, Any] = field(default_factory=dict)
    """What is classified, translated and summarised."""
    tools: Mapping[str, tuple[ToolFamily, ...]] = field(default_factory=dict)
    """By language."""
    corpus: Mapping[str, list[list[str]]] = field(default_factory=dict)
    """By name: "dialogues" (turns), "problems" (question, answer), "tales" (paragraphs)."""

    @property
    def split(self) -> Split:
        return self.words.split

    def pick(self, rng: random.Random, pool: Sequence[_T]) -> _T:
        """A piece of this world's side of a pool: a phrasing, a value, a tool, a schema."""
        return self.words.pick(rng, pool)


Exchanges = list[Exchange]
"""Consecutive exchanges that belong together."""

ExchangeSkill = Callable[[random.Random, World], Exchanges]
ExampleSkill = Callable[[random.Random, World], Example]
