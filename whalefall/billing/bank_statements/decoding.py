"""Bytes to text, in the encodings banks write: UTF-8, UTF-16 with a mark, GB18030."""

from __future__ import annotations

import codecs

from whalefall.billing.bank_statements.problems import Place, Problem, StatementError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decoded(data: bytes, file: str) -> str:
    """StatementError, with the line, for what is no text. UTF-8 is tried before GB18030: text of
    the latter hardly ever happens to be valid in the former."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], encoding, file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = _strict(data, "gb18030", file)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise StatementError(Problem.NOT_TEXT, Place(file, line))
    return text


def _strict(data: bytes, encoding: str, file: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StatementError(Problem.NOT_TEXT, Place(file, line)) from None
