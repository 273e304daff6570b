"""The scheduler keeps its promises. No model: the next token is a hash of the ones before it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.request import EngineRequest, SamplingParams
from whalefall.engine.scheduler import (
    MAX_SKIPS,
    RequestState,
    RequestStatus,
    ScheduledRequest,
    Scheduler,
    SchedulerLimits,
)

BLOCK_SIZE = 4


def request(
    request_id: str,
    num_prompt_tokens: int = 5,
    max_tokens: int = 3,
    key: str = "a",
    first_token: int = 0,
) -> EngineRequest:
    return EngineRequest(
        request_id=request_id,
        prompt_token_ids=[first_token, *range(1, num_prompt_tokens)],
        sampling_params=SamplingParams(max_tokens=max_tokens),
        cache_namespace=key,
        fairness_key=key,
    )


def next_token(token_ids: list[int]) -> int:
    return hash(tuple(token_ids)) % 1000


def expected_output(item: EngineRequest) -> list[int]:
    tokens = list(item.prompt_token_ids)
    for _ in range(item.sampling_params.max_tokens):
        tokens.append(next_token(tokens))
    return tokens[len(item.prompt_token_ids) :]


@dataclass
class Simulation:
    """Runs the scheduler as the engine core does, checking each step's promises."""

    num_blocks: int = 64
    max_num_batched_tokens: int = 16
    max_num_seqs: int = 8
    outputs: dict[str, list[int]] = field(default_factory=dict)
    first_scheduled: dict[str, int] = field(default_factory=dict)
    num_steps: int = 0
    num_computed: int = 0

    def __post_init__(self) -> None:
        self.cache = KVCacheManager(self.num_blocks, BLOCK_SIZE, "model")
        limits = SchedulerLimits(
            max_num_batched_tokens=self.max_num_batched_tokens, max_num_seqs=self.max_num_seqs
        )
        self.scheduler = Scheduler(self.cache, limits)

    def step(self) -> list[ScheduledRequest]:
        step = self.scheduler.schedule()
        self._check(step)
        self.num_steps += 1
        for scheduled in step:
            self.first_scheduled.setdefault(scheduled.state.request_id, self.num_steps)
            self.num_computed += scheduled.num_tokens
        sampling = [scheduled.state for scheduled in step if scheduled.does_sample]
        self.scheduler.advance(step)
        for state in sampling:
            state.token_ids.append(next_token(state.token_ids))
            if state.num_output_tokens == state.request.sampling_params.max_tokens:
                self.outputs[state.request_id] = state.token_ids[state.num_prompt_tokens :]
                self.scheduler.finish(state, RequestStatus.FINISHED_LENGTH_CAPPED)
        self.scheduler.check()
        return step

    def run(self, max_steps: int = 3000) -> None:
        while self.scheduler.num_running + self.scheduler.num_waiting > 0:
            assert self.num_steps < max_steps, "the scheduler does not come to an end"
            self.step()
        assert self.cache.pool.num_free == self.num_blocks

    def _check(self, step: list[ScheduledRequest]) -> None:
        assert step, "a scheduler with requests always finds something to do"
        assert sum(scheduled.num_tokens for scheduled in step) <= self.max_num_batched_tokens
        assert self.scheduler.num_running <= self.max_num_seqs
        scheduled_states = {scheduled.state for scheduled in step}
        for scheduled in step:
            assert 0 < scheduled.num_tokens <= scheduled.state.num_uncomputed_tokens
            end = scheduled.state.num_computed_tokens + scheduled.num_tokens
            assert len(scheduled.state.sequence.block_table) * BLOCK_SIZE >= end
        for state in self.scheduler.running():
            assert state.num_uncomputed_tokens > 1 or state in scheduled_states


def test_decodes_come_before_prompts() -> None:
    simulation = Simulation(max_num_batched_tokens=8)
    simulation.scheduler.add(request("decoding", 4, 10))
    simulation.step()
    simulation.scheduler.add(request("prompt", 30, 1, key="b"))
    step = simulation.step()
    assert [(s.state.request_id, s.num_tokens) for s in step] == [("decoding", 1), ("prompt", 7)]


