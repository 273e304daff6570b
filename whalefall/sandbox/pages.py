"""The pages that play a provider's own: what is asked, and a button for each answer to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f4f5f7; color: #1d2129; }
main { max-width: 28rem; margin: 4rem auto; padding: 2rem; background: #fff; border-radius: 12px; }
.sandbox { background: #8a4b00; color: #fff; text-align: center; padding: .5rem; }
h1 { font-size: 1.25rem; margin-top: 0; }
dt { color: #5a6270; font-size: .875rem; } dd { margin: 0 0 .75rem; overflow-wrap: anywhere; }
form { display: inline; } a { color: #1f5fbf; }
button { font: inherit; padding: .5rem 1.25rem; border-radius: 8px; border: 1px solid #b5bcc8;
  background: #fff; margin: 0 .5rem .5rem 0; cursor: pointer; }
button.main { background: #1f5fbf; border-color: #1f5fbf; color: #fff; }
"""


@dataclass(frozen=True, slots=True)
class Button:
    name: str
    label: str
    action: str
    """Where it posts to."""
    is_main: bool = False


def render_page(
    title: str,
    lines: Iterable[tuple[str, str]],
    buttons: Iterable[Button],
    links: Iterable[tuple[str, str]] = (),
) -> str:
    """`links` are label and address."""
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in lines)
    forms = "".join(
        f'<form method="post" action="{escape(each.action)}">'
        f'<button id="{escape(each.name)}"{" class=main" if each.is_main else ""}>'
        f"{escape(each.label)}</button></form>"
        for each in buttons
    )
    listed = "".join(
        f'<li><a href="{escape(address)}">{escape(label)}</a></li>' for label, address in links
    )
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        '<p class="sandbox">沙箱，不涉及真实资金 · Sandbox: no real money</p>'
        f"<main><h1>{escape(title)}</h1><dl>{shown}</dl>{forms}"
        f"{f'<ul>{listed}</ul>' if listed else ''}</main></html>"
    )
