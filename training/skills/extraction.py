"""JSON answers: facts taken out of a text under the keys that were asked for, in their order.

The answer is one line, whatever the request looks like; only where the system prompt shows an
example over several lines, as the guide to JSON output does, the answer is laid out like it."""

from __future__ import annotations

import json
import random

from training.examples import Dialogue, World
from training.skills import json_requests, sheets
from training.skills.json_requests import Request
from training.skills.json_tasks import Task, task, wanted
from whalefall.chat.messages import Message, Role


def json_answers(rng: random.Random, world: World) -> Dialogue:
    """One task, sometimes thought about; sometimes a second text for the same keys follows."""
    if rng.random() < 0.08:
        return _twice(rng, world)
    return _dialogue([task(rng, world)], is_thinking=rng.random() < 0.15)


def json_case(rng: random.Random, world: World) -> Dialogue:
    """One task without thinking: what an evaluation asks."""
    return _dialogue([task(rng, world)], is_thinking=False)


def _dialogue(tasks: list[Task], *, is_thinking: bool) -> Dialogue:
    first = tasks[0].request
    messages = [Message(Role.SYSTEM, first.system)] if first.system else []
    for one in tasks:
        answer = json.dumps(one.answer, ensure_ascii=False, indent=one.indent)
        messages += (
            Message(Role.USER, one.request.user),
            Message(Role.ASSISTANT, answer, reasoning_content=_thought(one)),
        )
    return Dialogue(tuple(messages), is_thinking, response_format=first.response_format)


def _thought(done: Task) -> str:
    """The keys, then each with its value."""
    is_chinese = done.lang == "zh"
    keys = ("、" if is_chinese else ", ").join(done.answer)
    found = "; ".join(
        f"{key}: {part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)}"
        for key, part in done.answer.items()
    )
    return f"需要的键：{keys}。找到：{found}。" if is_chinese else f"Keys: {keys}. Found: {found}."


def _twice(rng: random.Random, world: World) -> Dialogue:
    """The same keys for a second text of the same kind."""
    entry = rng.choice(world.records["record"])
    names = sheets.key_names(rng, world, entry)
    first, second = (sheets.told(rng, world, entry, names) for _ in range(2))
    shape = wanted(rng, world, first)
    request = json_requests.request(rng, world, first.lang, first.text, shape)
    following = world.pick(rng, world.phrases["json_tasks"][first.lang]["following"]) + second.text
    answer = {key: second.facts.get(key) for key in shape}
    again = Request("", following, request.response_format)
    tasks = [Task(request, shape, first.lang), Task(again, answer, first.lang)]
    return _dialogue(tasks, is_thinking=rng.random() < 0.15)
