"""What a key may be used for."""

from __future__ import annotations

import pytest

from tests.support.fake_clock import FakeClock
from whalefall.accounts.api_keys import authenticate, create_api_key, list_api_keys
from whalefall.accounts.key_rules import NO_RULES, KeyRules, checked_rules
from whalefall.accounts.users import create_user
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError


def test_without_rules_everything_is_admitted() -> None:
    assert checked_rules("", " ,\n", None) == NO_RULES
    assert NO_RULES.admits_model("anything")
    assert NO_RULES.admits_address("unknown")


def test_lists_are_read_as_people_type_them() -> None:
    rules = checked_rules(
        "deepseek-chat，deepseek-reasoner deepseek-chat",
        "203.0.113.7; 10.0.0.0/8\n2001:DB8::/32",
        5,
    )
    assert rules.models == ("deepseek-chat", "deepseek-reasoner")
    assert rules.networks == ("203.0.113.7", "10.0.0.0/8", "2001:db8::/32")
    assert rules.monthly_nanos == 5


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("10.255.0.1", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("2001:db8:1::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
        ("unknown", False),
        ("", False),
        ("10.0.0.1, 203.0.113.7", False),
        ("0x0a000001", False),
        ("010.0.0.1", False),
    ],
)
def test_an_address_is_on_the_list_or_not(address: str, is_admitted: bool) -> None:
    rules = KeyRules(networks=("203.0.113.7", "10.0.0.0/8", "2001:db8::/32"))
    assert rules.admits_address(address) is is_admitted


@pytest.mark.parametrize(
    ("models", "networks", "monthly_nanos"),
    [
        ("x" * 101, "", None),
        (",".join(f"m{index}" for index in range(21)), "", None),
        ("", "10.0.0.1/8", None),
        ("", "example.org", None),
        ("", "300.0.0.1", None),
        ("", ",".join(f"10.0.0.{index}" for index in range(51)), None),
        ("", "", 0),
        ("", "", -1),
        ("", "", 2**63),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    models: str, networks: str, monthly_nanos: int | None
) -> None:
    with pytest.raises(InvalidRequestError):
        checked_rules(models, networks, monthly_nanos)


def test_a_key_brings_its_rules_along(database: Database, clock: FakeClock) -> None:
    user = database.run(create_user, email="ann@example.org", now=clock.now())
    rules = KeyRules(("deepseek-chat",), ("10.0.0.0/8",), 7)
    key, secret = database.run(
        create_api_key, user_id=user.id, name="narrow", now=clock.now(), rules=rules
    )
    caller = database.run_read(authenticate, secret, clock.now())
    assert caller is not None
    assert caller.rules == key.rules == rules
    assert database.run_read(list_api_keys, user.id) == [key]
