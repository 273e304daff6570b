"""Whether a reply is right: one plain function per rule, and the observations made besides.

Every rule asks that the model ended the reply by itself. It must not know engines or tokens."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from whalefall.chat.messages import ToolCall
from whalefall.evaluation.cases import Case, Rule, language_of

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_END_MARKS = ".。!！?？ \n"


@dataclass(frozen=True)
class Reply:
    """What the server would deliver."""

    content: str
    calls: tuple[ToolCall, ...] = ()
    has_ended: bool = True
    """By the model itself, before the limit."""


@dataclass(frozen=True)
class Verdict:
    is_right: bool
    observations: Mapping[str, bool] = field(default_factory=dict)
    """By name, where they apply: what is counted apart from right and wrong."""


def judge(case: Case, reply: Reply) -> Verdict:
    is_right = reply.has_ended and _RULES[case.rule](case, reply)
    return Verdict(is_right, dict(_observations(case, reply)))


def covers_topics(case: Case, reply: Reply) -> bool:
    """A word of every group occurs, in any case, and the language is the question's."""
    said = reply.content.casefold()
    covered = all(any(word.casefold() in said for word in group) for group in case.topics)
    return covered and not reply.calls and speaks_same_language(case.question, reply.content)


def speaks_same_language(question: str, answer: str) -> bool:
    """An answer of figures or of code alone is in any language; an empty one in none."""
    asked, said = language_of(question), language_of(_CODE.sub("", answer))
    return bool(answer.strip()) and (asked == said or not asked or not said)


def makes_calls(case: Case, reply: Reply) -> bool:
    """The expected calls and no others, in any order. Where none is expected, an answer in text."""
    if not case.calls:
        return not reply.calls and bool(reply.content.strip())
    made = [parsed_call(call) for call in reply.calls]
    return None not in made and _in_order(made) == _in_order(map(parsed_call, case.calls))


def parsed_call(call: ToolCall) -> tuple[str, object] | None:
    value = parsed_json(call.arguments)
    return (call.name, value[0]) if value else None


def is_expected_json(case: Case, reply: Reply) -> bool:
    value = parsed_json(reply.content)
    return value is not None and _typed(value[0]) == _typed(json.loads(case.answer))


def parsed_json(text: str) -> tuple[object] | None:
    """The value in a tuple, since it may be null itself; None when the text is no JSON."""
    try:
        return (json.loads(text),)
    except (ValueError, RecursionError):
        return None


def ends_in_number(case: Case, reply: Reply) -> bool:
    """The last number of the answer is the last one of the expected answer."""
    said, expected = _NUMBER.findall(reply.content), _NUMBER.findall(case.answer)
    return bool(said) and float(said[-1]) == float(expected[-1])


def is_expected_text(case: Case, reply: Reply) -> bool:
    """Letter for letter, save for case, width, blanks and the mark at the end."""
    return not reply.calls and _plain(reply.content) == _plain(case.answer)


def fills_in(case: Case, reply: Reply) -> bool:
    """What was before, what is filled in and what comes after are a Python program together."""
    return bool(reply.content.strip()) and _program(case, reply.content) is not None


_RULES: Mapping[Rule, Callable[[Case, Reply], bool]] = {
    Rule.TOPICS: covers_topics,
    Rule.CALLS: makes_calls,
    Rule.JSON: is_expected_json,
    Rule.NUMBER: ends_in_number,
    Rule.TEXT: is_expected_text,
    Rule.FILL_IN: fills_in,
}


def _observations(case: Case, reply: Reply) -> list[tuple[str, bool]]:
    found = [("ended by itself", reply.has_ended)]
    if case.rule is Rule.JSON:
        found.append(("JSON is valid", parsed_json(reply.content) is not None))
    if case.rule is Rule.FILL_IN:
        found.append(("hole filled as it was", reply.content == case.answer))
        found.append(("hole filled to the same program", _same_program(case, reply)))
    if case.rule in (Rule.TOPICS, Rule.NUMBER, Rule.TEXT) and _expects_own_language(case):
        name = {"zh": "Chinese answered in Chinese", "en": "English answered in English"}
        same = speaks_same_language(case.question, reply.content)
        found.append((name[case.language], same))
    return found


def _expects_own_language(case: Case) -> bool:
    """A translation is expected in another language than its question."""
    return case.rule is Rule.TOPICS or language_of(case.answer) == case.language


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().strip(_END_MARKS)
    return " ".join(folded.split())


def _same_program(case: Case, reply: Reply) -> bool:
    """Blanks and line ends may differ where Python does not mind."""
    program = _program(case, reply.content)
    return program is not None and program == _program(case, case.answer)


def _program(case: Case, filled: str) -> str | None:
    """The syntax tree as text; None when there is none."""
    try:
        return ast.dump(ast.parse(case.prompt + filled + (case.suffix or "")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _in_order(calls: object) -> list[str]:
    assert not isinstance(calls, str)
    return sorted(_typed(call) for call in calls)  # type: ignore[attr-defined]


def _typed(value: object) -> str:
    """Text that tells true from 1 and "1" from 1, and takes no notice of the order of keys."""
    return json.dumps(value, sort_keys=True)
