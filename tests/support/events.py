"""Reading a list of events the way a client reads a stream."""

from __future__ import annotations

from collections.abc import Iterable

from whalefall.chat.messages import ContentDelta, Event, ReasoningDelta


def joined_content(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ContentDelta))


def joined_reasoning(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))
