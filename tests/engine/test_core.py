"""The engine core around a model that is only memory: outputs, ends, failures, isolation."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.support.bundled_tokenizer import bundled_tokenizer_path
from tests.support.remembering_runner import (
    VOCAB_SIZE,
    RememberingRunner,
    greedy_continuation,
    logits_after,
)
from whalefall.engine.core import NAME_LENGTH_MAX, EngineCore, ModelLimits
from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.request import (
    EngineOutput,
    EngineRequest,
    FinishReason,
    SamplingParams,
    StructureSpec,
)
from whalefall.engine.scheduler import Scheduler, SchedulerLimits
from whalefall.engine.structure import GrammarCompiler

BLOCK_SIZE = 4
EOS = 7


def request(
    request_id: str = "r",
    prompt: list[int] | None = None,
    *,
    max_tokens: int = 5,
    namespace: str = "a",
    key: str = "a",
    **params: object,
) -> EngineRequest:
    knobs = {"temperature": 0.0, "ignore_eos": True, "max_tokens": max_tokens, **params}
    return EngineRequest(
        request_id=request_id,
        prompt_token_ids=[1, 2, 3] if prompt is None else prompt,
        sampling_params=msgspec.convert(knobs, SamplingParams),
        cache_namespace=namespace,
        fairness_key=key,
    )


@dataclass
class Bench:
    """A core with its parts at hand; `collect` steps until all is done."""

    num_blocks: int = 64
    max_num_batched_tokens: int = 16
    max_num_seqs: int = 8
    outputs: dict[str, list[EngineOutput]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runner = RememberingRunner(self.num_blocks, BLOCK_SIZE)
        self.cache = KVCacheManager(self.num_blocks, BLOCK_SIZE, "model")
        limits = SchedulerLimits(
            max_num_batched_tokens=self.max_num_batched_tokens, max_num_seqs=self.max_num_seqs
        )
        self.core = EngineCore(
            self.runner,
            Scheduler(self.cache, limits),
            self.cache,
            ModelLimits(VOCAB_SIZE, 200, (EOS,)),
        )

    def step(self) -> None:
        report = self.core.step()
        for output in report.outputs:
            self.outputs.setdefault(output.request_id, []).append(output)
        for failure in report.failures:
            self.failures[failure.request_id] = failure.message
        self.core.check()

    def collect(self, *requests: EngineRequest) -> dict[str, list[int]]:
        for item in requests:
            self.core.add(item)
        while self.core.has_requests:
            self.step()
            if self.core.is_only_compiling:
                time.sleep(0.001)
        assert self.cache.pool.num_free == self.num_blocks
        return {request_id: self.tokens(request_id) for request_id in self.outputs}

    def tokens(self, request_id: str) -> list[int]:
        return [token for output in self.outputs[request_id] for token in output.token_ids]


def test_output_is_the_models_greedy_continuation() -> None:
    bench = Bench()
    item = request(max_tokens=12)
    assert bench.collect(item) == {"r": greedy_continuation(item)}
    last = bench.outputs["r"][-1]
    assert last.finish_reason is FinishReason.LENGTH
    assert all(output.finish_reason is None for output in bench.outputs["r"][:-1])


def test_first_output_carries_the_prompt_figures_before_any_token_of_a_long_prompt() -> None:
    bench = Bench()
    bench.core.add(request(prompt=list(range(40))))
    bench.step()
    first = bench.outputs["r"][0]
    assert (first.token_ids, first.num_prompt_tokens, first.num_cached_tokens) == ([], 40, 0)
    bench.step()
    assert len(bench.outputs["r"]) == 1


def test_prefix_hit_skips_the_work_and_changes_nothing() -> None:
    bench = Bench(max_num_batched_tokens=64)
    prompt = list(range(30))
    bench.collect(request("first", prompt))
    computed = bench.runner.num_computed_tokens
    bench.collect(request("second", prompt))
    assert bench.tokens("first") == bench.tokens("second")
    assert bench.outputs["second"][0].num_cached_tokens == 28
    assert bench.runner.num_computed_tokens - computed == computed - 28
    load = bench.core.load()
    assert (load.prompt_tokens_total, load.cached_tokens_total) == (60, 28)
    assert load.output_tokens_total == 10


def test_other_namespace_gets_the_same_answer_without_a_hit() -> None:
    bench = Bench(max_num_batched_tokens=64)
    prompt = list(range(30))
    bench.collect(request("first", prompt, namespace="alice"))
    bench.collect(request("second", prompt, namespace="bob"))
    assert bench.outputs["second"][0].num_cached_tokens == 0
    assert bench.tokens("first") == bench.tokens("second")


def test_conversation_hits_its_own_previous_output() -> None:
    bench = Bench(max_num_batched_tokens=64)
    prompt = list(range(10))
    answer = bench.collect(request("first", prompt, max_tokens=11))["first"]
    bench.collect(request("second", [*prompt, *answer, 3]))
    assert bench.outputs["second"][0].num_cached_tokens == 20


def stop_case() -> tuple[EngineRequest, int, list[int]]:
    """A request, a token of its answer, and the answer before that token's first occurrence."""
    item = request(max_tokens=20)
    answer = greedy_continuation(item)
    token = answer[5]
    return item, token, answer[: answer.index(token)]


