"""Sums: said at once when thinking is off, worked out in steps when it is on.

One sum in eight is held out by its numbers, however it is asked. Sums of single digits and the
tables are never held out: they are what the others are made of."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.examples import Dialogue, Exchange, Exchanges, World
from training.holdout import Split, is_held_out
from whalefall.chat.messages import Message, Role

SIGNS = {"+": "+", "-": "-", "*": "×", "/": "÷"}


@dataclass(frozen=True)
class Sum:
    a: int
    b: int
    op: str

    @property
    def result(self) -> int:
        if self.op == "+":
            return self.a + self.b
        if self.op == "-":
            return self.a - self.b
        return self.a * self.b if self.op == "*" else self.a // self.b

    @property
    def equation(self) -> str:
        """As it is always said; hard ones with the step between."""
        between = "".join(f"{step} = " for step in (self._between(),) if step)
        return f"{self.a} {SIGNS[self.op]} {self.b} = {between}{self.result}"

    @property
    def steps(self) -> str:
        """The thought of a sum, always of the same build."""
        if parts := self._parts():
            return f"{self.a} {SIGNS[self.op]} {self.b}: {', '.join(parts)}."
        return f"{self.equation}."

    @property
    def can_be_held_out(self) -> bool:
        if self.op == "/":
            return False
        return max(self.a, self.b) >= (13 if self.op == "*" else 10)

    def _between(self) -> str:
        """Tens and ones by themselves: with this step in sight a small model adds right after a
        few ten thousand sums, without it only after many times more."""
        a, b = self.a, self.b
        if self.op == "*" and min(a, b) < 10 and max(a, b) > 12 and max(a, b) % 10:
            big, small = max(a, b), min(a, b)
            return f"{big // 10 * 10 * small} + {big % 10 * small}"
        if self.op == "+" and min(a, b) >= 10 and a % 10 and b % 10:
            return " + ".join(str(part + other) for part, other in self._places())
        if self.op == "-" and 10 <= b <= a and b % 10:
            tens = f"{a - b // 10 * 10} - {b % 10}"
            return tens if b < 100 else f"{a - b // 100 * 100} - {b % 100} = {tens}"
        return ""

    def _places(self) -> list[tuple[int, int]]:
        """Hundreds, tens and ones of both numbers."""
        units = (100, 10, 1) if max(self.a, self.b) >= 100 else (10, 1)
        return [(self.a // u % 10 * u, self.b // u % 10 * u) for u in units]

    def _parts(self) -> list[str]:
        a, b = self.a, self.b
        if self.op == "/":
            return [f"{self.result} × {b} = {a}, so {self.result}"]
        if not self._between():
            return []
        if self.op == "-":
            units = (100, 10, 1) if b >= 100 else (10, 1)
            taken, parts = a, []
            for part in (b // u % 10 * u for u in units):
                parts.append(f"{taken} - {part} = {taken - part}")
                taken -= part
            return parts
        if self.op == "+":
            pairs, sign = self._places(), "+"
        else:
            big, small = max(a, b), min(a, b)
            pairs, sign = [(big // 10 * 10, small), (big % 10, small)], "×"
        results = [x + y if sign == "+" else x * y for x, y in pairs]
        parts = [f"{x} {sign} {y} = {r}" for (x, y), r in zip(pairs, results, strict=True)]
        return [*parts, f"{' + '.join(map(str, results))} = {self.result}"]


def is_ours(number_sum: Sum, split: Split) -> bool:
    """Whether a sum belongs to a side: by its numbers, in either order where that is the same."""
    if not number_sum.can_be_held_out:
        return True
    a, b = number_sum.a, number_sum.b
    if number_sum.op in "+*":
        a, b = min(a, b), max(a, b)
    return is_held_out(f"{a}{number_sum.op}{b}") is (split is Split.HELD_OUT)


def sums(rng: random.Random, world: World) -> Exchanges:
    """Several sums one after another: short questions, many answers."""
    if rng.random() < 0.3:
        return [_row(rng, world)]
    is_chinese = rng.random() < 0.35
    exchanges: Exchanges = []
    last: Sum | None = None
    for _ in range(rng.randint(3, 7)):
        if last and 0 < last.result < 100 and rng.random() < 0.15:
            last = _going_on(rng, world, last)
            question = _follow_up(rng, world, last, is_chinese)
        else:
            last = some_sum(rng, world)
            question = _question(rng, world, last, is_chinese)
        exchanges.append(_exchange(question, last))
    return exchanges


def sum_case(rng: random.Random, world: World) -> Dialogue:
    """One sum or difference of two numbers of two digits, for evaluation."""
    op = rng.choice("+-")
    number_sum = drawn(rng, world, op, 10, 99)
    exchange = _exchange(_question(rng, world, number_sum, rng.random() < 0.35), number_sum)
    answer = Message(Role.ASSISTANT, exchange.answer, reasoning_content=exchange.reasoning)
    return Dialogue((Message(Role.USER, exchange.question), answer))


def some_sum(rng: random.Random, world: World) -> Sum:
    """Mostly two digits; people ask for small numbers more often than chance would."""
    kind = rng.choices(_KINDS, _KIND_WEIGHTS)[0]
    if kind == "small":
        return drawn(rng, world, rng.choice("+-"), 0, 20)
    if kind == "below nothing":
        b = rng.randint(1, 30)
        return Sum(rng.randint(0, b - 1), b, "-")
    if kind == "tables":
        return drawn(rng, world, "*", 0 if rng.random() < 0.05 else 1, 12)
    if kind == "long multiplication":
        return _long_multiplication(rng, world)
    if kind == "division":
        a, b = rng.randint(1, 12), rng.randint(1, 12)
        return Sum(a * b, b, "/")
    if kind == "three digits":
        return drawn(rng, world, rng.choice("+-"), 100, 499)
    return drawn(rng, world, kind, 0, 99)


_KINDS = ("+", "-", "small", "tables", "long multiplication", "division", "three digits",
          "below nothing")  # fmt: skip
_KIND_WEIGHTS = (34, 26, 12, 14, 6, 4, 3, 1)


def drawn(rng: random.Random, world: World, op: str, low: int, high: int) -> Sum:
    """A sum of this world's side; differences are never negative."""
    while True:
        a, b = rng.randint(low, high), rng.randint(low, high)
        if op == "-":
            a, b = max(a, b), min(a, b)
        if is_ours(Sum(a, b, op), world.split):
            return Sum(a, b, op)


