"""Which language a page is written in, and the words. English is the source; other languages are
gettext catalogs in locale/, read once at start. Knows nothing of requests or templates."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path

from babel.messages.pofile import read_po

LOCALE_DIRECTORY = Path(__file__).parent / "locale"


class Language(enum.StrEnum):
    ENGLISH = "en"
    CHINESE = "zh-CN"

    @property
    def own_name(self) -> str:
        return "English" if self is Language.ENGLISH else "简体中文"


class Catalog:
    """The words of one language. A text that is missing stays English."""

    def __init__(self, language: Language, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def gettext(self, text: str) -> str:
        return self._texts.get(text) or text

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        return self.gettext(singular if count == 1 else plural)

    def __contains__(self, text: str) -> bool:
        return bool(self._texts.get(text))


def load_catalogs() -> dict[Language, Catalog]:
    with (LOCALE_DIRECTORY / "zh_CN.po").open("rb") as file:
        chinese = {str(message.id): str(message.string) for message in read_po(file) if message.id}
    return {
        Language.ENGLISH: Catalog(Language.ENGLISH, {}),
        Language.CHINESE: Catalog(Language.CHINESE, chinese),
    }


def mark(text: str) -> str:
    """The text itself. Says to whoever extracts messages that it is shown, translated, later."""
    return text


def chosen_language(cookie: str | None, accept_language: str) -> Language:
    """The person's choice, else what the browser prefers, else English."""
    for language in Language:
        if cookie == language.value:
            return language
    for tag in _preferred_tags(accept_language):
        if tag.startswith("zh"):
            return Language.CHINESE
        if tag.startswith("en"):
            return Language.ENGLISH
    return Language.ENGLISH


def _preferred_tags(accept_language: str) -> list[str]:
    """The header's tags in lower case, best first. Odd weights count as zero."""
    weighted: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            quality = 0.0
        if quality > 0:
            weighted.append((quality, tag.lower()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
