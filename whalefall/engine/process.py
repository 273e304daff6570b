"""The engine's process: `python -m whalefall.engine.process CONFIG_JSON`.

It loads the model, says it is ready, then steps for as long as there are requests, reading
messages between steps. It ends when told to, or when its parent is gone. No message and no request
can end it: what cannot be understood or computed is refused alone."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
import zmq

from whalefall.engine.client import ModelInfo, Progress
from whalefall.engine.config import BLOCK_SIZE, EngineConfig, ModelConfig
from whalefall.engine.core import EngineCore, Failure, ModelLimits, StepReport
from whalefall.engine.errors import EngineError, EngineRejectedError
from whalefall.engine.kernels.choice import choose_kernels
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.loader import load_model
from whalefall.engine.messages import (
    AbortRequest,
    AddRequest,
    Codec,
    Fatal,
    FromEngine,
    LoadProgress,
    News,
    ProcessConfig,
    Ready,
    RequestFailed,
    process_config_from_json,
)
from whalefall.engine.model_runner import DTYPES, ModelRunner
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.engine.scheduler import Scheduler, SchedulerLimits
from whalefall.engine.structure import GrammarCompiler

COMPILING_POLL_SECONDS = 0.002
"""How long to wait for messages while grammars are all there is to wait for."""
FINGERPRINT_BYTES_MAX = 1 << 30
"""Of larger checkpoints only each file's beginning and end are read for the fingerprint."""
_FINGERPRINT_SAMPLE_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1

_log = logging.getLogger(__name__)


class EngineServer:
    """The loop between the socket and the core."""

    def __init__(
        self,
        core: EngineCore,
        socket: zmq.Socket[bytes],
        codec: Codec,
        heartbeat_seconds: float,
        is_parent_alive: Callable[[], bool],
    ) -> None:
        self._core = core
        self._socket = socket
        self._codec = codec
        self._heartbeat_seconds = heartbeat_seconds
        self._is_parent_alive = is_parent_alive
        self._is_over = False
        self._is_checked = True

    def run(self) -> None:
        """Serve until a shutdown message comes or the parent is gone."""
        while not self._is_over and self._is_parent_alive():
            report = StepReport()
            self._receive(report)
            if self._core.has_requests:
                step = self._core.step()
                report.outputs += step.outputs
                report.failures += step.failures
                self._is_checked = False
            elif not self._is_checked:
                self._core.check()
                self._is_checked = True
            self._tell(report)

    def _receive(self, report: StepReport) -> None:
        """Take all messages that are there; wait for one only when there is nothing to compute."""
        wait_seconds = 0.0
        if self._core.is_only_compiling:
            wait_seconds = COMPILING_POLL_SECONDS
        elif not self._core.has_requests:
            wait_seconds = self._heartbeat_seconds
        timeout_ms = max(int(wait_seconds * 1000), 1) if wait_seconds else 0
        while not self._is_over and self._socket.poll(timeout_ms):
            self._handle(self._socket.recv(), report)
            timeout_ms = 0

    def _handle(self, data: bytes, report: StepReport) -> None:
        try:
            message = self._codec.to_engine(data)
        except msgspec.MsgspecError as error:
            _log.warning("dropped a malformed message of %d bytes: %s", len(data), error)
            return
        if isinstance(message, AddRequest):
            self._add(message, report)
        elif isinstance(message, AbortRequest):
            output = self._core.abort(message.request_id)
            if output is not None:
                report.outputs.append(output)
        else:
            self._is_over = True

    def _add(self, message: AddRequest, report: StepReport) -> None:
        try:
            self._core.add(self._codec.request(message.request))
        except msgspec.MsgspecError as error:
            report.failures.append(Failure(message.request_id, f"malformed request: {error}"))
        except EngineRejectedError as error:
            report.failures.append(Failure(message.request_id, str(error)))

    def _tell(self, report: StepReport) -> None:
        failures = [RequestFailed(f.request_id, f.message) for f in report.failures]
        news = News(self._core.load(), report.outputs, failures)
        self._socket.send(self._codec.encode(news))


