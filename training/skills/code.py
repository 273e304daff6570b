"""Small Python functions: written on request, and with a hole in the middle."""

from __future__ import annotations

import random

from training.examples import Example, Exchange, Exchanges, Passage, World
from training.skills.stories import with_hole


def written(rng: random.Random, world: World) -> Exchanges:
    snippet = rng.choice(world.snippets)
    answer = f"```python\n{snippet.code}```"
    if snippet.task_zh and rng.random() < 0.4:
        form = rng.choice(("用 Python 写一个{t}的函数", "写一个{t}的 Python 函数", "请写{t}的代码"))
        return [Exchange(form.format(t=snippet.task_zh), answer, "用户要一段 Python 代码。")]
    question = rng.choice(_forms(snippet.task))
    if rng.random() < 0.3:
        answer = rng.choice(("Here it is:\n\n", "Here is the code:\n\n")) + answer
    return [Exchange(question, answer, f"The user wants Python code that {snippet.task}.")]


def _forms(task: str) -> list[str]:
    if task.startswith("does "):
        what = task.removeprefix("does ")
        return [
            f"Please write {what} code",
            f"Write {what} in Python",
            f"Implement {what}.",
            f"Show me {what}",
        ]
    return [
        f"Write a Python function that {task}.",
        f"Write code that {task}",
        f"Python function that {task}",
        f"Can you write a function that {task}?",
        f"Show me a Python function that {task}.",
    ]


def filled(rng: random.Random, world: World) -> Example:
    """A function with a hole, or one to be continued from its first line."""
    code = rng.choice(world.snippets).code
    if rng.random() < 0.35:
        head, _, rest = code.partition("\n")
        return Passage(head + "\n", rest)
    if rng.random() < 0.5:
        lines = code.splitlines(keepends=True)
        start = rng.randrange(1, len(lines))
        stop = rng.randint(start + 1, len(lines))
        return Passage("".join(lines[:start]), "".join(lines[start:stop]), "".join(lines[stop:]))
    return with_hole(rng, code)
