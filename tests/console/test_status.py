"""The status page tells what the probes found, and does not call old news good."""

from __future__ import annotations

from tests.support.browser import Browser
from whalefall.base.probe_log import ProbeResult, record_probes


async def test_the_status_page_follows_the_probes(browser: Browser) -> None:
    assert "Nothing has been measured yet" in await browser.open("/status")
    now = browser.clock.now()
    good = ProbeResult("deepseek-chat", now, True, 123)
    browser.database.run(record_probes, [good, ProbeResult("console", now, True, 2)])
    assert "Everything works" in await browser.open("/status")
    assert "123 ms" in browser.html
    browser.clock.advance(60)
    bad = ProbeResult("deepseek-chat", browser.clock.now(), False, 30_000)
    browser.database.run(record_probes, [bad])
    assert "Something is down" in await browser.open("/status")
    assert "50.0%" in browser.html
    browser.clock.advance(600)
    assert "no fresh measurements" in await browser.open("/status")
