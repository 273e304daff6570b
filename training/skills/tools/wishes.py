"""What a user asks of a tool, and how people dress a request up."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.examples import World
from whalefall.chat.messages import Tool

_PREFIXES = (
    "Please ",
    "Hi, ",
    "Hey, ",
    "Hello! ",
    "Could you help me? ",
    "Quick question: ",
    "OK, ",
    "Now ",
    "And ",
    "Next: ",
    "One more thing: ",
    "Also, ",
    "Thanks! ",
    "Great. ",
    "Hi there! ",
    "So, ",
    "I need help: ",
    "Next, please ",
    "Good morning! ",
    "Then ",
    "My request: ",
    "Assistant, ",
    "Hello, ",
    "Task: ",
    "Alright, ",
    "Question: ",
)
_SUFFIXES = (
    " please",
    ", please",
    ", thanks",
    " now",
    ", thank you",
    " for me",
    " right now",
    ", ok?",
    " if you can",
    " - thanks!",
    ", quickly",
    " as soon as you can",
)
_PREFIXES_ZH = (
    "请",
    "你好，",
    "请问，",
    "麻烦你，",
    "帮我一下，",
    "嗨，",
    "好的，",
    "然后，",
    "还有，",
    "接下来，",
    "再来一个：",
    "您好，",
    "谢谢，",
    "现在",
    "那么，",
    "早上好，",
)
_SUFFIXES_ZH = ("，谢谢", "，谢谢你", "，拜托了", "，快一点", "，麻烦了", "，好吗", "，多谢", "吧")
_JOINERS = (
    ". Also, {}",
    ", and {}",
    " and {}",
    ". Then {}",
    "; {}",
    ". And {}",
    " and also {}",
    " and then {}",
    "\n{}",
)
_JOINERS_ZH = ("，还有，{}", "，然后{}", "；{}", "，并且{}", "。另外，{}", "，顺便{}", "\n{}")

_FOLLOW_UPS = (
    "And {}?", "What about {}?", "How about {}?", "And for {}?", "The same for {}, please.",
    "Now {}.", "And {}", "what about {}", "Also {}.", "Do the same for {}.", "Then {}?",
    "Again for {}", "OK, and {}?", "Thanks. And {}?", "Same with {}", "{}?", "and also {}",
    "Now the same for {}.",
)  # fmt: skip
_FOLLOW_UPS_ZH = (
    "{}呢？", "那{}呢？", "还有{}", "{}怎么样？", "换成{}", "再来{}", "那么{}呢", "也查一下{}",
    "谢谢，{}呢？", "接着{}", "好的，那{}呢？", "{}也一样", "同样的，{}",
)  # fmt: skip
_FOLLOW_UPS_IN = (
    "And in {}?", "And what about in {}?", "How about in {}?", "And how is it in {}?", "and in {}",
    "Also in {}?", "The same in {}?", "OK, and in {}?", "In {}?", "Then in {}?",
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any]
    result: str
    """What the tool answers."""

    @property
    def json(self) -> str:
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True)
class Wish:
    """A request and the calls it leads to, in the order in which it names them."""

    request: str
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Kit:
    """A tool as one caller declares it, and what is asked of it."""

    tool: Tool
    group: str
    """Tools of one group do the same."""
    is_chinese: bool
    wish: Callable[[random.Random, int], Wish] = field(compare=False)
    """For a number of calls; it may be fewer."""
    follow_up: Callable[[random.Random, Call], Wish] | None = field(default=None, compare=False)
    """For the same once more, after a single call, with something else."""


def dressed(rng: random.Random, world: World, template: str, is_chinese: bool) -> str:
    """The template of a request with a greeting, without its last mark, in lower case."""
    prefixes, suffixes = (_PREFIXES_ZH, _SUFFIXES_ZH) if is_chinese else (_PREFIXES, _SUFFIXES)
    if rng.random() < 0.3:
        template = _without_mark(template)
    if rng.random() < 0.2 and not _without_mark(template).endswith("}"):
        template = _without_mark(template) + world.pick(rng, suffixes)
    draw = rng.random()
    if draw < 0.2:
        prefix = world.pick(rng, prefixes)
        return prefix + (template if prefix.rstrip()[-1] in ".!?:" else lower_first(template))
    return lower_first(template) if draw < 0.4 else template


def joined(rng: random.Random, world: World, wishes: Sequence[Wish], is_chinese: bool) -> Wish:
    """Several wishes in one breath."""
    request = wishes[0].request
    for wish in wishes[1:]:
        joiner = world.pick(rng, _JOINERS_ZH if is_chinese else _JOINERS)
        request = _without_mark(request) + joiner.format(wish.request)
    return Wish(request, tuple(call for wish in wishes for call in wish.calls))


def lower_first(text: str) -> str:
    """Words with more than one capital stay as they are, and so does `I`."""
    word = text.split(" ", 1)[0]
    return (
        text
        if word[1:] != word[1:].lower() or word in ("I", "I'd", "I'm")
        else (text[:1].lower() + text[1:])
    )


def _without_mark(text: str) -> str:
    return text.rstrip("?.!？。！")


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def follow_up(rng: random.Random, world: World, said: str, kind: str) -> str:
    """Asks the last question about something else: in Chinese ("zh"), of a place, or any."""
    forms = {"zh": _FOLLOW_UPS_ZH, "place": (*_FOLLOW_UPS, *_FOLLOW_UPS_IN)}.get(kind, _FOLLOW_UPS)
    return world.pick(rng, forms).format(said)
