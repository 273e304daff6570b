"""Who is visiting: the login cookie or bearer token, the CSRF token, language and theme.

Two cookies matter. The login cookie holds the token of accounts/logins. Someone not signed in
carries a visit cookie instead, which opens nothing and only ties forms to the browser they were
shown in. The CSRF token is derived from whichever is there, so none needs to be stored."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from whalefall.accounts.audit import Actor
from whalefall.accounts.logins import (
    LIFETIME,
    Device,
    Login,
    find_login,
    is_touch_due,
    touch_login,
)
from whalefall.accounts.profiles import Profile, get_profile
from whalefall.accounts.users import User
from whalefall.base.db import Database
from whalefall.base.errors import PermissionDeniedError
from whalefall.console.context import Console, ConsoleContext
from whalefall.console.language import Catalog, Language, chosen_language, mark

TOKEN_LENGTH_MAX = 128
LANGUAGE_COOKIE = "whalefall_language"
THEME_COOKIE = "whalefall_theme"
THEMES = ("light", "dark")
LOGIN_COOKIE = "whalefall_login"
VISIT_COOKIE = "whalefall_visit"
CSRF_HEADER = "x-csrf-token"
_CHOICE_SECONDS = 365 * 24 * 3600


class Standing(enum.IntEnum):
    """How far someone has come in. A page names the least that opens it."""

    VISITOR = 0
    """Nobody we know."""
    HALF_SIGNED_IN = 1
    """The password was right; the second factor is missing."""
    WITH_GENERATED_PASSWORD = 2
    """Signed in, and must choose a password before anything else."""
    SIGNED_IN = 3
    OPERATOR = 4


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, with all that is known of who makes it."""

    console: Console
    request: Request
    now: datetime
    language: Language
    theme: str | None
    csrf: str
    is_bearer: bool
    """Came with a token in a header, which no other site can make a browser send."""
    new_visit_token: str | None = None
    login: Login | None = None
    user: User | None = None
    profile: Profile | None = None

    @property
    def context(self) -> ConsoleContext:
        return self.console.context

    @property
    def database(self) -> Database:
        return self.console.context.database

    @property
    def catalog(self) -> Catalog:
        return self.console.catalogs[self.language]

    @property
    def person(self) -> User:
        """The user, on pages that are shown to users only."""
        assert self.user is not None
        return self.user

    @property
    def current_login(self) -> Login:
        assert self.login is not None
        return self.login

    @property
    def standing(self) -> Standing:
        if self.user is None or self.login is None or self.profile is None:
            return Standing.VISITOR
        if self.login.needs_second_factor:
            return Standing.HALF_SIGNED_IN
        if self.profile.must_change_password:
            return Standing.WITH_GENERATED_PASSWORD
        return Standing.OPERATOR if self.user.is_admin else Standing.SIGNED_IN

    @property
    def address(self) -> str:
        """The peer's address. Forwarded headers are the server's affair, never read here."""
        client = self.request.client
        return client.host if client else "unknown"

    @property
    def device(self) -> Device:
        return Device(self.address, self.request.headers.get("user-agent", ""))

    @property
    def actor(self) -> Actor:
        if self.user is None:
            return Actor(None, "", self.address)
        return Actor(self.user.id, self.user.email, self.address)


async def open_visit(console: Console, request: Request) -> Visit:
    context = console.context
    now = context.clock.now()
    bearer = _bearer_token(request)
    token = bearer or request.cookies.get(cookie_name(context, LOGIN_COOKIE), "")
    found = None
    if 0 < len(token) <= TOKEN_LENGTH_MAX:
        found = await context.database.read(_find, token, now)
        if found is not None and is_touch_due(found[0], now):
            await context.database.write(touch_login, found[0].id, now)
    visit_token, is_new = (token, False) if found else _visit_token(console, request)
    login, user, profile = found or (None, None, None)
    return Visit(
        console=console,
        request=request,
        now=now,
        language=chosen_language(
            request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")
        ),
        theme=_theme(request),
        csrf=csrf_from(visit_token),
        is_bearer=bool(bearer),
        new_visit_token=visit_token if is_new else None,
        login=login,
        user=user,
        profile=profile,
    )


def check_form_origin(visit: Visit, given: str) -> None:
    """PermissionDeniedError unless the form was shown by us to this very browser."""
    check_origin(visit)
    if not hmac.compare_digest(given.encode(), visit.csrf.encode()):
        raise PermissionDeniedError(
            mark("This form is no longer valid. Please reload the page and try again.")
        )


def check_origin(visit: Visit) -> None:
    """Browsers say where a form was; what they say must be us."""
    origin = visit.request.headers.get("origin")
    if origin is None:
        return
    if urlsplit(origin).netloc not in _own_hosts(visit):
        raise PermissionDeniedError(mark("This form was sent from another site."))


def csrf_from(token: str) -> str:
    return hmac.new(token.encode(), b"whalefall csrf", hashlib.sha256).hexdigest()


def cookie_name(context: ConsoleContext, name: str) -> str:
    """Behind https the `__Host-` prefix keeps sibling domains from planting a cookie."""
    return f"__Host-{name}" if context.is_https else name


def sign_in_browser(response: Response, context: ConsoleContext, token: str) -> None:
    _set_cookie(response, context, LOGIN_COOKIE, token, int(LIFETIME.total_seconds()))
    _drop_cookie(response, context, VISIT_COOKIE)


def sign_out_browser(response: Response, context: ConsoleContext) -> None:
    _drop_cookie(response, context, LOGIN_COOKIE)


def remember_visit(response: Response, visit: Visit) -> None:
    if visit.new_visit_token is not None:
        _set_cookie(response, visit.context, VISIT_COOKIE, visit.new_visit_token, None)


def remember_choice(response: Response, context: ConsoleContext, name: str, value: str) -> None:
    """Language and theme: readable by nobody else, worth nothing to anybody."""
    response.set_cookie(
        name, value, max_age=_CHOICE_SECONDS, secure=context.is_https, httponly=True, samesite="lax"
    )


def _set_cookie(
    response: Response, context: ConsoleContext, name: str, value: str, seconds: int | None
) -> None:
    response.set_cookie(
        cookie_name(context, name),
        value,
        max_age=seconds,
        secure=context.is_https,
        httponly=True,
        samesite="lax",
    )


def _drop_cookie(response: Response, context: ConsoleContext, name: str) -> None:
    response.delete_cookie(
        cookie_name(context, name), secure=context.is_https, httponly=True, samesite="lax"
    )


def _find(conn: Connection, token: str, now: datetime) -> tuple[Login, User, Profile] | None:
    found = find_login(conn, token, now)
    return None if found is None else (*found, get_profile(conn, found[1].id))


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _visit_token(console: Console, request: Request) -> tuple[str, bool]:
    given = request.cookies.get(cookie_name(console.context, VISIT_COOKIE), "")
    if 0 < len(given) <= TOKEN_LENGTH_MAX:
        return given, False
    return secrets.token_urlsafe(24), True


def _theme(request: Request) -> str | None:
    theme = request.cookies.get(THEME_COOKIE)
    return theme if theme in THEMES else None


def _own_hosts(visit: Visit) -> tuple[str, ...]:
    host = visit.request.headers.get("host", "")
    return (host, urlsplit(visit.context.base_url).netloc)
