"""Forms with files: multipart bodies, read from memory into texts and contents. Nothing of them is
written to a disk, and neither a file's name nor what it is said to be is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from whalefall.base.errors import MalformedBodyError
from whalefall.console.language import mark

NUM_PARTS_MAX = 100
HEADER_LENGTH_MAX = 4096
UNREADABLE = mark("The form could not be read.")


@dataclass(frozen=True, slots=True)
class Form:
    """What a form sent; the last of a repeated field."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """Only those that were chosen."""


def form_from_multipart(body: bytes, content_type: str) -> Form:
    """MalformedBodyError for what is no form."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
        return reader.form
    except (FormParserError, UnicodeDecodeError, ValueError):
        raise MalformedBodyError(UNREADABLE) from None


class _Reader:
    """Collects one part after the other."""

    def __init__(self) -> None:
        self.form = Form()
        self._num_parts = 0
        self._name, self._is_file = "", False
        self._header, self._value, self._content = bytearray(), bytearray(), bytearray()

    def callbacks(self) -> dict[str, object]:
        names = ["part_begin", "part_data", "part_end", "header_field", "header_value"]
        names += ["header_end", "headers_finished"]
        return {f"on_{name}": getattr(self, f"_{name}") for name in names}

    def _part_begin(self) -> None:
        self._num_parts += 1
        if self._num_parts > NUM_PARTS_MAX:
            raise ValueError("too many parts")
        self._name, self._is_file = "", False
        self._content = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._add(self._header, data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._add(self._value, data[start:end])

    def _add(self, text: bytearray, more: bytes) -> None:
        text += more
        if len(text) > HEADER_LENGTH_MAX:
            raise ValueError("a header is too long")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("utf-8")
            self._is_file = b"filename" in options
        self._header, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        if not self._name:
            raise ValueError("a part has no name")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _part_end(self) -> None:
        if not self._is_file:
            self.form.texts[self._name] = self._content.decode("utf-8")
        elif self._content:
            self.form.files[self._name] = bytes(self._content)
