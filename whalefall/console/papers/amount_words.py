"""An amount of yuan in the capital numerals that Chinese papers carry, so that no digit can be
added: ¥1,203.05 is 壹仟贰佰零叁元零伍分."""

from __future__ import annotations

from whalefall.billing.invoice_content import CENT_NANOS

DIGITS = "零壹贰叁肆伍陆柒捌玖"
PLACES = ("", "拾", "佰", "仟")
GROUPS = ("", "万", "亿", "万亿")


def yuan_in_words(nanos: int) -> str:
    """Of a positive amount in whole hundredths."""
    assert nanos > 0
    assert nanos % CENT_NANOS == 0
    yuan, cents = divmod(nanos // CENT_NANOS, 100)
    jiao, fen = divmod(cents, 10)
    words = f"{_whole(yuan)}元" if yuan else ""
    if not cents:
        return words + "整"
    if jiao:
        words += DIGITS[jiao] + "角"
    elif yuan:
        words += "零"
    return words + (DIGITS[fen] + "分" if fen else "整")


def _whole(number: int) -> str:
    """Groups of four digits, the highest first. A zero is said once between what is not zero."""
    groups: list[int] = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    words = ""
    for index in range(len(groups) - 1, -1, -1):
        group = groups[index]
        if not group:
            continue
        is_after_gap = words and (group < 1000 or groups[index + 1 : index + 2] == [0])
        words += ("零" if is_after_gap else "") + _group(group) + GROUPS[index]
    return words


def _group(group: int) -> str:
    words, has_gap = "", False
    for place in range(3, -1, -1):
        digit = group // 10**place % 10
        if not digit:
            has_gap = bool(words)
            continue
        words += ("零" if has_gap else "") + DIGITS[digit] + PLACES[place]
        has_gap = False
    return words
