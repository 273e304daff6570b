"""One HTTP exchange with a payment provider: no redirects, no proxies from the environment, a limit
on the time and on the bytes, and one kind of failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from whalefall.billing.payments.base import ProviderError

TIMEOUT_SECONDS = 15.0
REPLY_BYTES_MAX = 32 << 20
"""A statement of some hundred thousand lines; every other reply is a page at most."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def exchange(
    provider: str, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
) -> Reply:
    """ProviderError, naming the provider, when no whole reply comes in time."""
    try:
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client,
            client.stream(method, url, headers=dict(headers), content=body) as response,
        ):
            content = _read(response)
    except httpx.HTTPError as error:
        raise ProviderError(f"{provider} cannot be reached: {type(error).__name__}") from None
    if content is None:
        raise ProviderError(f"{provider} answered with more than {REPLY_BYTES_MAX} bytes")
    lowered = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, lowered, content)


def _read(response: httpx.Response) -> bytes | None:
    chunks, length = [], 0
    for chunk in response.iter_bytes():
        length += len(chunk)
        if length > REPLY_BYTES_MAX:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
