"""Rules about tools that the dialects with flat tool definitions share. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import Tool, ToolChoice, ToolChoiceMode

TOOLS_MAX = 128
NAME_CHARS_MAX = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]+")


def check_tool_names(names: Sequence[str]) -> None:
    """Raises InvalidRequestError for too many tools, and for the first name that may not be."""
    if len(names) > TOOLS_MAX:
        raise InvalidRequestError(
            f"Invalid 'tools': array too long. Expected an array with maximum length {TOOLS_MAX}, "
            f"but got an array with length {len(names)} instead."
        )
    for index, name in enumerate(names):
        if _NAME.fullmatch(name) is None:
            raise InvalidRequestError(
                f"Invalid 'tools[{index}].name': string does not match pattern. Expected a string "
                "that matches the pattern '^[a-zA-Z0-9_-]+$'."
            )
        if len(name) > NAME_CHARS_MAX:
            raise InvalidRequestError(
                f"Invalid 'tools[{index}].name': string too long. Expected a string with maximum "
                f"length {NAME_CHARS_MAX}, but got a string with length {len(name)} instead."
            )


def named_choice(name: str, tools: Sequence[Tool]) -> ToolChoice:
    if name not in {tool.name for tool in tools}:
        raise InvalidRequestError(
            f"Invalid value for 'tool_choice': the tool '{name}' is not among 'tools'."
        )
    return ToolChoice(ToolChoiceMode.NAMED, name)


def required_choice(tools: Sequence[Tool]) -> ToolChoice:
    if not tools:
        raise InvalidRequestError(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified."
        )
    return ToolChoice(ToolChoiceMode.REQUIRED)


def free_choice(tools: Sequence[Tool]) -> ToolChoice:
    """The default: the model decides, if there is anything to decide."""
    return ToolChoice(ToolChoiceMode.AUTO if tools else ToolChoiceMode.NONE)
