"""How the console API answers: {"code", "msg", "data": {"biz_code", "biz_msg", "biz_data"}}.

`code` speaks of the call (0: it was let in and carried out), `biz_code` of the business (0: done,
1: refused, and `biz_msg` says why)."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from whalefall.base.errors import PlatformError
from whalefall.console.language import mark
from whalefall.console.session import Standing, Visit

CODE_NOT_SIGNED_IN = 40003
CODE_NOT_ALLOWED = 40300
CODE_FAILED = 50000
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def envelope(data: object) -> Response:
    return _answer(200, 0, "", {"biz_code": 0, "biz_msg": "", "biz_data": data})


def refused(error: PlatformError, message: str) -> Response:
    return _answer(error.status, 0, "", {"biz_code": 1, "biz_msg": message, "biz_data": None})


def failed(error: PlatformError, message: str) -> Response:
    return _answer(error.status, CODE_FAILED, message, None)


def not_signed_in(visit: Visit) -> Response:
    if visit.standing in (Standing.VISITOR, Standing.HALF_SIGNED_IN):
        text = visit.catalog.gettext(mark("Please sign in."))
        return _answer(401, CODE_NOT_SIGNED_IN, text, None)
    if visit.standing is Standing.WITH_GENERATED_PASSWORD:
        text = visit.catalog.gettext(mark("Choose a password of your own first."))
        return _answer(403, CODE_NOT_ALLOWED, text, None)
    text = visit.catalog.gettext(mark("This is for operators."))
    return _answer(403, CODE_NOT_ALLOWED, text, None)


def _answer(status: int, code: int, message: str, data: object) -> Response:
    body = msgspec.json.encode({"code": code, "msg": message, "data": data})
    return Response(body, status, headers=_HEADERS, media_type="application/json")
