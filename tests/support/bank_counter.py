"""The platform's bank in tests: enterprises with their numbers, payments, statements taken in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from tests.support.bank import Bank
from tests.support.identities import verified
from whalefall.accounts.users import User
from whalefall.accounts.verification import VerificationKind
from whalefall.base.db import Database
from whalefall.base.money import Currency
from whalefall.billing.bank_entries import BankEntry, EntryFilter, list_entries
from whalefall.billing.bank_imports import (
    ImportReport,
    Notify,
    Tally,
    batches,
    begin_import,
    import_batch,
    new_import,
    preview_batch,
)
from whalefall.billing.bank_statements.entry import (
    Direction,
    Statement,
    StatementEntry,
    StatementFormat,
)
from whalefall.billing.bank_transfers import Decision
from whalefall.billing.virtual_accounts import BankAccount, give_virtual_account

ACCOUNT = BankAccount("深海银行", "海沟支行", "鲸落科技有限公司", "755900001234567")
NAME = "深海数据（上海）有限公司"
YUAN = 1_000_000_000
PAYMENT = StatementEntry(
    booked_on=date(2026, 1, 31),
    direction=Direction.CREDIT,
    currency=Currency.CNY,
    amount_nanos=1000 * YUAN,
    payer_name=NAME,
    payer_account="6222000011112222",
)


@dataclass
class BankCounter:
    bank: Bank
    told: list[BankEntry] = field(default_factory=list)
    """Entries of which customers were told."""

    @property
    def database(self) -> Database:
        return self.bank.database

    def enterprise(self, name: str = NAME) -> tuple[User, str]:
        """A verified one, and its account number."""
        user = self.bank.user()
        verified(self.database, user, VerificationKind.ENTERPRISE, name)
        return user, self.number(user)

    def number(self, user: User) -> str:
        args = (user.id, ACCOUNT.number, self.bank.now)
        return self.database.run(give_virtual_account, *args).number

    def take_in(
        self,
        entries: Sequence[StatementEntry],
        *,
        is_dry_run: bool = False,
        notify: Notify | None = None,
    ) -> ImportReport:
        statement = Statement(StatementFormat.CMB, ACCOUNT.number, tuple(entries))
        made = new_import(statement, "statement.csv", "operator@example.org", self.bank.now)
        tally = Tally(made, statement.account)
        if not is_dry_run:
            self.database.run(begin_import, made)
        for batch in batches(statement):
            args = (made, ACCOUNT.number, batch)
            if is_dry_run:
                tally.outcomes.append(self.database.run_read(preview_batch, *args))
            else:
                told = notify or (lambda _conn, entry: self.told.append(entry))
                tally.outcomes.append(self.database.run(import_batch, *args, told))
        return tally.report()

    def entries(self) -> list[BankEntry]:
        """Newest first."""
        return self.database.run_read(list_entries, EntryFilter())

    def decision(self, entry: BankEntry, reason: str = "as agreed") -> Decision:
        return Decision(entry.id, reason, "operator@example.org", self.bank.now)


def paid_to(number: str, **changes: object) -> StatementEntry:
    return replace(PAYMENT, credited_account=number, **changes)  # type: ignore[arg-type]
