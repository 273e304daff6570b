"""Pages and actions as data, and the one place that runs them for browsers and for programs.

A View loads a value and shows it: as a page at its path, as JSON below /console/api. An Action
takes fields and does one thing: posted as a form it redirects or shows its result, called with
JSON it answers in an envelope. Both name the least standing that opens them; nothing is open by
default."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from whalefall.base.errors import NotFoundError, PlatformError, ServerError
from whalefall.console.context import Console
from whalefall.console.envelope import envelope, failed, not_signed_in, refused
from whalefall.console.forms import (
    CSRF_FIELD,
    NoFields,
    RefusedError,
    fields_from,
    read_form,
    read_json,
)
from whalefall.console.language import mark
from whalefall.console.session import (
    CSRF_HEADER,
    Standing,
    Visit,
    check_form_origin,
    check_origin,
    open_visit,
    remember_visit,
)

log = structlog.get_logger()

API_PREFIX = "/console/api"
SECRET_FIELDS = frozenset({"password", "new_password", "code", "id_number", CSRF_FIELD})
"""Never sent back into a form that is shown again."""
NOTICES = {
    "key_revoked": mark("API key revoked."),
    "password_changed": mark("Your password has been changed. Other logins have been signed out."),
    "signed_out": mark("You are signed out."),
    "login_revoked": mark("That login has been signed out."),
    "logins_revoked": mark("All other logins have been signed out."),
    "account_deleted": mark("Your account has been deleted."),
    "saved": mark("Saved."),
    "second_factor_off": mark("Two-step sign-in is off."),
    "user_suspended": mark("The user has been suspended."),
    "user_reinstated": mark("The user has been reinstated."),
    "granted": mark("The amount has been granted."),
    "topped_up": mark("The amount has been added to the topped-up balance."),
    "ticket_opened": mark("Your ticket has been opened. We answer here and by e-mail."),
    "ticket_replied": mark("Your reply has been added."),
    "ticket_closed": mark("The ticket has been closed."),
    "conversation_deleted": mark("The conversation has been deleted."),
    "conversation_renamed": mark("The conversation has a new title."),
    "announced": mark("The announcement is published."),
    "withdrawn": mark("The announcement is withdrawn."),
    "price_announced": mark("The price is announced."),
    "price_withdrawn": mark("The price is withdrawn and will not be in force."),
    "limits_set": mark("The limits are in force."),
    "code_redeemed": mark("The code is redeemed: its amount is part of your granted balance."),
    "refund_asked": mark("Your refund is on its way. We write when it is done."),
    "refund_ticket": mark("Your refund is noted, and a ticket is open for it."),
    "codes_revoked": mark("The codes are withdrawn. What they gave stays."),
    "event_settled": mark("The notice is noted as looked after."),
    "verification_submitted": mark("Your details have been received. You will get a letter."),
    "verification_approved": mark("The verification has been approved."),
    "verification_rejected": mark("The verification has been rejected."),
    "attributed": mark("The payment has been credited."),
    "returned": mark("The payment is noted as sent back."),
    "invoice_asked": mark("Your request for an invoice has been taken down."),
    "invoice_withdrawn": mark("Your request has been withdrawn."),
    "invoice_issued": mark("The invoice has been issued and is sent by e-mail."),
    "invoice_refused": mark("The request has been refused."),
    "invoice_credited": mark("The credit note has been issued and is sent by e-mail."),
    "reconciled": mark("All books have been compared."),
}

Load = Callable[[Visit, Any], Awaitable[Any]]
Respond = Callable[[Visit, Any], Response]


@dataclass(frozen=True, slots=True)
class View:
    path: str
    template: str
    load: Load
    summary: str
    """One sentence for the console API's documentation."""
    query: type[msgspec.Struct] = NoFields
    standing: Standing = Standing.SIGNED_IN


