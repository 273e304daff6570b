"""The playground: raw requests to the API from the page itself, with the same call as curl and
Python beside it. The page's script makes the call with a key the person pastes; the server only
hands out examples to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from whalefall.console.forms import NoFields
from whalefall.console.language import Catalog, mark
from whalefall.console.routing import View
from whalefall.console.session import Visit
from whalefall.serving.platform import Base


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    path: str
    body: str
    """JSON, indented."""


@dataclass(frozen=True, slots=True)
class PlaygroundPage:
    base_url: str
    examples: tuple[Example, ...]


async def load_playground(visit: Visit, _query: NoFields) -> PlaygroundPage:
    models = visit.context.platform.models(Base())
    model = models[0] if models else "deepseek-chat"
    return PlaygroundPage(visit.context.base_url, examples(model, visit.catalog))


def examples(model: str, catalog: Catalog) -> tuple[Example, ...]:
    """One per feature, in the order in which people meet them."""
    hello = _user(catalog.gettext(mark("Hello!")))
    json_wish = mark('Name three oceans as JSON, like {"oceans": ["…"]}.')
    depth = mark("How deep is the Mariana Trench?")
    return (
        _chat("Chat", model, [hello], stream=True),
        _chat("Thinking", model, [hello], stream=True, thinking={"type": "enabled"}),
        _chat("Tool calls", model, [_user(catalog.gettext(depth))], tools=[DEPTH_TOOL]),
        _chat(
            "JSON output",
            model,
            [_user(catalog.gettext(json_wish))],
            response_format={"type": "json_object"},
            max_tokens=200,
        ),
        _example(
            "Chat prefix",
            "/beta/chat/completions",
            {
                "model": model,
                "messages": [
                    hello,
                    {"role": "assistant", "content": "Ahoy, ", "prefix": True},
                ],
                "stream": True,
            },
        ),
        _example(
            "Fill in the middle",
            "/beta/completions",
            {
                "model": model,
                "prompt": "def depth(pressure):\n",
                "suffix": "\n    return metres",
                "max_tokens": 64,
                "stream": True,
            },
        ),
    )


EXAMPLE_NAMES = (
    mark("Chat"),
    mark("Thinking"),
    mark("Tool calls"),
    mark("JSON output"),
    mark("Chat prefix"),
    mark("Fill in the middle"),
)

DEPTH_TOOL = {
    "type": "function",
    "function": {
        "name": "get_depth",
        "description": "Depth of a place in the sea, in metres.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
        },
    },
}


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _chat(name: str, model: str, messages: list[dict[str, Any]], **fields: object) -> Example:
    return _example(name, "/chat/completions", {"model": model, "messages": messages, **fields})


def _example(name: str, path: str, body: dict[str, Any]) -> Example:
    return Example(name, path, msgspec.json.format(msgspec.json.encode(body)).decode())


VIEWS = (
    View(
        "/playground",
        "playground.html",
        load_playground,
        "Examples of requests to the API.",
    ),
)
