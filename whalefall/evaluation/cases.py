"""Questions the model was not trained on, with what a right answer is, and the file they come in.

The training makes the file (`python -m training.cases`) from the held-out side of its pools; it
travels with the package, so that an installed Whalefall can be measured without the training."""

from __future__ import annotations

import enum
import gzip
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from whalefall.chat.messages import (
    ChatRequest,
    CompletionRequest,
    Message,
    ResponseFormat,
    Role,
    Tool,
    ToolCall,
)

BUNDLED = Path(__file__).parent / "cases.jsonl.gz"
_MODEL_NAME = "evaluated"
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")


class CasesError(Exception):
    """A file of cases cannot be read."""


class Rule(enum.StrEnum):
    """How an answer is judged; `judges` has one function for each."""

    TOPICS = "topics"
    CALLS = "calls"
    JSON = "json"
    NUMBER = "number"
    TEXT = "text"
    FILL_IN = "fill in"


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation to be answered or, without messages, a text to be completed."""

    skill: str
    rule: Rule
    variant: str = ""
    """A kind inside the skill, or the length of a needle's text in tokens."""
    messages: tuple[Message, ...] = ()
    thinking: bool = False
    tools: tuple[Tool, ...] = ()
    response_format: ResponseFormat = ResponseFormat()
    prompt: str = ""
    suffix: str | None = None
    answer: str = ""
    """The expected one, or one such."""
    reasoning: str = ""
    """What a right answer might think first. It is not judged: it only tells how long is enough."""
    calls: tuple[ToolCall, ...] = ()
    topics: tuple[tuple[str, ...], ...] = ()
    """Groups of words; of each group one has to occur."""

    @property
    def question(self) -> str:
        asked = [message.content for message in self.messages if message.role is Role.USER]
        return asked[-1] if asked else self.prompt

    @property
    def language(self) -> str:
        return language_of(self.question) or "en"

    def request(self, temperature: float) -> ChatRequest | CompletionRequest:
        """As a client would send it. The JSON that is asked for is not enforced by a grammar."""
        if not self.messages:
            return CompletionRequest(
                model=_MODEL_NAME, prompt=self.prompt, suffix=self.suffix, temperature=temperature
            )
        return ChatRequest(
            model=_MODEL_NAME,
            messages=self.messages,
            thinking=self.thinking,
            tools=self.tools,
            response_format=self.response_format,
            temperature=temperature,
        )


def language_of(text: str) -> str:
    """ "zh" for text with any Chinese in it, which may be full of Latin names; "en" for other text
    with a word; "" for figures and marks."""
    if _CHINESE.search(text):
        return "zh"
    return "en" if _LATIN.search(text) else ""


def chosen(
    cases: Iterable[Case], skills: Sequence[str] = (), num_per_skill: int | None = None
) -> list[Case]:
    """The first cases of each skill, with and without thinking counted apart; all of them and all
    skills unless told otherwise. Raises CasesError for a skill that has no cases."""
    found: list[Case] = []
    counts: Counter[tuple[str, bool]] = Counter()
    for case in cases:
        if skills and case.skill not in skills:
            continue
        counts[case.skill, case.thinking] += 1
        if num_per_skill is None or counts[case.skill, case.thinking] <= num_per_skill:
            found.append(case)
    unknown = set(skills) - {skill for skill, _ in counts}
    if unknown:
        raise CasesError(f"there are no cases of {', '.join(sorted(unknown))}")
    return found


def read_cases(path: Path = BUNDLED) -> list[Case]:
    """A case per line, JSON; gzipped where the name says so. Raises CasesError."""
    try:
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
        decoder = msgspec.json.Decoder(Case)
        return [decoder.decode(line) for line in lines]
    except (OSError, EOFError, msgspec.MsgspecError) as error:
        raise CasesError(f"the cases in {path} cannot be read: {error}") from None


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """The same cases are the same bytes, gzipped or not."""
    encoder = msgspec.json.Encoder()
    data = b"".join(encoder.encode(case) + b"\n" for case in cases)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
