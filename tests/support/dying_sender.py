"""A process that sends one refund and never learns the answer:
`python -m tests.support.dying_sender URL REFUND`.

It prints the refund's id when the provider has it, and waits to be killed before that is noted."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass

from typing_extensions import override

from tests.support.counterpart import Counterpart
from tests.support.fake_clock import FakeClock
from whalefall.base.db import Database
from whalefall.billing.payments.base import RefundAnswer, RefundOrder
from whalefall.billing.refunds import get_refund
from whalefall.console.language import load_catalogs
from whalefall.console.refund_sender import RefundSender


@dataclass
class Hanging(Counterpart):
    @override
    def refund(self, order: RefundOrder) -> RefundAnswer:
        answer = super().refund(order)
        sys.stdout.write(f"{order.refund_id}\n")
        sys.stdout.flush()
        threading.Event().wait()
        return answer


if __name__ == "__main__":
    _, url, refund_id = sys.argv
    with Database.open(url) as database:
        clock = FakeClock(database.run(get_refund, refund_id).asked_at)
        provider = Hanging()
        sender = RefundSender(database, clock, {provider.source: provider}, load_catalogs())
        asyncio.run(sender.send(refund_id))
