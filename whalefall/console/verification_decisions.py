"""Deciding about a claim, with all that belongs to it: the decision, its audit entry, and the
letter in the language of whoever made the claim. For operators, checkers and commands alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.profiles import get_profile
from whalefall.accounts.users import get_user
from whalefall.accounts.verification import (
    Verification,
    VerificationKind,
    approve_verification,
    reject_verification,
)
from whalefall.base.mail import queue_mail
from whalefall.billing.virtual_accounts import BankAccount, give_virtual_account
from whalefall.console.language import Catalog, Language
from whalefall.console.letters import verification_approved_letter, verification_rejected_letter

Catalogs = Mapping[Language, Catalog]


def approve(
    conn: Connection,
    actor: Actor,
    verification_id: str,
    catalogs: Catalogs,
    now: datetime,
    account: BankAccount | None = None,
) -> Verification:
    """With the platform's bank account an enterprise is given its number at once, else when it
    first asks how to pay by transfer."""
    done = approve_verification(conn, verification_id, actor.email, now)
    if account is not None and done.kind is VerificationKind.ENTERPRISE:
        give_virtual_account(conn, done.user_id, account.number, now)
    email, catalog = _reader(conn, done.user_id, catalogs)
    queue_mail(conn, verification_approved_letter(catalog, email, done.name), now)
    record_verification(conn, actor, "verification.approved", done, now)
    return done


def reject(
    conn: Connection,
    actor: Actor,
    verification_id: str,
    reason: str,
    catalogs: Catalogs,
    now: datetime,
) -> Verification:
    done = reject_verification(conn, verification_id, reason, actor.email, now)
    email, catalog = _reader(conn, done.user_id, catalogs)
    queue_mail(conn, verification_rejected_letter(catalog, email, done.reason), now)
    record_verification(conn, actor, "verification.rejected", done, now)
    return done


def record_verification(
    conn: Connection, actor: Actor, action: str, found: Verification, now: datetime
) -> None:
    """Under the user; neither name nor number nor reason."""
    record_action(conn, actor, action, found.user_id, now, f"{found.kind} {found.id}")


def _reader(conn: Connection, user_id: str, catalogs: Catalogs) -> tuple[str, Catalog]:
    is_chinese = get_profile(conn, user_id).language == Language.CHINESE.value
    catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
    return get_user(conn, user_id).email, catalog