def test_stop_token_is_neither_returned_nor_counted() -> None:
    item, token, before = stop_case()
    params = msgspec.structs.replace(item.sampling_params, stop_token_ids=(token,))
    bench = Bench()
    assert bench.collect(msgspec.structs.replace(item, sampling_params=params)) == {"r": before}
    last = bench.outputs["r"][-1]
    assert (last.token_ids, last.finish_reason) == ([], FinishReason.STOP)
    assert bench.core.load().output_tokens_total == len(before)


@pytest.mark.parametrize("ignore_eos", [True, False])
def test_end_token_of_the_model_ends_unless_ignored(ignore_eos: bool) -> None:
    prompt = next(
        [a, b] for a in range(VOCAB_SIZE) for b in range(50) if logits_after([a, b]).argmax() == EOS
    )
    bench = Bench()
    tokens = bench.collect(request(prompt=prompt, max_tokens=2, ignore_eos=ignore_eos))["r"]
    assert tokens[:1] == ([EOS] if ignore_eos else [])


def test_penalties_see_the_output_so_far() -> None:
    bench = Bench()
    answer = bench.collect(request(max_tokens=VOCAB_SIZE, presence_penalty=100.0))["r"]
    assert sorted(answer) == list(range(VOCAB_SIZE))


def test_seeded_samples_repeat_alone_and_in_a_batch() -> None:
    item = request(max_tokens=20, temperature=1.0, seed=5)
    alone = Bench().collect(item)["r"]
    others = [request(f"o{i}", [i, i], temperature=1.0, max_tokens=9) for i in range(6)]
    assert Bench().collect(*others, item)["r"] == alone
    other_seed = request(max_tokens=20, temperature=1.0, seed=6)
    assert Bench().collect(other_seed)["r"] != alone


def test_unseeded_samples_differ() -> None:
    items = [request(f"{i}", max_tokens=20, temperature=1.0) for i in range(2)]
    answers = Bench().collect(*items)
    assert answers["0"] != answers["1"]


def test_logprobs_come_with_every_token() -> None:
    bench = Bench()
    bench.collect(request(logprobs=2))
    entries = [e for output in bench.outputs["r"] for e in output.logprobs or []]
    assert [entry.token_id for entry in entries] == bench.tokens("r")
    assert all(entry.top[0] == (entry.token_id, entry.logprob) for entry in entries)


