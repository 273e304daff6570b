from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_clock import FakeClock
from tests.support.payment_stage import Stage, payment_stage
from whalefall.console.context import ConsoleContext
from whalefall.sandbox.server import SandboxKeys, new_keys


@pytest.fixture(scope="session")
def sandbox_keys() -> SandboxKeys:
    return new_keys()


@pytest.fixture
async def stage(
    context: ConsoleContext, clock: FakeClock, sandbox_keys: SandboxKeys
) -> AsyncIterator[Stage]:
    """Somebody whose account is in dollars, who is verified and signed in."""
    async with payment_stage(context, clock, sandbox_keys) as opened:
        yield opened