def test_prompt_is_computed_in_chunks_of_the_budget() -> None:
    simulation = Simulation(max_num_batched_tokens=8)
    simulation.scheduler.add(request("long", 20, 1))
    assert [simulation.step()[0].num_tokens for _ in range(3)] == [8, 8, 4]


def test_keys_share_the_prompt_budget() -> None:
    simulation = Simulation(max_num_batched_tokens=16)
    simulation.scheduler.add(request("long", 100, 1, key="a"))
    simulation.step()
    simulation.scheduler.add(request("short", 6, 1, key="b"))
    step = {s.state.request_id: s.num_tokens for s in simulation.step()}
    assert step == {"long": 10, "short": 6}


def test_one_request_waits_at_most_one_round_behind_500_of_another_key() -> None:
    simulation = Simulation(num_blocks=256)
    for index in range(500):
        simulation.scheduler.add(request(f"a{index}", 5, 50, key="a", first_token=index))
    for _ in range(20):
        simulation.step()
    assert simulation.scheduler.num_running == simulation.max_num_seqs
    simulation.scheduler.add(request("b", 5, 3, key="b"))
    before = simulation.num_steps
    simulation.step()
    assert simulation.first_scheduled["b"] == before + 1


def test_blocks_held_by_one_key_do_not_keep_another_out() -> None:
    simulation = Simulation(num_blocks=16, max_num_seqs=8)
    for index in range(4):
        simulation.scheduler.add(request(f"a{index}", 9, 40, key="a", first_token=index))
    for _ in range(8):
        simulation.step()
    simulation.scheduler.add(request("b", 9, 3, key="b"))
    before = simulation.num_steps
    simulation.step()
    assert simulation.first_scheduled["b"] == before + 1
    simulation.run()


def test_keys_take_turns_in_the_queue() -> None:
    simulation = Simulation(max_num_seqs=1, max_num_batched_tokens=16)
    for key in ("a", "b", "c"):
        for index in range(3):
            simulation.scheduler.add(request(f"{key}{index}", 5, 1, key=key))
    simulation.run()
    order = sorted(simulation.first_scheduled, key=lambda name: simulation.first_scheduled[name])
    assert order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_preempted_request_continues_with_the_same_output() -> None:
    simulation = Simulation(num_blocks=12, max_num_batched_tokens=32)
    items = [request(f"r{index}", 8, 30, first_token=index) for index in range(3)]
    states = [simulation.scheduler.add(item) for item in items]
    simulation.run()
    assert sum(state.num_preemptions for state in states) > 0
    assert simulation.outputs == {item.request_id: expected_output(item) for item in items}


def test_preemption_takes_the_newest_of_the_heaviest_key() -> None:
    simulation = Simulation(num_blocks=10, max_num_batched_tokens=32)
    light = simulation.scheduler.add(request("light", 4, 30, key="light"))
    heavy = [
        simulation.scheduler.add(request(f"heavy{i}", 8, 20, key="heavy", first_token=i))
        for i in range(2)
    ]
    while not any(state.num_preemptions for state in (light, *heavy)):
        simulation.step()
    assert heavy[1].num_preemptions == 1
    assert light.num_preemptions == heavy[0].num_preemptions == 0


def test_request_that_never_fits_is_rejected_at_once() -> None:
    simulation = Simulation(num_blocks=4)
    with pytest.raises(EngineRejectedError, match="cache blocks"):
        simulation.scheduler.add(request("huge", 10, 8))
    simulation.scheduler.add(request("just fits", 10, 7))
    simulation.run()
    assert len(simulation.outputs["just fits"]) == 7


def test_full_queue_rejects() -> None:
    cache = KVCacheManager(8, BLOCK_SIZE, "model")
    scheduler = Scheduler(cache, SchedulerLimits(max_num_waiting=2))
    scheduler.add(request("1"))
    scheduler.add(request("2"))
    with pytest.raises(EngineRejectedError, match="queue is full"):
        scheduler.add(request("3"))


