"""Tool calls as they come to be: the events of a reply's calls, in order, one open at a time.

The readers of the different call syntaxes write here; what they must not know is how calls are
numbered, how ids look, and what else is in the reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from whalefall.chat.messages import (
    ContentDelta,
    ReasoningDelta,
    Tool,
    ToolCallArguments,
    ToolCallStart,
)
from whalefall.chat.schemas import resolved, root_object

ParsedDelta = ReasoningDelta | ContentDelta | ToolCallStart | ToolCallArguments


class BlockReader(Protocol):
    """Reads one block of calls, from just after or at the mark that opened it."""

    def push(self, text: str) -> str | None:
        """Take text that follows. None: the block goes on. Otherwise it has ended, and the
        returned text, maybe empty, comes after it."""
        ...

    def finish(self, is_truncated: bool) -> None:
        """No more text comes. An open call is completed to valid JSON, unless the reply was
        truncated: then it stays as it is."""
        ...


class ToolSyntax(Protocol):
    """How one model family writes calls. Every mark begins with `<` and has no other `<`."""

    @property
    def openers(self) -> tuple[str, ...]:
        """Texts that begin a block."""
        ...

    @property
    def strays(self) -> tuple[str, ...]:
        """Closing marks, swallowed where they appear outside a block."""
        ...

    def reader(self, opener: str, calls: CallWriter) -> BlockReader: ...


class CallWriter:
    """Turns calls into events. `events` is emptied by whoever delivers them."""

    def __init__(self, tools: Iterable[Tool], new_call_id: Callable[[int], str]) -> None:
        self._schemas = {tool.name: tool.parameters or {} for tool in tools}
        self._new_call_id = new_call_id
        self._open_name: str | None = None
        self.events: list[ParsedDelta] = []
        self.num_calls = 0

    @property
    def is_open(self) -> bool:
        return self._open_name is not None

    def start(self, name: str) -> None:
        assert self._open_name is None, "one call at a time"
        self._open_name = name
        index = self.num_calls
        self.num_calls += 1
        self.events.append(ToolCallStart(index, self._new_call_id(index), name))

    def arguments(self, fragment: str) -> None:
        """Append to the open call's arguments text."""
        if fragment:
            self.events.append(ToolCallArguments(self.num_calls - 1, fragment))

    def end(self) -> None:
        """The open call's arguments are a complete JSON object now."""
        self._open_name = None

    def property_schema(self, name: str) -> Mapping[str, Any]:
        """What the caller's schema says about a parameter of the open call; {} when nothing."""
        root = self._schemas.get(self._open_name or "", {})
        properties = root_object(root).get("properties")
        schema = properties.get(name) if isinstance(properties, dict) else None
        return resolved(schema, root) if isinstance(schema, dict) else {}


def json_string(text: str) -> str:
    """A JSON string literal, characters beyond ASCII as themselves."""
    return json.dumps(text, ensure_ascii=False)


def json_string_inside(text: str) -> str:
    """`text` escaped for the inside of a JSON string literal. Escaping piece by piece gives the
    same as escaping the whole."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
