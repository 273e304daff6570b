"""All routes of the console, for the composition root to mount beside the API."""

from __future__ import annotations

from starlette.routing import Route

from whalefall.console.context import ConsoleContext, build_console
from whalefall.console.operator import models, overview, prices, records, rerating, users
from whalefall.console.pages import (
    announcements,
    api_keys,
    billing,
    chat,
    guides,
    home,
    passwords,
    playground,
    pricing,
    profile,
    second_factor,
    sign_in,
    sign_up,
    status,
    tickets,
    usage,
)
from whalefall.console.routing import (
    Action,
    Download,
    View,
    action_routes,
    download_routes,
    view_routes,
)


def console_routes(context: ConsoleContext) -> list[Route]:
    """Templates, words and static files are read now, so that a broken one stops the start."""
    console = build_console(context)
    routes = [
        home.front_door(console),
        Route("/static/{name}", console.assets.serve, methods=["GET"]),
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
        *billing.VIEWS,
        *pricing.VIEWS,
        *profile.VIEWS,
        *chat.VIEWS,
        *playground.VIEWS,
        *tickets.VIEWS,
        *announcements.VIEWS,
        *status.VIEWS,
        *overview.VIEWS,
        *models.VIEWS,
        *users.VIEWS,
        *records.VIEWS,
        *prices.VIEWS,
        *rerating.VIEWS,
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
        *chat.ACTIONS,
        *tickets.ACTIONS,
        *announcements.ACTIONS,
        *users.ACTIONS,
        *prices.ACTIONS,
        *rerating.ACTIONS,
    )


def all_downloads() -> tuple[Download, ...]:
    return usage.DOWNLOADS
