"""The guides and the questions people ask, from Markdown files of the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from whalefall.base.errors import NotFoundError
from whalefall.console.language import Language, mark
from whalefall.console.routing import API_PREFIX, Action, View
from whalefall.console.session import Standing, Visit
from whalefall.serving.platform import Base

HELP_DIRECTORY = Path(__file__).parent.parent / "help"
GROUPS: dict[str, dict[str, str]] = {
    mark("Start"): {
        "first-call": mark("The first call"),
        "endpoints": mark("All endpoints"),
    },
    mark("Guides"): {
        "multi-round": mark("Many rounds"),
        "thinking": mark("Thinking mode"),
        "tools": mark("Tool calls"),
        "json": mark("JSON output"),
        "prefix": mark("Chat prefix"),
        "fim": mark("Fill in the middle"),
        "caching": mark("Context caching"),
        "anthropic": mark("Anthropic format"),
        "responses": mark("Responses API"),
    },
    mark("Look up"): {
        "errors": mark("Errors"),
        "rate-limits": mark("Rate limits"),
        "tokens": mark("Tokens and billing"),
        "temperature": mark("Temperature"),
        "console-api": mark("Console API"),
    },
    mark("More"): {
        "faq": mark("Questions and answers"),
        "changelog": mark("Changelog"),
    },
}
TOPICS = {topic: name for group in GROUPS.values() for topic, name in group.items()}
FIRST_TOPIC = "first-call"


class HelpQuery(msgspec.Struct, frozen=True):
    topic: str = FIRST_TOPIC


@dataclass(frozen=True, slots=True)
class CallDescription:
    method: str
    path: str
    summary: str
    fields: tuple[str, ...]
    standing: str


@dataclass(frozen=True, slots=True)
class HelpPage:
    topic: str
    topics: dict[str, str]
    groups: dict[str, dict[str, str]]
    """The same topics, in groups."""
    previous: str | None
    following: str | None
    """The topics before and after this one."""
    markdown: str
    calls: tuple[CallDescription, ...]
    """On the page of the console API: every call there is."""


Texts = Mapping[tuple[Language, str], str]


def read_texts() -> dict[tuple[Language, str], str]:
    """Every page in every language; FileNotFoundError stops the start when one is missing."""
    return {
        (language, topic): (HELP_DIRECTORY / language.value / f"{topic}.md").read_text("utf-8")
        for language in Language
        for topic in TOPICS
    }


async def load_help(
    texts: Texts, calls: tuple[CallDescription, ...], visit: Visit, query: HelpQuery
) -> HelpPage:
    text = texts.get((visit.language, query.topic))
    if text is None:
        raise NotFoundError(f"there is no guide {query.topic}")
    names = visit.context.platform.models(Base())
    for name, value in (
        ("base_url", visit.context.base_url),
        ("model", names[0] if names else "deepseek-chat"),
        ("service_email", visit.context.service_email),
    ):
        text = text.replace("{" + name + "}", value)
    order = [None, *TOPICS, None]
    place = order.index(query.topic)
    return HelpPage(
        topic=query.topic,
        topics=TOPICS,
        groups=GROUPS,
        previous=order[place - 1],
        following=order[place + 1],
        markdown=text,
        calls=calls if query.topic == "console-api" else (),
    )


def help_views(views: tuple[View, ...], actions: tuple[Action, ...]) -> tuple[View, ...]:
    """The pages themselves; the other routes are described on one of them."""
    load = partial(load_help, read_texts(), described_calls(views, actions))
    return tuple(
        View(
            path,
            "help.html",
            load,
            "A guide, as Markdown.",
            query=HelpQuery,
            standing=Standing.VISITOR,
        )
        for path in ("/help", "/help/{topic}")
    )


def described_calls(
    views: tuple[View, ...], actions: tuple[Action, ...]
) -> tuple[CallDescription, ...]:
    found = [_described("GET", view, view.query) for view in views]
    found += [_described("POST", action, action.fields) for action in actions]
    return tuple(sorted(found, key=lambda call: (call.path, call.method)))


def _described(method: str, route: View | Action, fields: type[msgspec.Struct]) -> CallDescription:
    names = tuple(name for name in fields.__struct_fields__ if f"{{{name}}}" not in route.path)
    return CallDescription(
        method, API_PREFIX + route.path, route.summary, names, route.standing.name.lower()
    )
