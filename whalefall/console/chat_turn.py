"""One answer on the chat page, from asking to storing. It runs in a task of its own, so that a
reader who leaves or presses stop gets what was generated until then stored, and pays for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from whalefall.accounts.conversations import Words, has_conversation, say
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.money import Currency
from whalefall.billing.history import cost_of_request
from whalefall.chat.messages import ContentDelta, Finished, ReasoningDelta
from whalefall.console.markdown import MarkdownRenderer
from whalefall.serving.platform import Generation

log = structlog.get_logger()

RENDER_INTERVAL_SECONDS = 0.08
STOPPED = "stopped"
FAILED = "error"


@dataclass(frozen=True, slots=True)
class Answer:
    """How it ended."""

    words: Words
    error: str | None


@dataclass(frozen=True, slots=True)
class TurnSettings:
    conversation_id: str
    model: str
    currency: Currency
    told: Callable[[PlatformError], str]
    """Writes an error in the reader's language."""


class ChatTurn:
    """Run it with `run` in a task, read with `updates`, end early with `stop`."""

    def __init__(
        self,
        generation: Generation,
        settings: TurnSettings,
        database: Database,
        clock: Clock,
        markdown: MarkdownRenderer,
    ) -> None:
        self._generation = generation
        self._settings = settings
        self._database = database
        self._clock = clock
        self._markdown = markdown
        self._text = ""
        self._reasoning = ""
        self._changed = asyncio.Event()
        self._is_stopped = False
        self._answer: Answer | None = None

    async def run(self) -> None:
        """Read the generation to its end and store the answer; belongs in a task."""
        finish_reason, error = STOPPED, None
        try:
            async for event in self._generation.events():
                if isinstance(event, ReasoningDelta):
                    self._reasoning += event.text
                elif isinstance(event, ContentDelta):
                    self._text += event.text
                elif isinstance(event, Finished):
                    finish_reason = event.finish_reason.value
                self._changed.set()
                if self._is_stopped:
                    break
        except PlatformError as failure:
            finish_reason, error = FAILED, self._settings.told(failure)
        await self._store(STOPPED if self._is_stopped else finish_reason, error)
        self._changed.set()

    async def stop(self) -> None:
        """End the generation; the turn then stores what there is. Harmless when repeated."""
        self._is_stopped = True
        await self._generation.aclose()

    async def updates(self) -> AsyncIterator[dict[str, Any]]:
        """What changed since last time, until the end: reasoning text, blocks of HTML, the end."""
        sent_reasoning = 0
        sent_blocks: list[str] = []
        while True:
            await self._changed.wait()
            self._changed.clear()
            answer = self._answer
            if len(self._reasoning) > sent_reasoning:
                yield {"type": "thinking", "text": self._reasoning[sent_reasoning:]}
                sent_reasoning = len(self._reasoning)
            blocks = self._markdown.blocks(self._text)
            first = _first_difference(sent_blocks, blocks)
            if first < max(len(blocks), len(sent_blocks)):
                yield {"type": "blocks", "from": first, "html": blocks[first:]}
                sent_blocks = blocks
            if answer is not None:
                yield {"type": "finished", "answer": answer}
                return
            await asyncio.sleep(self._interval)

    @property
    def _interval(self) -> float:
        """Longer answers are drawn again less often: drawing takes time with their length."""
        return RENDER_INTERVAL_SECONDS + len(self._text) / 400_000

    async def _store(self, finish_reason: str, error: str | None) -> None:
        settings = self._settings
        words = Words(
            text=self._text,
            is_from_model=True,
            reasoning=self._reasoning,
            model=settings.model,
            finish_reason=finish_reason,
            currency=settings.currency,
        )
        now = self._clock.now()
        try:
            cost_nanos = await self._database.write(
                _store, self._generation.id, settings.conversation_id, words, now
            )
        except PlatformError as failure:
            log.error("answer_not_stored", error=failure.message)
            self._answer = Answer(words, error or settings.told(failure))
            return
        self._answer = Answer(replace(words, cost_nanos=cost_nanos), error)


def _store(
    conn: Connection, request_id: str, conversation_id: str, words: Words, now: datetime
) -> int:
    """What the answer cost. A conversation that was erased meanwhile keeps nothing."""
    cost_nanos = cost_of_request(conn, request_id)
    if (words.text or words.reasoning) and has_conversation(conn, conversation_id):
        say(conn, conversation_id, replace(words, cost_nanos=cost_nanos), now)
    return cost_nanos


def _first_difference(before: list[str], after: list[str]) -> int:
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return index
    return min(len(before), len(after))
