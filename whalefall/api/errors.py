"""The one place that turns a PlatformError into a response in the real API's shape.

Errors that only the wire itself can raise are defined here too. Nothing here knows endpoints."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from whalefall.api.options import Era
from whalefall.base.errors import (
    AuthenticationError,
    InvalidRequestError,
    MalformedBodyError,
    PlatformError,
    UnsupportedMediaTypeError,
)

_BODILESS_STATUSES = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class UnparsableBodyError(MalformedBodyError):
    """The body is not JSON at all; its sibling MalformedBodyError is JSON of the wrong type."""


class MissingCredentialsError(AuthenticationError):
    """No key was sent, or not in the form `Bearer sk-...`."""


class BodyTimeoutError(InvalidRequestError):
    """The client did not finish sending its body in time."""

    status = 408


class ErrorDetail(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: None
    code: str


class ErrorBody(msgspec.Struct, frozen=True):
    error: ErrorDetail


def error_body(error: PlatformError) -> bytes:
    """The standard body: compact JSON, keys in the order message, type, param, code."""
    detail = ErrorDetail(error.message, error.type, None, error.code)
    return msgspec.json.encode(ErrorBody(detail))


def error_response(error: PlatformError, era: Era = Era.V3_2) -> Response:
    headers = {"connection": "close"} if error.status in (408, 413) else None
    if error.status in _BODILESS_STATUSES:
        return Response(status_code=error.status)
    if era is Era.V4:
        return _v4_response(error, headers)
    return _json_response(error, headers)


def _json_response(error: PlatformError, headers: dict[str, str] | None) -> Response:
    return Response(error_body(error), error.status, headers, media_type="application/json")


def _v4_response(error: PlatformError, headers: dict[str, str] | None) -> Response:
    """The later gateway answers some errors in plain text, and mislabels the JSON of others."""
    if isinstance(error, MissingCredentialsError):
        return Response(error.message, error.status, headers)
    if isinstance(error, UnsupportedMediaTypeError):
        return Response(error.message, error.status, headers, media_type="text/plain")
    octets = "application/octet-stream"
    if isinstance(error, UnparsableBodyError):
        return Response(error.message, error.status, headers, media_type=octets)
    if isinstance(error, InvalidRequestError) and not isinstance(error, MalformedBodyError):
        return Response(error_body(error), error.status, headers, media_type=octets)
    return _json_response(error, headers)
