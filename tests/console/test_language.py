"""Both languages are complete, and chosen as people expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from tests.support.browser import Browser
from whalefall.console.language import Language, chosen_language, load_catalogs

CONSOLE = Path(__file__).parents[2] / "whalefall" / "console"
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")


def shown_texts() -> set[str]:
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    options = {"**/templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true"}}
    found = extract_from_dir(
        str(CONSOLE), methods, options, keywords={"_": None, "gettext": None, "mark": None}
    )
    return {str(message) for _, _, message, _, _ in found}


def test_every_text_has_a_chinese_one_with_the_same_placeholders() -> None:
    chinese = load_catalogs()[Language.CHINESE]
    texts = shown_texts()
    assert len(texts) > 200
    missing = sorted(text for text in texts if text not in chinese)
    assert missing == []
    for text in texts:
        expected = sorted(_PLACEHOLDER.findall(text))
        assert sorted(_PLACEHOLDER.findall(chinese.gettext(text))) == expected, text


@pytest.mark.parametrize(
    ("cookie", "header", "expected"),
    [
        (None, "", Language.ENGLISH),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", Language.CHINESE),
        (None, "en-GB,zh;q=0.3", Language.ENGLISH),
        (None, "de, zh-TW;q=0.7, en;q=0.2", Language.CHINESE),
        (None, "fr;q=abc, ;;;, zh;q=0", Language.ENGLISH),
        ("zh-CN", "en", Language.CHINESE),
        ("klingon", "zh", Language.CHINESE),
    ],
)
def test_the_choice_goes_before_the_browser(
    cookie: str | None, header: str, expected: Language
) -> None:
    assert chosen_language(cookie, header) is expected


async def test_language_and_theme_are_switched_and_kept(browser: Browser) -> None:
    await browser.open("/pricing")
    await browser.submit("/appearance", language="zh-CN", next="/pricing")
    assert '<html lang="zh-CN">' in browser.html
    assert "历史价格" in browser.html
    await browser.submit("/appearance", theme="dark", next="/pricing")
    assert 'data-theme="dark"' in browser.html
    assert "历史价格" in await browser.open("/pricing")
    await browser.submit("/appearance", theme="purple", next="/pricing")
    assert browser.status == 400
