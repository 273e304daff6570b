"""One try to claim a number. Wrong ones are counted, by account and by address, in the transaction
that finds them wrong; too many of them close the door for a while, for right ones as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from whalefall.accounts.identity_numbers import WrongNumberError
from whalefall.accounts.identity_vault import IdentityVault
from whalefall.accounts.throttles import Limit, forget_tries, locked_until, may_try
from whalefall.accounts.verification import Claim, Verification, lock_user, submit_claim

PER_ACCOUNT = Limit("identity_account", 5, timedelta(hours=24))
PER_ADDRESS = Limit("identity_address", 20, timedelta(hours=24))


@dataclass(frozen=True, slots=True)
class Claimant:
    user_id: str
    address: str
    """Of the network."""


@dataclass(frozen=True, slots=True)
class Refusal:
    message: str
    locked_until: datetime | None
    """When there may be another try; None: at once."""


def try_claim(
    conn: Connection,
    vault: IdentityVault,
    claimant: Claimant,
    claim_of: Callable[[], Claim],
    now: datetime,
) -> Verification | Refusal:
    """The claim that waits, or why there is none. `claim_of` raises WrongNumberError for a number
    that cannot be; other errors as of submit_claim, which are nobody's guess and not counted."""
    lock_user(conn, claimant.user_id)
    locked = door_closed_until(conn, claimant, now)
    if locked is not None:
        return Refusal("", locked)
    try:
        with conn.begin_nested():
            made = submit_claim(conn, vault, claim_of(), now)
    except WrongNumberError as error:
        return Refusal(error.message, count_wrong_number(conn, claimant, now))
    return made


def door_closed_until(conn: Connection, claimant: Claimant, now: datetime) -> datetime | None:
    ends = [
        locked_until(conn, PER_ACCOUNT, claimant.user_id, now),
        locked_until(conn, PER_ADDRESS, claimant.address, now),
    ]
    return max((each for each in ends if each is not None), default=None)


def forget_wrong_numbers(conn: Connection, claimant: Claimant) -> None:
    """A number that nobody has called wrong ends the suspicion against the account."""
    forget_tries(conn, PER_ACCOUNT, claimant.user_id)


def count_wrong_number(conn: Connection, claimant: Claimant, now: datetime) -> datetime | None:
    """Until when that closes the door, if it does."""
    may_try(conn, PER_ACCOUNT, claimant.user_id, now)
    may_try(conn, PER_ADDRESS, claimant.address, now)
    return door_closed_until(conn, claimant, now)
