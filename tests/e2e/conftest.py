"""One server with the embedded model for all end-to-end tests that do not kill it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.support.server import Server, serving
from whalefall.settings import EMBEDDED_MODEL_DIR

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not EMBEDDED_MODEL_DIR.is_dir():
        pytest.skip("the embedded model is not part of this checkout")
    with serving(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()
