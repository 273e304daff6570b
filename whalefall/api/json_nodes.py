"""A JSON reader that fails exactly like serde_json: same words, same line and column.

It turns bytes into nodes that remember where they began and ended, so that serde.py can say what
is wrong with a value and where. It is only run on bodies the fast decoder could not take; it is
written for exact errors, not for speed. Positions follow serde_json: a column is the number of
bytes consumed on the line, one more when the error is about a byte that was only looked at."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Any

DEPTH_MAX = 128
NODES_MAX = 100_000

_WHITESPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_HEX = re.compile(rb"[0-9A-Fa-f]{4}")
_IDENTS = {0x6E: (b"null", None), 0x74: (b"true", True), 0x66: (b"false", False)}
_ESCAPES = {
    b'"': b'"',
    b"\\": b"\\",
    b"/": b"/",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
}
_U64_MAX = 2**64 - 1
_I64_MIN = -(2**63)


class Kind(enum.Enum):
    NULL = "null"
    BOOL = "boolean"
    INTEGER = "integer"
    FLOAT = "floating point"
    STRING = "string"
    SEQUENCE = "sequence"
    MAP = "map"


@dataclass(slots=True)
class Node:
    kind: Kind
    value: Any
    """A scalar; a list of nodes for a sequence; a list of entries for a map, in order and with
    duplicates."""
    start: int
    end: int

    def plain(self) -> object:
        """The value without positions, the last of duplicate keys winning."""
        if self.kind is Kind.SEQUENCE:
            return [item.plain() for item in self.value]
        if self.kind is Kind.MAP:
            return {entry.key: entry.node.plain() for entry in self.value}
        return self.value


@dataclass(slots=True)
class Entry:
    key: str
    key_end: int
    node: Node


class JSONError(Exception):
    """`path` is serde_path_to_error's: keys, `[index]`, and `?` where a key could not be read."""

    def __init__(self, text: str, offset: int, path: tuple[str, ...]) -> None:
        super().__init__(text)
        self.text = text
        self.offset = offset
        self.path = path


class TooManyNodesError(Exception):
    pass


