"""Formats by the name a model's configuration gives. Adding a format means adding a line here."""

from __future__ import annotations

from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.formats.v3 import V3Format
from whalefall.chat.formats.v3_1 import V31Format
from whalefall.chat.formats.v3_2 import V32Format
from whalefall.chat.tokenizer import Tokenizer

FORMAT_NAMES = ("v3", "v3.1", "v3.2")


def format_by_name(name: str, tokenizer: Tokenizer) -> ChatFormat:
    """Raises ValueError naming the known formats when `name` is none of them."""
    if name == "v3":
        return V3Format(tokenizer)
    if name == "v3.1":
        return V31Format(tokenizer)
    if name == "v3.2":
        return V32Format(tokenizer)
    raise ValueError(f"unknown chat format {name!r}; known are {', '.join(FORMAT_NAMES)}")
