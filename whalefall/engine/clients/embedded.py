"""The built-in engine as a client: one process per model, started, watched and restarted here.

Requests go in as messages over a socket in a private folder; one message per step comes back and
is dealt out to the requests it concerns. When the process ends or falls silent, all in flight
fails with EngineDiedError and a new process is started. It must not know what tokens mean."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq
import zmq.asyncio

from whalefall.engine.client import EngineLoad, ModelInfo, Progress
from whalefall.engine.config import EngineConfig
from whalefall.engine.errors import EngineDiedError, EngineError, EngineRejectedError
from whalefall.engine.messages import (
    AbortRequest,
    Codec,
    Fatal,
    FromEngine,
    LoadProgress,
    News,
    ProcessConfig,
    Ready,
    Shutdown,
    ToEngine,
    process_config_to_json,
)
from whalefall.engine.request import EngineOutput, EngineRequest

_SOCKET_PATH_BYTES_MAX = 100
"""The kernel takes 107 bytes for the name of a local socket."""

_THREADS_THAT_SLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}
"""The engine's worker threads sleep between the parallel parts of a step. By default they spin, and
where the cores have other work too, such as serving the API, every part then waits for the time
slice of a spinner: measured on 2 busy cores, decoding becomes several times slower."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddedTiming:
    start_timeout_seconds: float = 1800.0
    """Without any progress while the model is loaded."""
    heartbeat_seconds: float = 0.5
    silence_timeout_seconds: float = 60.0
    """A process that says nothing for so long hangs, and is killed. Longer than any step."""
    restart_backoff_seconds: float = 0.5
    restart_backoff_max_seconds: float = 30.0
    restart_wait_seconds: float = 30.0
    """How long a request waits for a restarting engine."""
    close_timeout_seconds: float = 5.0


