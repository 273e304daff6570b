"""One server with the embedded model for all end-to-end tests that do not kill it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Server, serving
from whalefall.settings import EMBEDDED_MODEL_DIR


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not EMBEDDED_MODEL_DIR.is_dir():
        pytest.skip("the embedded model is not part of this checkout")
    with serving(tmp_path_factory.mktemp("server") / "data") as server:
        yield server
