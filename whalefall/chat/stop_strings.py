"""Stop strings: where the caller wants the text to end.

Text is read from left to right, and the stop string that is complete first ends it; of two that
are complete at the same character, the one that began first. What could be the beginning of a
stop string waits here until that is decided, and nothing else does. The matched text is not given
out. It must not know what kind of text this is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


class StopStrings:
    def __init__(self, stops: Sequence[str]) -> None:
        """Empty strings are ignored: they would end every text before it begins."""
        self._stops = sorted({stop for stop in stops if stop}, key=len, reverse=True)
        self._length_max = len(self._stops[0]) if self._stops else 0
        beginnings = "".join(sorted({stop[0] for stop in self._stops}))
        self._beginning = re.compile(f"[{re.escape(beginnings)}]" if beginnings else "(?!)")
        self._held = ""
        self._matched: str | None = None

    def push(self, text: str) -> tuple[str, str | None]:
        """The text that is certainly before any stop string, and the stop string once one has
        matched. After that everything pushed is swallowed."""
        if self._matched is not None:
            return "", self._matched
        if not self._held and self._beginning.search(text) is None:
            return text, None
        text = self._held + text
        match = self._first_complete(text)
        if match is not None:
            begin, self._matched = match
            self._held = ""
            return text[:begin], self._matched
        safe_end = self._first_possible_begin(text)
        self._held = text[safe_end:]
        return text[:safe_end], None

    def finish(self) -> str:
        """What waited, when no more text comes."""
        held, self._held = self._held, ""
        return held

    def _first_complete(self, text: str) -> tuple[int, str] | None:
        best: tuple[int, int, str] | None = None
        for stop in self._stops:
            begin = text.find(stop)
            if begin >= 0 and (best is None or (begin + len(stop), begin) < best[:2]):
                best = (begin + len(stop), begin, stop)
        return (best[1], best[2]) if best else None

    def _first_possible_begin(self, text: str) -> int:
        """Where the longest tail begins that a stop string could begin with; the end if none."""
        start = max(0, len(text) - self._length_max + 1)
        for candidate in self._beginning.finditer(text, start):
            tail = text[candidate.start() :]
            if any(stop.startswith(tail) for stop in self._stops):
                return candidate.start()
        return len(text)
