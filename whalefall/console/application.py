"""All routes of the console, for the composition root to mount beside the API."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from whalefall.base.errors import NotFoundError
from whalefall.console.context import Console, ConsoleContext, build_console
from whalefall.console.notices import notice_routes
from whalefall.console.operator import (
    codes,
    ledger,
    models,
    overview,
    payments,
    prices,
    reconciliation,
    records,
    rerating,
    transfers,
    users,
    verifications,
)
from whalefall.console.operator import invoices as operator_invoices
from whalefall.console.operator import refunds as operator_refunds
from whalefall.console.pages import (
    agreements,
    announcements,
    api_keys,
    bank_transfer,
    chat,
    guides,
    home,
    invoices,
    passwords,
    playground,
    pricing,
    profile,
    redeem,
    refunds,
    second_factor,
    sign_in,
    sign_up,
    status,
    tickets,
    top_up,
    transactions,
    usage,
    verification,
)
from whalefall.console.routing import (
    Action,
    Download,
    View,
    action_routes,
    download_routes,
    error_page,
    view_routes,
)
from whalefall.console.session import open_visit


def console_routes(context: ConsoleContext) -> list[Route]:
    """Templates, words and static files are read now, so that a broken one stops the start."""
    return routes_of(build_console(context))


def page_not_found(console: Console, otherwise: ASGIApp) -> ASGIApp:
    """For every unknown path: a page for somebody who looks at it in a browser, and what programs
    are answered for them."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope.get("method") != "GET" or "text/html" not in request.headers.get("accept", ""):
            await otherwise(scope, receive, send)
            return
        visit = await open_visit(console, request)
        await error_page(visit, NotFoundError("unknown path"))(scope, receive, send)

    return answer


def routes_of(console: Console) -> list[Route]:
    routes = [
        home.front_door(console),
        Route("/static/{name}", console.assets.serve, methods=["GET"]),
        *notice_routes(console.cashier),
    ]
    for view in (*all_views(), *guides.help_views(all_views(), all_actions())):
        routes += view_routes(console, view)
    for action in all_actions():
        routes += action_routes(console, action)
    for download in all_downloads():
        routes += download_routes(console, download)
    return routes


def all_views() -> tuple[View, ...]:
    return (
        *sign_in.VIEWS,
        *sign_up.VIEWS,
        *passwords.VIEWS,
        *second_factor.VIEWS,
        *usage.VIEWS,
        *api_keys.VIEWS,
        *top_up.VIEWS,
        *payments.VIEWS,
        *pricing.VIEWS,
        *profile.VIEWS,
        *verification.VIEWS,
        *chat.VIEWS,
        *playground.VIEWS,
        *tickets.VIEWS,
        *announcements.VIEWS,
        *status.VIEWS,
        *overview.VIEWS,
        *models.VIEWS,
        *users.VIEWS,
        *verifications.VIEWS,
        *ledger.VIEWS,
        *reconciliation.VIEWS,
        *records.VIEWS,
        *prices.VIEWS,
        *rerating.VIEWS,
        *codes.VIEWS,
        *refunds.VIEWS,
        *operator_refunds.VIEWS,
        *bank_transfer.VIEWS,
        *transfers.VIEWS,
        *transactions.VIEWS,
        *invoices.VIEWS,
        *operator_invoices.VIEWS,
        *agreements.VIEWS,
    )


def all_actions() -> tuple[Action, ...]:
    return (
        *home.ACTIONS,
        *sign_in.ACTIONS,
        *sign_up.ACTIONS,
        *passwords.ACTIONS,
        *second_factor.ACTIONS,
        *api_keys.ACTIONS,
        *pricing.ACTIONS,
        *profile.ACTIONS,
        *verification.ACTIONS,
        *chat.ACTIONS,
        *tickets.ACTIONS,
        *announcements.ACTIONS,
        *users.ACTIONS,
        *verifications.ACTIONS,
        *prices.ACTIONS,
        *reconciliation.ACTIONS,
        *rerating.ACTIONS,
        *top_up.ACTIONS,
        *payments.ACTIONS,
        *redeem.ACTIONS,
        *codes.ACTIONS,
        *refunds.ACTIONS,
        *operator_refunds.ACTIONS,
        *transfers.ACTIONS,
        *invoices.ACTIONS,
        *operator_invoices.ACTIONS,
    )


def all_downloads() -> tuple[Download, ...]:
    return (
        *usage.DOWNLOADS,
        *verifications.DOWNLOADS,
        *transactions.DOWNLOADS,
        *invoices.DOWNLOADS,
        *agreements.DOWNLOADS,
    )
