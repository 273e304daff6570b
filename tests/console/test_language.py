"""Both languages are complete, and chosen as people expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from tests.support.browser import Browser
from whalefall.console.application import all_actions, all_downloads, all_views
from whalefall.console.language import Language, chosen_language, load_catalogs
from whalefall.console.pages.guides import TOPICS, read_texts

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


def test_every_call_is_described_in_chinese_too() -> None:
    chinese = load_catalogs()[Language.CHINESE]
    summaries = [view.summary for view in all_views()]
    summaries += [action.summary for action in all_actions()]
    summaries += [download.summary for download in all_downloads()]
    assert [text for text in summaries if text not in chinese] == []


def test_every_guide_exists_in_both_languages_with_the_same_code() -> None:
    texts = read_texts()
    for topic in TOPICS:
        english = texts[Language.ENGLISH, topic]
        chinese = texts[Language.CHINESE, topic]
        for mark in ("```", "|---", "{base_url}", "](/"):
            assert english.count(mark) == chinese.count(mark), (topic, mark)


async def test_guides_are_open_to_everyone_and_lead_to_each_other(browser: Browser) -> None:
    for topic in TOPICS:
        html = await browser.open(f"/help/{topic}")
        assert browser.status == 200
        assert "{base_url}" not in html
        assert "{service_email}" not in html
    assert "/console/api/api_keys/revoke" in await browser.open("/help/console-api")
    assert "/console/api/operator" not in browser.html
    await browser.open("/help/no-such-guide")
    assert browser.status == 404
