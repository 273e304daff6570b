"""Tool calls: tools known and unknown, in two languages, and what is said about their results."""

from __future__ import annotations

from training.skills.tools.dialogues import CallKind, call_kind, tool_call_case, tool_use

__all__ = ["CallKind", "call_kind", "tool_call_case", "tool_use"]