@dataclass(frozen=True, slots=True)
class Action:
    path: str
    run: Load
    view: View
    """Shown again, with the error, when the action is refused."""
    summary: str
    fields: type[msgspec.Struct] = NoFields
    then: str | Respond = ""
    """Where a browser goes afterwards, or how it is answered; empty: the view with the result."""
    standing: Standing = Standing.SIGNED_IN
    keeps_fields: bool = False
    """What was typed stays in the form beside the result."""
    is_call_only: bool = False
    """There is no form for it: a script on the page makes the JSON call."""
    upload_bytes_max: int = 0
    """How large the files may be that its form sends; 0: it takes none."""


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file, the same at its path and below /console/api."""

    path: str
    load: Callable[[Visit, Any], Awaitable[File]]
    summary: str
    query: type[msgspec.Struct] = NoFields
    standing: Standing = Standing.SIGNED_IN


@dataclass(frozen=True, slots=True)
class Showing:
    """How a page is shown beyond what it loaded."""

    status: int = 200
    error: str | None = None
    typed: Mapping[str, Any] = field(default_factory=dict)
    result: Any = None


def view_routes(console: Console, view: View) -> list[Route]:
    async def page(request: Request) -> Response:
        visit = await open_visit(console, request)
        if visit.standing < view.standing:
            return turned_away(visit)
        try:
            return await show(visit, view, Showing())
        except PlatformError as error:
            return error_page(visit, error)

    async def call(request: Request) -> Response:
        visit = await open_visit(console, request)
        if visit.standing < view.standing:
            return not_signed_in(visit)
        try:
            return envelope(await view.load(visit, _query(visit, view)))
        except PlatformError as error:
            return _failure(visit, error)

    return [
        Route(view.path, page, methods=["GET"]),
        Route(API_PREFIX + view.path, call, methods=["GET"]),
    ]


def action_routes(console: Console, action: Action) -> list[Route]:
    async def post(request: Request) -> Response:
        visit = await open_visit(console, request)
        if visit.standing < action.standing:
            return turned_away(visit)
        typed: dict[str, str] = {}
        try:
            form = await read_form(request, action.upload_bytes_max)
            typed = form.texts
            check_form_origin(visit, typed.get(CSRF_FIELD, ""))
            given = {name: value for name, value in typed.items() if value}
            merged = {**given, **form.files, **request.path_params}
            result = await action.run(visit, fields_from(merged, action.fields, is_strict=False))
        except NotFoundError as error:
            return error_page(visit, error)
        except PlatformError as error:
            return await _shown_again(visit, action, error, typed)
        return await _answered(visit, action, result, typed)

    async def call(request: Request) -> Response:
        visit = await open_visit(console, request)
        if visit.standing < action.standing:
            return not_signed_in(visit)
        try:
            check_origin(visit)
            if visit.user is not None and not visit.is_bearer:
                check_form_origin(visit, request.headers.get(CSRF_HEADER, ""))
            given = await read_json(request, action.upload_bytes_max)
            merged = {**given, **request.path_params}
            result = await action.run(visit, fields_from(merged, action.fields, is_strict=True))
        except PlatformError as error:
            return _failure(visit, error)
        return result if isinstance(result, Response) else envelope(result)

    calls = [Route(API_PREFIX + action.path, call, methods=["POST"])]
    return calls if action.is_call_only else [Route(action.path, post, methods=["POST"]), *calls]


def download_routes(console: Console, download: Download) -> list[Route]:
    async def fetch(request: Request) -> Response:
        visit = await open_visit(console, request)
        is_call = request.url.path.startswith(API_PREFIX)
        if visit.standing < download.standing:
            return not_signed_in(visit) if is_call else turned_away(visit)
        try:
            file = await download.load(visit, _query(visit, download))
        except PlatformError as error:
            return _failure(visit, error) if is_call else error_page(visit, error)
        response = Response(file.content, media_type=file.content_type)
        secure(response, visit)
        response.headers["content-disposition"] = f'attachment; filename="{file.name}"'
        return response

    return [
        Route(download.path, fetch, methods=["GET"]),
        Route(API_PREFIX + download.path, fetch, methods=["GET"]),
    ]


async def show(visit: Visit, view: View, showing: Showing) -> Response:
    """The page with what it loads now. PlatformError when that cannot be."""
    loaded = await view.load(visit, _query(visit, view))
    return rendered(visit, view.template, loaded, showing)


def rendered(visit: Visit, template: str, loaded: object, showing: Showing) -> Response:
    notice = NOTICES.get(visit.request.query_params.get("notice", ""))
    typed = {name: value for name, value in showing.typed.items() if name not in SECRET_FIELDS}
    html = visit.console.renderer.render(
        template,
        visit.language,
        {
            "visit": visit,
            "page": loaded,
            "typed": defaultdict(str, typed),
            "error": showing.error,
            "result": showing.result,
            "notice": visit.catalog.gettext(notice) if notice and not showing.error else None,
            "path": visit.request.url.path,
        },
    )
    response = Response(html, showing.status, media_type="text/html; charset=utf-8")
    secure(response, visit)
    remember_visit(response, visit)
    return response


def redirect(visit: Visit, path: str) -> Response:
    response = RedirectResponse(path, status_code=303)
    secure(response, visit)
    return response


def error_page(visit: Visit, error: PlatformError) -> Response:
    if isinstance(error, ServerError):
        log.error("page_failed", path=visit.request.url.path, error=error.message)
    showing = Showing(status=error.status, error=told(visit, error))
    return rendered(visit, "error.html", error.status, showing)


def told(visit: Visit, error: PlatformError) -> str:
    """What happened, in the reader's language. What broke inside stays inside."""
    if isinstance(error, NotFoundError):
        return visit.catalog.gettext(mark("There is no such page, or it is not yours."))
    if isinstance(error, RefusedError):
        text = visit.catalog.gettext(error.text)
        return text % error.values if error.values else text
    if isinstance(error, ServerError):
        return visit.catalog.gettext(mark("Something went wrong on our side. Please try again."))
    return visit.catalog.gettext(error.message)


