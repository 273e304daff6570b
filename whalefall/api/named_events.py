"""Server-sent events that carry a name, as the Anthropic and Responses streams use them. The plain
`data:` lines of the chat stream are not written here."""

from __future__ import annotations

import msgspec


def named_event(payload: msgspec.Struct) -> bytes:
    """`event: <name>` and `data: <compact JSON>`; the name is the struct's own `type` tag."""
    name = payload.__struct_config__.tag
    assert isinstance(name, str), payload
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n"
