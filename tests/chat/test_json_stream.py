from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.properties import UNTIMED
from whalefall.chat.tools.json_stream import JSONObjectStream

_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=6),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip
_OBJECTS = st.dictionaries(st.text(max_size=4), _VALUES, max_size=4)
_NOISE = st.text(st.sampled_from('{}[]:,"\\ \nabtrufn01-.e😊'), max_size=40)


def _stream(pieces: str | list[str]) -> str:
    stream = JSONObjectStream()
    return "".join([stream.push(piece) for piece in pieces]) + stream.close()


@given(_OBJECTS, st.booleans(), st.sampled_from([None, 2]))
@settings(UNTIMED, max_examples=300)
def test_objects_come_out_spaced_and_otherwise_unchanged(
    value: dict[str, Any], ensure_ascii: bool, indent: int | None
) -> None:
    wanted = json.dumps(value, ensure_ascii=ensure_ascii)
    written = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
    assert _stream([written]) == _stream(list(written)) == wanted


@given(_NOISE, st.data())
@settings(UNTIMED, max_examples=500)
def test_noise_always_closes_to_an_object_and_never_splits_differently(
    noise: str, data: st.DataObject
) -> None:
    text = "{" + noise
    cut = data.draw(st.integers(0, len(text)))
    whole = _stream([text])
    assert _stream(list(text)) == whole
    assert _stream([text[:cut], text[cut:]]) == whole
    assert isinstance(json.loads(whole), dict)


@given(_OBJECTS, st.data())
@settings(UNTIMED, max_examples=300)
def test_cut_objects_close_to_an_object(value: dict[str, Any], data: st.DataObject) -> None:
    written = json.dumps(value)
    cut = data.draw(st.integers(0, len(written)))
    assert isinstance(json.loads(_stream([written[:cut]])), dict)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("", "{}"),
        ("no object", "{}"),
        ('```json\n{"a":1}\n```', '{"a": 1}'),
        ('{"a":1,}', '{"a": 1}'),
        ('{"a":[1,2,],"b":2}', '{"a": [1, 2], "b": 2}'),
        ('{"a":True,"b":None,"c":NaN}', '{"a": true, "b": null, "c": "NaN"}'),
        ('{"a":01,"b":1.5e9,"c":-0}', '{"a": "01", "b": 1.5e9, "c": -0}'),
        ('{"a":"x\ny"}', '{"a": "x\\ny"}'),
        ('{"a":"\\d+ \\u12 \\u00e9 \\n"}', '{"a": "\\\\d+ \\\\u12 \\u00e9 \\n"}'),
        ('{"a"', '{"a": null}'),
        ('{"a":', '{"a": null}'),
        ('{"a":}', '{"a": null}'),
        ('{"a" "b"}', '{"a": null}'),
        ('{"a":"b', '{"a": "b"}'),
        ('{"a":"b\\', '{"a": "b"}'),
        ('{"a":[{"b":tru', '{"a": [{"b": "tru"}]}'),
        ('{"a":1}{"b":2}', '{"a": 1}'),
        ("{'a':1}", "{}"),
        ('{"a":1]', '{"a": 1}'),
    ],
)
def test_slips_are_mended_and_the_rest_is_closed(written: str, wanted: str) -> None:
    assert _stream([written]) == wanted
    assert _stream(list(written)) == wanted


def test_depth_is_bounded() -> None:
    out = _stream(['{"a":' * 5000])
    assert json.loads(out)
    assert out.count("{") <= 64


def test_fragments_come_as_early_as_they_are_certain() -> None:
    stream = JSONObjectStream()
    pieces = ['{"a"', ':"x', 'y"', ',"n":1', "2", "}"]
    out = [stream.push(piece) for piece in pieces]
    assert out == ['{"a"', ': "x', 'y"', ', "n"', "", ": 12}"]
