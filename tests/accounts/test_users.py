from __future__ import annotations

import pytest

from tests.support.fake_clock import FakeClock
from whalefall.accounts.users import (
    Role,
    User,
    create_user,
    find_user,
    get_user,
    list_users,
    normal_email,
    password_hash_of,
    reinstate_user,
    set_password_hash,
    set_role,
    suspend_user,
)
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import Currency


def create(database: Database, clock: FakeClock, email: str = "ann@example.org") -> User:
    return database.run(create_user, email=email, now=clock.now())


def test_a_new_user_is_found_by_address_in_any_spelling(
    database: Database, clock: FakeClock
) -> None:
    made = create(database, clock, " Ann@Example.org ")
    assert made.email == "ann@example.org"
    assert database.run(find_user, "ANN@example.ORG") == made
    assert database.run(get_user, made.id) == made
    assert (made.currency, made.role, made.is_admin) == (Currency.CNY, Role.USER, False)
    assert not made.is_suspended
    assert made.id.startswith("user_")


def test_an_address_is_taken_once(database: Database, clock: FakeClock) -> None:
    create(database, clock)
    with pytest.raises(InvalidRequestError, match=r"already a user ann@example\.org"):
        create(database, clock, "ANN@example.org")


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "a b@example.org",
        "ann@example.org\nBcc: all@example.org",
        "ann@exam\x00ple.org",
        "ann@example.org,bob@example.org",
        "<ann@example.org>",
        "a@b@c",
        "a" * 250 + "@b.cc",
    ],
)
def test_odd_addresses_are_refused(database: Database, clock: FakeClock, email: str) -> None:
    with pytest.raises(InvalidRequestError):
        create(database, clock, email)
    assert database.run(find_user, email) is None


def test_addresses_of_other_scripts_are_welcome() -> None:
    assert normal_email("鲸鱼@例子.中国") == "鲸鱼@例子.中国"


def test_suspension_keeps_its_first_instant_and_can_be_lifted(
    database: Database, clock: FakeClock
) -> None:
    made = create(database, clock)
    first = database.run(suspend_user, made.id, clock.now())
    clock.advance(60)
    assert database.run(suspend_user, made.id, clock.now()) == first
    assert first.is_suspended
    assert database.run(reinstate_user, made.id) == made


def test_roles_and_currency_are_kept(database: Database, clock: FakeClock) -> None:
    admin = database.run(
        create_user,
        email="root@example.org",
        now=clock.now(),
        currency=Currency.USD,
        is_admin=True,
        password_hash="hash",
    )
    assert database.run(get_user, admin.id).is_admin
    assert database.run(get_user, admin.id).currency is Currency.USD
    assert database.run(password_hash_of, admin.id) == "hash"
    assert not database.run(set_role, admin.id, Role.USER).is_admin


def test_password_hashes_are_apart_from_the_user(database: Database, clock: FakeClock) -> None:
    made = create(database, clock)
    assert database.run(password_hash_of, made.id) is None
    database.run(set_password_hash, made.id, "hash")
    assert database.run(password_hash_of, made.id) == "hash"
    assert "hash" not in repr(database.run(get_user, made.id))


def test_whoever_does_not_exist_is_told(database: Database, clock: FakeClock) -> None:
    for call in (
        lambda conn: get_user(conn, "user_none"),
        lambda conn: suspend_user(conn, "user_none", clock.now()),
        lambda conn: set_role(conn, "user_none", Role.ADMIN),
        lambda conn: set_password_hash(conn, "user_none", "hash"),
    ):
        with pytest.raises(NotFoundError):
            database.run(call)
    assert database.run(password_hash_of, "user_none") is None


def test_lists_go_by_address_and_a_page_at_a_time(database: Database, clock: FakeClock) -> None:
    for name in ("carl", "ann", "bob"):
        create(database, clock, f"{name}@example.org")
    first = database.run(list_users, limit=2)
    assert [user.email for user in first] == ["ann@example.org", "bob@example.org"]
    rest = database.run(list_users, after_email=first[-1].email)
    assert [user.email for user in rest] == ["carl@example.org"]
