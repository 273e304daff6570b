"""What the style sheet promises: enough contrast in light and dark, one set of names in both, and
nothing of a page that the style sheet does not know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from whalefall.console.application import all_views

CONSOLE = Path(__file__).parents[2] / "whalefall" / "console"
STYLE = "".join((CONSOLE / "static" / name).read_text("utf-8") for name in ("app.css", "pages.css"))
TEXTS = ("ink", "ink-soft", "ink-faint", "accent", "danger")
GROUNDS = ("paper", "panel")
PAIRS = [(text, ground) for text in TEXTS for ground in GROUNDS] + [
    ("accent-ink", "accent"),
    ("accent-ink", "accent-hover"),
    ("accent", "accent-soft"),
    ("ink", "accent-soft"),
    ("ink", "sunken"),
    ("ink-soft", "sunken"),
    ("danger", "danger-soft"),
    ("good", "good-soft"),
    ("warn", "warn-soft"),
]


def tokens(selector: str) -> dict[str, str]:
    start = STYLE.index(f"{selector} {{")
    block = STYLE[start : STYLE.index("}", start)]
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block))


THEMES = {
    "light": tokens(":root"),
    "dark": tokens(':root[data-theme="dark"]'),
    "dark by the system": tokens(':root:not([data-theme="light"])'),
}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_texts_can_be_read(theme: str, text: str, ground: str) -> None:
    assert contrast(THEMES[theme][text], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", list(THEMES))
def test_the_focus_ring_and_borders_of_fields_are_seen(theme: str) -> None:
    assert contrast(THEMES[theme]["focus"], THEMES[theme]["panel"]) >= 3
    assert contrast(THEMES[theme]["line-strong"], THEMES[theme]["panel"]) >= 1.5


def test_both_themes_name_the_same_colours() -> None:
    assert set(THEMES["dark"]) == set(THEMES["light"])
    assert THEMES["dark"] == THEMES["dark by the system"]


def test_templates_use_only_classes_the_style_sheet_knows() -> None:
    known = set(re.findall(r"\.([a-z][a-z0-9-]*)", STYLE))
    used: set[str] = set()
    for path in (CONSOLE / "templates").rglob("*.html"):
        for value in re.findall(r'class="([^"]*)"', path.read_text("utf-8")):
            used |= set(re.sub(r"\{[{%].*?[}%]\}", " ", value).split())
    assert {name for name in used - known if not name.startswith("{")} == set()


def test_every_page_has_a_title_of_its_own() -> None:
    templates = {view.template for view in all_views()}
    for name in templates:
        text = (CONSOLE / "templates" / name).read_text("utf-8")
        assert re.search(r"\{% block title %\}.+\{% endblock %\}", text), name
