"""Replies as models write them, and what a client must see. Each is fed in many splits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from whalefall.chat.messages import (
    ContentDelta,
    ReasoningDelta,
    Tool,
    ToolCallArguments,
    ToolCallStart,
)
from whalefall.chat.parser import ParsedDelta, ResponseParser
from whalefall.chat.tools.calls import ToolSyntax
from whalefall.chat.tools.dsml import DSMLSyntax
from whalefall.chat.tools.sentinel import SentinelSyntax

TOOLS = (
    Tool(
        "get_weather",
        parameters={
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "exact": {"type": "boolean"},
                "zip": {"type": "string"},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "either": {"type": ["string", "integer"]},
                "where": {"type": "object"},
                "count": {"$ref": "#/$defs/count"},
            },
            "$defs": {"count": {"type": "integer"}},
        },
    ),
    Tool("now"),
)
SYNTAXES: dict[str, ToolSyntax | None] = {
    "v3.2": DSMLSyntax(),
    "v3.1": SentinelSyntax(has_type=False),
    "v3": SentinelSyntax(has_type=True),
    "none": None,
}


@dataclass(frozen=True)
class Seen:
    """A whole reply as a client joins it."""

    reasoning: str = ""
    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """Name and joined arguments of each call."""


@dataclass(frozen=True)
class Transcript:
    name: str
    syntax: str
    text: str
    seen: Seen
    in_reasoning: bool = False
    is_truncated: bool = False


def parse(transcript: Transcript, pieces: Iterable[str]) -> list[ParsedDelta]:
    """Every delta of the reply, fed in these pieces, adjoining ones of a kind merged."""
    parser = new_parser(transcript)
    deltas = [delta for piece in pieces for delta in parser.push(piece)]
    return merged([*deltas, *parser.finish(transcript.is_truncated)])


def new_parser(transcript: Transcript) -> ResponseParser:
    return ResponseParser(
        syntax=SYNTAXES[transcript.syntax],
        tools=TOOLS,
        in_reasoning=transcript.in_reasoning,
        new_call_id=lambda index: f"call_{index}",
    )


def merged(deltas: Iterable[ParsedDelta]) -> list[ParsedDelta]:
    result: list[ParsedDelta] = []
    for delta in deltas:
        last = result[-1] if result else None
        if isinstance(last, ReasoningDelta) and isinstance(delta, ReasoningDelta):
            result[-1] = ReasoningDelta(last.text + delta.text)
        elif isinstance(last, ContentDelta) and isinstance(delta, ContentDelta):
            result[-1] = ContentDelta(last.text + delta.text)
        elif isinstance(last, ToolCallArguments) and isinstance(delta, ToolCallArguments):
            assert last.index == delta.index
            result[-1] = ToolCallArguments(last.index, last.fragment + delta.fragment)
        else:
            result.append(delta)
    return result


def seen_from(deltas: Iterable[ParsedDelta]) -> Seen:
    """Join the deltas as a client does, checking the order of the calls on the way."""
    reasoning, content, calls = "", "", list[tuple[str, str]]()
    for delta in deltas:
        if isinstance(delta, ReasoningDelta):
            reasoning += delta.text
        elif isinstance(delta, ContentDelta):
            content += delta.text
        elif isinstance(delta, ToolCallStart):
            assert delta.index == len(calls)
            calls.append((delta.name, ""))
        else:
            assert delta.index == len(calls) - 1
            calls[-1] = (calls[-1][0], calls[-1][1] + delta.fragment)
    return Seen(reasoning, content, tuple(calls))


def _block(*invokes: str) -> str:
    return "<｜DSML｜function_calls>\n" + "\n".join(invokes) + "\n</｜DSML｜function_calls>"


def _invoke(name: str, *parameters: str) -> str:
    lines = [f'<｜DSML｜invoke name="{name}">', *parameters, "</｜DSML｜invoke>"]
    return "\n".join(lines)


def _text(name: str, value: str) -> str:
    return f'<｜DSML｜parameter name="{name}" string="true">{value}</｜DSML｜parameter>'


def _json(name: str, value: str) -> str:
    return f'<｜DSML｜parameter name="{name}" string="false">{value}</｜DSML｜parameter>'


PARIS = _invoke("get_weather", _text("city", "Paris"), _json("days", "3"))
PARIS_CALL = ("get_weather", '{"city": "Paris", "days": 3}')
ROME = _invoke("get_weather", _text("city", "Rome"))
ROME_CALL = ("get_weather", '{"city": "Rome"}')
_SENTINEL_END = "<｜tool▁call▁end｜>"


def _v3_call(name: str, arguments: str) -> str:
    return (
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```"
        + _SENTINEL_END
    )


def _v31_call(name: str, arguments: str) -> str:
    return f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}{_SENTINEL_END}"


def _sentinel_block(*calls: str, between: str = "") -> str:
    return "<｜tool▁calls▁begin｜>" + between.join(calls) + "<｜tool▁calls▁end｜>"


_LOOKALIKE = 'a < b && "c"\n</｜DSML｜param </｜DSML｜invoke> <｜DSML｜parameter> \\ 😊\t'
_LOOKALIKE_JSON = (
    r'{"city": "a < b && \"c\"\n</｜DSML｜param </｜DSML｜invoke> <｜DSML｜parameter> '
    r'\\ 😊\t"}'
)

TRANSCRIPTS = (
    Transcript("plain", "none", "Hello, <b>you</b>!\n\n", Seen(content="Hello, <b>you</b>!\n\n")),
    Transcript(
        "thoughts, then answer",
        "none",
        "a < b, so </thin is not it\n</think>Yes.\n</think>",
        Seen("a < b, so </thin is not it\n", "Yes.\n</think>"),
        in_reasoning=True,
    ),
    Transcript(
        "cut inside the thoughts", "none", "I wonder </thi", Seen("I wonder </thi"),
        in_reasoning=True, is_truncated=True,
    ),
    Transcript(
        "repeated think mark", "v3.2", "<think>So</think>Yes", Seen("So", "Yes"),
        in_reasoning=True,
    ),
    Transcript(
        "call syntax with tools disabled is content", "none", f"See\n\n{_block(PARIS)}",
        Seen(content=f"See\n\n{_block(PARIS)}"),
    ),
    Transcript(
        "calls after thoughts and content",
        "v3.2",
        f"Weather it is.</think>Let me look.\n\n{_block(PARIS, ROME)}",
        Seen("Weather it is.", "Let me look.", (PARIS_CALL, ROME_CALL)),
        in_reasoning=True,
    ),
    Transcript(
        "calls alone", "v3.2", f"\n\n{_block(PARIS)}", Seen(calls=(PARIS_CALL,))
    ),
    Transcript(
        "wrapper missing", "v3.2", f"Look:\n\n{PARIS}\n{ROME}\n</｜DSML｜function_calls>",
        Seen(content="Look:", calls=(PARIS_CALL, ROME_CALL)),
    ),
    Transcript(
        "thinking not closed before the block", "v3.2", f"I should call.\n\n{_block(PARIS)}",
        Seen("I should call.", "", (PARIS_CALL,)), in_reasoning=True,
    ),
    Transcript(
        "empty block is no call", "v3.2", f"Done.\n\n{_block()}", Seen(content="Done.")
    ),
    Transcript(
        "text that looks like marks",
        "v3.2",
        _block(_invoke("get_weather", _text("city", _LOOKALIKE))),
        Seen(calls=(("get_weather", _LOOKALIKE_JSON),)),
    ),
    Transcript(
        "many line breaks before the block", "v3.2", "So:" + "\n" * 6 + _block(ROME),
        Seen(content="So:\n\n", calls=(ROME_CALL,)),
    ),
    Transcript(
        "line breaks that precede nothing", "v3.2", "a\n\n\n\n\n\nb\n\n",
        Seen(content="a\n\n\n\n\n\nb\n\n"),
    ),
    Transcript(
        "cut inside a text value",
        "v3.2",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
        '<｜DSML｜parameter name="city" string="true">Par',
        Seen(calls=(("get_weather", '{"city": "Par'),)),
        is_truncated=True,
    ),
    Transcript(
        "ended inside a text value",
        "v3.2",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
        '<｜DSML｜parameter name="city" string="true">Par</｜DSML',
        Seen(calls=(("get_weather", '{"city": "Par"}'),)),
    ),
    Transcript(
        "cut between parameters",
        "v3.2",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
        + _text("city", "Paris") + "\n" + '<｜DSML｜parameter name="days" string="false">1',
        Seen(calls=(("get_weather", '{"city": "Paris"'),)),
        is_truncated=True,
    ),
    Transcript(
        "cut inside a tag",
        "v3.2",
        'Hm.<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_wea',
        Seen(content="Hm."),
        is_truncated=True,
    ),
    Transcript(
        "attributes in odd order, spacing and quotes",
        "v3.2",
        "<｜DSML｜function_calls><｜DSML｜invoke  name = 'get_weather' >"
        "<｜DSML｜parameter string='false' name='days' >3</｜DSML｜parameter>  "
        '<｜DSML｜parameter\tstring="True"  name="city">Ulm</｜DSML｜parameter>'
        "</｜DSML｜invoke></｜DSML｜function_calls>",
        Seen(calls=(("get_weather", '{"days": 3, "city": "Ulm"}'),)),
    ),
    Transcript(
        "text after the block is content",
        "v3.2",
        f"{_block(PARIS)}\n\nThere you are.\n\n{_block(ROME)}",
        Seen(content="There you are.", calls=(PARIS_CALL, ROME_CALL)),
    ),
    Transcript(
        "block closed by its end alone",
        "v3.2",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
        + _text("city", "Rome") + "\n</｜DSML｜function_calls>",
        Seen(calls=(ROME_CALL,)),
    ),
    Transcript(
        "invoke closed by the next one",
        "v3.2",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="now">\n' + ROME
        + "\n</｜DSML｜function_calls>",
        Seen(calls=(("now", "{}"), ROME_CALL)),
    ),
    Transcript(
        "schema decides about values",
        "v3.2",
        _block(
            _invoke(
                "get_weather",
                _text("days", "7"),
                _json("zip", "00123"),
                _json("exact", "True"),
                _text("limit", "null"),
                _text("either", "7"),
                _json("where", '{ "a":[1,2.50,1e400] ,"b":{}}'),
            )
        ),
        Seen(
            calls=(
                (
                    "get_weather",
                    '{"days": 7, "zip": "00123", "exact": true, "limit": null, '
                    '"either": "7", "where": {"a": [1, 2.50, 1e400], "b": {}}}',
                ),
            )
        ),
    ),
    Transcript(
        "values that end like the tag they stand in",
        "v3.2",
        _block(_invoke("now", _text("a", "find parameter"), _text("b", "x</｜DSML｜parameter "))),
        Seen(calls=(("now", '{"a": "find parameter", "b": "x</｜DSML｜parameter "}'),)),
    ),
    Transcript(
        "stray closing marks are swallowed",
        "v3.2",
        f"a </｜DSML｜invoke>b\n</｜DSML｜function_calls>{_block(ROME)}\n</｜DSML｜parameter>c",
        Seen(content="a b\nc", calls=(ROME_CALL,)),
    ),
    Transcript(
        "thinking closed after the block",
        "v3.2",
        f"Hm.{_block(ROME)}</think>So </think>",
        Seen("Hm.", "So </think>", (ROME_CALL,)),
        in_reasoning=True,
    ),
    Transcript(
        "schema behind a reference",
        "v3.2",
        _block(_invoke("get_weather", _text("count", "7"))),
        Seen(calls=(("get_weather", '{"count": 7}'),)),
    ),
    Transcript(
        "another family's calls are content",
        "v3.1",
        f"Look:{_block(PARIS)}",
        Seen(content=f"Look:{_block(PARIS)}"),
    ),
    Transcript(
        "values that are not what they claim",
        "v3.2",
        _block(_invoke("now", _json("a", "{'x': 1}"), _json("b", ""), _text("a", "again"))),
        Seen(calls=(("now", '{"a": "{\'x\': 1}", "b": ""}'),)),
    ),
    Transcript(
        "JSON in place of parameters",
        "v3.2",
        _block(_invoke("get_weather", '{"city":"Rome"}')),
        Seen(calls=(ROME_CALL,)),
    ),
    Transcript(
        "one line",
        "v3.2",
        _block(PARIS).replace("\n", ""),
        Seen(calls=(PARIS_CALL,)),
    ),
    Transcript(
        "v3 calls",
        "v3",
        "I look.\n"
        + _sentinel_block(
            _v3_call("get_weather", '{"city":"Paris","days":3}'), _v3_call("now", "{}"),
            between="\n",
        ),
        Seen(content="I look.", calls=(PARIS_CALL, ("now", "{}"))),
    ),
    Transcript(
        "v3.1 calls",
        "v3.1",
        "I look."
        + _sentinel_block(_v31_call("get_weather", '{"city": "Paris", "days": 3}'))
        + "Done",
        Seen(content="I look.Done", calls=(PARIS_CALL,)),
    ),
    Transcript(
        "v3.1 wrapper missing",
        "v3.1",
        _v31_call("get_weather", '{"city": "Rome"}') + "<｜tool▁calls▁end｜>",
        Seen(calls=(ROME_CALL,)),
    ),
    Transcript(
        "v3.1 arguments cut",
        "v3.1",
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{"a":"b',
        Seen(calls=(("now", '{"a": "b'),)),
        is_truncated=True,
    ),
    Transcript(
        "v3.1 arguments that stop being JSON",
        "v3.1",
        _sentinel_block(_v31_call("now", '{"a": [1, oops "b"]}'), _v31_call("now", "none")),
        Seen(calls=(("now", '{"a": [1, "oops"]}'), ("now", "{}"))),
    ),
    Transcript(
        "v3.1 endless name",
        "v3.1",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>" + "x" * 400,
        Seen(content="x" * 400),
    ),
)  # fmt: skip