def _long_multiplication(rng: random.Random, world: World) -> Sum:
    while True:
        a, b = rng.randint(13, 99), rng.randint(2, 9)
        if rng.random() < 0.3:
            a, b = b, a
        if is_ours(Sum(a, b, "*"), world.split):
            return Sum(a, b, "*")


def _going_on(rng: random.Random, world: World, last: Sum) -> Sum:
    while True:
        op, b = rng.choice("+-"), rng.randint(1, 30)
        following = Sum(last.result, b, op)
        if following.result >= 0 and is_ours(following, world.split):
            return following


def _exchange(question: str, number_sum: Sum) -> Exchange:
    mark = "。" if any("\u4e00" <= c <= "\u9fff" for c in question) else "."
    return Exchange(question, number_sum.equation + mark, number_sum.steps)


def _row(rng: random.Random, world: World) -> Exchange:
    """Several sums in one question."""
    row = [some_sum(rng, world) for _ in range(rng.randint(2, 6))]
    blank = rng.choice(("", " "))
    asked = rng.choice((", ", "; ", "\n", " and ")).join(
        f"{s.a}{blank}{_sign(rng, s.op)}{blank}{s.b}" for s in row
    )
    forms, mark = (_ROW_FORMS_ZH, "。") if rng.random() < 0.3 else (_ROW_FORMS, ".")
    if mark == "。":
        asked = asked.replace(" and ", "，")
    question = world.pick(rng, forms).format(p=asked)
    answer = ", ".join(s.equation for s in row) + mark
    return Exchange(question, answer, " ".join(s.steps for s in row))


def _sign(rng: random.Random, op: str) -> str:
    return rng.choice({"*": "*×x", "/": "/÷"}.get(op, op))


def _question(rng: random.Random, world: World, s: Sum, is_chinese: bool) -> str:
    """Half of them bare. How a sum is noted is never held out, only how it is asked."""
    noted = rng.choice(("{a}{o}{b}", "{a} {o} {b}")).format(a=s.a, b=s.b, o=_sign(rng, s.op))
    if rng.random() < 0.5:
        bare = ("{p}等于几？", "{p}等于多少") if is_chinese else ("{p}", "{p}=", "{p} = ?", "{p}?")
        return rng.choice(bare).format(p=noted)
    spoken = world.pick(rng, (_SPOKEN_ZH if is_chinese else _SPOKEN)[s.op]).format(a=s.a, b=s.b)
    if not is_chinese and rng.random() < 0.15:
        return world.pick(rng, _COMMANDS[s.op]).format(a=s.a, b=s.b)
    form = world.pick(rng, _FORMS_ZH if is_chinese else _FORMS)
    return form.format(p=noted if rng.random() < 0.5 else spoken)


