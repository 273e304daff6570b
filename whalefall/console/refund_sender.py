"""Takes refunds to their payment providers until they are done or refused, and writes to their
customers how they ended.

No transaction is open while a provider is talked to. A refund is claimed first, so that one process
talks about it at a time. One that was tried before is asked after before it is asked for, always
under its own id: a crash between the call and our note of it refunds nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

import structlog
from sqlalchemy import Connection

from whalefall.accounts.closure import is_closed
from whalefall.accounts.profiles import get_profile
from whalefall.accounts.users import get_user
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.base.mail import queue_mail
from whalefall.billing.chargebacks import collect_losses, collectable
from whalefall.billing.payments.base import (
    PaymentProvider,
    ProviderError,
    ProviderRefusedError,
    RefundAnswer,
    RefundOrder,
)
from whalefall.billing.payments.base import RefundState as AnswerState
from whalefall.billing.refund_queue import (
    BEING_SENT,
    claim_refund,
    due_refunds,
    mark_told,
    note_taken,
    postpone_refund,
    try_soon,
    untold_refunds,
)
from whalefall.billing.refunds import (
    Refund,
    RefundState,
    confirm_refund,
    fail_refund,
    get_refund,
    lock_refund,
)
from whalefall.billing.top_ups import TopUp, TopUpSource, get_top_up
from whalefall.console.language import Catalog, Language
from whalefall.console.letters import refund_done_letter, refund_failed_letter
from whalefall.console.rendering import money

log = structlog.get_logger()

INTERVAL_SECONDS = 15.0
Providers = Mapping[TopUpSource, PaymentProvider]
Catalogs = Mapping[Language, Catalog]


class RefundSender:
    def __init__(
        self, database: Database, clock: Clock, providers: Providers, catalogs: Catalogs
    ) -> None:
        self._database = database
        self._clock = clock
        self._providers = providers
        self._catalogs = catalogs

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels."""
        while True:
            try:
                await self.round()
            except Exception:
                log.exception("refunds were not sent; they are tried again")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self) -> int:
        """Talk about every refund that is due; how many ended."""
        sources = frozenset(self._providers)
        due = await self._database.read(due_refunds, sources, self._clock.now())
        num_ended = 0
        for refund_id in due:
            ended = await self.send(refund_id)
            num_ended += ended is not None and not ended.is_open
        for each in await self._database.read(untold_refunds):
            await self._database.write(tell, each, self._catalogs, self._clock.now())
        for user_id, currency in await self._database.read(collectable):
            await self._database.write(collect_losses, user_id, currency, self._clock.now())
        return num_ended

    async def send(self, refund_id: str) -> Refund | None:
        """One conversation with the provider; None when another process is having it."""
        claimed = await self._database.write(_claim, refund_id, self._clock.now())
        if claimed is None:
            return None
        found, top_up = claimed
        provider = self._providers[found.source]
        order = order_of(found, top_up)
        try:
            answer = await asyncio.to_thread(_asked, provider, order, found.num_tries > 1)
        except ProviderError as error:
            log.warning("refund not sent", refund_id=refund_id, error=error.message)
            return await self._database.write(_put_off, refund_id, error.message, self._clock.now())
        return await self._database.write(record_answer, refund_id, answer, self._clock.now())


async def give_up(
    database: Database, providers: Providers, refund_id: str, now: datetime
) -> Refund:
    """End a refund that does not get on: ask its provider one last time, and return the money to
    the balance only if the provider refused it, or never took it and does not know it. One that
    the provider has under way stays. InvalidRequestError while somebody talks about it,
    ProviderError when the provider cannot be asked."""
    claimed = await database.write(_claim_now, refund_id, now)
    if claimed is None:
        raise InvalidRequestError(BEING_SENT)
    found, top_up = claimed
    provider = providers.get(found.source)
    try:
        answer = None
        if provider is not None:
            answer = await asyncio.to_thread(provider.query_refund, order_of(found, top_up))
    except ProviderError as error:
        await database.write(_put_off, refund_id, error.message, now)
        raise
    if answer is None and found.provider_reference:
        # It took the refund once: that it does not know it now proves nothing.
        answer = RefundAnswer(AnswerState.PENDING)
    if answer is None:
        answer = RefundAnswer(AnswerState.FAILED, reason="given up by an operator")
    return await database.write(record_answer, refund_id, answer, now)


def order_of(found: Refund, top_up: TopUp) -> RefundOrder:
    return RefundOrder(
        refund_id=found.id,
        top_up_id=top_up.id,
        provider_reference=top_up.provider_reference,
        currency=found.currency,
        amount_nanos=found.amount_nanos,
        total_nanos=top_up.amount_nanos,
    )


def record_answer(conn: Connection, refund_id: str, answer: RefundAnswer, now: datetime) -> Refund:
    """What the provider answered to us. It may have told the end in a notice meanwhile; then that
    stands, for only a notice takes back an end."""
    found = lock_refund(conn, refund_id)
    if not found.is_open and answer.state is not AnswerState.DONE:
        return found
    match answer.state:
        case AnswerState.DONE:
            return confirm_refund(conn, refund_id, answer.reference, now)
        case AnswerState.FAILED:
            return fail_refund(conn, refund_id, answer.reason, now)
        case AnswerState.PENDING:
            note_taken(conn, refund_id, answer.reference)
            return _put_off(conn, refund_id, "", now)


def tell(conn: Connection, ended: Refund, catalogs: Catalogs, now: datetime) -> bool:
    """Write to the customer how a refund ended, once; nobody reads the letters of an account that
    was deleted. Whether a letter was written."""
    if not mark_told(conn, ended.id, now):
        return False
    user = get_user(conn, ended.user_id)
    if is_closed(user):
        return False
    is_chinese = get_profile(conn, user.id).language == Language.CHINESE.value
    catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
    is_done = ended.state is RefundState.DONE
    letter = refund_done_letter if is_done else refund_failed_letter
    queue_mail(conn, letter(catalog, user.email, money(ended.amount_nanos, ended.currency)), now)
    return True


def _asked(provider: PaymentProvider, order: RefundOrder, was_tried: bool) -> RefundAnswer:
    """What the provider says of it, in a thread."""
    if was_tried:
        answer = _known(provider, order)
        if answer is not None:
            return answer
    try:
        return provider.refund(order)
    except ProviderRefusedError as error:
        return RefundAnswer(AnswerState.FAILED, reason=error.message)


def _known(provider: PaymentProvider, order: RefundOrder) -> RefundAnswer | None:
    """A provider that will not even tell is one to be asked again later."""
    try:
        return provider.query_refund(order)
    except ProviderRefusedError as error:
        raise ProviderError(error.message) from error


def _claim(conn: Connection, refund_id: str, now: datetime) -> tuple[Refund, TopUp] | None:
    found = claim_refund(conn, refund_id, now)
    return None if found is None else (found, get_top_up(conn, found.top_up_id))


def _claim_now(conn: Connection, refund_id: str, now: datetime) -> tuple[Refund, TopUp] | None:
    try_soon(conn, refund_id, now)
    return _claim(conn, refund_id, now)


def _put_off(conn: Connection, refund_id: str, problem: str, now: datetime) -> Refund:
    postpone_refund(conn, refund_id, problem, now)
    return get_refund(conn, refund_id)
