"""GET /models, GET /models/{id} and GET /user/balance."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp

from whalefall.api.endpoint import Call
from whalefall.api.openai.protocol import ModelEntry, ModelList
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import text_from_nanos
from whalefall.serving.platform import Platform, WalletBalance


class BalanceInfo(msgspec.Struct, frozen=True):
    """Amounts are decimal strings of two places, cut, never rounded up."""

    currency: str
    total_balance: str
    granted_balance: str
    topped_up_balance: str


class UserBalance(msgspec.Struct, frozen=True):
    is_available: bool
    balance_infos: tuple[BalanceInfo, ...]


@dataclass(frozen=True, slots=True)
class Models:
    platform: Platform

    async def __call__(self, call: Call) -> ASGIApp:
        names = filter(call.caller.rules.admits_model, self.platform.models(call.base))
        return json_response(ModelList("list", tuple(map(ModelEntry, names))))


@dataclass(frozen=True, slots=True)
class OneModel:
    """Not documented by the vendor: the list's entry, or the error an unknown model always gets."""

    platform: Platform

    async def __call__(self, call: Call) -> ASGIApp:
        name = call.path_params["model"]
        is_known = name in self.platform.models(call.base)
        if not is_known or not call.caller.rules.admits_model(name):
            raise InvalidRequestError("Model Not Exist")
        return json_response(ModelEntry(name))


@dataclass(frozen=True, slots=True)
class Balance:
    platform: Platform

    async def __call__(self, call: Call) -> ASGIApp:
        wallets = await self.platform.balance(call.caller)
        infos = tuple(map(balance_info, wallets))
        is_available = any(wallet.total_nanos > 0 for wallet in wallets)
        return json_response(UserBalance(is_available, infos))


def balance_info(wallet: WalletBalance) -> BalanceInfo:
    return BalanceInfo(
        wallet.currency,
        text_from_nanos(wallet.total_nanos),
        text_from_nanos(wallet.granted_nanos),
        text_from_nanos(wallet.topped_up_nanos),
    )


def json_response(content: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
