"""The cashier: takes customers' orders to a payment provider and providers' notices to the books.

Each thing it does is short transactions around calls of the provider, so that a crash between any
two of them leaves an order that the next look at the provider puts right."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from whalefall.accounts.verification import verified_identity
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import NANOS_PER_UNIT, Currency
from whalefall.billing.checkouts import (
    OpenCheckout,
    find_checkout,
    keep_checkout,
    note_query,
)
from whalefall.billing.payment_events import Appliers, take_event
from whalefall.billing.payments.base import (
    NoticeAnswer,
    NoticeRefusedError,
    PaymentOrder,
    PaymentProvider,
    ProviderError,
    ProviderEvent,
    ProviderRefusedError,
    minor_units_from_nanos,
)
from whalefall.billing.provider_events import EventState, NotedEvent
from whalefall.billing.top_ups import (
    TopUp,
    TopUpRequest,
    TopUpSource,
    TopUpState,
    close_top_up,
    count_open_top_ups,
    find_top_up_by_key,
    get_top_up,
    open_top_up,
)
from whalefall.console.forms import RefusedError
from whalefall.console.language import mark

log = structlog.get_logger()

ORDER_LIFETIME = timedelta(hours=1)
FIRST_QUERY_AFTER = timedelta(seconds=20)
NUM_OPEN_MAX = 5
SUBJECT = "Whalefall API top-up"

VERIFY_FIRST = mark("Please verify your identity before you top up online.")
NOT_OFFERED = mark("This way of paying is not offered for your currency.")
OUT_OF_RANGE = mark("One top-up lies between %(least)s and %(most)s.")
TOO_MANY_OPEN = mark("You have unfinished orders. Please pay or cancel one of them first.")
NOT_WHOLE = mark("An amount has at most two decimal places.")
NO_ANSWER = mark("The payment provider does not answer. Please try again in a moment.")
NOT_TAKEN = mark("The payment provider did not take the order. You have not been charged.")


@dataclass(frozen=True, slots=True)
class AmountLimits:
    least_nanos: int
    most_nanos: int


LIMITS: Mapping[Currency, AmountLimits] = {
    Currency.CNY: AmountLimits(1 * NANOS_PER_UNIT, 50_000 * NANOS_PER_UNIT),
    Currency.USD: AmountLimits(1 * NANOS_PER_UNIT, 5_000 * NANOS_PER_UNIT),
}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    user_id: str
    source: TopUpSource
    currency: Currency
    amount_nanos: int
    key: str
    """Chosen by the page: the same key opens one order, however often it is sent."""


@dataclass(frozen=True, slots=True)
class Order:
    top_up: TopUp
    checkout: OpenCheckout | None


class Cashier:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        providers: Mapping[TopUpSource, PaymentProvider],
        appliers: Appliers,
        base_url: str,
    ) -> None:
        self.providers = providers
        self._database = database
        self._clock = clock
        self._appliers = appliers
        self._base_url = base_url.rstrip("/")

    def sources(self, currency: Currency) -> tuple[TopUpSource, ...]:
        """Where money of this currency can come from."""
        return tuple(
            source for source, each in self.providers.items() if currency in each.currencies
        )

    async def open_order(self, request: OrderRequest) -> Order:
        """RefusedError, in words for the customer, when the order is not taken."""
        if request.source not in self.sources(request.currency):
            raise RefusedError(NOT_OFFERED)
        now = self._clock.now()
        opened = await self._database.write(_open, request, now)
        kept = await self._database.read(find_checkout, opened.id)
        if kept is not None or opened.state is not TopUpState.OPEN:
            return Order(opened, kept)
        provider = self.providers[request.source]
        try:
            checkout = await asyncio.to_thread(provider.create, self._payment_order(opened))
        except (ProviderError, ProviderRefusedError) as error:
            log.error("order_not_taken", top_up=opened.id, error=error.message)
            await self._database.write(close_top_up, opened.id, TopUpState.FAILED)
            is_silent = isinstance(error, ProviderError)
            raise RefusedError(NO_ANSWER if is_silent else NOT_TAKEN) from None
        query_at = now + FIRST_QUERY_AFTER
        made = await self._database.write(keep_checkout, opened.id, checkout, query_at)
        return Order(opened, made)

    async def order(self, user_id: str, top_up_id: str) -> Order:
        """NotFoundError for somebody else's."""
        return await self._database.read(_order, user_id, top_up_id)

    async def cancel(self, user_id: str, top_up_id: str) -> TopUp:
        """Call an order off at the provider first, so that it cannot be paid afterwards; one that
        was paid meanwhile is credited instead."""
        found = await self.order(user_id, top_up_id)
        if found.top_up.state is not TopUpState.OPEN:
            return found.top_up
        try:
            return await self.end_order(found)
        except ProviderError:
            raise RefusedError(NO_ANSWER) from None

    async def end_order(self, found: Order) -> TopUp:
        """Close an unpaid order at its provider and here, or credit it if it was paid after all.
        ProviderError when the provider does not answer."""
        top_up_id, checkout = found.top_up.id, found.checkout
        provider = self.providers.get(found.top_up.source)
        if checkout is not None and provider is not None:
            reference = checkout.checkout.reference
            try:
                await asyncio.to_thread(provider.close, top_up_id, reference)
            except ProviderRefusedError as error:
                log.warning("order_not_closed", top_up=top_up_id, error=error.message)
                await self.ask(found)
                return await self._database.read(get_top_up, top_up_id)
        return await self._database.write(_end, top_up_id)

    async def ask(self, found: Order) -> bool:
        """Ask the provider whether an order was paid, and credit it then; whether it was.
        ProviderError when it does not answer."""
        assert found.checkout is not None
        provider = self.providers[found.top_up.source]
        reference = found.checkout.checkout.reference
        event = await asyncio.to_thread(provider.query, found.top_up.id, reference)
        if event is None:
            return False
        noted = await self.take(event, b"")
        return noted.state is EventState.APPLIED

    async def take_notice(
        self, source: TopUpSource, headers: Mapping[str, str], body: bytes
    ) -> NoticeAnswer:
        """Verify a notice and do what follows from it. NotFoundError for a provider that is not
        set up. What does not fit is kept for the operator, and telling it again will not help."""
        provider = self.providers.get(source)
        if provider is None:
            raise NotFoundError(f"{source} is not set up")
        try:
            event = await asyncio.to_thread(provider.read_notice, headers, body)
        except NoticeRefusedError as error:
            log.warning("notice_refused", source=source.value, error=error.message)
            return provider.answer_failed
        await self.take(event, body)
        return provider.answer_ok

    async def take(self, event: ProviderEvent, body: bytes) -> NotedEvent:
        noted = await self._database.write(
            take_event, event, body, self._appliers, self._clock.now()
        )
        if noted.state is EventState.REFUSED:
            log.error("payment_event_refused", event_id=event.event_id, problem=noted.problem)
        return noted

    def _payment_order(self, opened: TopUp) -> PaymentOrder:
        assert opened.expires_at is not None
        return PaymentOrder(
            top_up_id=opened.id,
            currency=opened.currency,
            amount_nanos=opened.amount_nanos,
            subject=SUBJECT,
            expires_at=opened.expires_at,
            return_url=f"{self._base_url}/top_up/orders/{opened.id}",
            notify_url=f"{self._base_url}/payments/{opened.source}/notify",
        )


