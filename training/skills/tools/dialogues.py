"""Dialogues of several requests to the same offered tools, and single calls to be judged."""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence

from training.examples import Dialogue, ExchangeSkill, World
from training.holdout import Split
from training.skills import arithmetic, conversation, knowledge
from training.skills.tools import turns, wishes
from training.skills.tools.chains import dated_dialogue
from training.skills.tools.documented import weather_kit
from training.skills.tools.families import family_kit, pick_family
from training.skills.tools.invented import invented_kit
from training.skills.tools.schemas import draw_style
from training.skills.tools.wishes import Kit, Wish, is_chinese
from whalefall.chat.formats.base import function_json
from whalefall.chat.messages import Message, Role

_SYSTEM_PROMPTS = ("You are a helpful assistant.", "You are a helpful assistant",
                   "You are a helpful assistant with access to tools.",
                   "你是一个有用的助手。")  # fmt: skip
_CHARS_MAX = 1600
"""Of tools and messages, a Chinese character counting as three: about 900 tokens in all."""
_TOOLS_CHARS_MAX = 1000
_CALL_CHARS = 130
"""What the tags of a call count for."""
_NEEDS_A_TOOL = ("weather", "time", "day", "date", "search", "cost", "price", "translate", "news",
                 "where", "calculate", "call", "tool", "天气", "几点", "几号", "星期", "翻译",
                 "搜索", "多少", "新闻", "哪", "工具")  # fmt: skip
_TALK_CHARS_MAX = 120


class CallKind(enum.Enum):
    SINGLE = "one tool, one call"
    CHOICE = "one of several tools"
    PARALLEL = "several calls"
    CHINESE = "asked in Chinese"


def tool_use(rng: random.Random, world: World) -> Dialogue:
    """One to four tools and as many requests as fit into the space."""
    if rng.random() < 0.05:
        return dated_dialogue(rng, world)
    kits = _kits(rng, world)
    is_thinking = rng.random() < 0.25
    messages, last = _opening(rng), None
    chars = _tool_chars(kits)
    for _ in range(rng.choice((2, 3, 4, 5, 6))):
        wish = None if rng.random() < 0.08 else _next_wish(rng, world, kits, last)
        turn = turns.turn(wish, len(messages)) if wish else _talk(rng, world, kits)
        chars += sum(_message_chars(message) for message in turn)
        thoughts = sum(_num_chars(message.reasoning_content or "") for message in turn)
        if chars + is_thinking * thoughts > _CHARS_MAX and len(messages) > 1:
            break
        messages, last = messages + turn, wish
    calls = max((i for i, m in enumerate(messages) if m.tool_calls), default=0)
    if calls and len(messages) - calls <= 5 and rng.random() < 0.25:
        messages = messages[: calls + 1]
    return Dialogue(tuple(messages), is_thinking, tuple(kit.tool for kit in kits))


def tool_call_case(rng: random.Random, world: World) -> Dialogue:
    """One request, answered with calls: what an evaluation compares."""
    kits = _kits(rng, world)
    wish = _wish(rng, world, kits)
    messages = (Message(Role.USER, wish.request), turns.calling(wish.calls, turns.thought(wish), 0))
    return Dialogue(messages, tools=tuple(kit.tool for kit in kits))


def call_kind(case: Dialogue) -> CallKind:
    """What is hard about a case; the first of several."""
    request, calling = case.messages[-2:]
    if len(calling.tool_calls) > 1:
        return CallKind.PARALLEL
    if is_chinese(request.content):
        return CallKind.CHINESE
    return CallKind.CHOICE if len(case.tools) > 1 else CallKind.SINGLE


def _kits(rng: random.Random, world: World) -> list[Kit]:
    style, in_chinese = draw_style(rng), rng.random() < 0.3
    found: dict[str, Kit] = {}
    for _ in range(rng.choices((1, 2, 3, 4), (4, 4, 2, 1))[0]):
        draw = rng.random()
        if draw < 0.1 and world.split is Split.TRAINED:
            kit = weather_kit(rng, world, style, in_chinese)
        elif draw < 0.5:
            family = pick_family(rng, world, in_chinese)
            kit = family_kit(rng, world, family, style, in_chinese)
        else:
            kit = invented_kit(rng, world, style, in_chinese)
        is_new = kit.tool.name not in {other.tool.name for other in found.values()}
        if is_new and (not found or _tool_chars([*found.values(), kit]) < _TOOLS_CHARS_MAX):
            found.setdefault(kit.group, kit)
    return list(found.values())


def _opening(rng: random.Random) -> list[Message]:
    if rng.random() < 0.6:
        return []
    return [Message(Role.SYSTEM, rng.choice(_SYSTEM_PROMPTS))]


def _wish(rng: random.Random, world: World, kits: Sequence[Kit]) -> Wish:
    """One call mostly; else several of one tool, or two tools in one breath."""
    kit, draw = rng.choice(kits), rng.random()
    if draw < 0.75:
        return kit.wish(rng, 1)
    if draw < 0.9 or len(kits) == 1:
        return kit.wish(rng, rng.choice((2, 2, 3)))
    both = [kit.wish(rng, 1) for kit in rng.sample(list(kits), 2)]
    return wishes.joined(rng, world, both, kit.is_chinese)


def _next_wish(rng: random.Random, world: World, kits: Sequence[Kit], last: Wish | None) -> Wish:
    """At times the last wish once more, with something else."""
    if last and len(last.calls) == 1 and rng.random() < 0.2:
        call = last.calls[0]
        for kit in kits:
            if kit.tool.name == call.name and kit.follow_up:
                return kit.follow_up(rng, call)
    return _wish(rng, world, kits)


def _talk(rng: random.Random, world: World, kits: Sequence[Kit]) -> list[Message]:
    """The user asks for something that needs no tool."""
    skills: list[ExchangeSkill] = [conversation.small_talk_en, conversation.small_talk_zh]
    if all(kit.group != "sum" for kit in kits):
        skills.append(arithmetic.sums)
    if all(kit.group != "search" for kit in kits):
        skills.append(knowledge.capitals)
    while True:
        exchange = rng.choice(skills)(rng, world)[0]
        is_short = len(exchange.question + exchange.answer) <= _TALK_CHARS_MAX
        if is_short and not any(word in exchange.question.lower() for word in _NEEDS_A_TOOL):
            break
    thought = "No tool is needed." if exchange.question.isascii() else "不需要工具。"
    return [
        Message(Role.USER, exchange.question),
        Message(Role.ASSISTANT, exchange.answer, reasoning_content=thought),
    ]


def _tool_chars(kits: Sequence[Kit]) -> int:
    return _num_chars(*(function_json(kit.tool) for kit in kits))


def _message_chars(message: Message) -> int:
    calls = (call.name + call.arguments for call in message.tool_calls)
    return _num_chars(message.content, *calls) + _CALL_CHARS * len(message.tool_calls)


def _num_chars(*texts: str) -> int:
    return sum(len(text) + 2 * sum(c > "\u2fff" for c in text) for text in texts)
