"""The process's side of the border: messages in, news out, and an end with the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zmq

from tests.support.remembering_runner import VOCAB_SIZE, RememberingRunner, greedy_continuation
from tests.support.tiny_checkpoint import write_tiny_checkpoint
from whalefall.engine.config import EngineConfig
from whalefall.engine.core import EngineCore, ModelLimits
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.messages import (
    AbortRequest,
    AddRequest,
    Codec,
    News,
    ProcessConfig,
    Shutdown,
    ToEngine,
    process_config_from_json,
    process_config_to_json,
)
from whalefall.engine.process import EngineServer, fingerprint
from whalefall.engine.request import EngineOutput, EngineRequest, FinishReason, SamplingParams
from whalefall.engine.scheduler import Scheduler, SchedulerLimits


def make_request(request_id: str, max_tokens: int = 5) -> EngineRequest:
    return EngineRequest(
        request_id=request_id,
        prompt_token_ids=[1, 2, 3],
        sampling_params=SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True),
    )


class Parent:
    """The other end of a server that runs in a thread around a model that is only memory."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.codec = Codec()
        self.outputs: dict[str, list[EngineOutput]] = {}
        self.failures: dict[str, str] = {}
        self.is_alive = True
        self.socket = context.socket(zmq.PAIR)
        self.socket.bind("inproc://engine")
        self.socket.rcvtimeo = 10_000
        cache = KVCacheManager(4096, 4, "model")
        core = EngineCore(
            RememberingRunner(4096, 4),
            Scheduler(cache, SchedulerLimits(16, 8)),
            cache,
            ModelLimits(VOCAB_SIZE, 10_000, ()),
        )
        engine_socket = context.socket(zmq.PAIR)
        engine_socket.connect("inproc://engine")
        server = EngineServer(core, engine_socket, Codec(), 0.02, lambda: self.is_alive)
        self.thread = threading.Thread(target=self._serve, args=(server, engine_socket))
        self.thread.start()

    def _serve(self, server: EngineServer, socket: zmq.Socket[bytes]) -> None:
        server.run()
        socket.close()

    def send(self, message: ToEngine) -> None:
        self.socket.send(self.codec.encode(message))

    def add(self, request: EngineRequest) -> None:
        self.socket.send(self.codec.add_request(request))

    def receive(self) -> News:
        news = self.codec.from_engine(self.socket.recv())
        assert isinstance(news, News)
        for output in news.outputs:
            self.outputs.setdefault(output.request_id, []).append(output)
        for failure in news.failures:
            self.failures[failure.request_id] = failure.message
        return news

    def wait_for(self, request_id: str) -> list[int]:
        """The tokens of a request, once it has finished or failed."""
        deadline = time.monotonic() + 30
        while request_id not in self.failures:
            assert time.monotonic() < deadline, f"no end of {request_id}"
            self.receive()
            outputs = self.outputs.get(request_id, [])
            if outputs and outputs[-1].finish_reason is not None:
                return [token for output in outputs for token in output.token_ids]
        return []


@pytest.fixture
def parent() -> Iterator[Parent]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    parent = Parent(context)
    yield parent
    if parent.is_alive:
        parent.send(Shutdown())
    parent.thread.join(10)
    assert not parent.thread.is_alive()
    context.destroy(linger=0)


def test_request_goes_in_and_news_come_out(parent: Parent) -> None:
    item = make_request("r")
    parent.add(item)
    assert parent.wait_for("r") == greedy_continuation(item)


def test_idle_engine_sends_heartbeats(parent: Parent) -> None:
    news = [parent.receive() for _ in range(3)]
    assert all(item.load.is_ready and not item.outputs for item in news)


def test_one_message_per_step_carries_all_outputs(parent: Parent) -> None:
    for index in range(4):
        parent.add(make_request(f"r{index}", 50))
    sizes: list[int] = []
    while len(sizes) < 50:
        news = parent.receive()
        if news.outputs:
            sizes.append(len(news.outputs))
    assert max(sizes) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x80",
        b"not msgpack at all",
        msgspec.msgpack.encode({"type": "add"}),
        msgspec.msgpack.encode({"type": "format the disk"}),
        msgspec.msgpack.encode([1, 2, 3]),
        msgspec.msgpack.encode({"type": "abort", "request_id": 7}),
        b"\x93" * 5000,
    ],
)
def test_malformed_message_is_dropped(parent: Parent, data: bytes) -> None:
    parent.socket.send(data)
    item = make_request("after")
    parent.add(item)
    assert parent.wait_for("after") == greedy_continuation(item)


def test_malformed_request_is_refused_by_its_id(parent: Parent) -> None:
    raw = msgspec.Raw(msgspec.msgpack.encode({"request_id": "bad", "prompt_token_ids": "x"}))
    parent.send(AddRequest("bad", raw))
    parent.wait_for("bad")
    assert "malformed request" in parent.failures["bad"]


def test_impossible_request_is_refused_by_its_id(parent: Parent) -> None:
    parent.add(msgspec.structs.replace(make_request("bad"), prompt_token_ids=[]))
    parent.wait_for("bad")
    assert "empty" in parent.failures["bad"]


def test_abort_ends_the_request(parent: Parent) -> None:
    parent.add(make_request("long", 9000))
    while "long" not in parent.outputs:
        parent.receive()
    parent.send(AbortRequest("long"))
    parent.send(AbortRequest("unknown"))
    assert len(parent.wait_for("long")) < 9000
    assert parent.outputs["long"][-1].finish_reason is FinishReason.ABORT


def test_server_ends_when_the_parent_is_gone(parent: Parent) -> None:
    parent.add(make_request("long", 9000))
    parent.is_alive = False
    parent.thread.join(10)
    assert not parent.thread.is_alive()


def test_configuration_survives_the_command_line() -> None:
    config = ProcessConfig(
        model_name="tiny 🐳",
        address="ipc:///run/x",
        parent_pid=5,
        engine=EngineConfig(model_dir=Path("/models/a b"), num_blocks=7),
        tokenizer_path="/models/tokenizer.json",
    )
    assert process_config_from_json(process_config_to_json(config)) == config


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "usage"), (["{"], "configuration is wrong"), (['{"model_name": 1}'], "model_name")],
)
def test_wrong_command_line_is_explained(arguments: list[str], message: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "whalefall.engine.process", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert finished.returncode == 1
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


def test_fingerprint_follows_config_and_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = fingerprint(tmp_path)
    assert first == fingerprint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weightz")
    second = fingerprint(tmp_path)
    (tmp_path / "config.json").write_text("{ }")
    assert len({first, second, fingerprint(tmp_path)}) == 3


@pytest.mark.slow
def test_engine_process_dies_with_its_parent(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "model")
    script = f"""
        import asyncio
        from pathlib import Path
        from whalefall.engine.clients.embedded import EmbeddedEngine
        from whalefall.engine.config import EngineConfig

        async def main():
            config = EngineConfig(model_dir=Path({str(tmp_path / "model")!r}), num_threads=1)
            engine = EmbeddedEngine(config, "tiny", Path({str(tmp_path / "run")!r}))
            await engine.start()
            print(engine.process_id, flush=True)
            await asyncio.sleep(1000)

        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        engine_pid = int(process.stdout.readline())
        os.kill(engine_pid, 0)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while is_running(engine_pid):
        assert time.monotonic() < deadline, "the engine outlived its parent"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than an entry nobody has collected yet."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
