from __future__ import annotations

import pytest

from whalefall.chat.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The embedded model's; building it takes a second, so all tests share one."""
    return Tokenizer.bundled()
