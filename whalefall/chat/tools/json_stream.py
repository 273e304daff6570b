"""A JSON object on its way through: validated, spaced as the wire wants it, completed if need be.

The models write arguments as JSON text, mostly well. Each fragment that comes out here extends a
prefix of one valid JSON object; where the input stops being JSON, nothing more comes out, and
`close` adds what completes the object. So a client that joins the fragments of a closed object
can always parse it. Small slips are mended on the way: a trailing comma, a raw line break inside
a string, a backslash that escapes nothing, Python's True, False and None.

It must not know where the object comes from or what it means.
"""

from __future__ import annotations

import enum
import re

from whalefall.chat.tools.calls import json_string

_DEPTH_MAX = 64
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
_SPACE = " \t\r\n"
_SCALAR_END = re.compile(r'[\s,:"\[\]{}]')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LITERALS = {
    "true": "true", "false": "false", "null": "null",
    "True": "true", "False": "false", "None": "null",
}  # fmt: skip
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_UNICODE_ESCAPE_LENGTH = 6


class _Expect(enum.Enum):
    ROOT = enum.auto()
    KEY = enum.auto()
    COLON = enum.auto()
    VALUE = enum.auto()
    COMMA = enum.auto()
    STRING_REST = enum.auto()
    SCALAR_REST = enum.auto()
    NOTHING = enum.auto()
    """The object is complete, or the input is no JSON from here on."""


class JSONObjectStream:
    def __init__(self) -> None:
        self._expect = _Expect.ROOT
        self._closers: list[str] = []
        self._separator = ""
        """What goes out before the next key or value, if there is one."""
        self._string_is_key = False
        self._pending = ""
        """The beginning of an escape or of a scalar."""
        self._out: list[str] = []

    def push(self, text: str) -> str:
        """The next fragment of the object. Text before its `{` and after its `}` is skipped."""
        position = 0
        while position < len(text) and self._expect is not _Expect.NOTHING:
            position = self._step(text, position)
        return self._take_out()

    def close(self) -> str:
        """What is missing to a complete object; `{}` when none has begun."""
        if self._expect is _Expect.ROOT:
            self._out.append("{}")
        elif self._expect is _Expect.STRING_REST:
            self._end_string()
        elif self._expect is _Expect.SCALAR_REST:
            self._end_scalar()
        if self._lacks_value:
            self._out.append(": null")
        self._out.extend(reversed(self._closers))
        self._closers.clear()
        self._expect = _Expect.NOTHING
        return self._take_out()

    def _take_out(self) -> str:
        fragment = "".join(self._out)
        self._out.clear()
        return fragment

    def _step(self, text: str, position: int) -> int:
        """Consume at least one character from `position` on and return where to go on."""
        if self._expect is _Expect.STRING_REST:
            return self._string_rest(text, position)
        if self._expect is _Expect.SCALAR_REST:
            return self._scalar_rest(text, position)
        if self._expect is _Expect.ROOT:
            start = text.find("{", position)
            if start < 0:
                return len(text)
            self._open("{", "}")
            return start + 1
        character = text[position]
        if character not in _SPACE:
            self._take(character)
        return position + 1

    def _take(self, character: str) -> None:
        """One character between strings and scalars, white space aside."""
        if self._closers and character == self._closers[-1]:
            self._close_container()
        elif self._expect is _Expect.COLON and character == ":":
            self._separator = ": "
            self._expect = _Expect.VALUE
        elif self._expect is _Expect.COMMA and character == ",":
            self._separator = ", "
            self._expect = _Expect.KEY if self._closers[-1] == "}" else _Expect.VALUE
        elif character == '"' and self._expect in (_Expect.KEY, _Expect.VALUE):
            self._string_is_key = self._expect is _Expect.KEY
            self._write(character)
            self._expect = _Expect.STRING_REST
        elif self._expect is _Expect.VALUE:
            self._begin_value(character)
        else:
            self._give_up()

    def _begin_value(self, character: str) -> None:
        if character == "{":
            self._open("{", "}")
        elif character == "[":
            self._open("[", "]")
        elif character in ",:]}":
            self._give_up()
        else:
            self._pending = character
            self._expect = _Expect.SCALAR_REST

    def _open(self, opener: str, closer: str) -> None:
        if len(self._closers) == _DEPTH_MAX:
            self._give_up()
            return
        self._write(opener)
        self._closers.append(closer)
        self._expect = _Expect.KEY if closer == "}" else _Expect.VALUE

    def _close_container(self) -> None:
        if self._lacks_value:
            self._give_up()
            return
        self._separator = ""
        self._out.append(self._closers.pop())
        self._expect = _Expect.COMMA if self._closers else _Expect.NOTHING

    def _write(self, text: str) -> None:
        self._out.append(self._separator + text)
        self._separator = ""

    @property
    def _lacks_value(self) -> bool:
        """A key is out, its value is not."""
        return self._expect is _Expect.COLON or self._separator == ": "

    def _give_up(self) -> None:
        if self._lacks_value:
            self._out.append(": null")
        self._separator = ""
        self._expect = _Expect.NOTHING

    def _string_rest(self, text: str, position: int) -> int:
        if self._pending:
            return self._escape_rest(text, position)
        plain = _PLAIN.match(text, position)
        if plain:
            self._out.append(plain.group())
            return plain.end()
        character = text[position]
        if character == '"':
            self._end_string()
        elif character == "\\":
            self._pending = character
        else:
            self._out.append(json_string(character)[1:-1])
        return position + 1

    def _escape_rest(self, text: str, position: int) -> int:
        """Inside an escape. One that turns out to be none is written as a backslash, and what
        followed it is read again."""
        escape = self._pending + text[position]
        if len(escape) == 2 and escape[1] in '"\\/bfnrt':
            self._out.append(escape)
            self._pending = ""
        elif escape[1] != "u" or (len(escape) > 2 and escape[-1] not in _HEX_DIGITS):
            self._out.append("\\\\" + self._pending[1:])
            self._pending = ""
            return position
        elif len(escape) == _UNICODE_ESCAPE_LENGTH:
            self._out.append(escape)
            self._pending = ""
        else:
            self._pending = escape
        return position + 1

    def _end_string(self) -> None:
        self._pending = ""
        self._out.append('"')
        self._expect = _Expect.COLON if self._string_is_key else _Expect.COMMA

    def _scalar_rest(self, text: str, position: int) -> int:
        end = _SCALAR_END.search(text, position)
        if end is None:
            self._pending += text[position:]
            return len(text)
        self._pending += text[position : end.start()]
        self._end_scalar()
        return end.start()

    def _end_scalar(self) -> None:
        scalar, self._pending = self._pending, ""
        is_number = _NUMBER.fullmatch(scalar) is not None
        self._write(scalar if is_number else _LITERALS.get(scalar) or json_string(scalar))
        self._expect = _Expect.COMMA
