"""GET /user/balance beyond the recorded example."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typing_extensions import override

from tests.support.scripted_serving import CALLER, ScriptedPlatform
from tests.support.wire import call, wire_app
from whalefall.accounts.api_keys import Caller
from whalefall.accounts.key_rules import KeyRules
from whalefall.base.money import Currency
from whalefall.serving.platform import WalletBalance


async def balance_of(*wallets: WalletBalance) -> dict[str, object]:
    response = await call(wire_app(ScriptedPlatform(wallets=wallets)), "/user/balance")
    assert response.status_code == 200
    body: dict[str, object] = response.json()
    return body


async def test_amounts_are_cut_to_two_decimals() -> None:
    wallet = WalletBalance(Currency.USD, 999_999_999, 5_009_999_999)
    assert await balance_of(wallet) == {
        "is_available": True,
        "balance_infos": [
            {
                "currency": "USD",
                "total_balance": "6.00",
                "granted_balance": "0.99",
                "topped_up_balance": "5.00",
            }
        ],
    }


async def test_each_wallet_has_its_entry() -> None:
    wallets = (WalletBalance(Currency.CNY, 0, 0), WalletBalance(Currency.USD, 1, 0))
    body = await balance_of(*wallets)
    assert body["is_available"] is True
    assert [one["currency"] for one in body["balance_infos"]] == ["CNY", "USD"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/user/balance", "/v1/user/balance", "/beta/user/balance"])
async def test_empty_wallets_are_shown_and_not_available(path: str) -> None:
    platform = ScriptedPlatform(wallets=(WalletBalance(Currency.CNY, 0, 0),))
    response = await call(wire_app(platform), path)
    assert response.content == (
        b'{"is_available":false,"balance_infos":[{"currency":"CNY","total_balance":"0.00",'
        b'"granted_balance":"0.00","topped_up_balance":"0.00"}]}'
    )


async def test_a_narrowed_key_sees_and_opens_what_it_may() -> None:
    rules = KeyRules(models=("deepseek-chat",), networks=("127.0.0.0/8",))
    app = wire_app(NarrowPlatform(rules))
    listed = (await call(app, "/models")).json()
    assert [each["id"] for each in listed["data"]] == ["deepseek-chat"]
    assert (await call(app, "/models/deepseek-chat")).status_code == 200
    assert (await call(app, "/models/deepseek-reasoner")).status_code == 400
    elsewhere = await call(
        wire_app(NarrowPlatform(KeyRules(networks=("10.0.0.0/8",)))), "/user/balance"
    )
    assert elsewhere.status_code == 403
    assert "may not be used from 127.0.0.1" in elsewhere.json()["error"]["message"]


class NarrowPlatform(ScriptedPlatform):
    """Its one key has rules."""

    def __init__(self, rules: KeyRules) -> None:
        super().__init__()
        self.rules = rules

    @override
    async def authenticate(self, secret: str) -> Caller | None:
        return replace(CALLER, rules=self.rules)