@pytest.mark.parametrize("num_steps", [0, 1, 3])
def test_abort_ends_at_once_and_frees_everything(num_steps: int) -> None:
    bench = Bench()
    bench.core.add(request(prompt=list(range(20)), max_tokens=50))
    for _ in range(num_steps):
        bench.step()
    last = bench.core.abort("r")
    assert last is not None
    assert last.finish_reason is FinishReason.ABORT
    assert last.num_prompt_tokens == (20 if num_steps else 0)
    assert not bench.core.has_requests
    assert bench.cache.pool.num_free == bench.num_blocks
    assert bench.core.abort("r") is None
    bench.core.check()


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (request(prompt=[]), "empty"),
        (request(prompt=[1, -1]), "outside"),
        (request(prompt=[1, VOCAB_SIZE]), "outside"),
        (request(prompt=[2**62]), "outside"),
        (request(max_tokens=0), "max_tokens"),
        (request(max_tokens=10**9), "this model takes"),
        (request(prompt=[1] * 500), "this model takes"),
        (request(namespace="n" * (NAME_LENGTH_MAX + 1)), "cache_namespace"),
        (request(key="k" * (NAME_LENGTH_MAX + 1)), "fairness_key"),
        (request(request_id="i" * (NAME_LENGTH_MAX + 1)), "request_id"),
        (request(temperature=-1.0), "temperature"),
        (request(top_p=0.0), "top_p"),
        (request(request_id="running"), "in use"),
    ],
)
def test_odd_request_is_rejected_and_the_others_run_on(item: EngineRequest, reason: str) -> None:
    bench = Bench()
    running = request("running", max_tokens=10)
    bench.core.add(running)
    bench.step()
    with pytest.raises(EngineRejectedError, match=reason):
        bench.core.add(item)
    assert bench.collect() == {"running": greedy_continuation(running)}


@pytest.mark.parametrize("namespace", ["", "\x00", "a" * NAME_LENGTH_MAX, "\ud800", "🐳", "../x"])
def test_any_namespace_is_only_a_name(namespace: str) -> None:
    bench = Bench()
    item = request(namespace=namespace, key=namespace)
    assert bench.collect(item) == {"r": greedy_continuation(item)}


def test_structure_without_a_tokenizer_is_rejected() -> None:
    spec = StructureSpec(kind="lark", grammar='start: "a"')
    with pytest.raises(EngineRejectedError, match="tokenizer"):
        Bench().core.add(msgspec.structs.replace(request(), structure=spec))


def test_request_that_breaks_the_model_fails_alone() -> None:
    bench = Bench()
    bench.runner.poison = 13
    items = [request(f"{i}", [i, 1], max_tokens=8) for i in range(3)]
    answers = bench.collect(*items, request("bad", [13, 1]))
    assert answers == {item.request_id: greedy_continuation(item) for item in items}
    assert list(bench.failures) == ["bad"]
    assert "poisoned" in bench.failures["bad"]


class StructuredBench(Bench):
    """The same with the real vocabulary and a grammar compiler; the model babbles."""

    vocab_size = 129280

    def __post_init__(self) -> None:
        self.runner = RememberingRunner(self.num_blocks, BLOCK_SIZE, self.vocab_size)
        self.cache = KVCacheManager(self.num_blocks, BLOCK_SIZE, "model")
        self.core = EngineCore(
            self.runner,
            Scheduler(self.cache, SchedulerLimits(16, 8)),
            self.cache,
            ModelLimits(self.vocab_size, 250, (1,)),
            GrammarCompiler(bundled_tokenizer_path(), self.vocab_size, (1,)),
        )


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(bundled_tokenizer_path()))


def structured(item: EngineRequest, kind: str, grammar: str) -> EngineRequest:
    return msgspec.structs.replace(item, structure=StructureSpec(kind=kind, grammar=grammar))


