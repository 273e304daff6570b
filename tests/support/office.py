"""A bank whose customers have spent money, and the desk that writes their invoices."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from tests.support.bank import Bank
from whalefall.accounts.users import User
from whalefall.base.money import Currency
from whalefall.billing.invoice_content import CENT_NANOS, Buyer, Seller, TitleKind
from whalefall.billing.invoice_documents import Invoice
from whalefall.billing.invoice_proof import check_invoices
from whalefall.billing.invoice_requests import InvoiceRequest
from whalefall.billing.invoiceable import Invoiceable
from whalefall.billing.invoices import (
    Credit,
    InvoiceWish,
    Issue,
    Issued,
    ask_invoice,
    issue_credit_note,
    issue_invoice,
    left_to_invoice,
)
from whalefall.billing.price_windows import Calendar
from whalefall.billing.pricing import Price, TokenCounts
from whalefall.billing.usage import Usage, charge
from whalefall.billing.working_days import WorkingDays

CLOCK = WorkingDays(Calendar("none", frozenset()))
SELLER = Seller("Deep Water Ltd", "91990000MA00000001", "1 Sea Road", "Sea Bank", "6222", 600)
PERSON = Buyer(TitleKind.PERSONAL, "Ann Example")
CENT_PRICE = Price("cent/test/CNY", "test", Currency.CNY, 1000, 10**10, 0)
"""A hit token costs one nano, a miss token a hundredth."""


@dataclass
class Office:
    """A bank whose customers have spent money, and the desk that writes invoices."""

    bank: Bank
    keys: count[int] = field(default_factory=count)

    def spender(self, cents: int, granted: int = 0) -> User:
        """Has used so many hundredths of paid money, and so much that was granted."""
        user = self.bank.user(topped_up=cents * CENT_NANOS)
        self.spend(user, cents * CENT_NANOS)
        if granted:
            self.bank.grant(user, granted)
            self.spend(user, granted)
        return user

    def spend(self, user: User, nanos: int) -> None:
        held, now = self.bank.hold(user, nanos), self.bank.now
        counts = TokenCounts(hit=nanos % CENT_NANOS, miss=nanos // CENT_NANOS, output=0)
        key = self.bank.api_key(user)
        usage = Usage(held.hold_id, user.id, key.id, "test", CENT_PRICE, counts, now)
        assert self.bank.database.run(charge, usage, now).cost_nanos == nanos

    def wish(self, user: User, cents: int | None, month: int | None = None) -> InvoiceWish:
        nanos = None if cents is None else cents * CENT_NANOS
        return InvoiceWish(user.id, Currency.CNY, nanos, month, PERSON, "en")

    def ask(self, user: User, cents: int | None, month: int | None = None) -> InvoiceRequest:
        return self.ask_for(self.wish(user, cents, month))

    def ask_for(self, wish: InvoiceWish) -> InvoiceRequest:
        return self.bank.database.run(ask_invoice, wish, CLOCK, self.bank.now)

    @property
    def terms(self) -> Issue:
        return Issue(SELLER, CLOCK, self.bank.now)

    def issue(self, asked: InvoiceRequest) -> Issued:
        return self.bank.database.run(issue_invoice, asked.id, self.terms)

    def invoice(self, user: User, cents: int) -> Invoice:
        return self.issue(self.ask(user, cents)).invoice

    def credit(self, invoice: Invoice, cents: int | None = None) -> Invoice:
        nanos = None if cents is None else cents * CENT_NANOS
        credit = Credit(invoice.id, nanos, "too much", f"credit {next(self.keys):08}")
        return self.bank.database.run(issue_credit_note, credit, self.terms)

    def left(self, user: User) -> Invoiceable:
        return self.bank.database.run_read(left_to_invoice, user.id, Currency.CNY)

    def left_cents(self, user: User) -> int:
        return self.left(user).available_nanos // CENT_NANOS

    def findings(self) -> set[str]:
        found = self.bank.database.run_read(lambda conn: list(check_invoices(conn)))
        return {each.check for each in found}
