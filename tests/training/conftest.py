"""What the tests of the training share: the tokeniser (slow to build) and the hand-written data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from training.examples import World
from training.rendering import Renderer
from training.world import load_world
from whalefall.chat.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.bundled()


@pytest.fixture(scope="session")
def renderer(tokenizer: Tokenizer) -> Renderer:
    return Renderer(tokenizer)


@pytest.fixture(scope="session")
def world(tokenizer: Tokenizer) -> World:
    return load_world(tokenizer)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads waiting for each other on a busy machine are slower than one that works alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
