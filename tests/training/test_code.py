"""Code with holes: what is cut out fits back in, and is code."""

from __future__ import annotations

import ast
import random

from training.examples import World
from training.holdout import Split
from training.skills import code, functions, library, stories


def test_a_filled_hole_gives_code(world: World) -> None:
    for seed in range(200):
        passage = code.fim_case(random.Random(seed), world)
        assert passage.text.strip()
        assert passage.suffix is not None
        ast.parse(passage.prompt + passage.text + passage.suffix)


def test_every_example_with_a_hole_is_whole_code(world: World) -> None:
    for seed in range(200):
        passage = code.filled(random.Random(seed), world)
        ast.parse(passage.prompt + passage.text + (passage.suffix or ""))


def test_holes_leave_the_rest_unmarked(world: World) -> None:
    for seed in range(100):
        function = functions.some_function(random.Random(seed), world)
        for place in range(function.num_holes):
            assert "".join(function.hole(place)) == function.code
        assert "⟦" not in function.code
        assert "<" not in function.code.replace(" < ", "")


def test_the_library_is_read_in_the_same_order_and_small() -> None:
    cut = library.functions(Split.TRAINED)
    assert len(cut) > 500
    assert not set(cut) & set(library.functions(Split.HELD_OUT))
    assert len(set(cut)) == len(cut)
    assert max(text.count("\n") for text in cut) <= 25


def test_requested_code_parses_and_has_the_wanted_name(world: World) -> None:
    for seed in range(100):
        exchange = code.written(random.Random(seed), world)[0]
        text = exchange.answer.split("```python\n")[1].split("```")[0]
        ast.parse(text)
        if "is called " in exchange.question:
            name = exchange.question.split("is called ")[1].split()[0].strip("?.,")
            assert f" {name}(" in text or f" {name}:" in text


def test_a_missing_sentence_is_one_sentence(world: World) -> None:
    for seed in range(50):
        text = stories.tale(random.Random(seed), world)
        passage = stories.sentence_missing(random.Random(seed), text)
        assert passage.prompt + passage.text + (passage.suffix or "") == text
        assert passage.text.endswith(".")
