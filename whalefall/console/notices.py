"""Where payment providers tell what happened. Open to everybody, so nothing is believed that the
provider has not signed, no more than a little is read, and none of it is logged."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from whalefall.base.errors import NotFoundError, PlatformError
from whalefall.billing.payments.base import NOTICE_BYTES_MAX
from whalefall.billing.top_ups import TopUpSource
from whalefall.console.cashier import Cashier

ONLINE_SOURCES = (TopUpSource.ALIPAY, TopUpSource.WECHATPAY, TopUpSource.STRIPE)


def notice_routes(cashier: Cashier) -> list[Route]:
    return [_notice_route(cashier, source) for source in ONLINE_SOURCES]


def _notice_route(cashier: Cashier, source: TopUpSource) -> Route:
    async def take(request: Request) -> Response:
        try:
            body = await _read(request)
        except ClientDisconnect:
            return Response("", 400)
        if body is None:
            return Response("", 413)
        try:
            answer = await cashier.take_notice(source, dict(request.headers), body)
        except NotFoundError:
            return Response("", 404)
        except PlatformError:
            # Ours to mend: the provider tells it again.
            return Response("", 503)
        return Response(answer.body, answer.status, media_type=answer.content_type or None)

    return Route(f"/payments/{source}/notify", take, methods=["POST"])


async def _read(request: Request) -> bytes | None:
    """None when it is more than any notice."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > NOTICE_BYTES_MAX:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
