"""Value rules that several endpoints share: number ranges, stop strings, seeds, user ids. Pure.

The texts are the real API's own, or follow its pattern where none was ever seen."""

from __future__ import annotations

from whalefall.base.errors import InvalidRequestError

STOP_STRINGS_MAX = 16
USER_ID_CHARS_MAX = 512
LOGPROBS_MAX = 20
_SEED_MAX = 2**63 - 1


def check_range(name: str, value: float | None, low: float, high: float) -> None:
    """Both ends included; the text shows them as whole numbers."""
    if value is None or low <= value <= high:
        return
    raise InvalidRequestError(
        f"Invalid {name} value, the valid range of {name} is [{low:g}, {high:.0f}]"
    )


def check_sampling(
    temperature: float | None,
    top_p: float | None,
    frequency_penalty: float | None,
    presence_penalty: float | None,
) -> None:
    check_range("temperature", temperature, 0, 2)
    if top_p is not None and not 0 < top_p <= 1:
        raise InvalidRequestError("Invalid top_p value, the valid range of top_p is (0, 1.0]")
    check_range("frequency_penalty", frequency_penalty, -2, 2)
    check_range("presence_penalty", presence_penalty, -2, 2)


def check_user_id(user_id: str | None) -> None:
    if user_id is not None and len(user_id) > USER_ID_CHARS_MAX:
        raise InvalidRequestError(
            f"Invalid 'user_id': string too long. Expected a string with maximum length "
            f"{USER_ID_CHARS_MAX}, but got a string with length {len(user_id)} instead"
        )


def stop_strings(stop: str | list[str] | None) -> tuple[str, ...]:
    """One string or up to sixteen. An empty string can end nothing and is left out."""
    strings = [stop] if isinstance(stop, str) else (stop or [])
    if len(strings) > STOP_STRINGS_MAX:
        raise InvalidRequestError(f"Stop string array too long: {len(strings)}")
    return tuple(text for text in strings if text)


def number_or(value: float | None, default: float) -> float:
    """Absent and null both mean the default; zero is a value."""
    return default if value is None else value


def seed_from(value: object) -> int | None:
    """Any JSON value; only an integer in 64 bits is a seed."""
    is_seed = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _SEED_MAX
    return value if is_seed and isinstance(value, int) else None
