from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, text

from tests.support.fake_clock import FakeClock
from whalefall.accounts.api_keys import (
    NUM_KEYS_MAX,
    APIKey,
    KeyLimits,
    LastUsed,
    api_keys,
    authenticate,
    create_api_key,
    list_api_keys,
    revoke_api_key,
    touch_api_keys,
)
from whalefall.accounts.users import User, create_user, suspend_user
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError


@pytest.fixture
def user(database: Database, clock: FakeClock) -> User:
    return database.run(create_user, email="ann@example.org", now=clock.now())


def create(
    database: Database, clock: FakeClock, user: User, name: str = "key"
) -> tuple[APIKey, str]:
    return database.run(create_api_key, user_id=user.id, name=name, now=clock.now())


def test_a_secret_opens_for_its_owner(database: Database, clock: FakeClock, user: User) -> None:
    key, secret = create(database, clock, user, "laptop")
    assert re.fullmatch(r"sk-[0-9a-f]{32}", secret)
    caller = database.run_read(authenticate, secret, clock.now())
    assert caller is not None
    assert (caller.user_id, caller.api_key_id) == (user.id, key.id)
    assert (caller.api_key_name, caller.masked_key) == ("laptop", key.masked)
    assert caller.currency is user.currency


def test_a_key_brings_its_limits_along(database: Database, clock: FakeClock, user: User) -> None:
    limits = KeyLimits(requests_per_minute=60, concurrency=2)
    key, secret = database.run(
        create_api_key, user_id=user.id, name="slow", now=clock.now(), limits=limits
    )
    caller = database.run_read(authenticate, secret, clock.now())
    assert caller is not None
    assert caller.limits == key.limits == limits
    assert database.run_read(list_api_keys, user.id) == [key]


@pytest.mark.parametrize(
    "limits", [KeyLimits(0), KeyLimits(None, -1), KeyLimits(concurrency=2**40)]
)
def test_limits_that_make_no_sense_are_refused(
    database: Database, clock: FakeClock, user: User, limits: KeyLimits
) -> None:
    with pytest.raises(InvalidRequestError, match="is from 1 to"):
        database.run(create_api_key, user_id=user.id, name="odd", now=clock.now(), limits=limits)


def test_the_secret_is_stored_nowhere(database: Database, clock: FakeClock, user: User) -> None:
    key, secret = create(database, clock, user)

    def everything(conn: Connection) -> str:
        return " ".join(str(tuple(row)) for row in conn.execute(select(api_keys)))

    stored = database.run_read(everything)
    assert secret not in stored
    assert secret[:12] not in stored
    assert secret[-12:] not in stored
    assert secret not in repr(key)
    assert key.masked == f"{secret[:6]}****{secret[-5:]}"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "sk-",
        "sk-" + "0" * 32,
        "sk-" + "g" * 32,
        "SK-" + "0" * 32,
        "sk-" + "0" * 31,
        "sk-" + "0" * 33,
        "sk-" + "0" * 32 + "\n",
        "sk-" + "0" * 31 + "\x00",
        "sk-' OR '1'='1' -- 0000000000000000",
        "\udcff" * 35,
        "sk-" + "０" * 32,
        "x" * 1_000_000,
    ],
)
def test_what_we_never_made_opens_nothing(
    database: Database, clock: FakeClock, user: User, secret: str
) -> None:
    create(database, clock, user)
    assert database.run_read(authenticate, secret, clock.now()) is None


def test_a_revoked_key_opens_nothing_from_then_on(
    database: Database, database_url: str, clock: FakeClock, user: User
) -> None:
    key, secret = create(database, clock, user)
    _, other = create(database, clock, user)
    with Database.open(database_url) as elsewhere:
        assert elsewhere.run_read(authenticate, secret, clock.now()) is not None
        revoked = database.run(revoke_api_key, key.id, clock.now())
        assert revoked.revoked_at == clock.now()
        assert elsewhere.run_read(authenticate, secret, clock.now()) is None
        assert elsewhere.run_read(authenticate, other, clock.now()) is not None
    clock.advance(60)
    assert database.run(revoke_api_key, key.id, clock.now()) == revoked


def test_nobody_revokes_what_belongs_to_someone_else(
    database: Database, clock: FakeClock, user: User
) -> None:
    key, secret = create(database, clock, user)
    other = database.run(create_user, email="bob@example.org", now=clock.now())
    for owner, target in ((other.id, key.id), (user.id, "key_none")):
        with pytest.raises(NotFoundError):
            database.run(revoke_api_key, target, clock.now(), user_id=owner)
    assert database.run_read(authenticate, secret, clock.now()) is not None
    assert database.run(revoke_api_key, key.id, clock.now(), user_id=user.id).revoked_at


