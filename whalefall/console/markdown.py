"""What a model wrote, as HTML that can do nothing: no raw HTML, no images, links to http, https and
mail only. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from typing_extensions import override

LINK_SCHEMES = ("http", "https", "mailto")
TEXT_LENGTH_MAX = 400_000
FIRST_CHINESE = "\u2e80"
"""From here on the characters are written without spaces between them."""


class _Markdown(MarkdownIt):
    """Of a model's links only those with a known scheme are links; our own texts link to our own
    pages, too."""

    links_to_own_pages = False

    @override
    def validateLink(self, url: str) -> bool:
        if self.links_to_own_pages and url.startswith("/") and not url.startswith("//"):
            return True
        try:
            return urlsplit(url.strip()).scheme.lower() in LINK_SCHEMES
        except ValueError:
            return False


class MarkdownRenderer:
    def __init__(self, *, is_own_text: bool = False) -> None:
        self._is_own_text = is_own_text
        self._markdown = _Markdown("commonmark", {"html": False, "breaks": not is_own_text})
        self._markdown.links_to_own_pages = is_own_text
        self._markdown.enable(["table", "strikethrough"]).disable(["image", "html_block"])

    def blocks(self, text: str) -> list[str]:
        """One piece of HTML per top-level block, so that a growing text changes only its end."""
        env: dict[str, object] = {}
        tokens = self._markdown.parse(text[:TEXT_LENGTH_MAX], env)
        for token in tokens:
            _align_by_class(token)
            if self._is_own_text:
                _join_chinese_lines(token.children or ())
            else:
                _mark_links(token.children or ())
        return [
            self._markdown.renderer.render(group, self._markdown.options, env)
            for group in _top_level_groups(tokens)
        ]

    def html(self, text: str) -> str:
        return "".join(self.blocks(text))


def _mark_links(tokens: Sequence[Token]) -> None:
    """Links lead out of here, and are not told from where."""
    for token in tokens:
        if token.type == "link_open":
            token.attrSet("rel", "noopener noreferrer nofollow")
            token.attrSet("target", "_blank")


def _join_chinese_lines(tokens: Sequence[Token]) -> None:
    """A line that ends in the source is no space between two Chinese characters."""
    for before, line_end, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if line_end.type != "softbreak":
            continue
        left, right = before.content[-1:], after.content[:1]
        if min(left or "a", right or "a") >= FIRST_CHINESE:
            line_end.type, line_end.content = "text", ""


def _align_by_class(token: Token) -> None:
    """A column's alignment comes as an inline style, which our pages forbid."""
    style = token.attrs.pop("style", None)
    if style is not None:
        token.attrSet("class", f"align-{str(style).removeprefix('text-align:')}")


def _top_level_groups(tokens: Sequence[Token]) -> list[list[Token]]:
    groups: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if depth == 0:
            groups.append([])
        groups[-1].append(token)
        depth += token.nesting
    return groups
