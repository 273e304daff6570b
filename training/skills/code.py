"""Small Python functions: written on request, continued, and with a hole in the middle."""

from __future__ import annotations

import ast
import random
import re

from training.examples import Exchange, Exchanges, Passage, World
from training.skills import library
from training.skills.functions import end_of, hole_of, some_function


def written(rng: random.Random, world: World) -> Exchanges:
    """Hand-written functions, and ones from the grammar with the names that the user wants."""
    function = some_function(rng, world)
    if function.task and rng.random() < 0.5:
        name = re.split(r"[(:]", function.code)[0].split(" ")[1]
        task, task_zh = f"{function.task} and is called {name}", f"{function.task_zh}、名为{name}"
        code = function.code
    else:
        snippet = rng.choice(world.snippets)
        task, task_zh, code = snippet.task, snippet.task_zh, snippet.code
    answer = f"```python\n{code}```"
    if task_zh and rng.random() < 0.35:
        question = world.pick(rng, _FORMS_ZH).format(t=task_zh)
        return [Exchange(question, answer, f"要写的函数：{task_zh}。")]
    return [Exchange(_asked(rng, world, task), answer, f"A Python function that {task}.")]


def _asked(rng: random.Random, world: World, task: str) -> str:
    if task.startswith("does "):
        return world.pick(rng, _ALGORITHM_FORMS).format(t=task.removeprefix("does "))
    return world.pick(rng, _FORMS).format(t=task)


def filled(rng: random.Random, world: World) -> Passage:
    """Code with a hole, or to be continued: mostly where the missing part follows."""
    draw = rng.random()
    if draw < 0.55:
        function = some_function(rng, world)
        return end_of(rng, function) if rng.random() < 0.3 else hole_of(rng, function)
    if draw < 0.75:
        return _lines_missing(rng, rng.choice(world.snippets).code)
    code = rng.choice(library.functions(world.split))
    return _expression_missing(rng, code) if rng.random() < 0.4 else _lines_missing(rng, code)


def fim_case(rng: random.Random, world: World) -> Passage:
    """A hole in a function of the grammar: what belongs there follows from prefix and suffix. The
    judge is `ast`: the completed text parses, and to the same tree."""
    return hole_of(rng, some_function(rng, world))


def _lines_missing(rng: random.Random, code: str) -> Passage:
    """One to three whole lines, or all of them from somewhere on."""
    lines = code.splitlines(keepends=True)
    if len(lines) < 2:
        return Passage("", code)
    start = rng.randrange(1, len(lines))
    if rng.random() < 0.3:
        return Passage("".join(lines[:start]), "".join(lines[start:]))
    stop = min(len(lines), start + rng.randint(1, 3))
    return Passage(
        "".join(lines[:start]), "".join(lines[start:stop]), "".join(lines[stop:]) or None
    )


def _expression_missing(rng: random.Random, code: str) -> Passage:
    """An expression that stands in one line."""
    lines = code.splitlines(keepends=True)
    spans = [
        (node.lineno - 1, node.col_offset, node.end_col_offset)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call | ast.Attribute | ast.Compare | ast.BinOp | ast.Subscript)
        and node.lineno == node.end_lineno
        and node.end_col_offset is not None
        and lines[node.lineno - 1].isascii()
    ]
    if not spans:
        return _lines_missing(rng, code)
    line, start, stop = rng.choice(spans)
    before, after = "".join(lines[:line]), "".join(lines[line + 1 :])
    text = lines[line]
    return Passage(before + text[:start], text[start:stop], text[stop:] + after)


_FORMS = (
    "Write a Python function that {t}.", "Write code that {t}", "Python function that {t}",
    "Can you write a function that {t}?", "Show me a Python function that {t}.",
    "Write a function that {t}.", "write a function that {t}", "Please write code that {t}.",
    "I need a Python function that {t}.", "Give me a function that {t}.", "Code that {t}, please.",
    "Implement a function that {t}.", "How do I write a function that {t}?", "A function that {t}?",
    "Write some Python that {t}.", "Define a function that {t}.", "Could you code a function that "
    "{t}?", "Program something that {t}.",
)  # fmt: skip
_ALGORITHM_FORMS = (
    "Please write {t} code",
    "Write {t} in Python",
    "Implement {t}.",
    "Show me {t}",
    "Can you implement {t}?",
    "{t} in Python",
    "I need {t} in Python.",
    "Code for {t}, please.",
    "write {t}",
    "Python code for {t}",
    "How do you implement {t}?",
    "Give me {t} in Python.",
)
_FORMS_ZH = (
    "用 Python 写一个{t}的函数", "写一个{t}的 Python 函数", "请写{t}的代码", "写一个函数，{t}",
    "帮我写{t}的代码", "请用Python实现{t}", "写代码：{t}", "我需要一个{t}的函数", "给我{t}的代码",
    "怎么写{t}的函数？", "实现{t}",
)  # fmt: skip
