"""Passwords: argon2id in, yes or no out. Nothing here stores, prints or compares plain text."""

from __future__ import annotations

import re

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
    if _is_common(password):
        raise InvalidRequestError("that password is one of the first that anybody would guess")
    return PasswordHasher().hash(password.encode("utf-8", "surrogatepass"))


def _is_common(password: str) -> bool:
    """A word everybody thinks of with figures and signs around it, or keys in a row."""
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", password.lower())
    letters = "".join(filter(str.isalpha, core.translate(_LOOKALIKES)))
    is_word = any(letters in (word, word * 2) for word in _COMMON_WORDS)
    is_row = any(password.lower() in row * 3 for row in _ROWS)
    return is_word or is_row


_LOOKALIKES = str.maketrans("@013457$!", "aoieastsi")
_COMMON_WORDS = (
    "password", "passwort", "admin", "administrator", "root", "operator", "changeit",
    "whalefall", "deepseek", "letmein", "welcome", "changeme", "iloveyou", "qwerty", "qwertyuiop",
    "qwertz", "asdfghjkl", "secret", "default", "monkey", "dragon", "football", "sunshine",
    "princess", "superman", "master", "login", "test", "user", "woaini", "mima",
)  # fmt: skip
_ROWS = (
    "1234567890", "0987654321", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm", "1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
)  # fmt: skip


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
