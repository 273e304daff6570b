"""A path that leads nowhere: a page for a person, the wire's empty answer for a program."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.listening import listening
from whalefall.api.endpoint import not_found
from whalefall.console.application import page_not_found, routes_of
from whalefall.console.context import ConsoleContext, build_console

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def client(context: ConsoleContext) -> AsyncIterator[httpx.AsyncClient]:
    console = build_console(context)
    application = Starlette(routes=routes_of(console))
    application.router.default = page_not_found(console, not_found)
    async with listening(application) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


@pytest.mark.parametrize(
    ("language", "words"), [("en", "There is no such page"), ("zh-CN", "页面不存在")]
)
async def test_browser_sees_a_page(client: httpx.AsyncClient, language: str, words: str) -> None:
    response = await client.get("/no/such", headers={**BROWSER, "accept-language": language})
    assert response.status_code == 404
    assert response.text.count(words) == 1
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
async def test_program_gets_the_empty_answer(client: httpx.AsyncClient, accept: str) -> None:
    response = await client.get("/no/such", headers={"accept": accept})
    assert (response.status_code, response.content) == (404, b"")


async def test_posting_nowhere_is_the_empty_answer(client: httpx.AsyncClient) -> None:
    response = await client.post("/no/such", headers=BROWSER)
    assert (response.status_code, response.content) == (404, b"")
