from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat import transcripts
from tests.chat.properties import UNTIMED
from tests.chat.transcripts import PARIS, TOOLS, TRANSCRIPTS, Seen, Transcript
from whalefall.chat.detokenizer import Detokenizer
from whalefall.chat.messages import ContentDelta, ToolCallArguments, ToolCallStart
from whalefall.chat.parser import ResponseParser
from whalefall.chat.stop_strings import StopStrings
from whalefall.chat.tokenizer import Tokenizer
from whalefall.chat.tools.dsml import DSMLSyntax

_BY_NAME = {transcript.name: transcript for transcript in TRANSCRIPTS}
each_transcript = pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=list(_BY_NAME))


@each_transcript
def test_reply_is_seen_as_meant(transcript: Transcript) -> None:
    deltas = transcripts.parse(transcript, [transcript.text])
    assert transcripts.seen_from(deltas) == transcript.seen


@each_transcript
def test_any_two_pieces_give_the_same_as_the_whole(transcript: Transcript) -> None:
    text = transcript.text
    whole = transcripts.parse(transcript, [text])
    for cut in range(len(text) + 1):
        assert transcripts.parse(transcript, [text[:cut], text[cut:]]) == whole


@each_transcript
def test_single_characters_and_random_pieces_give_the_same_as_the_whole(
    transcript: Transcript,
) -> None:
    text = transcript.text
    whole = transcripts.parse(transcript, [text])
    assert transcripts.parse(transcript, text) == whole
    chance = random.Random(20250227)
    for _ in range(20):
        assert transcripts.parse(transcript, _random_pieces(text, chance)) == whole


@each_transcript
def test_tokens_give_the_same_as_the_text(tokenizer: Tokenizer, transcript: Transcript) -> None:
    detokenizer = Detokenizer(tokenizer)
    ids = tokenizer.encode(transcript.text, allow_special=True)
    pieces = [detokenizer.push([i]) for i in ids] + [detokenizer.finish()]
    seen = transcripts.seen_from(transcripts.parse(transcript, pieces))
    assert seen == transcript.seen


def _random_pieces(text: str, chance: random.Random) -> list[str]:
    pieces, start = [], 0
    while start < len(text):
        end = start + chance.randint(1, 9)
        pieces.append(text[start:end])
        start = end
    return pieces


_ALPHABET = st.sampled_from(
    [
        "<", ">", "/", '"', "'", "\\", "\n", " ", "{", "}", "[", "]", ":", ",", "=", "1", "-", "e",
        "a", "😊", "true", "null", "name", "string", "</think>", "<think>", "｜", "<｜DSML｜",
        "</｜DSML｜", "function_calls>", "invoke", "parameter", ' name="now"', ' string="false">',
        "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>",
        "<｜tool▁calls▁end｜>", "function", "```json\n",
    ]
)  # fmt: skip


@st.composite
def _mutated(draw: st.DrawFn) -> tuple[Transcript, str]:
    """A transcript's text with a few places cut out, repeated or overwritten."""
    transcript = draw(st.sampled_from(TRANSCRIPTS))
    text = transcript.text
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        insert = "".join(draw(st.lists(_ALPHABET, max_size=4)))
        kept = text[start:end] if draw(st.booleans()) else ""
        text = text[:start] + kept + insert + kept + text[end:]
    return transcript, text


@settings(UNTIMED, max_examples=200)
@given(_mutated(), st.data())
def test_mutated_replies_never_raise_and_never_split_differently(
    mutated: tuple[Transcript, str], data: st.DataObject
) -> None:
    transcript, text = mutated
    whole = transcripts.parse(transcript, [text])
    assert transcripts.parse(transcript, text) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert transcripts.parse(transcript, pieces) == whole


