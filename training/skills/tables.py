"""Small tables that the user gives, in many notations: a value is looked up by its key."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.examples import Exchange, Exchanges, World
from training.skills.items import distinct, some_kind, value


@dataclass(frozen=True)
class Table:
    attribute: str
    """What the values are: a colour, a code; empty where the table does not say."""
    rows: tuple[tuple[str, str], ...]
    lang: str


def looking_up(rng: random.Random, world: World) -> Exchanges:
    """A table in the first question, up to five values asked for."""
    table = some_table(rng, world, rng.randint(2, 8))
    text = _noted(rng, table)
    rows = rng.sample(table.rows, min(len(table.rows), rng.choice((1, 2, 3, 5))))
    exchanges = [_asked(rng, world, table, row) for row in rows]
    first = exchanges[0]
    gap = rng.choice(("\n", "\n\n"))
    if rng.random() < 0.15:
        question = first.question + gap + text
    elif rng.random() < 0.4:
        forms = _INTRODUCTIONS_ZH if table.lang == "zh" else _INTRODUCTIONS
        question = world.pick(rng, forms) + "\n" + text + gap + first.question
    else:
        question = text + gap + first.question
    return [Exchange(question, first.answer, first.reasoning), *exchanges[1:]]


def some_table(rng: random.Random, world: World, num_rows: int) -> Table:
    lang = "zh" if rng.random() < 0.35 else "en"
    keys = distinct(rng, world, some_kind(rng, lang), num_rows, lang)
    if rng.random() < 0.3:
        kind = some_kind(rng, lang)
        rows = [(key, value(rng, world, kind, lang)) for key in keys]
        return Table("", tuple(rows), lang)
    attribute, kind = world.pick(rng, ATTRIBUTES_ZH if lang == "zh" else ATTRIBUTES)
    rows = [(key, value(rng, world, kind, lang)) for key in keys]
    return Table(attribute, tuple(rows), lang)


def _noted(rng: random.Random, table: Table) -> str:
    """Lines, a row, sentences, or a table with bars."""
    if table.attribute and rng.random() < 0.3:
        form = "{k}的{a}是{v}。" if table.lang == "zh" else "The {a} of {k} is {v}."
        gap = rng.choice(("\n", "" if table.lang == "zh" else " "))
        return gap.join(form.format(k=k, a=table.attribute, v=v) for k, v in table.rows)
    if rng.random() < 0.2:
        head = ("名称" if table.lang == "zh" else "name", table.attribute or "value")
        lines = [head, ("---", "---"), *table.rows]
        return "\n".join(f"| {k} | {v} |" for k, v in lines)
    sign = rng.choice((": ", " = ", "=", " - ", " -> ", "\t", "："))
    gap = rng.choice(("\n", "\n", ", ", "; "))
    title = f"{table.attribute}:\n" if table.attribute and gap == "\n" else ""
    return title + gap.join(f"{k}{sign}{v}" for k, v in table.rows)


def _asked(rng: random.Random, world: World, table: Table, row: tuple[str, str]) -> Exchange:
    """Backwards only where no two keys share the value."""
    key, found = row
    is_chinese, attribute = table.lang == "zh", table.attribute
    is_unique = sum(other == found for _, other in table.rows) == 1
    if is_unique and rng.random() < 0.2:
        forms = _BACKWARDS_ZH if is_chinese else _BACKWARDS
        question = world.pick(rng, forms).format(
            v=found, a=attribute or ("值" if is_chinese else "value")
        )
    elif attribute:
        question = world.pick(rng, _OF_ZH if is_chinese else _OF).format(k=key, a=attribute)
    else:
        question = world.pick(rng, _PLAIN_ZH if is_chinese else _PLAIN).format(k=key)
    return Exchange(question, _fact(table, key, found), f"{key}: {found}")


def _fact(table: Table, key: str, found: str) -> str:
    """The answer: the same sentence whichever side was asked for."""
    if table.lang == "zh":
        return f"{key}的{table.attribute}是{found}。" if table.attribute else f"{key}是{found}。"
    if table.attribute:
        return f"The {table.attribute} of {key} is {found}."
    return f"{key} is {found}."


ATTRIBUTES = (
    ("colour", "word"), ("code", "code"), ("number", "number"), ("price", "number"),
    ("age", "number"), ("city", "city"), ("owner", "name"), ("friend", "first name"),
    ("password", "word"), ("status", "word"), ("size", "number"), ("score", "number"),
    ("room", "number"), ("phone number", "number"), ("place", "city"), ("key", "code"),
    ("teacher", "name"), ("weight", "number"), ("order", "code"), ("job", "word"),
    ("favourite word", "word"), ("home", "city"), ("boss", "first name"), ("id", "code"),
    ("version", "number"), ("type", "word"), ("name", "name"), ("nickname", "word"),
    ("destination", "city"), ("model", "code"), ("height", "number"), ("language", "word"),
)  # fmt: skip
ATTRIBUTES_ZH = (
    ("颜色", "word"), ("编号", "code"), ("价格", "number"), ("年龄", "number"), ("城市", "city"),
    ("朋友", "name"), ("密码", "word"), ("状态", "word"), ("大小", "number"), ("分数", "number"),
    ("房间", "number"), ("电话", "number"), ("老师", "name"), ("重量", "number"), ("订单", "code"),
    ("工作", "word"), ("家乡", "city"), ("类型", "word"), ("主人", "name"), ("型号", "code"),
    ("爱好", "word"), ("目的地", "city"), ("数量", "number"), ("名字", "word"),
)  # fmt: skip
_INTRODUCTIONS = (
    "Here is a table:", "Look at this:", "Data:", "Use this table.", "These are my notes:",
    "Answer from this data.", "The table:", "Given:", "Read the table.", "Facts:", "Context:",
    "Here are the values:", "My records:", "Use only these facts.", "Information:", "See below.",
)  # fmt: skip
_INTRODUCTIONS_ZH = ("表格：", "请看下面的数据：", "资料：", "根据下面的信息回答。", "数据如下：",
                     "已知：", "这是记录：", "信息：", "请看表格。", "记住：")  # fmt: skip
_OF = (
    "What is the {a} of {k}?", "What {a} does {k} have?", "Tell me the {a} of {k}.", "{k}'s {a}?",
    "What's the {a} of {k}?", "Which {a} has {k}?", "the {a} of {k}?", "Find the {a} of {k}.",
    "What is {k}'s {a}?", "Give me the {a} of {k}.", "Look up the {a} of {k}.", "{a} of {k}?",
    "Which {a} does {k} have?", "I need the {a} of {k}.", "Can you tell me the {a} of {k}?",
    "What {a} is listed for {k}?", "And the {a} of {k}?", "Please look up {k}: {a}?",
    "Do you know the {a} of {k}?", "what is the {a} of {k}", "Say the {a} of {k}.",
)  # fmt: skip
_OF_ZH = (
    "{k}的{a}是什么？", "{k}的{a}是多少？", "{k}的{a}？", "请告诉我{k}的{a}。",
    "请问{k}的{a}是什么？", "查一下{k}的{a}。", "{k}的{a}呢？", "找出{k}的{a}", "我想知道{k}的{a}",
    "你知道{k}的{a}吗？", "{k}是什么{a}？", "说出{k}的{a}。",
)  # fmt: skip
_PLAIN = (
    "What is {k}?", "{k}?", "What does {k} stand for?", "What is the value of {k}?", "Look up {k}.",
    "What belongs to {k}?", "Which value has {k}?", "Tell me {k}.", "What is listed for {k}?",
    "Value of {k}?", "Find {k}.", "What's {k}?", "What stands next to {k}?", "And {k}?",
    "Give me the value of {k}.", "What goes with {k}?",
)  # fmt: skip
_PLAIN_ZH = ("{k}是什么？", "{k}是多少？", "{k}？", "{k}的值是什么？", "查一下{k}。",
             "{k}对应什么？", "请问{k}是什么？", "{k}呢？", "找出{k}的值",
             "告诉我{k}是什么。")  # fmt: skip
_BACKWARDS = (
    "Which one has the {a} {v}?", "Whose {a} is {v}?", "What has the {a} {v}?", "{v} belongs to?",
    "Who or what has the {a} {v}?", "For which is the {a} {v}?", "Where is the {a} {v}?",
    "Which entry has the {a} {v}?", "To which does the {a} {v} belong?", "Find the one with {v}.",
)  # fmt: skip
_BACKWARDS_ZH = ("哪个的{a}是{v}？", "{a}是{v}的是哪个？", "{v}是哪个的{a}？", "谁的{a}是{v}？",
                 "{a}{v}属于哪个？", "找出{a}为{v}的。", "{v}对应哪个？",
                 "{a}为{v}的是什么？")  # fmt: skip
