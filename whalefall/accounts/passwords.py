"""Passwords: argon2id in, yes or no out. Nothing here stores, prints or compares plain text."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from whalefall.base.errors import InvalidRequestError

PASSWORD_LENGTH_MIN = 10
PASSWORD_LENGTH_MAX = 256
"""Characters. The upper end keeps hashing cheap enough to be no lever against the platform."""


def hash_password(password: str) -> str:
    """The argon2id string to store. InvalidRequestError when too short, long, or monotonous."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise InvalidRequestError(
            f"a password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters"
        )
    if len(set(password)) < 4:
        raise InvalidRequestError("that password repeats too few characters")
    return PasswordHasher().hash(password.encode("utf-8", "surrogatepass"))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one behind the hash. Without a hash (no such user) it takes
    as long and says no, so that the time tells nobody which addresses exist."""
    hasher = PasswordHasher()
    given = password[:PASSWORD_LENGTH_MAX].encode("utf-8", "surrogatepass")
    if password_hash is None:
        hasher.hash(given)
        return False
    try:
        hasher.verify(password_hash, given)
    except (VerificationError, InvalidHashError):
        return False
    return len(password) <= PASSWORD_LENGTH_MAX


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with weaker settings than today's."""
    return PasswordHasher().check_needs_rehash(password_hash)
