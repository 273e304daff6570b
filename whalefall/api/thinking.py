"""Whether a request is answered with thinking: the model's name, the request's own switch, and what
the era takes for granted. Pure; every dialect asks here."""

from __future__ import annotations

from whalefall.api.options import Era
from whalefall.api.serde import DATA_LEAD
from whalefall.base.errors import MalformedBodyError

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_PLAIN_MODEL = "deepseek-chat"
"""The one old name that does not think by itself in the later era either."""


def is_thinking(model: str, asked: bool | None, era: Era) -> bool:
    """A reasoner always thinks; any other model does as it is asked. `asked` is None when the
    request says nothing: then the earlier era does not think, the later one does."""
    if model.endswith("reasoner"):
        return True
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
