"""The OpenAPI document as one HTML page for people: no scripts, nothing loaded from elsewhere.

Pure. Operations that differ only in their base path are shown once, with all their paths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any


@dataclass(slots=True)
class _Shown:
    """One operation with every path it answers on."""

    method: str
    operation: dict[str, Any]
    paths: list[str] = field(default_factory=list)


def docs_page(document: dict[str, Any], style: str) -> str:
    """`style` is the page's whole style sheet."""
    info = document["info"]
    shown = _shown(document)
    groups = [tag["name"] for tag in document["tags"]]
    body = "".join(
        [
            f"<header><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
            f"<p>{_words(info['summary'])} {_words(info['description'])}</p>",
            "<p>Machine-readable: <a href='openapi.json'>openapi.json</a></p></header>",
            f"<nav>{''.join(_links(groups, shown))}</nav>",
            "<main>",
            *(_operation(one, document) for one in shown),
            "<h2 id='schemas'>Schemas</h2>",
            *(_schema(name, one) for name, one in document["components"]["schemas"].items()),
            "</main>",
        ]
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(info['title'])} API</title><style>{style}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _shown(document: dict[str, Any]) -> list[_Shown]:
    by_name: dict[str, _Shown] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name = operation["operationId"].partition(".")[0]
            one = by_name.setdefault(name, _Shown(method.upper(), operation))
            one.paths.append(path)
    return list(by_name.values())


def _links(groups: list[str], shown: list[_Shown]) -> Iterator[str]:
    for group in groups:
        yield f"<h2>{escape(group)}</h2><ul>"
        for one in shown:
            if group in one.operation["tags"]:
                yield f"<li><a href='#{_anchor(one)}'>{escape(one.operation['summary'])}</a></li>"
        yield "</ul>"
    yield "<h2><a href='#schemas'>Schemas</a></h2>"


def _anchor(one: _Shown) -> str:
    return escape(str(one.operation["operationId"]).partition(".")[0])


def _operation(one: _Shown, document: dict[str, Any]) -> str:
    operation = one.operation
    first, *others = (f"<code>{escape(path)}</code>" for path in one.paths)
    success = operation["responses"]["200"]["content"]
    parts = [
        f"<section id='{_anchor(one)}'><h2>{escape(operation['summary'])}</h2>",
        f"<p class='path'><b>{one.method}</b> {first}</p>",
        f"<p>{_words(operation['description'])}</p>",
        f"<p>Key: {' or '.join(_key(need, document) for need in operation['security'])}.</p>",
    ]
    if others:
        parts.append(f"<details><summary>All paths</summary><p>{', '.join(others)}</p></details>")
    if "requestBody" in operation:
        media = operation["requestBody"]["content"]["application/json"]
        parts.append(f"<h3>Request: {_type(media['schema'])}</h3>{_example(media)}")
    for media_type, media in success.items():
        kinds = [media["schema"]] if "schema" in media else media.get("x-events", [])
        names = " ".join(map(_type, kinds))
        parts.append(f"<h3>Answer: {escape(media_type)} {names}</h3>{_example(media)}")
    parts.append(f"<h3>Errors</h3>{_errors(operation, document)}</section>")
    return "".join(parts)


def _key(need: dict[str, Any], document: dict[str, Any]) -> str:
    scheme = document["components"]["securitySchemes"][next(iter(need))]
    if scheme["type"] == "apiKey":
        return f"<code>{escape(scheme['name'])}: sk-...</code>"
    return "<code>Authorization: Bearer sk-...</code>"


def _errors(operation: dict[str, Any], document: dict[str, Any]) -> str:
    rows = []
    for status, reference in operation["responses"].items():
        if "$ref" in reference:
            response = document["components"]["responses"][_name(reference)]
            text = _words(response["description"])
            rows.append(f"<tr><td>{escape(status)}</td><td>{text}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _example(media: dict[str, Any]) -> str:
    example = media["example"]
    text = (
        example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
    )
    return f"<pre>{escape(text)}</pre>"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        f"<tr><td><code>{escape(key)}</code></td><td>{_type(one)}{_limits(one)}</td>"
        f"<td>{'required' if key in required else ''}</td>"
        f"<td>{_words(one.get('description', ''))}</td></tr>"
        for key, one in schema.get("properties", {}).items()
    ]
    words = f"<p>{_words(schema['description'])}</p>" if "description" in schema else ""
    table = f"<table>{''.join(rows)}</table>"
    return f"<section id='schema-{escape(name)}'><h3>{escape(name)}</h3>{words}{table}</section>"


def _type(schema: dict[str, Any]) -> str:
    """The schema in a few words, with links to the named ones."""
    if "$ref" in schema:
        name = escape(_name(schema))
        return f"<a href='#schema-{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(json.dumps(one))}</code>" for one in schema["enum"])
    if "prefixItems" in schema:
        return f"array of {' and '.join(_type(one) for one in schema['prefixItems'])}"
    if schema.get("type") == "array" and schema.get("items"):
        return f"array of {_type(schema['items'])}"
    return escape(str(schema.get("type", "anything")))


def _limits(schema: dict[str, Any]) -> str:
    source = next((one for one in schema.get("anyOf", ()) if "$ref" not in one), schema)
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "maxItems": "items ≤"}
    found = [f"{sign} {source[key]}" for key, sign in signs.items() if key in source]
    return f" <small>{escape(', '.join(found))}</small>" if found else ""


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _words(text: str) -> str:
    """Escaped, with what stands between backquotes as code."""
    pieces = escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces)
    )