def _follow_up(rng: random.Random, world: World, s: Sum, is_chinese: bool) -> str:
    return world.pick(rng, (_THEN_ZH if is_chinese else _THEN)[s.op]).format(b=s.b)


_SPOKEN = {
    "+": ("{a} plus {b}", "{a} and {b} together", "the sum of {a} and {b}", "{a} added to {b}",
          "{a} with {b} added"),
    "-": ("{a} minus {b}", "{a} less {b}", "{a} take away {b}", "the difference of {a} and {b}",
          "{a} with {b} taken away"),
    "*": ("{a} times {b}", "{a} multiplied by {b}", "the product of {a} and {b}"),
    "/": ("{a} divided by {b}", "{a} over {b}", "{a} shared by {b}"),
}  # fmt: skip
_SPOKEN_ZH = {
    "+": ("{a}加{b}", "{a}加上{b}", "{a}与{b}的和", "{a}和{b}加起来"),
    "-": ("{a}减{b}", "{a}减去{b}", "{a}与{b}的差"),
    "*": ("{a}乘以{b}", "{a}乘{b}", "{a}与{b}的积"),
    "/": ("{a}除以{b}", "{a}与{b}的商"),
}
_FORMS = (
    "What is {p}?", "what is {p}", "What's {p}?", "whats {p}?", "Calculate {p}.", "calculate {p}",
    "Compute {p}.", "compute {p}", "How much is {p}?", "how much is {p}", "Solve {p}.",
    "Please solve {p}", "Work out {p}.", "Can you calculate {p}?", "Tell me what {p} is.",
    "Please compute {p}.", "What does {p} make?", "What does {p} equal?", "Evaluate {p}",
    "What is the result of {p}?", "Do you know what {p} is?", "{p} is how much?", "Quick: {p}",
    "Could you tell me what {p} is?", "Maths question: {p}", "I need {p}.", "And {p}?", "Now {p}.",
    "Next: {p}", "Find {p}.", "So what's {p}?", "Give me the result of {p}.", "{p}, please",
    "Help me with this: {p}", "Hey, what is {p}?", "How many is {p}?", "Answer this: {p}",
)  # fmt: skip
_FORMS_ZH = (
    "{p}等于多少？", "{p}等于几？", "{p}是多少？", "计算{p}", "请计算{p}。", "算一下{p}",
    "帮我算{p}", "{p}得多少？", "{p}的结果是多少？", "你知道{p}等于多少吗？", "求{p}。",
    "请问{p}等于多少？", "口算：{p}", "{p}等于？", "{p}结果是？", "告诉我{p}是多少",
    "请问{p}是几？", "那{p}呢？", "{p}是几", "请算出{p}", "快速回答：{p}", "数学题：{p}",
    "{p}一共是多少？", "帮我计算一下{p}。",
)  # fmt: skip
_COMMANDS = {
    "+": ("Add {a} and {b}.", "Add {a} to {b}", "Sum up {a} and {b}.", "add up {a} and {b}"),
    "-": ("Subtract {b} from {a}.", "Take {b} away from {a}.", "take {b} from {a}"),
    "*": ("Multiply {a} by {b}.", "Multiply {a} and {b}", "multiply {a} with {b}"),
    "/": ("Divide {a} by {b}.", "divide {a} by {b}", "Share {a} by {b}."),
}
_THEN = {
    "+": ("Add {b} to that.", "plus {b}?", "And if you add {b}?", "Now add {b}.", "plus {b}",
          "And {b} more?", "What if I add {b} to it?"),
    "-": ("Subtract {b} from that.", "minus {b}?", "And if you take away {b}?", "minus {b}",
          "Now subtract {b}.", "And {b} less?", "What if I take {b} from it?"),
}  # fmt: skip
_THEN_ZH = {
    "+": ("再加{b}呢？", "再加上{b}等于多少？", "加{b}呢？", "然后加{b}", "如果再加{b}呢？"),
    "-": ("再减{b}呢？", "再减去{b}等于多少？", "减{b}呢？", "然后减{b}", "如果再减{b}呢？"),
}
_ROW_FORMS = (
    "{p}", "Calculate: {p}", "Compute these: {p}", "What is {p}?", "Solve these: {p}",
    "What are {p}?", "Work these out: {p}", "Please calculate {p}.", "Here are some sums: {p}",
    "Can you do these? {p}", "calculate {p}", "Solve: {p}", "Do these sums: {p}", "Results of {p}?",
)  # fmt: skip
_ROW_FORMS_ZH = (
    "计算：{p}", "请计算{p}。", "算一下：{p}", "{p}分别等于多少？", "帮我算这些：{p}", "求：{p}",
    "口算：{p}", "请回答这几道题：{p}", "{p}各是多少？",
)  # fmt: skip