def parse(body: bytes) -> Node:
    """Raises JSONError for what is not JSON, TooManyNodesError past NODES_MAX."""
    reader = _Reader(body)
    node = reader.value(())
    reader.skip_whitespace()
    if reader.index < len(body):
        raise reader.peek_error("trailing characters", ())
    return node


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self.index = 0
        self._depth = DEPTH_MAX
        self._num_nodes = 0

    def skip_whitespace(self) -> int:
        """The byte that follows, -1 at the end."""
        match = _WHITESPACE.match(self._body, self.index)
        assert match is not None
        self.index = match.end()
        return self._peek()

    def _peek(self) -> int:
        return self._body[self.index] if self.index < len(self._body) else -1

    def error(self, text: str, path: tuple[str, ...]) -> JSONError:
        return JSONError(text, self.index, path)

    def peek_error(self, text: str, path: tuple[str, ...]) -> JSONError:
        return JSONError(text, min(self.index + 1, len(self._body)), path)

    def value(self, path: tuple[str, ...]) -> Node:
        self._num_nodes += 1
        if self._num_nodes > NODES_MAX:
            raise TooManyNodesError
        byte = self.skip_whitespace()
        if byte == -1:
            raise self.peek_error("EOF while parsing a value", path)
        if byte in b"{[":
            return self._container(byte, path)
        if byte == 0x22:
            start = self.index
            return Node(Kind.STRING, self._string(path), start, self.index)
        if byte in b"-0123456789":
            return self._number(path)
        return self._ident(byte, path)

    def _container(self, byte: int, path: tuple[str, ...]) -> Node:
        self._depth -= 1
        if self._depth == 0:
            raise self.peek_error("recursion limit exceeded", path)
        start = self.index
        self.index += 1
        if byte == 0x7B:
            node = Node(Kind.MAP, self._entries(path), start, self.index)
        else:
            node = Node(Kind.SEQUENCE, self._items(path), start, self.index)
        self._depth += 1
        return node

    def _items(self, path: tuple[str, ...]) -> list[Node]:
        items: list[Node] = []
        while True:
            byte = self.skip_whitespace()
            if byte == 0x5D:
                self.index += 1
                return items
            if items:
                if byte == -1:
                    raise self.peek_error("EOF while parsing a list", path)
                if byte != 0x2C:
                    raise self.peek_error("expected `,` or `]`", path)
                self.index += 1
                byte = self.skip_whitespace()
                if byte == 0x5D:
                    raise self.peek_error("trailing comma", path)
                if byte == -1:
                    raise self.peek_error("EOF while parsing a value", path)
            elif byte == -1:
                raise self.peek_error("EOF while parsing a list", path)
            items.append(self.value((*path, f"[{len(items)}]")))

    def _entries(self, path: tuple[str, ...]) -> list[Entry]:
        entries: list[Entry] = []
        while self._has_next_key(path, is_first=not entries):
            key = self._string((*path, "?"))
            key_end = self.index
            entry_path = (*path, key)
            byte = self.skip_whitespace()
            if byte == -1:
                raise self.peek_error("EOF while parsing an object", entry_path)
            if byte != 0x3A:
                raise self.peek_error("expected `:`", entry_path)
            self.index += 1
            entries.append(Entry(key, key_end, self.value(entry_path)))
        return entries

    def _has_next_key(self, path: tuple[str, ...], *, is_first: bool) -> bool:
        unread = (*path, "?")
        byte = self.skip_whitespace()
        if byte == 0x7D:
            self.index += 1
            return False
        if byte == -1:
            raise self.peek_error("EOF while parsing an object", unread)
        if not is_first:
            if byte != 0x2C:
                raise self.peek_error("expected `,` or `}`", unread)
            self.index += 1
            byte = self.skip_whitespace()
            if byte == 0x7D:
                raise self.peek_error("trailing comma", unread)
            if byte == -1:
                raise self.peek_error("EOF while parsing a value", unread)
        if byte != 0x22:
            raise self.peek_error("key must be a string", unread)
        return True

    def _ident(self, byte: int, path: tuple[str, ...]) -> Node:
        if byte not in _IDENTS:
            raise self.peek_error("expected value", path)
        word, value = _IDENTS[byte]
        start = self.index
        for expected in word:
            found = self._peek()
            if found == -1:
                raise self.error("EOF while parsing a value", path)
            self.index += 1
            if found != expected:
                raise self.error("expected ident", path)
        return Node(Kind.NULL if value is None else Kind.BOOL, value, start, self.index)

    # --- numbers ---------------------------------------------------------------------------------

    def _number(self, path: tuple[str, ...]) -> Node:
        start = self.index
        if self._peek() == 0x2D:
            self.index += 1
        self._integer_part(path)
        is_float = False
        if self._peek() == 0x2E:
            is_float = True
            self.index += 1
            if not self._digits():
                eof = self._peek() == -1
                raise self.peek_error(
                    "EOF while parsing a value" if eof else "invalid number", path
                )
        if self._peek() in (0x45, 0x65):
            is_float = True
            self._exponent(path)
        text = self._body[start : self.index]
        if not is_float and len(text) <= 20 and _I64_MIN <= int(text) <= _U64_MAX:
            return Node(Kind.INTEGER, int(text), start, self.index)
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise self.error("number out of range", path)
        return Node(Kind.FLOAT, value, start, self.index)

    def _integer_part(self, path: tuple[str, ...]) -> None:
        first = self._peek()
        if first == -1:
            raise self.error("EOF while parsing a value", path)
        self.index += 1
        if first not in b"0123456789":
            raise self.error("invalid number", path)
        if first == 0x30:
            if 0x30 <= self._peek() <= 0x39:
                raise self.peek_error("invalid number", path)
            return
        self._digits()

    def _digits(self) -> int:
        match = _DIGITS.match(self._body, self.index)
        assert match is not None
        self.index = match.end()
        return len(match[0])

    def _exponent(self, path: tuple[str, ...]) -> None:
        self.index += 1
        if self._peek() in (0x2B, 0x2D):
            self.index += 1
        byte = self._peek()
        if byte == -1:
            raise self.error("EOF while parsing a value", path)
        self.index += 1
        if not 0x30 <= byte <= 0x39:
            raise self.error("invalid number", path)
        self._digits()

    # --- strings ---------------------------------------------------------------------------------

    def _string(self, path: tuple[str, ...]) -> str:
        """Read a string whose opening quote is the next byte."""
        self.index += 1
        pieces: list[bytes] = []
        while True:
            match = _PLAIN.match(self._body, self.index)
            assert match is not None
            pieces.append(match[0])
            self.index = match.end()
            byte = self._peek()
            if byte == -1:
                raise self.error("EOF while parsing a string", path)
            self.index += 1
            if byte == 0x22:
                break
            if byte != 0x5C:
                raise self.error(
                    "control character (\\u0000-\\u001F) found while parsing a string", path
                )
            pieces.append(self._escape(path))
        try:
            return b"".join(pieces).decode()
        except UnicodeDecodeError:
            raise self.error("invalid unicode code point", path) from None

    def _next(self, path: tuple[str, ...]) -> bytes:
        if self.index >= len(self._body):
            raise self.error("EOF while parsing a string", path)
        self.index += 1
        return self._body[self.index - 1 : self.index]

    def _escape(self, path: tuple[str, ...]) -> bytes:
        letter = self._next(path)
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter != b"u":
            raise self.error("invalid escape", path)
        first = self._four_hex_digits(path)
        if 0xDC00 <= first <= 0xDFFF:
            raise self.error("lone leading surrogate in hex escape", path)
        if not 0xD800 <= first <= 0xDBFF:
            return chr(first).encode()
        for expected in (b"\\", b"u"):
            if self._next(path) != expected:
                raise self.error("unexpected end of hex escape", path)
        second = self._four_hex_digits(path)
        if not 0xDC00 <= second <= 0xDFFF:
            raise self.error("lone leading surrogate in hex escape", path)
        return chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).encode()

    def _four_hex_digits(self, path: tuple[str, ...]) -> int:
        digits = self._body[self.index : self.index + 4]
        self.index += len(digits)
        if len(digits) < 4:
            raise self.error("EOF while parsing a string", path)
        if _HEX.fullmatch(digits) is None:
            raise self.error("invalid escape", path)
        return int(digits, 16)