class EmbeddedEngine:
    """An `EngineClient`. `socket_dir` is made if missing; the sockets live in folders inside it
    that only this user can enter."""

    def __init__(
        self,
        config: EngineConfig,
        model_name: str,
        socket_dir: Path,
        *,
        tokenizer_path: Path | None = None,
        timing: EmbeddedTiming | None = None,
    ) -> None:
        self._config = config
        self._model_name = model_name
        self._socket_dir = socket_dir
        self._tokenizer_path = tokenizer_path
        self._timing = timing or EmbeddedTiming()
        self._streams: dict[str, _Stream] = {}
        self._link: _Link | None = None
        self._is_ready = asyncio.Event()
        self._is_closed = False
        self._supervisor: asyncio.Task[None] | None = None
        self._model_info: ModelInfo | None = None
        self._load = EngineLoad()

    async def start(self, progress: Progress | None = None) -> ModelInfo:
        """Start the process and wait until it can serve. Raises EngineError when it cannot."""
        if self._supervisor is not None or self._is_closed:
            raise EngineError("an embedded engine is started once")
        link = await self._launch(progress)
        self._supervisor = asyncio.create_task(self._supervise(link))
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        if self._model_info is None:
            raise EngineError("the engine has not been started")
        return self._model_info

    @property
    def process_id(self) -> int | None:
        """Of the running engine process; None while there is none."""
        return None if self._link is None else self._link.process.pid

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineOutput, None]:
        """See `EngineClient.generate`. Outputs that pile up while the consumer is busy arrive as
        one. A request made while the engine restarts waits, but not for ever."""
        if request.request_id in self._streams:
            raise EngineRejectedError(f"request id {request.request_id!r} is in use")
        stream = self._streams[request.request_id] = _Stream()
        link: _Link | None = None
        is_over = False
        try:
            link = await self._ready_link()
            await link.send_request(request)
            while not is_over:
                output = await stream.next()
                is_over = output.finish_reason is not None
                yield output
        except EngineError:
            is_over = True
            raise
        finally:
            del self._streams[request.request_id]
            if not is_over and link is not None:
                link.send_soon(AbortRequest(request.request_id))

    async def abort(self, request_id: str) -> None:
        """End a request early; its iterator yields a last output with reason `abort`."""
        if self._link is not None and request_id in self._streams:
            self._link.send_soon(AbortRequest(request_id))

    def load(self) -> EngineLoad:
        return self._load

    async def close(self) -> None:
        """Stop the process, politely first, and wait until it has ended."""
        self._is_closed = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self._link is not None:
            self._link.send_soon(Shutdown())
            await self._link.end(self._timing.close_timeout_seconds)
        self._go_down("the engine was closed")

    # ------------------------------------------------------------------ life of the process

    async def _launch(self, progress: Progress | None) -> _Link:
        link = await _Link.open(self._process_config, self._socket_dir)
        self._link = link
        try:
            self._model_info = await link.wait_until_ready(
                progress, self._timing.start_timeout_seconds
            )
        except BaseException:
            await link.end(0.0)
            self._link = None
            raise
        self._load = EngineLoad(num_blocks=self._config.num_blocks, is_ready=True)
        self._is_ready.set()
        return link

    def _process_config(self, address: str) -> ProcessConfig:
        return ProcessConfig(
            model_name=self._model_name,
            address=address,
            parent_pid=os.getpid(),
            engine=self._config,
            tokenizer_path=None if self._tokenizer_path is None else str(self._tokenizer_path),
            heartbeat_seconds=self._timing.heartbeat_seconds,
        )

    async def _supervise(self, link: _Link) -> None:
        """Deal out news until the process ends; then start another, for ever."""
        while True:
            began = time.monotonic()
            reason = await link.listen(self._deal_out, self._timing.silence_timeout_seconds)
            _log.error("the engine died: %s; it is restarted", reason)
            self._go_down(reason)
            await link.end(0.0)
            lived_seconds = time.monotonic() - began
            link = await self._relaunch(lived_seconds < self._timing.restart_backoff_max_seconds)

    async def _relaunch(self, died_young: bool) -> _Link:
        """Try until it succeeds, waiting twice as long after each failure."""
        delay = self._timing.restart_backoff_seconds if died_young else 0.0
        while True:
            await asyncio.sleep(delay)
            try:
                return await self._launch(None)
            except (EngineError, OSError) as error:
                delay = min(
                    max(2 * delay, self._timing.restart_backoff_seconds),
                    self._timing.restart_backoff_max_seconds,
                )
                _log.error("the engine did not start: %s; next try in %.1f s", error, delay)

    def _go_down(self, reason: str) -> None:
        """Fail everything in flight; requests that only wait for the engine keep waiting."""
        self._is_ready.clear()
        self._link = None
        self._load = msgspec.structs.replace(
            self._load, is_ready=False, num_running=0, num_waiting=0
        )
        for stream in self._streams.values():
            stream.fail(EngineDiedError(reason))

    async def _ready_link(self) -> _Link:
        if self._supervisor is None or self._is_closed:
            raise EngineDiedError("the engine is not running")
        try:
            await asyncio.wait_for(self._is_ready.wait(), self._timing.restart_wait_seconds)
        except TimeoutError:
            raise EngineDiedError("the engine is still restarting") from None
        assert self._link is not None
        return self._link

    def _deal_out(self, news: News) -> None:
        self._load = news.load
        for output in news.outputs:
            stream = self._streams.get(output.request_id)
            if stream is not None:
                stream.push(output)
        for failure in news.failures:
            stream = self._streams.get(failure.request_id)
            if stream is not None:
                stream.fail(EngineRejectedError(failure.message))


class _Stream:
    """What has come for one request and was not taken yet: bounded by its max_tokens."""

    def __init__(self) -> None:
        self._outputs: list[EngineOutput] = []
        self._error: EngineError | None = None
        self._has_news = asyncio.Event()

    def push(self, output: EngineOutput) -> None:
        self._outputs.append(output)
        self._has_news.set()

    def fail(self, error: EngineError) -> None:
        self._error = error
        self._has_news.set()

    async def next(self) -> EngineOutput:
        """Everything new as one output. Raises the error once all before it has been taken."""
        await self._has_news.wait()
        if not self._outputs:
            assert self._error is not None
            raise self._error
        outputs, self._outputs = self._outputs, []
        if self._error is None:
            self._has_news.clear()
        return outputs[0] if len(outputs) == 1 else _merged(outputs)


def _merged(outputs: list[EngineOutput]) -> EngineOutput:
    logprobs = [entry for output in outputs for entry in output.logprobs or []]
    return msgspec.structs.replace(
        outputs[-1],
        token_ids=[token_id for output in outputs for token_id in output.token_ids],
        logprobs=logprobs or None,
    )


