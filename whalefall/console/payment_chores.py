"""Looks after open orders: asks their providers when no notice comes, ever more seldom, and ends
those whose time is over. Doing a round twice at once changes nothing."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.billing.checkouts import OpenCheckout, due_checkouts, find_checkout, note_query
from whalefall.billing.payment_events import Appliers, apply_waiting_events
from whalefall.billing.top_ups import TopUpState, close_top_up, due_top_ups, get_top_up
from whalefall.console.cashier import FIRST_QUERY_AFTER, Cashier, Order

log = structlog.get_logger()

INTERVAL_SECONDS = 10.0
QUERY_AFTER_MAX = timedelta(minutes=10)
ASKED_AT_MOST = timedelta(days=1)
"""After the order was made; a provider tells us by then, or its statement does."""


class PaymentChores:
    def __init__(
        self, database: Database, clock: Clock, cashier: Cashier, appliers: Appliers
    ) -> None:
        self._database = database
        self._clock = clock
        self._cashier = cashier
        self._appliers = appliers

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels."""
        while True:
            try:
                await self.round()
            except Exception:
                log.exception("open payments were not looked after; they are tried again")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self) -> None:
        for due in await self._database.read(due_checkouts, self._clock.now()):
            await self._ask(due)
        for order in await self._database.read(_due_orders, self._clock.now()):
            await self._end(order)
        await self._database.write(apply_waiting_events, self._appliers, self._clock.now())

    async def _ask(self, due: OpenCheckout) -> None:
        now = self._clock.now()
        top_up = await self._database.read(get_top_up, due.top_up_id)
        if top_up.state is TopUpState.PAID or top_up.source not in self._cashier.providers:
            await self._database.write(note_query, top_up.id, None)
            return
        problem, is_paid = "", False
        try:
            is_paid = await self._cashier.ask(Order(top_up, due))
        except PlatformError as error:
            problem = error.message
            log.warning("order_not_asked", top_up=top_up.id, error=problem)
        is_over = is_paid or now > top_up.created_at + ASKED_AT_MOST
        later = None if is_over else now + _pause(due.num_queries)
        await self._database.write(note_query, top_up.id, later, problem)

    async def _end(self, order: Order) -> None:
        """One whose provider does not answer stays open, and is tried again for a day."""
        now, top_up = self._clock.now(), order.top_up
        if now > top_up.created_at + ASKED_AT_MOST:
            await self._database.write(close_top_up, top_up.id, TopUpState.EXPIRED)
            return
        try:
            await self._cashier.end_order(order)
        except PlatformError as error:
            log.warning("order_not_ended", top_up=top_up.id, error=error.message)
            later = now + QUERY_AFTER_MAX
            await self._database.write(note_query, top_up.id, later, error.message)


def _due_orders(conn: Connection, now: datetime) -> list[Order]:
    """Without those whose provider did not answer lately: they wait for their next query."""
    orders = [Order(each, find_checkout(conn, each.id)) for each in due_top_ups(conn, now)]
    return [order for order in orders if not _is_put_off(order, now)]


def _is_put_off(order: Order, now: datetime) -> bool:
    checkout = order.checkout
    if checkout is None or not checkout.problem or checkout.query_at is None:
        return False
    return checkout.query_at > now


def _pause(num_queries: int) -> timedelta:
    return min(FIRST_QUERY_AFTER * 2 ** min(num_queries, 10), QUERY_AFTER_MAX)
