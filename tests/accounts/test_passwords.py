from __future__ import annotations

import pytest

from whalefall.accounts.passwords import (
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    hash_password,
    needs_rehash,
    verify_password,
)
from whalefall.base.errors import InvalidRequestError

PASSWORD = "a whale of a secret"


def test_a_password_opens_its_own_hash_and_no_other() -> None:
    kept = hash_password(PASSWORD)
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert verify_password(kept, PASSWORD)
    assert not verify_password(kept, PASSWORD + " ")
    assert not verify_password(kept, "")


def test_the_same_password_is_hashed_differently_each_time() -> None:
    assert hash_password(PASSWORD) != hash_password(PASSWORD)


def test_nobodys_password_is_wrong() -> None:
    assert not verify_password(None, PASSWORD)
    assert not verify_password("not a hash", PASSWORD)


@pytest.mark.parametrize(
    "password",
    ["", "x" * (PASSWORD_LENGTH_MIN - 1), "ab" * 20, "abcdefghij" * PASSWORD_LENGTH_MAX],
)
def test_weak_and_endless_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidRequestError):
        hash_password(password)


@pytest.mark.parametrize(
    "password",
    ["password123", "P@ssw0rd!2026", "1234567890", "admin-admin-1", "qwertyuiop", "1q2w3e4r5t",
     "Whalefall2026!", "abcdefghij", "12345678901234", "!!letmein!!"],
)  # fmt: skip
def test_what_everybody_guesses_is_refused(password: str) -> None:
    with pytest.raises(InvalidRequestError, match="first that anybody would guess"):
        hash_password(password)


def test_a_longer_password_with_the_same_beginning_is_wrong() -> None:
    longest = "abcdefgh" * (PASSWORD_LENGTH_MAX // 8)
    kept = hash_password(longest)
    assert verify_password(kept, longest)
    assert not verify_password(kept, longest + "x")


def test_odd_characters_are_hashed_like_any_other() -> None:
    odd = "nul\x00 and \ud800 half a pair"
    assert verify_password(hash_password(odd), odd)


def test_todays_hashes_need_no_rehash_and_old_ones_do() -> None:
    assert not needs_rehash(hash_password(PASSWORD))
    weak = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$K2xTyb1WOGNxYuaLUnwgrw"
    assert needs_rehash(weak)
