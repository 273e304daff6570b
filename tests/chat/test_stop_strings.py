from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.properties import UNTIMED
from whalefall.chat.stop_strings import StopStrings


def _run(stops: list[str], pieces: list[str]) -> tuple[str, str | None]:
    machine = StopStrings(stops)
    text = ""
    for piece in pieces:
        safe, matched = machine.push(piece)
        text += safe
        if matched is not None:
            return text, matched
    return text + machine.finish(), None


@pytest.mark.parametrize(
    ("stops", "text", "expected"),
    [
        (["END"], "one END two", ("one ", "END")),
        (["END"], "one EN", ("one EN", None)),
        (["b", "a"], "xab", ("x", "a")),
        (["abcd", "bc"], "xabcd", ("xa", "bc")),
        (["abc", "bc"], "xabc", ("x", "abc")),
        (["aab"], "aaab", ("a", "aab")),
        (["```", "\n\n"], "code\n```", ("code\n", "```")),
        (["]", "^-"], "a^-b]", ("a", "^-")),
        (["😊"], "a😊", ("a", "😊")),
        ([""], "abc", ("abc", None)),
        ([], "abc", ("abc", None)),
    ],
)
def test_text_ends_before_the_stop_string_complete_first(
    stops: list[str], text: str, expected: tuple[str, str | None]
) -> None:
    assert _run(stops, [text]) == expected
    assert _run(stops, list(text)) == expected


_STOPS = st.lists(st.text("ab\n", min_size=1, max_size=5), max_size=16)
_PIECES = st.lists(st.text("abc\n", max_size=4), max_size=12)


@given(_STOPS, _PIECES)
@settings(UNTIMED, max_examples=500)
def test_any_split_stops_at_the_same_place(stops: list[str], pieces: list[str]) -> None:
    assert _run(stops, pieces) == _run(stops, ["".join(pieces)])


@given(_STOPS, _PIECES)
@settings(UNTIMED, max_examples=300)
def test_only_a_possible_beginning_is_held_back(stops: list[str], pieces: list[str]) -> None:
    machine = StopStrings(stops)
    fed = shown = ""
    for piece in pieces:
        safe, matched = machine.push(piece)
        fed, shown = fed + piece, shown + safe
        if matched is not None:
            assert fed.startswith(shown + matched)
            return
        assert not any(stop in fed for stop in stops)
        held = fed[len(shown) :]
        assert fed == shown + held
        assert not held or any(stop.startswith(held) for stop in stops)


def test_nothing_comes_after_a_match() -> None:
    machine = StopStrings(["x"])
    assert machine.push("axb") == ("a", "x")
    assert machine.push("more") == ("", "x")
    assert machine.finish() == ""


def test_text_that_cannot_match_is_not_delayed() -> None:
    machine = StopStrings(["</end>", "STOP"])
    for piece in ("a < b", " S", "o it goes"):
        safe, _ = machine.push(piece)
        assert safe
    assert machine.push(" then") == (" then", None)
