"""The description of the API against the routes, the wire shapes, and the rules of OpenAPI 3.1."""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.routing import Route
from typing_extensions import override

from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import COMPARISON, call, wire_app
from whalefall.api.description import DOCUMENT_PATH, PAGE_PATH
from whalefall.api.endpoint import Endpoint
from whalefall.api.field_notes import FIELD_NOTES
from whalefall.api.openapi import document
from whalefall.api.operations import OPERATIONS, Operation
from whalefall.api.options import Era, WireOptions
from whalefall.api.routes import api_routes
from whalefall.api.serde import decode_fast

GOLDEN = Path(__file__).parents[1] / "golden"
OPTIONS = WireOptions(comparisons=(COMPARISON,))
ROUTES = api_routes(ScriptedPlatform(), OPTIONS)
DOCUMENT = document(ROUTES, Era.V3_2, "0.0.0")

# The fixed fields of each object of the specification, as far as the document uses them; the
# required ones first, up to the bar.
FIXED_FIELDS = {
    "document": "openapi info paths | tags components",
    "info": "title version | summary description",
    "tag": "name |",
    "path item": "| get post",
    "operation": "operationId responses | tags summary description security parameters requestBody",
    "parameter": "name in required schema | description",
    "request body": "content | required",
    "media type": "| schema example",
    "response": "description | headers content",
    "header": "schema | description",
    "components": "| schemas responses headers securitySchemes",
}


def check_fields(kind: str, value: dict[str, Any]) -> None:
    required, _, optional = FIXED_FIELDS[kind].partition("|")
    assert set(required.split()) <= value.keys(), (kind, value.keys())
    plain = {key for key in value if not key.startswith("x-")}
    assert plain <= {*required.split(), *optional.split()}, (kind, plain)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            elif key != "example":
                yield from references(item)
    if isinstance(value, list):
        for item in value:
            yield from references(item)


# --- against the code ---------------------------------------------------------------------------


def test_every_route_is_described_and_nothing_else() -> None:
    routed = {
        (route.path, route.endpoint.method.lower())
        for route in ROUTES
        if isinstance(route, Route) and isinstance(route.endpoint, Endpoint)
    }
    assert {(path, method) for path, method, _ in operations()} == routed
    others = {route.path for route in ROUTES if isinstance(route, Route)}
    assert others - {path for path, _ in routed} == {DOCUMENT_PATH, PAGE_PATH}


def test_every_known_operation_is_routed() -> None:
    handlers = {
        type(route.endpoint.handler)
        for route in ROUTES
        if isinstance(route, Route) and isinstance(route.endpoint, Endpoint)
    }
    assert handlers == {operation.handler for operation in OPERATIONS}
    assert len(OPERATIONS) == len(handlers)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_examples_are_of_the_wire_shapes_and_complete(operation: Operation) -> None:
    body, answer = operation.examples
    assert (body is None) == (operation.body is None)
    if operation.body is not None:
        assert decode_fast(msgspec.json.encode(body), operation.body) is not None
        assert body is not None
        assert body.keys() <= set(operation.body.__struct_encode_fields__)
    told = json.loads(msgspec.json.encode(msgspec.convert(answer, operation.answer)))
    assert told == answer
    assert list(told) == list(answer), "in wire order"


