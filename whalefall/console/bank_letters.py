"""Tells customers that their bank transfers were credited, in the transaction that credits them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from whalefall.accounts.profiles import get_profile
from whalefall.accounts.users import get_user
from whalefall.base.mail import queue_mail
from whalefall.billing.bank_entries import BankEntry
from whalefall.billing.bank_imports import Notify
from whalefall.console.language import Catalog, Language
from whalefall.console.letters import bank_transfer_letter
from whalefall.console.rendering import amount


def letter_writer(catalogs: Mapping[Language, Catalog]) -> Notify:
    """What imports and operators hand every credited entry to."""

    def write(conn: Connection, entry: BankEntry) -> None:
        assert entry.user_id is not None
        user = get_user(conn, entry.user_id)
        is_chinese = get_profile(conn, user.id).language == Language.CHINESE.value
        catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
        written = amount(entry.amount_nanos, entry.currency)
        letter = bank_transfer_letter(catalog, user.email, written, entry.payer_name)
        queue_mail(conn, letter, entry.decided_at or entry.created_at)

    return write
