"""Identifiers. Ids of our own rows carry a prefix that tells what they name; ids on the wire have
the shape the real API gives them."""

from __future__ import annotations

import secrets
import string
import uuid

_ALPHANUMERIC = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """A sortable-enough unique id such as `user_5f0c…`: 128 random bits in hex."""
    return f"{prefix}_{uuid.uuid4().hex}"


def new_response_id() -> str:
    """The `id` of a completion: a dashed UUID, without the `chatcmpl-` other vendors put before."""
    return str(uuid.uuid4())


def new_tool_call_id(index: int) -> str:
    """`call_00_` plus 24 letters and digits; the number is the place among parallel calls."""
    return f"call_{index:02d}_" + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24))
