"""Top-up: what is in the wallets and how to add to it."""

from __future__ import annotations

from dataclasses import dataclass

from whalefall.billing.ledger import Balance
from whalefall.console.forms import NoFields
from whalefall.console.pages.usage import shown_balances
from whalefall.console.routing import View
from whalefall.console.session import Visit


@dataclass(frozen=True, slots=True)
class TopUpPage:
    balances: tuple[Balance, ...]
    service_email: str


async def load_top_up(visit: Visit, _query: NoFields) -> TopUpPage:
    wallets = await visit.database.read(shown_balances, visit.person, visit.now)
    return TopUpPage(wallets, visit.context.service_email)


TOP_UP = View("/top_up", "top_up.html", load_top_up, "The balances and how to add to them.")
VIEWS = (TOP_UP,)