def test_structured_outputs_follow_their_grammars_beside_a_free_one(tokenizer: Tokenizer) -> None:
    bench = StructuredBench()
    free = request("free", max_tokens=12)
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "color": {"enum": ["red", "blå"]}},
        "required": ["ok", "color"],
        "additionalProperties": False,
        "x-guidance": {"whitespace_flexible": False},
    }
    items = [
        structured(request(f"json{seed}", temperature=1.0, seed=seed, max_tokens=80), *spec)
        for seed in range(3)
        for spec in [("json_schema", json.dumps(schema))]
    ]
    lark = structured(request("lark", max_tokens=80), "lark", 'start: ("ab" | "cd") "!"')
    answers = bench.collect(*items, free, lark)
    assert not bench.failures
    for item in items:
        value = json.loads(tokenizer.decode(answers[item.request_id]))
        assert isinstance(value["ok"], bool)
        assert value["color"] in ("red", "blå")
    assert tokenizer.decode(answers["lark"]) in ("ab!", "cd!")
    ends = [outputs[-1].finish_reason for name, outputs in bench.outputs.items() if name != "free"]
    assert ends == [FinishReason.STOP] * 4
    assert answers["free"] == StructuredBench().collect(free)["free"]


def test_structured_output_is_cut_by_max_tokens() -> None:
    bench = StructuredBench()
    bench.collect(structured(request(max_tokens=3), "lark", "start: /[a-z]{500}/"))
    assert bench.outputs["r"][-1].finish_reason is FinishReason.LENGTH


def test_wrong_grammar_fails_its_request_alone() -> None:
    bench = StructuredBench()
    free = request("free", max_tokens=12)
    answers = bench.collect(structured(request("bad"), "lark", "start: nowhere"), free)
    assert list(bench.failures) == ["bad"]
    assert len(answers["free"]) == 12


def test_request_whose_grammar_is_being_compiled_can_be_aborted() -> None:
    bench = StructuredBench()
    slow = "|".join(f"/x{j}[a-z]*/" for j in range(2000))
    bench.core.add(structured(request(), "lark", f"start: {slow}"))
    assert bench.core.is_only_compiling
    assert bench.core.load().num_waiting == 1
    with pytest.raises(EngineRejectedError, match="in use"):
        bench.core.add(request())
    last = bench.core.abort("r")
    assert last is not None
    assert last.finish_reason is FinishReason.ABORT
    assert not bench.core.has_requests


plans = st.lists(
    st.tuples(
        st.integers(0, 10),
        st.integers(1, 20),
        st.integers(1, 14),
        st.sampled_from("abc"),
        st.booleans(),
        st.none() | st.integers(0, 6),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=60, deadline=None)
@given(plans, st.integers(9, 14), st.integers(1, 5), st.integers(5, 24))
def test_any_traffic_gives_everyone_his_own_answer(
    plan: list[tuple[int, int, int, str, bool, int | None]],
    num_blocks: int,
    max_num_seqs: int,
    budget: int,
) -> None:
    """Chunks, batches, prefix hits, preemptions and aborts of others change nobody's tokens."""
    bench = Bench(num_blocks, budget, max_num_seqs)
    items: dict[str, EngineRequest] = {}
    aborts: dict[str, int] = {}
    for index, (arrival, num_prompt, max_tokens, key, is_common, abort_after) in enumerate(plan):
        prompt = [0 if is_common else index % 50, *range(1, num_prompt)]
        name = f"{arrival:02d}-{index}"
        items[name] = request(name, prompt, max_tokens=max_tokens, namespace=key, key=key)
        if abort_after is not None:
            aborts[name] = arrival + abort_after
    for step_index in range(18):
        for name, item in items.items():
            if int(name[:2]) == step_index:
                bench.core.add(item)
            if aborts.get(name) == step_index:
                bench.core.abort(name)
        bench.step()
    bench.collect()
    for name, item in items.items():
        answer = bench.tokens(name) if name in bench.outputs else []
        expected = greedy_continuation(item)
        assert answer == (expected[: len(answer)] if name in aborts else expected)
