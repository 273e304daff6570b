"""A console whose customers pay at the sandbox's providers, all over real HTTP."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
from starlette.applications import Starlette

from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.identities import verified
from tests.support.listening import listening, open_listener
from whalefall.accounts.users import User
from whalefall.base.money import Currency
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.top_ups import TopUp, get_top_up
from whalefall.console.application import console_routes
from whalefall.console.cashier import Cashier
from whalefall.console.context import ConsoleContext, cashier_of
from whalefall.console.payment_chores import PaymentChores
from whalefall.payment_setup import providers_from_sandbox
from whalefall.sandbox.server import Sandbox, SandboxKeys, open_sandbox
from whalefall.sandbox.stripe_books import JsonObject


@dataclass
class Stage:
    browser: Browser
    user: User
    bank: Bank
    sandbox: Sandbox
    cashier: Cashier
    chores: PaymentChores
    url: str

    async def order(self, source: str, amount: str) -> str:
        """Fill in the form; the order's id."""
        await self.browser.open("/top_up")
        key = re.search(r'name="idempotency_key" value="([0-9a-f]+)"', self.browser.html)
        assert key is not None, self.browser.html
        answer = await self.browser.post(
            "/top_up/orders", source=source, amount=amount, idempotency_key=key.group(1)
        )
        self.browser.html, self.browser.status = answer.text, answer.status_code
        return answer.url.path.rpartition("/")[2]

    async def press(self, page: str, button: str) -> httpx.Response:
        """On a provider's own page, in the same browser."""
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.post(f"{page}/{button}")

    def pay_link(self) -> str:
        found = re.search(rf'href="({re.escape(self.sandbox.url)}/stripe/pay/[^"]+)"', self.page)
        assert found is not None, self.page
        return found.group(1)

    @property
    def page(self) -> str:
        return self.browser.html

    def top_up(self, top_up_id: str) -> TopUp:
        return self.bank.database.run(get_top_up, top_up_id)

    def session(self, top_up_id: str) -> JsonObject:
        """Stripe's, of this order."""
        sessions = self.sandbox.stripe.books.sessions.values()
        return next(each for each in sessions if each["client_reference_id"] == top_up_id)

    async def tell(self, kind: str, subject: JsonObject, **event: Any) -> httpx.Response:  # noqa: ANN401
        """As Stripe, with its signature."""
        whole = {"id": "evt_1", "type": kind, "livemode": False, "data": {"object": subject}}
        notice = self.sandbox.stripe.notice(json.dumps(whole | event).encode())
        return await self.send(notice.body, notice.headers)

    async def send(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as client:
            url = f"{self.url}/payments/stripe/notify"
            return await client.post(url, content=body, headers=headers)

    def topped_up(self, user: User | None = None) -> int:
        return self.bank.balance(user or self.user).topped_up_nanos


@contextlib.asynccontextmanager
async def payment_stage(
    plain: ConsoleContext, clock: FakeClock, keys: SandboxKeys, currency: Currency = Currency.USD
) -> AsyncIterator[Stage]:
    database, listener = plain.database, open_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with open_sandbox(url, clock, (0.0, 0.0, 0.0), 0.01, keys) as sandbox:
        context = replace(
            plain,
            base_url=url,
            payment_providers=providers_from_sandbox(sandbox, url, clock),
            sandbox_url=sandbox.url,
        )
        cashier = cashier_of(context)
        async with (
            listening(Starlette(routes=console_routes(context)), listener),
            httpx.AsyncClient(
                base_url=url, headers={"accept-language": "en"}, timeout=60
            ) as client,
        ):
            browser = Browser(client, database, clock)
            user = browser.make_user("ann@example.org", currency)
            verified(database, user)
            await browser.sign_in(user.email)
            yield Stage(
                browser,
                user,
                Bank(database, clock, currency),
                sandbox,
                cashier,
                PaymentChores(database, clock, cashier, APPLIERS),
                url,
            )
