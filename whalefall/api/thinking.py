"""Whether a request is answered with thinking: what the platform fixes for the model's name, the
request's own switch, and what the era takes for granted. Pure; every dialect asks here."""

from __future__ import annotations

from whalefall.api.options import Era
from whalefall.api.serde import DATA_LEAD
from whalefall.base.errors import MalformedBodyError

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_PLAIN_MODEL = "deepseek-chat"
"""The one old name that does not think by itself in the later era either."""


def is_thinking(model: str, fixed: bool | None, asked: bool | None, era: Era) -> bool:
    """What the platform fixes for the model's name holds, such as that a reasoner always thinks;
    where it fixes nothing (None), the request decides. `asked` is None when that says nothing
    either: then the earlier era does not think, the later one does."""
    if fixed is not None:
        return fixed
    if asked is not None:
        return asked
    return era is Era.V4 and model != _PLAIN_MODEL


def asked_by_effort(effort: object, era: Era) -> bool | None:
    """What `reasoning_effort` asks for: `none` turns thinking off, the others turn it on. The
    earlier era does not know the field, so it may hold anything there.

    Raises MalformedBodyError for a word the later era does not know.
    """
    if effort is None or era is not Era.V4:
        return None
    if effort not in EFFORTS:
        variants = ", ".join(f"`{one}`" for one in EFFORTS)
        raise MalformedBodyError(
            f"{DATA_LEAD}reasoning_effort: unknown variant `{effort}`, expected one of {variants}"
        )
    return effort != "none"