@settings(UNTIMED, max_examples=200)
@given(_mutated(), st.booleans())
def test_completed_calls_of_mutated_replies_are_json_objects(
    mutated: tuple[Transcript, str], is_truncated: bool
) -> None:
    transcript, text = mutated
    parser = transcripts.new_parser(transcript)
    deltas = [*parser.push(text), *parser.finish(is_truncated)]
    calls = transcripts.seen_from(deltas).calls
    assert parser.saw_tool_calls == bool(calls)
    assert parser.is_complete or is_truncated
    for _, arguments in calls if parser.is_complete else calls[:-1]:
        assert isinstance(json.loads(arguments), dict)


@settings(UNTIMED, max_examples=200)
@given(st.lists(_ALPHABET, max_size=40), st.sampled_from(["v3", "v3.1", "v3.2"]), st.booleans())
def test_noise_never_raises(parts: list[str], syntax: str, in_reasoning: bool) -> None:
    transcript = Transcript("noise", syntax, "", Seen(), in_reasoning)
    text = "".join(parts)
    assert transcripts.parse(transcript, [text]) == transcripts.parse(transcript, parts)


def _dsml_parser(in_reasoning: bool = False) -> ResponseParser:
    return ResponseParser(syntax=DSMLSyntax(), tools=TOOLS, in_reasoning=in_reasoning)


def test_text_values_stream_before_they_end() -> None:
    parser = _dsml_parser()
    parser.push('<｜DSML｜invoke name="get_weather"><｜DSML｜parameter name="city" string="true">')
    assert parser.push('Pa"r') == [ToolCallArguments(0, 'Pa\\"r')]
    assert not parser.is_complete


def test_json_arguments_stream_before_they_end() -> None:
    transcript = _BY_NAME["v3.1 calls"]
    parser = transcripts.new_parser(transcript)
    parser.push('<｜tool▁call▁begin｜>now<｜tool▁sep｜>{"a"')
    assert parser.push(':"b') == [ToolCallArguments(0, ': "b')]


def test_name_comes_whole_and_before_any_argument() -> None:
    parser = _dsml_parser()
    assert parser.push('<｜DSML｜function_calls><｜DSML｜invoke name="get_wea') == []
    (start,) = parser.push('ther">')
    assert isinstance(start, ToolCallStart)
    assert start.name == "get_weather"
    assert start.id.startswith("call_00_")


def test_reasoning_state_follows_the_text() -> None:
    parser = _dsml_parser(in_reasoning=True)
    states = []
    for piece in ("a", " b", "</think>", "c"):
        parser.push(piece)
        states.append(parser.in_reasoning)
    assert states == [True, True, False, False]


def test_reasoning_state_ends_with_an_unannounced_call() -> None:
    parser = _dsml_parser(in_reasoning=True)
    parser.push("so <｜DSML｜function_calls>")
    assert not parser.in_reasoning


def test_ordinary_text_is_never_delayed() -> None:
    parser = _dsml_parser()
    for piece in ("Once", " upon", " a < b", " time", " <x"):
        assert parser.push(piece) == [ContentDelta(piece)]


def test_only_what_may_become_a_mark_is_held_back() -> None:
    parser = _dsml_parser()
    assert parser.push("a <｜DS") == [ContentDelta("a ")]
    assert parser.push("X") == [ContentDelta("<｜DSX")]


def test_stop_string_inside_arguments_does_not_cut_the_call() -> None:
    """Stop strings are matched on the content the parser gives out, never on call markup."""
    stop = StopStrings(["Paris", "\n"])
    parser = _dsml_parser()
    deltas = [*parser.push(f"On it: {PARIS}"), *parser.finish()]
    content = "".join(d.text for d in deltas if isinstance(d, ContentDelta))
    assert stop.push(content) == ("On it: ", None)
    assert transcripts.seen_from(deltas).calls == (transcripts.PARIS_CALL,)


def test_several_tokens_at_once_leak_no_mark() -> None:
    """Speculative steps hand over many tokens; the end of the thoughts may lie in the middle."""
    parser = _dsml_parser(in_reasoning=True)
    deltas = [*parser.push(f"so</think>ok\n\n{PARIS[:30]}"), *parser.push(PARIS[30:])]
    assert transcripts.seen_from(deltas) == Seen("so", "ok", (transcripts.PARIS_CALL,))