def test_limits_that_could_starve_a_decode_are_refused() -> None:
    with pytest.raises(ValueError, match="max_num_seqs"):
        SchedulerLimits(max_num_batched_tokens=4, max_num_seqs=5)


def test_large_request_is_not_overtaken_for_ever() -> None:
    """Two staggered streams of small requests leave room for everyone but the large one."""
    simulation = Simulation(num_blocks=16, max_num_seqs=2, max_num_batched_tokens=64)
    simulation.scheduler.add(request("first", 9, 4, key="k0"))
    simulation.scheduler.add(request("second", 9, 9, key="k1"))
    simulation.step()
    simulation.scheduler.add(request("large", 50, 2, key="large"))
    index = 0
    while "large" not in simulation.outputs:
        if simulation.scheduler.num_waiting < 4:
            simulation.scheduler.add(request(f"small{index}", 9, 9, key=f"k{index % 7}"))
            index += 1
        simulation.step()
        assert simulation.num_steps < 2 * MAX_SKIPS


def test_prefix_hits_are_not_computed_again() -> None:
    simulation = Simulation(max_num_batched_tokens=64)
    first = simulation.scheduler.add(request("first", 30, 1))
    simulation.run()
    assert simulation.num_computed == 30
    second = simulation.scheduler.add(request("second", 30, 1))
    simulation.run()
    assert simulation.num_computed == 32
    assert (first.num_cached_tokens, second.num_cached_tokens) == (0, 28)


def test_output_tokens_are_cached_too() -> None:
    simulation = Simulation(max_num_batched_tokens=64)
    first = simulation.scheduler.add(request("first", 6, 7))
    simulation.run()
    follow_up = EngineRequest(
        request_id="second",
        prompt_token_ids=[*first.token_ids, 7],
        sampling_params=SamplingParams(max_tokens=1),
        cache_namespace="a",
    )
    state = simulation.scheduler.add(follow_up)
    simulation.step()
    assert state.num_cached_tokens == 12


@pytest.mark.parametrize("num_steps", [0, 1, 4])
def test_finishing_early_frees_all_blocks(num_steps: int) -> None:
    simulation = Simulation(max_num_batched_tokens=8)
    states = [simulation.scheduler.add(request(f"r{i}", 12, 5, key=f"k{i}")) for i in range(3)]
    for _ in range(num_steps):
        simulation.step()
    for state in states:
        simulation.scheduler.finish(state, RequestStatus.FINISHED_ABORTED)
    simulation.scheduler.check()
    assert simulation.cache.pool.num_free == simulation.num_blocks
    assert simulation.scheduler.num_running == simulation.scheduler.num_waiting == 0


arrivals = st.lists(
    st.tuples(
        st.integers(0, 12),  # the step it arrives in
        st.integers(1, 24),  # prompt
        st.integers(1, 16),  # output
        st.sampled_from("abcd"),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(arrivals, st.integers(10, 16), st.integers(1, 5), st.integers(5, 20))
def test_everything_finishes_with_the_output_it_would_have_alone(
    items: list[tuple[int, int, int, str, int]], num_blocks: int, max_num_seqs: int, budget: int
) -> None:
    simulation = Simulation(num_blocks, budget, max_num_seqs)
    planned = {
        index: (arrival, request(f"r{index}", prompt, output, key, first))
        for index, (arrival, prompt, output, key, first) in enumerate(items)
    }
    states: list[RequestState] = []
    for step_index in range(13):
        for arrival, item in planned.values():
            if arrival == step_index:
                states.append(simulation.scheduler.add(item))
        if simulation.scheduler.num_running + simulation.scheduler.num_waiting:
            simulation.step()
    simulation.run()
    for _, item in planned.values():
        assert simulation.outputs[item.request_id] == expected_output(item)
    assert all(state.status is RequestStatus.FINISHED_LENGTH_CAPPED for state in states)