def _open(conn: Connection, request: OrderRequest, now: datetime) -> TopUp:
    key = f"{request.user_id}:{request.key}"
    known = find_top_up_by_key(conn, request.source, key)
    if known is None:
        _check_may_open(conn, request)
    return open_top_up(
        conn,
        TopUpRequest(
            user_id=request.user_id,
            source=request.source,
            currency=request.currency,
            amount_nanos=request.amount_nanos,
            idempotency_key=key,
            now=now,
            expires_at=now + ORDER_LIFETIME,
        ),
    )


def _check_may_open(conn: Connection, request: OrderRequest) -> None:
    if verified_identity(conn, request.user_id) is None:
        raise RefusedError(VERIFY_FIRST)
    limits = LIMITS[request.currency]
    if not limits.least_nanos <= request.amount_nanos <= limits.most_nanos:
        least, most = (
            f"{nanos // NANOS_PER_UNIT} {request.currency}"
            for nanos in (limits.least_nanos, limits.most_nanos)
        )
        raise RefusedError(OUT_OF_RANGE, least=least, most=most)
    try:
        minor_units_from_nanos(request.amount_nanos)
    except InvalidRequestError:
        raise RefusedError(NOT_WHOLE) from None
    if count_open_top_ups(conn, request.user_id) >= NUM_OPEN_MAX:
        raise RefusedError(TOO_MANY_OPEN)


def _order(conn: Connection, user_id: str, top_up_id: str) -> Order:
    found = get_top_up(conn, top_up_id)
    if found.user_id != user_id:
        raise NotFoundError("there is no such top-up")
    return Order(found, find_checkout(conn, top_up_id))


def _end(conn: Connection, top_up_id: str) -> TopUp:
    note_query(conn, top_up_id, None)
    return close_top_up(conn, top_up_id, TopUpState.EXPIRED)
