"""Small functions from a grammar. In each, some places follow from the rest: those are the holes
that a model can be asked to fill."""

from __future__ import annotations

import keyword
import random
import re
from dataclasses import dataclass

from training.examples import Passage, World

_HOLE = re.compile(r"⟦(.*?)⟧", re.DOTALL)


@dataclass(frozen=True)
class Function:
    """`marked` is the code with ⟦ ⟧ around every place that follows from the rest; the tasks are
    empty where nobody would ask for it."""

    task: str
    task_zh: str
    marked: str

    @property
    def code(self) -> str:
        return _HOLE.sub(r"\1", self.marked)

    def hole(self, place: int) -> tuple[str, str, str]:
        """The code before, in, and after one of the marked places."""
        match = list(_HOLE.finditer(self.marked))[place]
        before, after = self.marked[: match.start()], self.marked[match.end() :]
        return _HOLE.sub(r"\1", before), match[1], _HOLE.sub(r"\1", after)

    @property
    def num_holes(self) -> int:
        return len(_HOLE.findall(self.marked))


def some_function(rng: random.Random, world: World) -> Function:
    """What is held out are the names in it: a build nobody has seen cannot be guessed."""
    task, task_zh, marked = rng.choice(_TEMPLATES)
    verbs = rng.choice(_OPERATIONS)
    name, other, third = _names(rng, world)
    words = {
        "a": name, "b": other, "c": third, "A": _camel(name), "op": verbs[0], "does": verbs[1],
        "does_zh": verbs[2], "f": rng.choice(verbs[3]), "n": str(rng.randint(2, 99)),
        "items": _plural(name), "key": other, "const": other.upper(),
    }  # fmt: skip
    fill = re.compile(r"<(\w+)>")
    return Function(*(fill.sub(lambda found: words[found[1]], text)
                      for text in (task, task_zh, marked)))  # fmt: skip


def hole_of(rng: random.Random, function: Function) -> Passage:
    before, text, after = function.hole(rng.randrange(function.num_holes))
    return Passage(before, text, after)


def end_of(rng: random.Random, function: Function) -> Passage:
    """What is left to write behind one of the places, without a suffix."""
    before, text, after = function.hole(rng.randrange(function.num_holes))
    return Passage(before, text + after)


def _names(rng: random.Random, world: World) -> list[str]:
    """Three different names, everyday ones or words nobody knows."""
    names: dict[str, None] = {}
    while len(names) < 3:
        is_everyday = rng.random() < 0.5
        name = world.pick(rng, _NAMES) if is_everyday else world.words.english(rng)
        if name.isascii() and name.isidentifier() and not {name, _plural(name)} & _TAKEN:
            names.setdefault(name)
    return list(names)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _plural(name: str) -> str:
    return name if name.endswith("s") else f"{name}s"