def secure(response: Response, visit: Visit) -> None:
    """Headers on every page: nothing foreign is loaded, run, framed or kept."""
    response.headers.update(
        {
            "content-security-policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            ),
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
            "cache-control": "no-store",
            "content-language": visit.language.value,
            "vary": "cookie, accept-language",
        }
    )
    if visit.context.is_https:
        response.headers["strict-transport-security"] = "max-age=31536000"


def local_path(path: str | None, otherwise: str) -> str:
    """The path if it leads back here, never to another site."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return otherwise
    return path if path.isprintable() and "\\" not in path else otherwise


async def _shown_again(
    visit: Visit, action: Action, error: PlatformError, typed: Mapping[str, str]
) -> Response:
    showing = Showing(error.status, told(visit, error), typed)
    try:
        return await show(visit, action.view, showing)
    except PlatformError:
        return error_page(visit, error)


async def _answered(
    visit: Visit, action: Action, result: object, typed: Mapping[str, str]
) -> Response:
    if callable(action.then):
        response = action.then(visit, result)
        secure(response, visit)
        return response
    if action.then:
        return redirect(visit, action.then.format_map(visit.request.path_params))
    try:
        kept = typed if action.keeps_fields else {}
        return await show(visit, action.view, Showing(result=result, typed=kept))
    except PlatformError as error:
        return error_page(visit, error)


def _failure(visit: Visit, error: PlatformError) -> Response:
    if isinstance(error, ServerError):
        log.error("call_failed", path=visit.request.url.path, error=error.message)
        return failed(error, told(visit, error))
    return refused(error, told(visit, error))


def _query(visit: Visit, view: View | Download) -> msgspec.Struct:
    values = {**dict(visit.request.query_params), **visit.request.path_params}
    given = {name: value for name, value in values.items() if value}
    return fields_from(given, view.query, is_strict=False)


def turned_away(visit: Visit, door: str = "") -> Response:
    """To the page that lets the visitor come further in; pages for operators are not there for
    anyone else. `door` replaces the sign-in page that leads back here."""
    match visit.standing:
        case Standing.VISITOR:
            is_page = visit.request.method == "GET"
            wanted = f"/sign_in?next={quote(visit.request.url.path)}" if is_page else "/sign_in"
            return redirect(visit, door or wanted)
        case Standing.HALF_SIGNED_IN:
            return redirect(visit, "/second_factor")
        case Standing.WITH_GENERATED_PASSWORD:
            return redirect(visit, "/change_password")
        case _:
            return error_page(visit, NotFoundError("for operators only"))
