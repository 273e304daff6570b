"""Tiny matrices on many threads cost more in waking than in arithmetic, most of all on a busy
machine; one thread also makes the tests independent of the machine's size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)
