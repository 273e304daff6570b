"""From results to what is said about them, by one rule, so that it holds for every tool.

A line for each call names its first argument, or the function when that says little. Text is
repeated behind it; the entries of a JSON object follow on lines of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from training.skills.tools.wishes import Call

_LABEL_CHARS_MAX = 40


def answer(calls: Sequence[Call], results: Sequence[str], is_chinese: bool) -> str:
    colon = "：" if is_chinese else ": "
    pairs = zip(calls, results, strict=True)
    return "\n".join(_said(_label(call), result, colon) for call, result in pairs)


def _label(call: Call) -> str:
    first = next(iter(call.arguments.values()), None)
    is_telling = isinstance(first, str | int | float) and not isinstance(first, bool)
    text = str(first)
    return text if is_telling and len(text) <= _LABEL_CHARS_MAX else call.name


def _said(label: str, result: str, colon: str) -> str:
    fields = _object(result)
    if fields is None:
        return f"{label}{colon}{result}"
    lines = (f"{key}{colon}{_shown(value)}" for key, value in fields.items())
    return "\n".join((label + colon.rstrip(), *lines))


def _object(result: str) -> dict[str, Any] | None:
    try:
        value = json.loads(result)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value else None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)
