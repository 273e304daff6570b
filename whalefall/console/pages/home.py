"""The front door, and the choice of language and theme."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whalefall.console.context import Console
from whalefall.console.language import Language
from whalefall.console.pages.sign_in import SIGN_IN
from whalefall.console.routing import Action, local_path, redirect, turned_away
from whalefall.console.session import (
    LANGUAGE_COOKIE,
    THEME_COOKIE,
    Standing,
    Visit,
    open_visit,
    remember_choice,
)


class Appearance(msgspec.Struct, frozen=True):
    language: Language | None = None
    theme: Literal["light", "dark"] | None = None
    next: str = ""


async def choose(_visit: Visit, fields: Appearance) -> Appearance:
    return fields


def after_choice(visit: Visit, chosen: Appearance) -> Response:
    response = redirect(visit, local_path(chosen.next, "/"))
    if chosen.language is not None:
        remember_choice(response, visit.context, LANGUAGE_COOKIE, chosen.language.value)
    if chosen.theme is not None:
        remember_choice(response, visit.context, THEME_COOKIE, chosen.theme)
    return response


def front_door(console: Console) -> Route:
    async def open_door(request: Request) -> Response:
        visit = await open_visit(console, request)
        if visit.standing >= Standing.SIGNED_IN:
            return redirect(visit, "/usage")
        return turned_away(visit, "/sign_in")

    return Route("/", open_door, methods=["GET"])


ACTIONS = (
    Action(
        "/appearance",
        choose,
        SIGN_IN,
        "Choose language and theme; kept in cookies.",
        fields=Appearance,
        then=after_choice,
        standing=Standing.VISITOR,
    ),
)