@pytest.mark.parametrize(
    ("path", "method", "operation"),
    [(path, method, operation) for path, method, operation in operations() if "{" not in path],
)
async def test_undocumented_statuses_do_not_occur_on_plain_calls(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    app = wire_app(ScriptedPlatform(), OPTIONS)
    body: object = {} if method == "post" else None
    for headers in ({}, {"authorization": ""}, {"content-type": "text/plain"}):
        response = await call(app, path, body, headers=headers)
        assert str(response.status_code) in operation["responses"]


def test_every_note_is_about_a_field() -> None:
    bodies = [operation.body for operation in OPERATIONS if operation.body is not None]
    fields = {name for body in bodies for name in body.__struct_encode_fields__}
    assert fields == FIELD_NOTES.keys()


def test_ranges_stand_on_the_branch_they_are_about() -> None:
    temperature = DOCUMENT["components"]["schemas"]["ChatCompletionRequest"]["properties"][
        "temperature"
    ]
    assert temperature["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 2}
    assert temperature["anyOf"][1] == {"type": "null"}
    assert "greedy" in temperature["description"]


def test_anthropic_paths_take_both_credentials() -> None:
    security = DOCUMENT["paths"]["/anthropic/v1/messages"]["post"]["security"]
    assert security == [{"apiKey": []}, {"bearer": []}]
    assert DOCUMENT["paths"]["/models"]["get"]["security"] == [{"bearer": []}]


def test_later_era_tells_its_odd_media_types() -> None:
    later = document(ROUTES, Era.V4, "0")["components"]["responses"]
    assert "application/octet-stream" in later["BadRequest"]["content"]
    assert "text/plain" in later["Unauthorized"]["content"]
    assert list(DOCUMENT["components"]["responses"]["BadRequest"]["content"]) == [
        "application/json"
    ]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_stream_examples_are_of_the_declared_events(operation: Operation) -> None:
    example = operation.stream_example
    if example is None or not operation.events:
        assert not operation.events
        return
    union = functools.reduce(operator.or_, operation.events)
    for line in example.splitlines():
        if line.startswith("data: "):
            msgspec.json.decode(line.removeprefix("data: "), type=union)


@pytest.mark.parametrize(
    ("folder", "name"), [("anthropic", "createMessage"), ("responses", "createResponse")]
)
def test_events_of_the_golden_streams_are_declared(folder: str, name: str) -> None:
    (operation,) = (one for one in OPERATIONS if one.name == name)
    declared = {event.__struct_config__.tag for event in operation.events}
    streams = (path.read_text("utf-8") for path in (GOLDEN / folder).glob("*.sse"))
    seen = {event for stream in streams for event in re.findall("^event: (.+)$", stream, re.M)}
    assert declared - {"error"} == seen


# --- against the specification ------------------------------------------------------------------


def test_objects_have_their_fields_and_no_others() -> None:
    check_fields("document", DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    check_fields("info", DOCUMENT["info"])
    check_fields("components", DOCUMENT["components"])
    for tag in DOCUMENT["tags"]:
        check_fields("tag", tag)
    for path, item in DOCUMENT["paths"].items():
        assert path.startswith("/")
        check_fields("path item", item)
    for _, _, operation in operations():
        check_fields("operation", operation)
        check_operation(operation)
    for response in DOCUMENT["components"]["responses"].values():
        check_response(response)
    for header in DOCUMENT["components"]["headers"].values():
        check_fields("header", header)


def check_operation(operation: dict[str, Any]) -> None:
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    for parameter in operation.get("parameters", ()):
        check_fields("parameter", parameter)
    if "requestBody" in operation:
        check_fields("request body", operation["requestBody"])
        check_content(operation["requestBody"]["content"])
    assert operation["responses"]
    for status, response in operation["responses"].items():
        assert re.fullmatch("[1-5][0-9][0-9]", status)
        if "$ref" not in response:
            check_response(response)


def check_response(response: dict[str, Any]) -> None:
    check_fields("response", response)
    check_content(response["content"])


def check_content(content: dict[str, Any]) -> None:
    assert content
    for media_type, media in content.items():
        assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", media_type)
        check_fields("media type", media)


def test_references_lead_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        target: Any = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]


def test_every_component_is_used_and_well_named() -> None:
    used = set(references(DOCUMENT))
    for kind in ("schemas", "responses", "headers"):
        for name in DOCUMENT["components"][kind]:
            assert re.fullmatch(r"[a-zA-Z0-9.\-_]+", name)
            assert f"#/components/{kind}/{name}" in used


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_path_parameters_are_declared() -> None:
    for path, _, operation in operations():
        declared = [parameter["name"] for parameter in operation.get("parameters", ())]
        assert re.findall(r"{(\w+)}", path) == declared


def test_security_names_schemes() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    for _, _, operation in operations():
        assert all(need.keys() <= schemes.keys() for need in operation["security"])


def test_discriminators_name_their_branches() -> None:
    """Each value leads to one of the union's members, and each member's tag is that value."""
    for union in unions(DOCUMENT["components"]["schemas"]):
        discriminator = union["discriminator"]
        members = [one["$ref"] for one in union["anyOf"] if "$ref" in one]
        assert sorted(discriminator["mapping"].values()) == sorted(members)
        for value, reference in discriminator["mapping"].items():
            schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
            tag = discriminator["propertyName"]
            assert schema["properties"][tag] == {"enum": [value]}
            assert tag in schema["required"]


def unions(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "discriminator" in value:
            yield value
        for item in value.values():
            yield from unions(item)
    if isinstance(value, list):
        for item in value:
            yield from unions(item)


# --- served -------------------------------------------------------------------------------------


async def test_document_is_served_without_a_key() -> None:
    app = wire_app(ScriptedPlatform(), OPTIONS)
    response = await call(app, DOCUMENT_PATH, headers={"authorization": ""})
    assert response.headers["content-type"] == "application/json"
    assert response.json()["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))
    head = await call(app, DOCUMENT_PATH, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(response.content))
    assert (await call(app, DOCUMENT_PATH, {})).status_code == 405


class PageReader(HTMLParser):
    """Collects what a page contains and checks that its elements nest."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.text += data


async def page() -> tuple[PageReader, str]:
    response = await call(wire_app(ScriptedPlatform(), OPTIONS), PAGE_PATH)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    reader = PageReader()
    reader.feed(response.text)
    reader.close()
    assert reader.open == []
    return reader, response.headers["content-security-policy"]


async def test_page_shows_every_path_schema_and_field() -> None:
    reader, _ = await page()
    for path in DOCUMENT["paths"]:
        assert path in reader.text
    for operation in OPERATIONS:
        assert operation.summary in reader.text
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert name in reader.text
        assert all(field in reader.text for field in schema.get("properties", ()))


async def test_page_runs_and_loads_nothing() -> None:
    reader, policy = await page()
    assert "script" not in {tag for tag, _ in reader.elements}
    for tag, attributes in reader.elements:
        assert "style" not in attributes
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "a":
            assert attributes["href"] == "openapi.json" or str(attributes["href"])[0] == "#"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_page_links_lead_to_its_sections() -> None:
    reader, _ = await page()
    anchors = {attributes.get("id") for _, attributes in reader.elements}
    links = [str(attributes["href"]) for tag, attributes in reader.elements if tag == "a"]
    assert {link[1:] for link in links if link[0] == "#"} <= anchors
