"""What the console is given by the composition root, and what it makes of it once at start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from whalefall.accounts.identity_checks import IdentityChecker, OperatorDecides
from whalefall.accounts.identity_vault import IdentityVault
from whalefall.accounts.signup import EmailDomainRule
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.invoice_content import Seller
from whalefall.billing.overview import DayTotalsCache
from whalefall.billing.payments.base import PaymentProvider
from whalefall.billing.price_book import PriceBook
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.sign_up_grants import NO_SIGN_UP_GRANT, SignUpGrantRule
from whalefall.billing.top_ups import TopUpSource
from whalefall.billing.virtual_accounts import BankAccount
from whalefall.billing.working_days import WorkingDays, load_calendar
from whalefall.console.assets import Assets
from whalefall.console.cashier import Cashier
from whalefall.console.chat_turn import ChatTurn
from whalefall.console.language import Catalog, Language, load_catalogs
from whalefall.console.markdown import MarkdownRenderer
from whalefall.console.papers.sheet import Alphabet
from whalefall.console.passwords import PasswordWorker
from whalefall.console.rendering import Renderer
from whalefall.serving.backends import Backend
from whalefall.serving.generation import ServingLimits
from whalefall.serving.platform import Platform


async def nothing_to_tell() -> None:
    """Nobody enforces limits here."""


@dataclass(frozen=True, slots=True)
class ConsoleContext:
    database: Database
    clock: Clock
    prices: CurrentPrices
    platform: Platform
    base_url: str
    """How people reach this server, e.g. `http://127.0.0.1:8000`. Behind https, cookies are
    marked Secure."""
    identity_vault: IdentityVault
    """Seals what people are verified by."""
    identity_checker: IdentityChecker = field(default_factory=OperatorDecides)
    email_domains: EmailDomainRule = field(default_factory=EmailDomainRule)
    sign_up_grant: SignUpGrantRule = NO_SIGN_UP_GRANT
    service_email: str = "service@localhost"
    """Where people who cannot sign up are told to write."""
    count_tokens: Callable[[str], int] | None = None
    """The served model's tokeniser, for the price calculator."""
    shows_outbox: bool = True
    """No mail transport is set up: letters wait in the operator's outbox, and pages say so."""
    is_demonstration: bool = False
    """The embedded model is served: pages say plainly that it is for demonstration only."""
    payment_providers: Mapping[TopUpSource, PaymentProvider] = field(default_factory=dict)
    """Those that are set up, by where the money comes from."""
    sandbox_url: str = ""
    """Where the sandbox that plays the providers shows itself; pages say then that no money is
    real. Empty without one."""
    bank_account: BankAccount | None = None
    """Where bank transfers arrive; None: they are not offered."""
    seller: Seller = field(default_factory=Seller)
    """The company that issues invoices; without a name none are issued."""
    working_days: WorkingDays = field(default_factory=lambda: WorkingDays(load_calendar("cn")))
    """The clock that promises are counted by."""
    backends: Callable[[], tuple[Backend, ...]] = tuple
    """The engines with their load now, for the operator."""
    serving_limits: ServingLimits | None = None
    limits_changed: Callable[[], Awaitable[None]] = nothing_to_tell
    """Called when an account's limits were set, so that they are in force at once."""

    @property
    def price_book(self) -> PriceBook:
        return self.prices.book

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")


@dataclass(frozen=True, slots=True)
class Console:
    """The context with what is built from it."""

    context: ConsoleContext
    catalogs: dict[Language, Catalog]
    assets: Assets
    renderer: Renderer
    passwords: PasswordWorker
    markdown: MarkdownRenderer
    day_totals: DayTotalsCache
    cashier: Cashier
    alphabet: Alphabet
    tasks: set[asyncio.Task[None]]
    """Answers being generated; each leaves by itself when it is stored."""
    turns: dict[str, ChatTurn]
    """The same by conversation, for whoever wants to stop one."""


def cashier_of(context: ConsoleContext) -> Cashier:
    """It keeps nothing to itself, so there may be several."""
    return Cashier(
        context.database, context.clock, context.payment_providers, APPLIERS, context.base_url
    )


def build_console(context: ConsoleContext) -> Console:
    catalogs = load_catalogs()
    assets = Assets()
    markdown = MarkdownRenderer()
    renderer = Renderer(catalogs, assets, markdown)
    return Console(
        context=context,
        catalogs=catalogs,
        assets=assets,
        renderer=renderer,
        passwords=PasswordWorker(),
        markdown=markdown,
        day_totals=DayTotalsCache(),
        cashier=cashier_of(context),
        alphabet=Alphabet(),
        tasks=set(),
        turns={},
    )
