"""Little stories with numbers, one or two steps: the answer shows the equation."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.examples import Exchange, Exchanges, World
from training.skills.arithmetic import Sum, drawn
from training.skills.items import distinct, value

Maker = Callable[[random.Random, World], Exchange]


def word_problems(rng: random.Random, world: World) -> Exchanges:
    if rng.random() < 0.35:
        return [rng.choice(_MAKERS_ZH)(rng, world)]
    return [rng.choice(_MAKERS)(rng, world)]


def _people(rng: random.Random, world: World, lang: str = "en") -> list[str]:
    return distinct(rng, world, rng.choice(("name", "first name")), 2, lang)


def _thing(rng: random.Random, world: World, lang: str = "en") -> str:
    if lang == "en" and rng.random() < 0.2:
        return world.words.english(rng)
    return value(rng, world, "thing", lang)


def _solved(question: str, told: str, steps: list[Sum], answer: str) -> Exchange:
    """The thought names what is to be computed, then computes it."""
    mark = "。" if "。" in answer else "."
    equations = ", ".join(step.equation for step in steps)
    thought = " ".join((told, *(step.steps for step in steps)))
    return Exchange(question, f"{equations}{mark}{'' if mark == '。' else ' '}{answer}", thought)


def _gain(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world), _thing(rng, world)
    s = drawn(rng, world, "+", 1, rng.choice((12, 50)))
    story = world.pick(rng, _GAINS).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    question = f"{story} {world.pick(rng, _HOW_MANY).format(a=a, t=thing)}"
    return _solved(question, f"{s.a} and {s.b} more.", [s], f"{a} has {s.result} {thing}.")


def _loss(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world), _thing(rng, world)
    s = drawn(rng, world, "-", 1, rng.choice((12, 50)))
    story = world.pick(rng, _LOSSES).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    asked = world.pick(rng, (*_HOW_MANY, *_HOW_MANY_LEFT)).format(a=a, t=thing)
    return _solved(f"{story} {asked}", f"{s.a}, and {s.b} are gone.", [s],
                   f"{a} has {s.result} {thing}.")  # fmt: skip


def _together(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world), _thing(rng, world)
    s = drawn(rng, world, "+", 1, rng.choice((12, 50)))
    story = world.pick(rng, _BOTH).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    asked = world.pick(rng, _ALTOGETHER).format(t=thing)
    return _solved(f"{story} {asked}", f"{a} has {s.a}, {b} has {s.b}.", [s],
                   f"Together they have {s.result} {thing}.")  # fmt: skip


def _difference(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world), _thing(rng, world)
    s = drawn(rng, world, "-", 1, rng.choice((12, 50)))
    story = world.pick(rng, _BOTH).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    asked = world.pick(rng, _HOW_MANY_MORE).format(a=a, b=b, t=thing)
    return _solved(f"{story} {asked}", f"{a} has {s.a}, {b} has {s.b}.", [s],
                   f"{a} has {s.result} more {thing} than {b}.")  # fmt: skip


def _groups(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world), _thing(rng, world)
    s = drawn(rng, world, "*", 2, 12)
    box = world.pick(rng, _BOXES)
    story = world.pick(rng, _IN_BOXES).format(a=a, b=b, t=thing, n=s.a, m=s.b, x=box)
    asked = world.pick(rng, _IN_ALL).format(t=thing)
    return _solved(f"{story} {asked}", f"{s.a} times {s.b}.", [s],
                   f"There are {s.result} {thing}.")  # fmt: skip


def _shares(rng: random.Random, world: World) -> Exchange:
    (a, _), thing = _people(rng, world), _thing(rng, world)
    each, count = rng.randint(1, 12), rng.randint(2, 12)
    s = Sum(each * count, count, "/")
    question = world.pick(rng, _SHARES).format(a=a, t=thing, n=s.a, m=s.b)
    return _solved(question, f"{s.a} for {s.b}.", [s], f"Each gets {s.result} {thing}.")


def _price(rng: random.Random, world: World) -> Exchange:
    (a, _), thing = _people(rng, world), _thing(rng, world)
    s = drawn(rng, world, "*", 2, 12)
    question = world.pick(rng, _PRICES).format(a=a, t=thing, n=s.a, m=s.b)
    return _solved(question, f"{s.a} at {s.b} dollars.", [s], f"They cost {s.result} dollars.")


def _gain_and_loss(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world), _thing(rng, world)
    first = drawn(rng, world, "+", 1, rng.choice((12, 50)))
    second = _then(rng, world, first)
    story = world.pick(rng, _GAINS).format(a=a, b=b, t=thing, n=first.a, m=first.b)
    after = world.pick(rng, _THEN_LOST).format(a=a, b=b, t=thing, m=second.b)
    asked = world.pick(rng, (*_HOW_MANY, *_HOW_MANY_LEFT)).format(a=a, t=thing)
    told = f"{first.a} and {first.b} more, then {second.b} are gone."
    return _solved(f"{story} {after} {asked}", told, [first, second],
                   f"{a} has {second.result} {thing}.")  # fmt: skip


def _groups_and_gain(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world), _thing(rng, world)
    first = drawn(rng, world, "*", 2, 9)
    second = Sum(first.result, rng.randint(1, 9), "+")
    box = world.pick(rng, _BOXES)
    story = world.pick(rng, _IN_BOXES).format(a=a, b=b, t=thing, n=first.a, m=first.b, x=box)
    after = world.pick(rng, _THEN_MORE).format(m=second.b, t=thing)
    asked = world.pick(rng, _IN_ALL).format(t=thing)
    told = f"{first.a} times {first.b}, and {second.b} more."
    return _solved(f"{story} {after} {asked}", told, [first, second],
                   f"There are {second.result} {thing}.")  # fmt: skip


def _then(rng: random.Random, world: World, first: Sum) -> Sum:
    del world
    return Sum(first.result, rng.randint(1, min(9, first.result)), "-")


def _gain_zh(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world, "zh"), _thing(rng, world, "zh")
    s = drawn(rng, world, "+", 1, rng.choice((12, 50)))
    story = world.pick(rng, _GAINS_ZH).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    asked = world.pick(rng, _HOW_MANY_ZH).format(a=a, t=thing)
    return _solved(story + asked, f"{s.a}个，又多{s.b}个。", [s], f"{a}有{s.result}个{thing}。")


def _loss_zh(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world, "zh"), _thing(rng, world, "zh")
    s = drawn(rng, world, "-", 1, rng.choice((12, 50)))
    story = world.pick(rng, _LOSSES_ZH).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    asked = world.pick(rng, _HOW_MANY_LEFT_ZH).format(a=a, t=thing)
    return _solved(story + asked, f"{s.a}个，少了{s.b}个。", [s], f"{a}有{s.result}个{thing}。")


def _together_zh(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world, "zh"), _thing(rng, world, "zh")
    s = drawn(rng, world, "+", 1, rng.choice((12, 50)))
    story = world.pick(rng, _BOTH_ZH).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    asked = world.pick(rng, _ALTOGETHER_ZH).format(t=thing)
    told = f"{a}有{s.a}个，{b}有{s.b}个。"
    return _solved(story + asked, told, [s], f"他们一共有{s.result}个{thing}。")


def _difference_zh(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world, "zh"), _thing(rng, world, "zh")
    s = drawn(rng, world, "-", 1, rng.choice((12, 50)))
    story = world.pick(rng, _BOTH_ZH).format(a=a, b=b, t=thing, n=s.a, m=s.b)
    asked = world.pick(rng, _HOW_MANY_MORE_ZH).format(a=a, b=b, t=thing)
    told = f"{a}有{s.a}个，{b}有{s.b}个。"
    return _solved(story + asked, told, [s], f"{a}比{b}多{s.result}个{thing}。")


def _groups_zh(rng: random.Random, world: World) -> Exchange:
    thing = _thing(rng, world, "zh")
    s = drawn(rng, world, "*", 2, 12)
    question = world.pick(rng, _IN_BOXES_ZH).format(t=thing, n=s.a, m=s.b)
    return _solved(question, f"{s.a}个{s.b}。", [s], f"一共有{s.result}个{thing}。")


def _shares_zh(rng: random.Random, world: World) -> Exchange:
    (a, _), thing = _people(rng, world, "zh"), _thing(rng, world, "zh")
    each, count = rng.randint(1, 12), rng.randint(2, 12)
    s = Sum(each * count, count, "/")
    question = world.pick(rng, _SHARES_ZH).format(a=a, t=thing, n=s.a, m=s.b)
    return _solved(question, f"{s.a}个分给{s.b}人。", [s], f"每人{s.result}个{thing}。")


def _gain_and_loss_zh(rng: random.Random, world: World) -> Exchange:
    (a, b), thing = _people(rng, world, "zh"), _thing(rng, world, "zh")
    first = drawn(rng, world, "+", 1, rng.choice((12, 50)))
    second = _then(rng, world, first)
    story = world.pick(rng, _GAINS_ZH).format(a=a, b=b, t=thing, n=first.a, m=first.b)
    after = world.pick(rng, _THEN_LOST_ZH).format(b=b, m=second.b)
    asked = world.pick(rng, _HOW_MANY_LEFT_ZH).format(a=a, t=thing)
    told = f"{first.a}个，多{first.b}个，少{second.b}个。"
    return _solved(story + after + asked, told, [first, second],
                   f"{a}有{second.result}个{thing}。")  # fmt: skip


_MAKERS: tuple[Maker, ...] = (
    _gain, _loss, _together, _difference, _groups, _shares, _price, _gain_and_loss,
    _groups_and_gain,
)  # fmt: skip
_MAKERS_ZH: tuple[Maker, ...] = (
    _gain_zh,
    _loss_zh,
    _together_zh,
    _difference_zh,
    _groups_zh,
    _shares_zh,
    _gain_and_loss_zh,
)
_GAINS = (
    "{a} has {n} {t}. {b} gives {a} {m} more.", "{a} has {n} {t} and finds {m} more.",
    "{a} had {n} {t} and bought {m} more.", "{a} starts with {n} {t} and gets {m} more.",
    "{a} owns {n} {t}. Then {a} receives {m} {t} from {b}.", "There are {n} {t} on {a}'s table. "
    "{b} adds {m}.", "{a} picked {n} {t} in the morning and {m} in the evening.",
    "{a} collected {n} {t}, then {m} more.", "If {a} has {n} {t} and gets another {m},",
    "{a} has {n} {t}. For the birthday {a} gets {m} {t}.",
    "{a} counted {n} {t} and then {m} others.", "{a} made {n} {t} on Monday and {m} on Tuesday.",
    "{b} brings {m} {t} to {a}, who has {n}.",
)  # fmt: skip
_LOSSES = (
    "{a} has {n} {t} and loses {m}.", "{a} has {n} {t} and gives {m} to {b}.",
    "{a} had {n} {t} and sold {m}.", "{a} has {n} {t}. {b} takes {m} of them.",
    "{a} bought {n} {t} and used {m}.", "Of {a}'s {n} {t}, {m} broke.",
    "There were {n} {t} in {a}'s bag. {m} fell out.", "{a} had {n} {t}, but {m} were stolen.",
    "{a} has {n} {t} and {m} get lost.", "If {a} has {n} {t} and gives away {m},",
    "{a} had {n} {t}. {b} borrowed {m}.", "{a} owned {n} {t} and threw away {m}.",
)  # fmt: skip
_BOTH = (
    "{a} has {n} {t} and {b} has {m}.", "{a} has {n} {t}. {b} has {m} {t}.",
    "{a} found {n} {t}, {b} found {m}.", "{a} owns {n} {t}, {b} owns {m}.",
    "{a} brings {n} {t} and {b} brings {m} {t}.", "{a} bought {n} {t}. {b} bought {m}.",
    "{t}: {a} {n}, {b} {m}.", "{a} collected {n} {t} while {b} collected {m}.",
    "{a} counts {n} {t}, and {b} counts {m}.",
)  # fmt: skip
_HOW_MANY = (
    "How many {t} does {a} have?", "How many {t} does {a} have now?", "How many does {a} have now?",
    "How many {t} are there now?", "What is the number of {t} now?", "How many {t} has {a} got?",
    "How many {t} is that?", "how many {t} does {a} have in the end?",
    "Now how many {t} are there?",
)  # fmt: skip
_HOW_MANY_LEFT = (
    "How many {t} are left?",
    "How many are left?",
    "How many {t} remain?",
    "How many {t} does {a} still have?",
    "How many {t} does {a} have left?",
)
_HOW_MANY_MORE = (
    "How many more {t} does {a} have than {b}?",
    "How many more does {a} have?",
    "By how many is {a} ahead of {b}?",
    "What is the difference?",
    "How many more {t} has {a}?",
    "How many fewer does {b} have?",
    "How many {t} more than {b} does {a} have?",
)
_ALTOGETHER = (
    "How many {t} do they have together?",
    "How many {t} are there altogether?",
    "How many in all?",
    "How many {t} do they have in total?",
    "What is the total?",
    "How many do both have?",
    "How many {t} do the two have?",
    "How many {t} is that together?",
)
_BOXES = ("boxes", "bags", "baskets", "shelves", "rooms", "tables", "rows", "cars", "crates",
          "jars", "drawers", "packs")  # fmt: skip
_IN_BOXES = (
    "{a} has {n} {x} with {m} {t} each.", "There are {n} {x}. In each are {m} {t}.",
    "{a} fills {n} {x} with {m} {t} each.", "{a} buys {n} {x} of {m} {t}.",
    "Each of {n} {x} holds {m} {t}.", "{n} {x} have {m} {t} each.",
    "{a} sees {n} {x} and {m} {t} in every one.", "In {n} {x} there are {m} {t} each.",
    "{b} gives {a} {n} {x}, each with {m} {t}.",
)  # fmt: skip
_IN_ALL = (
    "How many {t} are there?",
    "How many {t} are there in all?",
    "How many {t} altogether?",
    "How many {t} in total?",
    "What is the total number of {t}?",
    "How many {t} is that?",
    "Count all {t}.",
    "How many {t} do we have?",
)
_SHARES = (
    "{a} shares {n} {t} equally among {m} friends. How many does each get?",
    "{n} {t} are divided among {m} children. How many {t} for each?",
    "{a} puts {n} {t} into {m} equal groups. How many {t} in each group?",
    "{m} people share {n} {t}. How many does everyone get?",
    "{a} deals {n} {t} to {m} players. How many {t} does each player get?",
    "If {m} friends split {n} {t}, how many does each get?",
    "{a} has {n} {t} for {m} guests. How many {t} per guest?",
    "Divide {n} {t} equally between {m} people. How many each?",
    "{n} {t} go to {m} rooms in equal parts. How many {t} per room?",
)
_PRICES = (
    "{a} buys {n} {t} for {m} dollars each. How much does {a} pay?",
    "One of the {t} costs {m} dollars. How much do {n} {t} cost?",
    "{n} {t} at {m} dollars each: what do they cost?", "What do {n} {t} cost at {m} dollars each?",
    "{a} sells {n} {t} for {m} dollars each. How much money is that?",
    "Each of {n} {t} costs {m} dollars. What is the price of all?",
    "If {t} cost {m} dollars each, how much are {n}?",
    "{a} orders {n} {t}, {m} dollars each. Total?",
    "How much do {n} {t} cost if one is {m} dollars?",
)  # fmt: skip
_THEN_LOST = (
    "Then {a} loses {m}.",
    "Then {a} gives {m} to {b}.",
    "Later {m} are lost.",
    "{b} takes {m}.",
    "Then {a} sells {m} {t}.",
    "After that {m} break.",
    "Then {m} are used.",
    "But {m} get stolen.",
    "{a} throws {m} away.",
)
_THEN_MORE = (
    "Then {m} more {t} arrive.",
    "And {m} more lie beside them.",
    "{m} {t} are added.",
    "Besides, there are {m} single {t}.",
    "Then {m} more are found.",
    "Plus {m} extra {t}.",
    "Someone brings {m} more.",
    "And {m} {t} are on the floor.",
)
_GAINS_ZH = (
    "{a}有{n}个{t}，又得到{m}个。",
    "{a}有{n}个{t}，{b}又给了{m}个。",
    "{a}买了{n}个{t}，后来又买了{m}个。",
    "{a}原来有{n}个{t}，又找到{m}个。",
    "{a}早上捡了{n}个{t}，晚上捡了{m}个。",
    "{a}有{n}个{t}。{b}送来{m}个。",
    "{a}先做了{n}个{t}，再做了{m}个。",
    "{a}收集了{n}个{t}，之后又收集{m}个。",
    "如果{a}有{n}个{t}，再拿{m}个，",
    "桌上{a}有{n}个{t}，{b}放上{m}个。",
)
_LOSSES_ZH = (
    "{a}有{n}个{t}，送给{b}{m}个。",
    "{a}有{n}个{t}，丢了{m}个。",
    "{a}有{n}个{t}，卖掉{m}个。",
    "{a}买了{n}个{t}，用了{m}个。",
    "{a}有{n}个{t}，{b}拿走{m}个。",
    "{a}原来有{n}个{t}，坏了{m}个。",
    "{a}带了{n}个{t}，借给{b}{m}个。",
    "如果{a}有{n}个{t}，给出{m}个，",
    "{a}有{n}个{t}，不见了{m}个。",
)
_BOTH_ZH = (
    "{a}有{n}个{t}，{b}有{m}个。",
    "{a}有{n}个{t}，{b}有{m}个{t}。",
    "{a}买了{n}个{t}，{b}买了{m}个。",
    "{a}找到{n}个{t}，{b}找到{m}个。",
    "{t}：{a}{n}个，{b}{m}个。",
    "{a}带来{n}个{t}，{b}带来{m}个。",
    "{a}做了{n}个{t}，而{b}做了{m}个。",
    "{a}的{t}是{n}个，{b}的是{m}个。",
)
_HOW_MANY_ZH = ("现在有几个{t}？", "{a}现在有多少个{t}？", "{a}有几个{t}？", "一共有几个？",
                "现在有多少个？", "{a}一共有多少{t}？", "请问{a}有几个{t}？",
                "总共多少个{t}？")  # fmt: skip
_HOW_MANY_LEFT_ZH = ("还剩几个{t}？", "还剩多少个？", "{a}还有几个{t}？", "{a}还剩多少个{t}？",
                     "剩下几个？", "现在有几个{t}？", "请问还剩几个？",
                     "最后有多少个{t}？")  # fmt: skip
_HOW_MANY_MORE_ZH = ("{a}比{b}多几个？", "{a}比{b}多多少个{t}？", "相差几个？", "{b}比{a}少几个？",
                     "多几个{t}？", "{a}多几个？", "他们差多少个？",
                     "{a}比{b}多多少？")  # fmt: skip
_ALTOGETHER_ZH = ("他们一共有几个{t}？", "一共有多少个？", "两人共有几个？", "总共有多少{t}？",
                  "合起来有几个{t}？", "加起来几个？", "一共几个？",
                  "两个人的{t}共有多少？")  # fmt: skip
_IN_BOXES_ZH = (
    "有{n}个盒子，每个盒子里有{m}个{t}，一共有几个{t}？",
    "每袋{m}个{t}，{n}袋有多少个？",
    "{n}张桌子上各有{m}个{t}，总共多少个{t}？",
    "一排有{m}个{t}，{n}排有几个？",
    "买了{n}包{t}，每包{m}个，一共多少个？",
    "{n}个篮子，每个装{m}个{t}，共有几个{t}？",
    "每人{m}个{t}，{n}个人一共有几个？",
    "{n}个房间里各有{m}个{t}。一共有多少{t}？",
)
_SHARES_ZH = (
    "{a}把{n}个{t}平均分给{m}个朋友，每人几个？",
    "{n}个{t}分给{m}个孩子，每人几个？",
    "{m}个人平分{n}个{t}，每人得多少个？",
    "{a}有{n}个{t}，平均分给{m}人，每人多少个？",
    "把{n}个{t}平均分成{m}份，每人一份，每人有几个？",
    "{n}个{t}，{m}个客人，每人几个？",
    "老师把{n}个{t}发给{m}个同学，每人几个？",
    "{m}个同学分{n}个{t}，每人能分几个？",
)
_THEN_LOST_ZH = ("然后送给{b}{m}个。", "后来丢了{m}个。", "又卖掉{m}个。", "然后用了{m}个。",
                 "{b}拿走{m}个。", "后来坏了{m}个。", "之后给了{b}{m}个。",
                 "然后不见了{m}个。")  # fmt: skip
