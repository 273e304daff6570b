"""The sandbox's Alipay and WeChat Pay behind a real socket, in a thread of their own, with a place
where their notices arrive: adapters block, so they cannot share a loop with what they call."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whalefall.base.clock import Clock
from whalefall.billing.payments.base import NoticeAnswer
from whalefall.sandbox.alipay import AlipayParty, AlipaySandbox
from whalefall.sandbox.courier import Courier
from whalefall.sandbox.wechatpay import WechatPayParty, WechatPaySandbox

Receiver = Callable[[Mapping[str, str], bytes], NoticeAnswer]


@dataclass
class Mailbox:
    """What arrived, in order, and what is answered; by default nothing is taken."""

    receive: Receiver | None = None
    arrived: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    async def endpoint(self, request: Request) -> Response:
        body = await request.body()
        headers = dict(request.headers)
        self.arrived.append((headers, body))
        if self.receive is None:
            return Response("", 503)
        answer = await asyncio.to_thread(self.receive, headers, body)
        return Response(answer.body, answer.status, media_type=answer.content_type)


class ProviderServer:
    def __init__(self, alipay: AlipayParty, wechatpay: WechatPayParty, clock: Clock) -> None:
        self.courier = Courier(delays_seconds=(0.0, 0.0, 0.0))
        self.alipay = AlipaySandbox(alipay, clock, self.courier, late_seconds=3600)
        self.wechatpay = WechatPaySandbox(wechatpay, clock, self.courier, late_seconds=3600)
        self.mailbox = Mailbox()
        self.url = ""
        self._loop = asyncio.new_event_loop()

    @property
    def notify_url(self) -> str:
        return f"{self.url}/notify"

    def settle(self) -> None:
        """Until every notice is taken or given up."""
        future: Future[None] = asyncio.run_coroutine_threadsafe(self.courier.settled(), self._loop)
        future.result(60)

    def hurry(self) -> None:
        """What was to happen later happens now, with its notices."""

        async def hurried() -> None:
            self.courier.hurry()
            await asyncio.sleep(0.01)
            await self.courier.settled()

        future: Future[None] = asyncio.run_coroutine_threadsafe(hurried(), self._loop)
        future.result(60)

    def browse(self, method: str, url: str) -> httpx.Response:
        """As somebody's browser, which follows where it is sent."""
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=30) as client:
            return client.request(method, url if url.startswith("http") else self.url + url)

    async def serve(self, listener: socket.socket, ready: threading.Event) -> None:
        routes = [
            *self.alipay.routes,
            *self.wechatpay.routes,
            Route("/notify", self.mailbox.endpoint, methods=["POST"]),
            Route("/back", _back),
        ]
        config = uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off")
        self.server = uvicorn.Server(config)
        self._loop.call_soon(ready.set)
        await self.server.serve(sockets=[listener])
        await self.courier.close()

    def run(self, listener: socket.socket, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.serve(listener, ready))
        self._loop.close()


async def _back(request: Request) -> Response:
    return Response(f"back with {request.url.query}")


@contextlib.contextmanager
def provider_server(
    alipay: AlipayParty, wechatpay: WechatPayParty, clock: Clock
) -> Iterator[ProviderServer]:
    server = ProviderServer(alipay, wechatpay, clock)
    ready = threading.Event()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=(listener, ready))
        thread.start()
        try:
            assert ready.wait(30)
            yield server
        finally:
            server.server.should_exit = True
            thread.join(30)
