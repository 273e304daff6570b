"""Calls an app in-process, and answers with what a client would see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp

from tests.support.scripted_serving import SECRET, ScriptedPlatform
from whalefall.api.endpoint import not_found
from whalefall.api.options import WireOptions
from whalefall.api.routes import api_routes

AUTHORIZATION = {"authorization": f"Bearer {SECRET}"}
COMPARISON = "v3.1_terminus_expires_on_20251015"


def wire_app(platform: ScriptedPlatform, options: WireOptions | None = None) -> Starlette:
    options = options or WireOptions(comparisons=(COMPARISON,))
    app = Starlette(routes=api_routes(platform, options))
    app.router.default = not_found
    app.router.redirect_slashes = False
    return app


async def call(
    app: ASGIApp,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str | bytes] | None = None,
) -> httpx.Response:
    """POST when there is a body (bytes as they are, anything else as JSON), GET otherwise."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent: dict[str, Any] = {**AUTHORIZATION, "content-type": "application/json", **(headers or {})}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://wire") as client:
        if body is None:
            return await client.request(method or "GET", path, headers=sent)
        return await client.request(method or "POST", path, headers=sent, content=content)


def message_of(response: httpx.Response) -> str:
    text = response.json()["error"]["message"]
    assert isinstance(text, str)
    return text


def chat_body(**fields: object) -> dict[str, object]:
    return {
        "model": "deepseek-chat",
        "messages": [{"role": "user", "content": "Hi"}],
        **fields,
    }
