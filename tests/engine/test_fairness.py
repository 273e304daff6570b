"""Turns among the engine's callers, seen from outside the core."""

from __future__ import annotations

from tests.engine.test_core import Bench, request


def test_lone_request_gets_a_token_one_step_after_coming_in_behind_500() -> None:
    bench = Bench(num_blocks=256)
    for index in range(500):
        bench.core.add(request(f"crowd{index}", [index % 40 + 8, 2, 3], max_tokens=40, key="crowd"))
    for _ in range(5):
        bench.step()
    assert bench.core.load().num_waiting >= 400
    bench.core.add(request("lone", max_tokens=1, key="lone"))
    bench.step()
    bench.step()
    assert bench.tokens("lone")
