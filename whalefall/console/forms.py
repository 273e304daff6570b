"""What a browser or a program sends, as one typed struct of fields. Bounded in bytes and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from whalefall.base.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    MalformedBodyError,
    UnsupportedMediaTypeError,
)
from whalefall.console.language import mark
from whalefall.console.uploads import UNREADABLE, Form, form_from_multipart

BODY_BYTES_MAX = 512 * 1024
NUM_FIELDS_MAX = 100
FIELD_LENGTH_MAX = 256 * 1024
CSRF_FIELD = "csrf"
ODD_FIELDS = mark("Please check what you entered and try again.")

F = TypeVar("F", bound=msgspec.Struct)


class NoFields(msgspec.Struct, frozen=True):
    """For pages and actions that take nothing."""


class RefusedError(InvalidRequestError):
    """A refusal that can be told in the reader's language: a marked text and its values."""

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text % values if values else text)
        self.text = text
        self.values = values


async def read_body(request: Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """BodyTooLargeError beyond the limit, announced or not."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > bytes_max:
                raise BodyTooLargeError(mark("That is too much text at once."))
            chunks.append(chunk)
    except ClientDisconnect:
        raise MalformedBodyError(mark("The request ended early.")) from None
    return b"".join(chunks)


async def read_form(request: Request, upload_bytes_max: int = 0) -> Form:
    """What a browser posted. Files are read only where an action takes some."""
    if upload_bytes_max and _has_type(request, "multipart/form-data"):
        body = await read_body(request, BODY_BYTES_MAX + upload_bytes_max)
        form = form_from_multipart(body, request.headers["content-type"])
        return Form({name: _newlines(text) for name, text in form.texts.items()}, form.files)
    if not _has_type(request, "application/x-www-form-urlencoded"):
        raise UnsupportedMediaTypeError(mark("Send the form as a browser does."))
    body = await read_body(request)
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), encoding="utf-8", errors="strict", max_num_fields=NUM_FIELDS_MAX
        )
    except ValueError:
        raise MalformedBodyError(UNREADABLE) from None
    return Form({name: _newlines(value) for name, value in pairs})


async def read_json(request: Request, upload_bytes_max: int = 0) -> dict[str, Any]:
    """A JSON object, its files in base64. The content type is demanded: no plain form of another
    site can send it."""
    if not _has_type(request, "application/json"):
        raise UnsupportedMediaTypeError("send application/json")
    body = await read_body(request, BODY_BYTES_MAX + upload_bytes_max * 4 // 3)
    try:
        value = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, RecursionError):
        raise MalformedBodyError("the body is not JSON") from None
    if not isinstance(value, dict):
        raise MalformedBodyError("the body is not a JSON object")
    return value


def fields_from(values: Mapping[str, Any], kind: type[F], *, is_strict: bool) -> F:
    """Fields that are not asked for are ignored, so that none can be set by guessing its name.
    InvalidRequestError when one is missing or odd, or holds a NUL, which no database text can."""
    if any("\0" in value for value in values.values() if isinstance(value, str)):
        raise RefusedError(ODD_FIELDS)
    try:
        return msgspec.convert(values, kind, strict=is_strict)
    except msgspec.ValidationError as error:
        if is_strict:
            raise InvalidRequestError(str(error)) from None
        raise RefusedError(ODD_FIELDS) from None


def _has_type(request: Request, expected: str) -> bool:
    given = request.headers.get("content-type", "")
    return given.partition(";")[0].strip().lower() == expected


def _newlines(value: str) -> str:
    return value.replace("\r\n", "\n")