class _Link:
    """One engine process and the socket to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        context: zmq.asyncio.Context,
        socket: zmq.asyncio.Socket,
        folder: Path,
    ) -> None:
        self.process = process
        self._context = context
        self._socket = socket
        self._folder = folder
        self._codec = Codec()
        self._last_heard = time.monotonic()

    @classmethod
    async def open(cls, process_config: Callable[[str], ProcessConfig], socket_dir: Path) -> _Link:
        """Bind the socket and spawn the process. Raises OSError when either is impossible."""
        folder = _private_folder(socket_dir)
        address = f"ipc://{folder}/s"
        context = zmq.asyncio.Context()
        try:
            socket = context.socket(zmq.PAIR)
            socket.bind(address)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "whalefall.engine.process",
                process_config_to_json(process_config(address)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=os.environ | _THREADS_THAT_SLEEP,  # noqa: TID251 - handed on, not read
            )
        except BaseException:
            context.destroy(linger=0)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(process, context, socket, folder)

    async def wait_until_ready(
        self, progress: Progress | None, timeout_seconds: float
    ) -> ModelInfo:
        """Raises EngineError with the engine's own reason when it cannot start."""
        exited = asyncio.create_task(self.process.wait())
        try:
            while True:
                message = await self._receive_or_exit(exited, timeout_seconds)
                if isinstance(message, Ready):
                    return message.model_info
                if isinstance(message, LoadProgress) and progress is not None:
                    progress(message.message, message.fraction)
                if isinstance(message, Fatal):
                    raise EngineError(f"the engine cannot start: {message.message}")
        finally:
            exited.cancel()

    async def _receive_or_exit(
        self, exited: asyncio.Task[int], timeout_seconds: float
    ) -> FromEngine:
        received = asyncio.ensure_future(self._receive())
        done, _ = await asyncio.wait(
            {received, exited}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if received not in done and exited in done:
            done, _ = await asyncio.wait({received}, timeout=0.2)  # its last words
        if received in done:
            return received.result()
        received.cancel()
        if exited.done():
            raise EngineError(f"the engine ended while starting: {self._exit_reason()}")
        raise EngineError(f"the engine made no progress for {timeout_seconds:.0f} s")

    async def listen(self, deal_out: Callable[[News], None], silence_timeout_seconds: float) -> str:
        """Hand over all news until the process ends or falls silent; why it is over."""
        self._last_heard = time.monotonic()
        reader = asyncio.create_task(self._read(deal_out))
        exited = asyncio.create_task(self.process.wait())
        try:
            while True:
                await asyncio.wait(
                    {reader, exited},
                    timeout=silence_timeout_seconds / 4,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if exited.done():
                    await asyncio.wait({reader}, timeout=0.05)  # its last words
                    return self._exit_reason()
                if reader.done():
                    return f"its messages cannot be read: {reader.exception()}"
                if time.monotonic() - self._last_heard > silence_timeout_seconds:
                    return f"it said nothing for {silence_timeout_seconds:.0f} s"
        finally:
            for task in (reader, exited):
                task.cancel()
            await asyncio.gather(reader, exited, return_exceptions=True)

    async def _read(self, deal_out: Callable[[News], None]) -> None:
        while True:
            message = await self._receive()
            self._last_heard = time.monotonic()
            if isinstance(message, News):
                deal_out(message)

    async def _receive(self) -> FromEngine:
        data: bytes = await self._socket.recv()
        return self._codec.from_engine(data)

    async def send_request(self, request: EngineRequest) -> None:
        """Raises EngineRejectedError when the request holds what cannot be sent."""
        try:
            data = self._codec.add_request(request)
        except (TypeError, OverflowError, ValueError, RecursionError) as error:
            raise EngineRejectedError(f"the request cannot be encoded: {error}") from error
        try:
            await self._socket.send(data)
        except zmq.ZMQError as error:
            raise EngineDiedError(f"the engine cannot be reached: {error}") from error

    def send_soon(self, message: ToEngine) -> None:
        """Send without waiting; a full or closed socket means the process is dying anyway."""
        if not self._socket.closed:
            self._socket.send(self._codec.encode(message))

    async def end(self, patience_seconds: float) -> None:
        """Wait so long for the process to end, then kill it; close the socket."""
        try:
            await asyncio.wait_for(self.process.wait(), patience_seconds)
        except TimeoutError:
            pass
        finally:
            if self.process.returncode is None:
                self.process.kill()
            self._context.destroy(linger=0)
            shutil.rmtree(self._folder, ignore_errors=True)
        await self.process.wait()

    def _exit_reason(self) -> str:
        code = self.process.returncode
        if code is not None and code < 0:
            return f"its process was killed by signal {-code}"
        return f"its process ended with status {code}"


def _private_folder(parent: Path) -> Path:
    """A new folder of mode 0700; in the system's temporary folder if the path would be too long
    for the name of a socket."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir=parent)).resolve()
    if len(os.fsencode(folder)) <= _SOCKET_PATH_BYTES_MAX:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="engine-"))
