"""Takes letters from the outbox to the mail server, one after the other, for ever."""

from __future__ import annotations

import asyncio

import structlog

from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.mail import (
    DeliveryError,
    MailTransport,
    UndeliverableError,
    claim_mails,
    mark_failed,
    mark_sent,
)

log = structlog.get_logger()

INTERVAL_SECONDS = 2.0


class Postman:
    def __init__(self, database: Database, clock: Clock, transport: MailTransport) -> None:
        self._database = database
        self._clock = clock
        self._transport = transport

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels."""
        while True:
            try:
                await self.round()
            except Exception:
                log.exception("letters were not sent; they are tried again")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self) -> int:
        """Try every letter that is due; how many were delivered."""
        due = await self._database.write(claim_mails, self._clock.now())
        num_sent = 0
        for mail in due:
            try:
                await self._transport.send(mail)
            except DeliveryError as error:
                is_final = isinstance(error, UndeliverableError)
                await self._database.write(mark_failed, mail.id, str(error), is_final=is_final)
                # The recipient is not written down: logs are read by more people than letters.
                log.warning("letter not delivered", mail_id=mail.id, is_final=is_final)
                continue
            await self._database.write(mark_sent, mail.id, self._clock.now())
            num_sent += 1
        return num_sent
