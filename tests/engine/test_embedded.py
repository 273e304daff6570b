"""The embedded engine with a real process, a real socket and a real, tiny model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.support.native import kernel_folder, native_library
from tests.support.tiny_checkpoint import write_tiny_checkpoint
from tests.support.tiny_model import TINY_V32, random_tokens
from whalefall.engine.client import EngineClient
from whalefall.engine.clients.embedded import EmbeddedEngine, EmbeddedTiming
from whalefall.engine.config import EngineConfig
from whalefall.engine.errors import EngineDiedError, EngineError, EngineRejectedError
from whalefall.engine.request import (
    EngineOutput,
    EngineRequest,
    FinishReason,
    SamplingParams,
    StructureSpec,
)

pytestmark = pytest.mark.slow

TIMING = EmbeddedTiming(
    heartbeat_seconds=0.05,
    restart_backoff_seconds=0.05,
    restart_wait_seconds=60.0,
    silence_timeout_seconds=60.0,
)


def make_request(
    name: str = "r", num_prompt_tokens: int = 5, *, max_tokens: int = 5, seed: int = 0
) -> EngineRequest:
    return EngineRequest(
        request_id=name,
        prompt_token_ids=random_tokens(TINY_V32, num_prompt_tokens, seed),
        sampling_params=SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True),
        cache_namespace="a",
        fairness_key="a",
    )


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


def make_config(model_dir: Path, **changes: object) -> EngineConfig:
    config = EngineConfig(
        model_dir=model_dir, num_blocks=64, max_num_seqs=8, max_model_len=1024, num_threads=1
    )
    return replace(config, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def socket_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sockets")


@pytest.fixture(scope="module")
async def engine(model_dir: Path, socket_dir: Path) -> AsyncIterator[EmbeddedEngine]:
    """One engine for most tests: starting a process takes seconds."""
    engine = EmbeddedEngine(make_config(model_dir), "tiny", socket_dir, timing=TIMING)
    await engine.start()
    yield engine
    await engine.close()


async def collect(engine: EngineClient, request: EngineRequest) -> list[EngineOutput]:
    return [output async for output in engine.generate(request)]


def tokens_of(outputs: list[EngineOutput]) -> list[int]:
    return [token_id for output in outputs for token_id in output.token_ids]


async def eventually(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    """The load snapshot changes by itself, without telling anyone."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_life_of_an_engine(model_dir: Path, tmp_path: Path) -> None:
    engine = EmbeddedEngine(make_config(model_dir), "tiny", tmp_path / "run", timing=TIMING)
    client: EngineClient = engine
    assert not client.load().is_ready
    with pytest.raises(EngineError, match="not been started"):
        _ = client.model_info
    heard: list[tuple[str, float]] = []
    info = await client.start(lambda what, part: heard.append((what, part)))
    assert heard[-1][1] == 1.0
    assert info == client.model_info
    assert (info.name, info.max_model_len, info.vocab_size) == ("tiny", 1024, TINY_V32.vocab_size)
    assert len(info.fingerprint) == 10
    outputs = await collect(client, make_request(max_tokens=7))
    assert len(tokens_of(outputs)) == 7
    assert outputs[0].num_prompt_tokens == 5
    assert outputs[-1].finish_reason is FinishReason.LENGTH
    assert client.load().output_tokens_total == 7
    process_id = engine.process_id
    assert process_id is not None
    await client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    assert not client.load().is_ready
    with pytest.raises(EngineDiedError):
        await collect(client, make_request())
    assert modes_inside(tmp_path / "run") == []


def modes_inside(folder: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()]


async def test_socket_folder_is_private(engine: EmbeddedEngine, socket_dir: Path) -> None:
    assert engine.load().is_ready
    assert modes_inside(socket_dir) == [0o700]