def test_a_key_expires_at_its_instant(database: Database, clock: FakeClock, user: User) -> None:
    expires_at = clock.now() + timedelta(hours=1)
    _, secret = database.run(
        create_api_key, user_id=user.id, name="k", now=clock.now(), expires_at=expires_at
    )
    just_before = expires_at - timedelta(microseconds=1)
    assert database.run_read(authenticate, secret, just_before) is not None
    assert database.run_read(authenticate, secret, expires_at) is None


def test_keys_of_a_suspended_user_open_nothing(
    database: Database, clock: FakeClock, user: User
) -> None:
    _, secret = create(database, clock, user)
    database.run(suspend_user, user.id, clock.now())
    assert database.run_read(authenticate, secret, clock.now()) is None


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\nb", "nul\x00", "\u202eevil"])
def test_odd_names_are_refused(database: Database, clock: FakeClock, user: User, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        create(database, clock, user, name)
    assert database.run(list_api_keys, user.id) == []


def test_names_may_be_written_in_any_language(
    database: Database, clock: FakeClock, user: User
) -> None:
    key, _ = create(database, clock, user, "  测试 <b>'; DROP TABLE users; --  ")
    assert database.run(list_api_keys, user.id) == [key]
    assert key.name == "测试 <b>'; DROP TABLE users; --"


def test_a_key_needs_an_owner_and_a_future(
    database: Database, clock: FakeClock, user: User
) -> None:
    with pytest.raises(NotFoundError):
        database.run(create_api_key, user_id="user_none", name="k", now=clock.now())
    with pytest.raises(InvalidRequestError, match="expired"):
        database.run(
            create_api_key, user_id=user.id, name="k", now=clock.now(), expires_at=clock.now()
        )


def test_a_user_has_so_many_keys_and_no_more(
    database: Database, clock: FakeClock, user: User
) -> None:
    def fill(conn: Connection) -> None:
        for number in range(NUM_KEYS_MAX):
            create_api_key(conn, user_id=user.id, name=str(number), now=clock.now())

    database.run(fill)
    with pytest.raises(InvalidRequestError, match=str(NUM_KEYS_MAX)):
        create(database, clock, user)
    database.run(revoke_api_key, database.run(list_api_keys, user.id)[0].id, clock.now())
    create(database, clock, user)


def test_lists_show_ones_own_keys_or_all(database: Database, clock: FakeClock, user: User) -> None:
    other = database.run(create_user, email="bob@example.org", now=clock.now())
    first, _ = create(database, clock, user, "first")
    clock.advance(1)
    second, _ = create(database, clock, other, "second")
    assert database.run(list_api_keys, user.id) == [first]
    assert database.run(list_api_keys) == [first, second]


def test_uses_are_collected_and_written_once_a_minute(
    database: Database, clock: FakeClock, user: User
) -> None:
    key, _ = create(database, clock, user)
    uses = LastUsed()
    uses.note(key.id, clock.now())
    first = uses.due(clock.now())
    assert first == {key.id: clock.now()}
    database.run(touch_api_keys, first)
    clock.advance(59)
    uses.note(key.id, clock.now())
    assert uses.due(clock.now()) == {}
    clock.advance(1)
    latest = uses.due(clock.now())
    database.run(touch_api_keys, latest)
    assert latest == {key.id: clock.now() - timedelta(seconds=1)}
    database.run(touch_api_keys, first)
    found = database.run(list_api_keys, user.id)[0]
    assert found.last_used_at == clock.now() - timedelta(seconds=1)
    assert uses.due(clock.now() + timedelta(hours=1)) == {}


def test_remembered_uses_are_bounded(clock: FakeClock) -> None:
    uses = LastUsed(num_keys_max=2)
    for number in range(5):
        uses.note(f"key_{number}", clock.now())
    uses.note("key_0", clock.now() + timedelta(seconds=1))
    due = uses.due(clock.now())
    assert set(due) == {"key_0", "key_1"}
    assert due["key_0"] > due["key_1"]


def test_errors_of_the_look_up_tell_nothing_of_the_key(
    database: Database, clock: FakeClock, user: User
) -> None:
    """Even when the database itself fails, neither the secret nor its digest is in the error."""
    _, secret = create(database, clock, user)
    database.run(lambda conn: conn.execute(text("ALTER TABLE api_keys RENAME TO hidden")).rowcount)
    with pytest.raises(Exception, match="api_keys") as caught:
        database.run_read(authenticate, secret, clock.now())
    assert secret not in str(caught.value)
    assert not re.search(r"[0-9a-f]{64}", str(caught.value))
