"""A top-up's id as the Chinese providers take it: WeChat Pay allows 32 characters, so both get the
32 hex digits without the word before them."""

from __future__ import annotations

import re

PREFIX = "topup_"
_NUMBER = re.compile(r"[0-9a-f]{32}")


def out_trade_no(top_up_id: str) -> str:
    number = top_up_id.removeprefix(PREFIX)
    assert _NUMBER.fullmatch(number), f"{top_up_id!r} is not the id of a top-up"
    return number


def top_up_id(out_trade_no: str) -> str:
    """Empty for a number that no top-up of ours can have."""
    return PREFIX + out_trade_no if _NUMBER.fullmatch(out_trade_no) else ""
