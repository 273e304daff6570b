"""Both languages are complete, and chosen as people expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from starlette.routing import Route

from tests.support.browser import Browser
from tests.support.scripted_serving import ScriptedPlatform
from whalefall.api.endpoint import Endpoint
from whalefall.api.options import WireOptions
from whalefall.api.routes import api_routes
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


def test_every_endpoint_of_the_api_is_in_the_guide_to_them() -> None:
    """By its plain path, or the beta one where it answers there alone."""
    paths = {
        (route.endpoint.method, route.path)
        for route in api_routes(ScriptedPlatform(), WireOptions())
        if isinstance(route, Route) and isinstance(route.endpoint, Endpoint)
    }
    plain = {
        (method, path)
        for method, path in paths
        if "/v1" not in path.removeprefix("/anthropic/v1") and not path.startswith("/beta")
    }
    for language in Language:
        text = read_texts()[language, "endpoints"].replace("{id}", "{model}")
        missing = [f"{method} {path}" for method, path in plain if f"`{method} {path}`" not in text]
        assert set(missing) <= {"POST /completions"}
        assert "`POST /beta/completions`" in text


@pytest.mark.parametrize("language", list(Language))
def test_the_questions_answer_every_business_rule(language: Language) -> None:
    """One word at least of each subject people ask about, in either language."""
    subjects = {
        Language.ENGLISH: (
            "suspended|e-mail domain|delete my account|identity|enterprise|top up|bank transfer|"
            "missing|expire|invoice|money back|contract|plans|per API key|rate limit|slower|"
            "empty lines|LangChain|offline|price changes|sign in|two-step|demonstration|images"
        ),
        Language.CHINESE: (
            "停用|邮箱域名|注销|实名认证|企业|充值|对公汇款|没有到账|过期|发票|退款|合同|套餐|"
            "每个 API key|限速|比网页慢|空行|LangChain|离线|价格变动|登录|两步验证|演示模型|图片"
        ),
    }
    text = read_texts()[language, "faq"]
    assert [each for each in subjects[language].split("|") if each not in text] == []


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
