"""Codes to scan, drawn into the page: no file, no foreign service, nothing the policy forbids."""

from __future__ import annotations

import segno
from markupsafe import Markup


def qr_code(text: str) -> Markup:
    """A picture of the text that fills its place, dark on light in either theme."""
    drawn = segno.make_qr(text, error="m")
    svg = drawn.svg_inline(border=4, dark="#000", light="#fff", omitsize=True)
    return Markup(svg)  # noqa: S704 - drawn by us; the text in it is squares
