"""Sums: right, of one form, and held out by their numbers."""

from __future__ import annotations

import operator
import random
import re

import pytest

from training.examples import World
from training.holdout import Split
from training.skills import arithmetic, numbers, word_problems
from training.skills.arithmetic import Sum, is_ours
from training.world import load_world
from whalefall.chat.tokenizer import Tokenizer

_OPERATORS = {"+": operator.add, "-": operator.sub, "×": operator.mul, "÷": operator.floordiv}
_TERM = r"-?\d+(?: [+\-×÷] \d+)*"
_CHAIN = re.compile(rf"{_TERM}(?: = {_TERM})+")


@pytest.fixture(scope="module")
def held_out_world(tokenizer: Tokenizer) -> World:
    return load_world(tokenizer, split=Split.HELD_OUT)


def _assert_true_equations(text: str) -> int:
    """All sides of every chain of equal signs have the same value."""
    chains = [chain.split(" = ") for chain in _CHAIN.findall(text)]
    for sides in chains:
        assert len({_value(side) for side in sides}) == 1, text
    return len(chains)


def _value(side: str) -> int:
    first, *rest = side.split(" ")
    value = int(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        value = _OPERATORS[sign](value, int(number))
    return value


def test_every_equation_that_is_said_or_thought_is_true(world: World) -> None:
    seen = 0
    for seed in range(300):
        for skill in (arithmetic.sums, word_problems.word_problems):
            for exchange in skill(random.Random(seed), world):
                seen += _assert_true_equations(exchange.answer)
                seen += _assert_true_equations(exchange.reasoning)
    assert seen > 1500


@pytest.mark.parametrize(
    ("number_sum", "equation", "steps"),
    [
        (Sum(47, 38, "+"), "47 + 38 = 70 + 15 = 85",
         "47 + 38: 40 + 30 = 70, 7 + 8 = 15, 70 + 15 = 85."),
        (Sum(85, 38, "-"), "85 - 38 = 55 - 8 = 47", "85 - 38: 85 - 30 = 55, 55 - 8 = 47."),
        (Sum(7, 8, "*"), "7 × 8 = 56", "7 × 8 = 56."),
        (Sum(23, 4, "*"), "23 × 4 = 80 + 12 = 92",
         "23 × 4: 20 × 4 = 80, 3 × 4 = 12, 80 + 12 = 92."),
        (Sum(84, 7, "/"), "84 ÷ 7 = 12", "84 ÷ 7: 12 × 7 = 84, so 12."),
        (Sum(347, 128, "+"), "347 + 128 = 400 + 60 + 15 = 475",
         "347 + 128: 300 + 100 = 400, 40 + 20 = 60, 7 + 8 = 15, 400 + 60 + 15 = 475."),
        (Sum(347, 128, "-"), "347 - 128 = 247 - 28 = 227 - 8 = 219",
         "347 - 128: 347 - 100 = 247, 247 - 20 = 227, 227 - 8 = 219."),
        (Sum(40, 38, "+"), "40 + 38 = 78", "40 + 38 = 78."),
        (Sum(3, 5, "-"), "3 - 5 = -2", "3 - 5 = -2."),
    ],
)  # fmt: skip
def test_forms(number_sum: Sum, equation: str, steps: str) -> None:
    assert number_sum.equation == equation
    assert number_sum.steps == steps


def test_one_pair_in_eight_is_held_out_in_either_order() -> None:
    pairs = [Sum(a, b, "+") for a in range(10, 100) for b in range(10, 100)]
    held_out = [s for s in pairs if is_ours(s, Split.HELD_OUT)]
    assert 0.1 < len(held_out) / len(pairs) < 0.15
    assert all(is_ours(Sum(s.b, s.a, "+"), Split.HELD_OUT) for s in held_out)
    assert is_ours(Sum(2, 2, "+"), Split.TRAINED)


def test_training_never_sees_a_held_out_sum(world: World, held_out_world: World) -> None:
    cases = [arithmetic.sum_case(random.Random(seed), held_out_world) for seed in range(100)]
    held_out = {_sum_of(case.messages[-1].content) for case in cases}
    trained = {
        _sum_of(exchange.answer)
        for seed in range(500)
        for exchange in (*arithmetic.sums(random.Random(seed), world),
                         *word_problems.word_problems(random.Random(seed), world))
    }  # fmt: skip
    assert len(held_out) > 60
    assert not held_out & trained


def _sum_of(answer: str) -> str:
    found = re.match(r"(\d+) ([+\-×÷]) (\d+)", answer)
    assert found, answer
    a, sign, b = found.groups()
    return " ".join((*sorted((a, b), key=int), sign))


def test_comparison_names_the_bigger_or_the_smaller_number(world: World) -> None:
    for seed in range(200):
        for exchange in numbers.comparisons(random.Random(seed), world):
            said = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", exchange.answer)]
            is_smaller = "smaller" in exchange.answer or "小" in exchange.answer
            assert said == sorted(said, reverse=not is_smaller)
            assert {str(n) for n in said} <= {
                str(float(n)) for n in re.findall(r"\d+(?:\.\d+)?", exchange.question)
            }


def test_days_later(world: World) -> None:
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    for seed in range(300):
        exchange = numbers.calendar(random.Random(seed), world)[0]
        if found := re.match(r"In (\d) days it is (\w+)\.", exchange.answer):
            start = next(day for day in days if day in exchange.question)
            assert days[(days.index(start) + int(found[1])) % 7] == found[2]