_TAKEN = frozenset({
    *keyword.kwlist, "match", "case", "type", "self", "result", "total", "count", "print", "len",
    "sum", "list", "dict", "set", "range", "open", "str", "int", "file",
})  # fmt: skip
_NAMES = (
    "name", "age", "price", "user", "item", "value", "number", "text", "word", "line", "city",
    "colour", "size", "weight", "height", "width", "length", "score", "title", "path", "email",
    "key", "index", "first", "second", "left", "right", "x", "y", "a", "b", "order", "book",
    "customer", "product", "amount", "message", "data", "node", "row", "point", "day", "file_name",
    "first_name", "last_name", "user_id", "start", "end", "speed", "time", "account", "balance",
)  # fmt: skip
_OPERATIONS = (
    ("+", "adds", "相加", ("add", "plus", "sum_of", "add_numbers")),
    ("-", "subtracts", "相减", ("subtract", "minus", "difference", "take_away")),
    ("*", "multiplies", "相乘", ("multiply", "times", "product", "product_of")),
    ("/", "divides", "相除", ("divide", "divided", "quotient", "ratio")),
)
_TEMPLATES = (
    ("<does> <a> and <b>", "把<a>和<b><does_zh>",
     "def <f>(<a>, <b>):\n⟦    return <a> <op> <b>⟧\n"),
    ("<does> <a> and <b>", "把<a>和<b><does_zh>",
    "def <f>(<a>, <b>):\n    return ⟦<a> <op> <b>⟧\n"), ("", "",
    "def <f>(<a>, <b>):\n    result = ⟦<a> <op> <b>⟧\n    return ⟦result⟧\n"), ("returns the <a>",
    "返回<a>", "def get_<a>(<b>):\n    return ⟦<b>[\"<a>\"]⟧\n"), ("returns the <a> of <b>",
    "返回<b>的<a>", "def <a>_of(<b>):\n    return ⟦<b>.<a>⟧\n"), ("prints the <a>", "打印<a>",
    "def print_<a>(<a>):\n    ⟦print(<a>)⟧\n"), ("checks whether <a> is <n>", "判断<a>是否等于<n>",
    "def is_<n>(<a>):\n    return ⟦<a> == <n>⟧\n"), ("returns the larger of <a> and <b>",
    "返回<a>和<b>中较大的",
    "def larger(<a>, <b>):\n    if <a> > <b>:\n        return ⟦<a>⟧\n    return ⟦<b>⟧\n"),
    ("returns the smaller of <a> and <b>", "返回<a>和<b>中较小的",
    "def smaller(<a>, <b>):\n    if <a> < <b>:\n        return ⟦<a>⟧\n    return ⟦<b>⟧\n"),
    ("sums all <items>", "求<items>的和",
    "def total_<items>(<items>):\n    total = 0\n    for <a> in ⟦<items>⟧:\n"
     "        total += ⟦<a>⟧\n    return ⟦total⟧\n"),
    ("prints all <items>", "打印所有<items>",
     "def print_<items>(<items>):\n    for ⟦<a> in <items>⟧:\n        print(⟦<a>⟧)\n"),
    ("collects the <b> of all <items>", "收集所有<items>的<b>",
     "def collect_<b>(<items>):\n    result = []\n    for <a> in <items>:\n"
     "        ⟦result.append(<a>.<b>)⟧\n    return result\n"),
    ("returns the <b> of all <items>", "返回所有<items>的<b>",
     "def <b>_list(<items>):\n    return [<a>.<b> for ⟦<a> in <items>⟧]\n"),
    ("returns the <items> above <n>", "返回大于<n>的<items>",
     "def above(<items>):\n    return [<a> for <a> in <items> if ⟦<a> > <n>⟧]\n"),
    ("counts the <items>", "数<items>的个数",
     "def count_<items>(<items>):\n    return ⟦len(<items>)⟧\n"),
    ("returns the first of the <items>", "返回第一个<a>",
     "def first_<a>(<items>):\n    return ⟦<items>[0]⟧\n"),
    ("returns the last of the <items>", "返回最后一个<a>",
     "def last_<a>(<items>):\n    return ⟦<items>[-1]⟧\n"),
    ("stores <a> and <b>", "保存<a>和<b>",
     "class <A>Store:\n    def __init__(self, <a>, <b>):\n⟦        self.<a> = <a>\n"
     "        self.<b> = <b>⟧\n"),
    ("", "",
     "class <A>Store:\n    def __init__(self, <a>, <b>):\n        self.<a> = ⟦<a>⟧\n"
     "        self.<b> = ⟦<b>⟧\n\n    def get_<a>(self):\n        return ⟦self.<a>⟧\n"),
    ("sets the <a>", "设置<a>", "def set_<a>(self, <a>):\n    ⟦self.<a> = <a>⟧\n"),
    ("calls <a> with <b> and <c>", "用<b>和<c>调用<a>",
     "def call_<a>(<b>, <c>):\n    return ⟦<a>(<b>, <c>)⟧\n"),
    ("swaps <a> and <b>", "交换<a>和<b>", "def swap(<a>, <b>):\n    return ⟦<b>, <a>⟧\n"),
    ("says hello to <a>", "向<a>问好", "def hello(<a>):\n    print(\"Hello,\", ⟦<a>⟧)\n"),
    ("reads the file <a>", "读取文件<a>",
     "def read_<a>(<a>):\n    with open(⟦<a>⟧) as <b>:\n        return ⟦<b>.read()⟧\n"),
    ("", "", "<const> = <n>\n\ndef get_<b>():\n    return ⟦<const>⟧\n"),
    ("raises an error if <a> is missing", "缺少<a>时报错",
     "def need_<a>(<a>):\n    if ⟦<a> is None⟧:\n        raise ValueError(\"<a> is missing\")\n"
     "    return ⟦<a>⟧\n"),
    ("", "", "from <b> import <a>\n\n<c> = ⟦<a>⟧()\n"),
    ("makes a dictionary of <a> and <b>", "用<a>和<b>生成字典",
     "def to_dict(<a>, <b>):\n    return {\"<a>\": <a>, ⟦\"<b>\": <b>⟧}\n"),
    ("returns the square of <a>", "返回<a>的平方", "def square(<a>):\n    return ⟦<a> * <a>⟧\n"),
    ("checks whether <a> is even", "判断<a>是否为偶数",
     "def is_even(<a>):\n    return ⟦<a> % 2 == 0⟧\n"),
    ("counts from 0 to <a>", "从0数到<a>",
     "def count_to(<a>):\n    for <b> in range(⟦<a>⟧):\n        print(⟦<b>⟧)\n"),
    ("", "", "def test_<f>():\n    assert ⟦<f>⟧(<n>, 1) == <n> <op> 1\n"),
)  # fmt: skip
