"""What the wire costs: CPU per streamed chunk and per request, everything below it scripted.

    python -m bench.wire

Three measures, one JSON line each: the chunk encoder alone; the whole endpoint in-process (key,
parsing, checks, encoder, ASGI messages); and a real uvicorn server in a process of its own whose
CPU time is read before and after, with a plain socket client on the other core."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import uvicorn
from starlette.types import ASGIApp, Message, Scope

from tests.support.scripted_serving import SECRET, ScriptedPlatform, Step
from tests.support.wire import wire_app
from whalefall.api.openai.stream import ChatStream
from whalefall.api.sse import ResponseHead
from whalefall.chat.messages import ContentDelta, Finished, FinishReason, Usage

NUM_CHUNKS = 2_000
NUM_REQUESTS = 1_000
ROUNDS = 9
FINISHED = Finished(FinishReason.STOP, Usage(36, NUM_CHUNKS, 0))
STREAM: tuple[Step, ...] = (*(ContentDelta(" token") for _ in range(NUM_CHUNKS)), FINISHED)
ANSWER: tuple[Step, ...] = (ContentDelta("Hello, how can I help?"), FINISHED)
HISTORY = [
    {"role": "system", "content": "You are a helpful assistant"},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello! How can I assist you today?"},
    {"role": "user", "content": "Tell me a story about a whale. " * 10},
]


def request_body(*, stream: bool) -> bytes:
    body = {"model": "deepseek-chat", "messages": HISTORY, "stream": stream, "temperature": 1.0}
    return json.dumps(body).encode()


def best_of(measure: Callable[[], float]) -> float:
    """The least disturbed of a few rounds: other work on the machine only ever adds."""
    return min(measure() for _ in range(ROUNDS))


def encoder_microseconds() -> float:
    head = ResponseHead("bac6eb88-1766-49c2-bf23-9eab31024ea6", 1, "deepseek-chat", "fp_1")
    stream = ChatStream(head, thinking=False, include_usage=False)
    event = ContentDelta(" token")
    start = time.process_time()
    for _ in range(NUM_CHUNKS * 10):
        stream.push(event)
    return (time.process_time() - start) / (NUM_CHUNKS * 10) * 1e6


async def _one_call(app: ASGIApp, body: bytes) -> int:
    """One request through the app; the number of body messages that came back."""
    sent = 0
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal sent
        sent += message["type"] == "http.response.body"

    headers = [
        (b"authorization", f"Bearer {SECRET}".encode()),
        (b"content-type", b"application/json"),
    ]
    path = "/chat/completions"
    scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    await app(scope, receive, send)
    return sent


def in_process_microseconds(script: tuple[Step, ...], num_calls: int, *, stream: bool) -> float:
    async def run() -> float:
        app = wire_app(ScriptedPlatform(script))
        body = request_body(stream=stream)
        start = time.process_time()
        for _ in range(num_calls):
            await _one_call(app, body)
        return time.process_time() - start

    return asyncio.run(run()) / num_calls * 1e6


def _serve(script: tuple[Step, ...], port: int, pipe: Connection) -> None:
    """The server process: answers each word on the pipe with its CPU seconds so far."""
    app = wire_app(ScriptedPlatform(script))
    config = uvicorn.Config(app, port=port, log_config=None, lifespan="off", loop="uvloop")
    server = uvicorn.Server(config)

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def answer() -> None:
            if pipe.recv() == "stop":
                server.should_exit = True
            pipe.send(time.process_time())

        loop.add_reader(pipe.fileno(), answer)
        await server.serve()

    asyncio.run(run())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _connect(port: int) -> socket.socket:
    deadline = time.perf_counter() + 15
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            assert time.perf_counter() < deadline, "the server did not come up"
            time.sleep(0.05)


def _exchange(client: socket.socket, body: bytes, end: bytes) -> None:
    head = (
        f"POST /chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    tail = b""
    while end not in tail:
        tail = (tail + client.recv(65536))[-64_000:]


def socket_microseconds(
    script: tuple[Step, ...], num_calls: int, end: bytes, *, stream: bool
) -> float:
    """CPU of the server process per call, over one kept-alive connection."""
    port = _free_port()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(script, port, theirs)
    )
    process.start()
    body = request_body(stream=stream)
    with _connect(port) as client:
        _exchange(client, body, end)
        ours.send("cpu")
        before: float = ours.recv()
        for _ in range(num_calls):
            _exchange(client, body, end)
        ours.send("stop")
        spent: float = ours.recv() - before
    process.join(10)
    return spent / num_calls * 1e6


def main() -> None:
    def report(name: str, microseconds: float) -> None:
        print(json.dumps({"bench": "wire", "measure": name, "cpu_us": round(microseconds, 2)}))

    report("chunk, encoder alone", best_of(encoder_microseconds))
    stream = best_of(lambda: in_process_microseconds(STREAM, 3, stream=True))
    report("chunk, in-process ASGI", stream / NUM_CHUNKS)
    report(
        "request, in-process ASGI",
        best_of(lambda: in_process_microseconds(ANSWER, 200, stream=False)),
    )
    done = b"[DONE]\n\n\r\n0\r\n\r\n"
    stream = best_of(lambda: socket_microseconds(STREAM, 5, done, stream=True))
    report("chunk, uvicorn over a socket", stream / NUM_CHUNKS)
    end = b'"system_fingerprint":"fp_3a5770e1b4_prod0225"}'
    report(
        "request, uvicorn over a socket",
        best_of(lambda: socket_microseconds(ANSWER, NUM_REQUESTS, end, stream=False)),
    )


if __name__ == "__main__":
    main()
