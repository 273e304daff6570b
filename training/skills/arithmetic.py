"""Small sums: said at once when thinking is off, worked out in steps when it is on."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, World

_SIGNS = {"+": "+", "-": "-", "*": "×", "/": "÷"}
_WORDS = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
_WORDS_ZH = {"+": "加", "-": "减", "*": "乘以", "/": "除以"}

_SUM_FORMS = (
    "What is {p}?", "{p}", "{p} = ?", "{p}=", "What is {s}?", "Calculate {p}", "Compute {p}.",
    "How much is {s}?", "How much is {p}?", "what's {p}", "Can you add this up: {p}?", "{p}?",
    "Please solve {p}.", "what is {s}", "Tell me what {p} is.",
)  # fmt: skip
_SUM_FORMS_ZH = (
    "{s}等于多少？", "{p}等于多少？", "{p}=?", "{p}等于几？", "计算{p}", "请计算{s}。", "{p} = ",
)  # fmt: skip
_BIGGER_FORMS = (
    "Which is bigger, {a} or {b}?", "Which is greater, {a} or {b}?",
    "{a} or {b}, which is larger?", "Is {a} bigger than {b}?", "Which is bigger {a} or {b}?",
    "{a} and {b}, which is greater?",
)  # fmt: skip
_BIGGER_FORMS_ZH = ("{a}和{b}哪个大？", "{a} 和 {b} 哪个更大？", "{a}大还是{b}大？")


def sums(rng: random.Random, world: World) -> Exchanges:
    del world
    a, b, op = _operands(rng)
    is_chinese = rng.random() < 0.4
    result = _result(a, b, op)
    question = _question(rng, a, b, op, is_chinese)
    answer = _answer(rng, (a, b, op), result, is_chinese)
    return [Exchange(question, answer, steps(a, b, op))]


def _operands(rng: random.Random) -> tuple[int, int, str]:
    """Mostly small numbers; differences are never negative and quotients are whole."""
    op = rng.choices("+-*/", (5, 4, 3, 1))[0]
    if op in "*/":
        a, b = rng.randint(1, 12), rng.randint(1, 12)
        return (a, b, op) if op == "*" else (a * b, b, op)
    limit = rng.choices((10, 20, 50, 100, 500), (4, 4, 3, 3, 1))[0]
    a, b = rng.randint(0, limit), rng.randint(0, limit)
    return (a, b, op) if op == "+" else (max(a, b), min(a, b), op)


def _result(a: int, b: int, op: str) -> int:
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    return a * b if op == "*" else a // b


def _question(rng: random.Random, a: int, b: int, op: str, is_chinese: bool) -> str:
    sign = rng.choice((op, _SIGNS[op]))
    plain = f"{a} {sign} {b}" if rng.random() < 0.6 else f"{a}{sign}{b}"
    if is_chinese:
        spoken = f"{a}{_WORDS_ZH[op]}{b}"
        return rng.choice(_SUM_FORMS_ZH).format(s=spoken, p=plain)
    return rng.choice(_SUM_FORMS).format(s=f"{a} {_WORDS[op]} {b}", p=plain)


def _answer(
    rng: random.Random, operation: tuple[int, int, str], result: int, is_chinese: bool
) -> str:
    a, b, op = operation
    if is_chinese:
        return rng.choice((f"{a} {_SIGNS[op]} {b} = {result}。", f"等于 {result}。"))
    return rng.choice((f"{a} {_SIGNS[op]} {b} = {result}.", f"The answer is {result}."))


def steps(a: int, b: int, op: str) -> str:
    """The sum worked out in words a reader can follow."""
    if op == "+" and a >= 10 and b >= 10:
        return _addition_steps(a, b)
    if op == "-" and b >= 10:
        tens, ones = b - b % 10, b % 10
        return f"{a} - {b}: first {a} - {tens} = {a - tens}, then {a - tens} - {ones} = {a - b}."
    if op == "*" and a > 10:
        return f"{a} × {b}: 10 × {b} = {10 * b}, {a - 10} × {b} = {(a - 10) * b}, so {a * b}."
    if op == "/":
        quotient = a // b
        return f"{a} ÷ {b}: since {quotient} × {b} = {a}, the answer is {quotient}."
    return f"{a} {_SIGNS[op]} {b} is {_result(a, b, op)}."


def _addition_steps(a: int, b: int) -> str:
    tens, ones = a - a % 10 + b - b % 10, a % 10 + b % 10
    return (
        f"{a} + {b}: {a - a % 10} + {b - b % 10} = {tens}, {a % 10} + {b % 10} = {ones}, "
        f"and {tens} + {ones} = {a + b}."
    )


def comparisons(rng: random.Random, world: World) -> Exchanges:
    """Which number is bigger, whole or with decimals of different length."""
    del world
    a, b = _two_numbers(rng)
    bigger = max((a, b), key=float)
    smaller = a if bigger == b else b
    why = _comparison_reason(a, b, bigger)
    if rng.random() < 0.35:
        question = rng.choice(_BIGGER_FORMS_ZH).format(a=a, b=b)
        return [Exchange(question, f"{bigger} 更大。", why)]
    question = rng.choice(_BIGGER_FORMS).format(a=a, b=b)
    if question.startswith("Is "):
        claim = "Yes" if bigger == a else "No"
        return [Exchange(question, f"{claim}, {bigger} is bigger than {smaller}.", why)]
    answer = rng.choice((f"{bigger} is bigger.", f"{bigger} is bigger than {smaller}."))
    return [Exchange(question, answer, why)]


def _two_numbers(rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.5:
        a, b = rng.sample(range(1000 if rng.random() < 0.3 else 100), 2)
        return str(a), str(b)
    whole = rng.randint(0, 12)
    one, two = f"{whole}.{rng.randint(1, 9)}", f"{whole}.{rng.randint(1, 8)}{rng.randint(1, 9)}"
    return (one, two) if rng.random() < 0.5 else (two, one)


def _comparison_reason(a: str, b: str, bigger: str) -> str:
    if "." not in a:
        return f"Compare {a} and {b}: {bigger} is bigger."
    whole, tail_a = a.split(".")
    tail_b = b.split(".")[1]
    one, two = tail_a.ljust(2, "0"), tail_b.ljust(2, "0")
    return (
        f"Both numbers begin with {whole}. Write two decimals: {whole}.{one} and {whole}.{two}. "
        f"{max(one, two)} is more than {min(one, two)}, so {bigger} is bigger."
    )


def word_problems(rng: random.Random, world: World) -> Exchanges:
    """One-step stories about things that are given, eaten, bought or shared."""
    if rng.random() < 0.35:
        return _word_problem_zh(rng, world)
    name, other = rng.sample(world.facts["names"], 2)
    thing = rng.choice(world.facts["things"])
    a, b = rng.randint(2, 20), rng.randint(2, 20)
    kind = rng.randrange(4)
    if kind == 0:
        gift = rng.choice((f"{other} gives {name} {b} more", f"{name} finds {b} more"))
        text = f"{name} has {a} {thing}. {gift}. How many {thing} does {name} have now?"
        return [Exchange(text, f"{name} has {a + b} {thing} now.", steps(a, b, "+"))]
    if kind == 1:
        loss = rng.choice((f"loses {b}", f"gives {b} to {other}", f"sells {b}"))
        text = f"{name} has {a + b} {thing} and {loss}. How many {thing} are left?"
        return [Exchange(text, f"{a} {thing} are left.", steps(a + b, b, "-"))]
    a, b = rng.randint(2, 10), rng.randint(2, 10)
    if kind == 2:
        text = f"{name} has {a} boxes with {b} {thing} each. How many {thing} are there in all?"
        return [Exchange(text, f"There are {a * b} {thing} in all.", steps(a, b, "*"))]
    text = f"{name} shares {a * b} {thing} equally among {b} friends. How many does each get?"
    return [Exchange(text, f"Each friend gets {a} {thing}.", steps(a * b, b, "/"))]


def _word_problem_zh(rng: random.Random, world: World) -> Exchanges:
    name = rng.choice(world.facts["names_zh"])
    thing = rng.choice(world.facts["things_zh"])
    a, b = rng.randint(2, 20), rng.randint(2, 20)
    if rng.random() < 0.5:
        text = f"{name}有{a}个{thing}，又得到{b}个，现在有几个{thing}？"
        return [Exchange(text, f"{name}现在有{a + b}个{thing}。", steps(a, b, "+"))]
    text = f"{name}有{a + b}个{thing}，送给朋友{b}个，还剩几个{thing}？"
    return [Exchange(text, f"还剩{a}个{thing}。", steps(a + b, b, "-"))]