def run(config: ProcessConfig) -> int:
    """Load and serve; 0 after an orderly end, 1 when the model could not be loaded."""
    codec = Codec()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.PAIR)
    socket.linger = 1000
    socket.connect(config.address)

    def tell(message: FromEngine) -> None:
        socket.send(codec.encode(message))

    try:
        core, model_info = build_core(config, lambda what, part: tell(LoadProgress(what, part)))
    except (EngineError, OSError, ValueError, RuntimeError, MemoryError) as error:
        _log.exception("the engine cannot start")
        tell(Fatal(f"{type(error).__name__}: {error}"))
        context.destroy()
        return 1
    tell(Ready(model_info))
    EngineServer(
        core, socket, codec, config.heartbeat_seconds, lambda: os.getppid() == config.parent_pid
    ).run()
    core.close()
    context.destroy(linger=0)
    return 0


def build_core(config: ProcessConfig, progress: Progress) -> tuple[EngineCore, ModelInfo]:
    """Everything a process serves with. Raises EngineError, OSError or ValueError if it cannot."""
    engine = config.engine
    if engine.block_size != BLOCK_SIZE:
        raise ValueError(f"block_size must be {BLOCK_SIZE}, is {engine.block_size}")
    if engine.dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {sorted(DTYPES)}, is {engine.dtype!r}")
    torch.set_num_threads(engine.num_threads)
    dtype = DTYPES[engine.dtype]
    progress("preparing the kernels", 0.0)
    kernels = choose_kernels(engine.kernels_dir, dtype)
    model, model_config = load_model(engine.model_dir, dtype, progress, kernels)
    model_info = describe_model(config.model_name, engine, model, model_config)
    grammars = None
    if config.tokenizer_path is not None:
        progress("reading the tokenizer", 1.0)
        grammars = GrammarCompiler(
            Path(config.tokenizer_path), model_config.vocab_size, model_config.eos_token_ids
        )
    cache = KVCacheManager(
        engine.num_blocks, BLOCK_SIZE, f"{model_info.fingerprint} {engine.dtype}"
    )
    limits = SchedulerLimits(engine.max_num_batched_tokens, engine.max_num_seqs)
    core = EngineCore(
        ModelRunner(model, engine),
        Scheduler(cache, limits),
        cache,
        ModelLimits(model_config.vocab_size, model_info.max_model_len, model_config.eos_token_ids),
        grammars,
        kernels.softmax_row,
    )
    gc.collect()
    gc.freeze()  # the model's objects need not be walked again by the collector
    return core, model_info


def describe_model(
    name: str, engine: EngineConfig, model: DeepseekV32ForCausalLM, config: ModelConfig
) -> ModelInfo:
    return ModelInfo(
        name=name,
        max_model_len=min(engine.max_model_len, config.max_position_embeddings),
        vocab_size=config.vocab_size,
        eos_token_ids=config.eos_token_ids,
        block_size=BLOCK_SIZE,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        fingerprint=fingerprint(engine.model_dir),
    )


def fingerprint(model_dir: Path) -> str:
    """Ten hex digits over config.json and the weights; of very large checkpoints, over the names,
    sizes, beginnings (which hold the tensors' table) and ends of the files."""
    files = [model_dir / "config.json", *sorted(model_dir.glob("*.safetensors"))]
    is_whole = sum(file.stat().st_size for file in files) <= FINGERPRINT_BYTES_MAX
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            if is_whole:
                for part in iter(lambda: stream.read(_FINGERPRINT_SAMPLE_BYTES), b""):
                    digest.update(part)
                continue
            digest.update(stream.read(_FINGERPRINT_SAMPLE_BYTES))
            stream.seek(max(size - _FINGERPRINT_SAMPLE_BYTES, 0))
            digest.update(stream.read())
    return digest.hexdigest()[:10]


def end_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent ends; elsewhere than on Linux the serving
    loop notices by itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit("the engine's parent ended before the engine began")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the parent decides
    if len(sys.argv) != 2:
        sys.exit("usage: python -m whalefall.engine.process CONFIG_JSON")
    try:
        config = process_config_from_json(sys.argv[1])
    except msgspec.MsgspecError as error:
        sys.exit(f"the engine's configuration is wrong: {error}")
    end_with_parent(config.parent_pid)
    return run(config)


if __name__ == "__main__":
    sys.exit(main())
