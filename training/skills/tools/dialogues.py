"""Dialogues of several requests to the same offered tools, and single calls to be judged."""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence

from training.examples import Dialogue, ExchangeSkill, World
from training.holdout import Split
from training.skills import arithmetic, conversation, knowledge
from training.skills.tools import answers, wishes
from training.skills.tools.documented import weather_kit
from training.skills.tools.families import family_kit
from training.skills.tools.invented import invented_kit
from training.skills.tools.schemas import draw_style
from training.skills.tools.wishes import Kit, Wish
from whalefall.chat.formats.base import function_json
from whalefall.chat.messages import Message, Role, ToolCall

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
    kits = _kits(rng, world)
    is_thinking = rng.random() < 0.25
    messages = _opening(rng)
    chars = _tool_chars(kits)
    for _ in range(rng.choice((2, 3, 4, 5, 6))):
        turn = (
            _talk(rng, world, kits)
            if rng.random() < 0.08
            else _round(rng, world, kits, len(messages))
        )
        chars += sum(_message_chars(message) for message in turn)
        if chars > _CHARS_MAX and len(messages) > 1:
            break
        messages += turn
    calls = max((i for i, m in enumerate(messages) if m.tool_calls), default=0)
    if calls and len(messages) - calls <= 5 and rng.random() < 0.25:
        messages = messages[: calls + 1]
    return Dialogue(tuple(messages), is_thinking, tuple(kit.tool for kit in kits))


def tool_call_case(rng: random.Random, world: World) -> Dialogue:
    """One request, answered with calls: what an evaluation compares."""
    kits = _kits(rng, world)
    wish = _wish(rng, world, kits)
    messages = (Message(Role.USER, wish.request), _calling(wish, 0))
    return Dialogue(messages, tools=tuple(kit.tool for kit in kits))


def call_kind(case: Dialogue) -> CallKind:
    """What is hard about a case; the first of several."""
    request, calling = case.messages[-2:]
    if len(calling.tool_calls) > 1:
        return CallKind.PARALLEL
    if _is_chinese(request.content):
        return CallKind.CHINESE
    return CallKind.CHOICE if len(case.tools) > 1 else CallKind.SINGLE


def _kits(rng: random.Random, world: World) -> list[Kit]:
    style, is_chinese = draw_style(rng), rng.random() < 0.3
    found: dict[str, Kit] = {}
    for _ in range(rng.choices((1, 2, 3, 4), (4, 4, 2, 1))[0]):
        draw = rng.random()
        if draw < 0.1 and world.split is Split.TRAINED:
            kit = weather_kit(rng, world, style, is_chinese)
        elif draw < 0.5:
            families = {family.key: family for family in world.tools["zh" if is_chinese else "en"]}
            family = families[world.pick(rng, tuple(families))]
            kit = family_kit(rng, world, family, style, is_chinese)
        else:
            kit = invented_kit(rng, world, style, is_chinese)
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


def _round(rng: random.Random, world: World, kits: Sequence[Kit], number: int) -> list[Message]:
    """User, calls, results, answer."""
    wish = _wish(rng, world, kits)
    is_chinese = _is_chinese(wish.request)
    calling = _calling(wish, number)
    results = [call.result for call in wish.calls]
    return [
        Message(Role.USER, wish.request),
        calling,
        *(
            Message(Role.TOOL, result, tool_call_id=call.id)
            for call, result in zip(calling.tool_calls, results, strict=True)
        ),
        Message(
            Role.ASSISTANT,
            answers.answer(wish.calls, results, is_chinese),
            reasoning_content="我有结果了。" if is_chinese else "I have the result.",
        ),
    ]


def _calling(wish: Wish, number: int) -> Message:
    """The thought writes names and arguments as the call does, so that both are copied alike."""
    calls = tuple(
        ToolCall(f"call_{number}_{place}", call.name, call.json)
        for place, call in enumerate(wish.calls)
    )
    lines = "\n".join(f"{call.name} {call.json}" for call in wish.calls)
    form = "用户想要：{}\n我调用：\n{}" if _is_chinese(wish.request) else (
        "The user wants: {}\nI call:\n{}"
    )  # fmt: skip
    thought = form.format(wish.request.strip(), lines)
    return Message(Role.ASSISTANT, reasoning_content=thought, tool_calls=calls)


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


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def _tool_chars(kits: Sequence[Kit]) -> int:
    return _num_chars(*(function_json(kit.tool) for kit in kits))


def _message_chars(message: Message) -> int:
    calls = (call.name + call.arguments for call in message.tool_calls)
    return _num_chars(message.content, *calls) + _CALL_CHARS * len(message.tool_calls)


def _num_chars(*texts: str) -> int:
    return sum(len(text) + 2 * sum(c > "\u2fff" for c in text) for text in texts)
