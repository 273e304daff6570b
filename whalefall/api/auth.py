"""Credentials in the request's head become a Caller, or the real API's 401 texts.

A key never leaves this module except to the platform that looks it up; what is shown back is its
last four characters, freed of anything that could break a log line or a page."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.datastructures import Headers

from whalefall.accounts.api_keys import Caller
from whalefall.api.errors import MissingCredentialsError
from whalefall.api.options import Era
from whalefall.base.errors import AuthenticationError, PermissionDeniedError
from whalefall.serving.platform import Platform

SECRET_CHARS_MAX = 256
"""Longer than any key ever handed out; what is longer is unknown without asking the database."""

_MISSING_TEXT = {
    Era.V3_2: "Authentication Fails (auth header format should be Bearer sk-...)",
    Era.V4: "Authentication Fails (governor)",
}

SecretReader = Callable[[Headers], str | None]
"""Finds the secret in the head; None when there is none in an acceptable form."""


def bearer_secret(headers: Headers) -> str | None:
    """The token of `Authorization: Bearer <token>`; the scheme is case-insensitive."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret or not secret.isascii():
        return None
    return secret


def api_key_secret(headers: Headers) -> str | None:
    """`x-api-key`, as Anthropic clients send it, or else a bearer token."""
    secret = headers.get("x-api-key", "").strip()
    if secret:
        return secret if secret.isascii() else None
    return bearer_secret(headers)


async def authenticate(
    platform: Platform, headers: Headers, address: str, read_secret: SecretReader, era: Era
) -> Caller:
    """Raises AuthenticationError; unknown, revoked and expired keys read all the same.
    PermissionDeniedError for a key that may not be used from this address."""
    secret = read_secret(headers)
    if secret is None:
        raise MissingCredentialsError(_MISSING_TEXT[era])
    if len(secret) <= SECRET_CHARS_MAX and secret.isprintable():
        caller = await platform.authenticate(secret)
        if caller is not None:
            return _admitted(caller, address)
    tail = re.sub(r"[^A-Za-z0-9_-]", "*", secret[-4:])
    raise AuthenticationError(f"Authentication Fails, Your api key: ****{tail} is invalid")


def _admitted(caller: Caller, address: str) -> Caller:
    """The owner, who tries it from a new place, has to see why it does not work."""
    if not caller.rules.admits_address(address):
        raise PermissionDeniedError(f"This API key may not be used from {address[:45]}")
    return caller