async def test_long_socket_paths_are_avoided(model_dir: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    engine = EmbeddedEngine(make_config(model_dir), "tiny", deep, timing=TIMING)
    await engine.start()
    assert len(tokens_of(await collect(engine, make_request()))) == 5
    await engine.close()


async def test_many_requests_at_once_get_their_own_answers(engine: EmbeddedEngine) -> None:
    items = [make_request(f"r{i}", 3 + 7 * i, seed=i) for i in range(12)]
    alone = [tokens_of(await collect(engine, item)) for item in items]
    together = await asyncio.gather(*(collect(engine, item) for item in items))
    assert [tokens_of(outputs) for outputs in together] == alone


async def test_killed_engine_fails_what_is_in_flight_and_comes_back(
    engine: EmbeddedEngine,
) -> None:
    expected = tokens_of(await collect(engine, make_request("before")))
    in_flight = asyncio.create_task(collect(engine, make_request("long", max_tokens=900)))
    await eventually(lambda: engine.load().num_running == 1)
    killed = engine.process_id
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(EngineDiedError, match="signal 9"):
        await in_flight
    assert not engine.load().is_ready
    after = await collect(engine, make_request("after"))
    assert tokens_of(after) == expected
    assert engine.process_id != killed
    assert engine.load().is_ready


async def test_hanging_engine_is_noticed_and_replaced(model_dir: Path, tmp_path: Path) -> None:
    timing = replace(TIMING, silence_timeout_seconds=1.0)
    engine = EmbeddedEngine(make_config(model_dir), "tiny", tmp_path, timing=timing)
    await engine.start()
    in_flight = asyncio.create_task(collect(engine, make_request("long", max_tokens=900)))
    await eventually(lambda: engine.load().num_running == 1)
    assert engine.process_id is not None
    os.kill(engine.process_id, signal.SIGSTOP)
    with pytest.raises(EngineDiedError, match="said nothing"):
        await in_flight
    await eventually(lambda: engine.load().is_ready)
    await engine.close()


async def test_request_does_not_wait_for_ever_for_a_restart(
    model_dir: Path, tmp_path: Path
) -> None:
    timing = replace(TIMING, restart_wait_seconds=0.2, restart_backoff_seconds=30.0)
    engine = EmbeddedEngine(make_config(model_dir), "tiny", tmp_path, timing=timing)
    await engine.start()
    assert engine.process_id is not None
    os.kill(engine.process_id, signal.SIGKILL)
    await eventually(lambda: not engine.load().is_ready)
    with pytest.raises(EngineDiedError, match="restarting"):
        await collect(engine, make_request())
    await engine.close()


async def test_closing_the_iterator_ends_the_request_within_a_step(
    engine: EmbeddedEngine,
) -> None:
    before = engine.load().output_tokens_total
    outputs = engine.generate(make_request("left", max_tokens=900))
    async with contextlib.aclosing(outputs):
        async for output in outputs:
            if output.token_ids:
                break
    await eventually(lambda: engine.load().num_running == 0)
    assert engine.load().output_tokens_total - before < 450
    assert engine.load().num_free_blocks == 64


async def test_cancelled_consumer_ends_the_request(engine: EmbeddedEngine) -> None:
    task = asyncio.create_task(collect(engine, make_request("left", max_tokens=900)))
    await eventually(lambda: engine.load().num_running == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await eventually(lambda: engine.load().num_running == 0)
    assert engine.load().num_free_blocks == 64


async def test_abort_yields_a_last_output(engine: EmbeddedEngine) -> None:
    before = engine.load().output_tokens_total
    task = asyncio.create_task(collect(engine, make_request("long", max_tokens=900)))
    await eventually(lambda: engine.load().output_tokens_total > before)
    await engine.abort("long")
    outputs = await task
    assert outputs[-1].finish_reason is FinishReason.ABORT
    assert 0 < len(tokens_of(outputs)) < 900
    await engine.abort("never heard of it")


ODD: tuple[dict[str, object], ...] = (
    {"prompt_token_ids": []},
    {"prompt_token_ids": [TINY_V32.vocab_size]},
    {"prompt_token_ids": [-5]},
    {"prompt_token_ids": ["x"]},
    {"prompt_token_ids": [2**70]},
    {"sampling_params": SamplingParams(max_tokens=10**9)},
    {"sampling_params": SamplingParams(max_tokens=2**63 - 1)},
    {"sampling_params": SamplingParams(max_tokens=10**30)},
    {"sampling_params": SamplingParams(max_tokens=1, temperature=float("nan"))},
    {"sampling_params": "not even params"},
    {"cache_namespace": "\ud800"},
    {"cache_namespace": "n" * 100_000},
    {"cache_namespace": None},
    {"structure": StructureSpec(kind="lark", grammar='start: "a"')},
)


async def test_odd_requests_are_rejected_alone(engine: EmbeddedEngine) -> None:
    neighbour = asyncio.create_task(collect(engine, make_request("neighbour", max_tokens=300)))
    process = engine.process_id
    for change in ODD:
        odd = msgspec.structs.replace(make_request("odd"), **change)
        with pytest.raises(EngineRejectedError):
            await collect(engine, odd)
    assert len(tokens_of(await neighbour)) == 300
    assert engine.process_id == process


async def test_request_id_in_use_is_rejected_and_the_first_runs_on(
    engine: EmbeddedEngine,
) -> None:
    first = asyncio.create_task(collect(engine, make_request("same", max_tokens=100)))
    await eventually(lambda: engine.load().num_running == 1)
    with pytest.raises(EngineRejectedError, match="in use"):
        await collect(engine, make_request("same"))
    assert len(tokens_of(await first)) == 100


async def test_second_request_of_a_prefix_reports_its_hit(engine: EmbeddedEngine) -> None:
    first = await collect(engine, make_request("first", 150, seed=77))
    second = await collect(engine, make_request("second", 150, seed=77))
    stranger = await collect(
        engine, msgspec.structs.replace(make_request("third", 150, seed=77), cache_namespace="b")
    )
    assert [run[-1].num_cached_tokens for run in (first, second, stranger)] == [0, 128, 0]
    assert tokens_of(first) == tokens_of(second) == tokens_of(stranger)


async def test_missing_checkpoint_is_told_at_start(tmp_path: Path) -> None:
    engine = EmbeddedEngine(make_config(tmp_path / "nothing"), "tiny", tmp_path, timing=TIMING)
    with pytest.raises(EngineError, match="nothing"):
        await engine.start()
    await engine.close()


@pytest.fixture
def damaged_dir(model_dir: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "damaged"
    shutil.copytree(model_dir, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"hidden_size": 96}))
    return directory


async def test_damaged_checkpoint_is_told_at_start(damaged_dir: Path, tmp_path: Path) -> None:
    engine = EmbeddedEngine(make_config(damaged_dir), "tiny", tmp_path, timing=TIMING)
    with pytest.raises(EngineError, match="shape"):
        await engine.start()
    await engine.close()


async def test_impossible_configuration_is_told_at_start(model_dir: Path, tmp_path: Path) -> None:
    config = make_config(model_dir, max_num_seqs=9, max_num_batched_tokens=4)
    engine = EmbeddedEngine(config, "tiny", tmp_path, timing=TIMING)
    with pytest.raises(EngineError, match="max_num_seqs"):
        await engine.start()
    await engine.close()


async def test_native_kernels_say_what_pytorch_says(
    engine: EmbeddedEngine, model_dir: Path, tmp_path: Path
) -> None:
    native_library()  # or skip
    config = make_config(model_dir, kernels_dir=kernel_folder())
    fast = EmbeddedEngine(config, "tiny", tmp_path / "run", timing=TIMING)
    await fast.start()
    request = make_request("native", 130, max_tokens=20)
    said = tokens_of(await collect(fast, request))
    await fast.close()
    assert said == tokens_of(await collect(engine, request))
