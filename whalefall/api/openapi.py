"""The OpenAPI 3.1 document of the public wire, generated from the routes and the wire structs.

`document` is pure; nothing in it is written by hand that the code already says elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from whalefall.api.auth import bearer_secret
from whalefall.api.endpoint import Endpoint
from whalefall.api.errors import ErrorBody
from whalefall.api.field_notes import FIELD_NOTES
from whalefall.api.operations import OPERATIONS, Operation
from whalefall.api.options import Era

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_TRACE_HEADER = {"x-ds-trace-id": {"$ref": "#/components/headers/TraceId"}}
_ERROR_TEXTS = {
    400: "The body is not what the endpoint takes, or a rule refuses it.",
    401: "No key, or one that is unknown or revoked.",
    402: "The balance cannot pay for the prompt and one token.",
    408: "The body did not arrive in time.",
    413: "The body is larger than the limit.",
    415: "The body is not application/json.",
    429: "This account has to slow down.",
    500: "A fault of the platform.",
    503: "The platform is saturated, or the model is restarting.",
}
_MISLABELLED = {400: ("application/octet-stream",), 401: ("text/plain",), 415: ("text/plain",)}
"""How the later era's gateway sends some errors, besides JSON."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One path with the endpoint that answers there."""

    path: str
    endpoint: Endpoint
    operation: Operation


def document(routes: Sequence[BaseRoute], era: Era, version: str) -> dict[str, Any]:
    """Raises KeyError for an endpoint that operations.py does not know."""
    places = list(_places(routes))
    schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for place in places:
        item = paths.setdefault(place.path, {})
        item[place.endpoint.method.lower()] = _operation(place, schemas.refs)
    return {
        "openapi": "3.1.0",
        "info": _info(version),
        "tags": [{"name": group} for group in dict.fromkeys(one.group for one in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {
                _error_name(status): _error(status, schemas.refs[ErrorBody], era)
                for status in _ERROR_TEXTS
            },
            "headers": {
                "TraceId": {
                    "description": "Names this exchange in the platform's logs.",
                    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "sk-..."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _info(version: str) -> dict[str, Any]:
    return {
        "title": "Whalefall",
        "version": version,
        "summary": "A self-hosted DeepSeek platform.",
        "description": (
            "Unknown request fields are ignored, and every optional field may be null. Errors have "
            "one shape in all dialects. The base paths with and without `/v1` are the same API."
        ),
    }


def _places(routes: Iterable[BaseRoute]) -> Iterable[_Place]:
    by_handler = {operation.handler: operation for operation in OPERATIONS}
    for route in routes:
        if isinstance(route, Route) and isinstance(route.endpoint, Endpoint):
            operation = by_handler[type(route.endpoint.handler)]
            yield _Place(route.path, route.endpoint, operation)


# --- schemas ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Schemas:
    refs: dict[type, dict[str, Any]]
    components: dict[str, Any]


def _schemas() -> _Schemas:
    bodies = [operation.body for operation in OPERATIONS if operation.body is not None]
    answers = [operation.answer for operation in OPERATIONS]
    events = [event for operation in OPERATIONS for event in operation.events]
    types: list[type] = [*bodies, *answers, *events, ErrorBody]
    types = list(dict.fromkeys(types))
    refs, generated = msgspec.json.schema_components(types, ref_template=_REF)
    # Names that two dialects share come as module paths; the dialect's folder tells them apart.
    text = msgspec.json.encode([refs, generated]).decode()
    text = re.sub(r"whalefall\.api\.(\w+)\.protocol\.", r"\1.", text)
    refs, components = msgspec.json.decode(text)
    for body in bodies:
        _annotate(components[body.__name__])
    return _Schemas(dict(zip(types, refs, strict=True)), components)


def _annotate(schema: dict[str, Any]) -> None:
    """Ranges belong to the branch that has them, words to the field."""
    for name, field in schema["properties"].items():
        for key, value in FIELD_NOTES.get(name, {}).items():
            target = field if key == "description" else field.get("anyOf", [field])[0]
            target[key] = value


# --- operations ---------------------------------------------------------------------------------


def _operation(place: _Place, refs: dict[type, dict[str, Any]]) -> dict[str, Any]:
    operation = place.operation
    described: dict[str, Any] = {
        "operationId": _operation_id(place),
        "tags": [operation.group],
        "summary": operation.summary,
        "description": operation.description,
        "security": _security(place.endpoint),
    }
    if operation.path_parameters:
        described["parameters"] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": text,
                "schema": {"type": "string"},
            }
            for name, text in operation.path_parameters.items()
        ]
    if operation.body is not None:
        media = {"schema": refs[operation.body], "example": operation.examples[0]}
        described["requestBody"] = {"required": True, "content": {_JSON: media}}
    described["responses"] = {"200": _success(operation, refs)} | {
        str(status): {"$ref": f"#/components/responses/{_error_name(status)}"}
        for status in operation.statuses
    }
    return described


def _operation_id(place: _Place) -> str:
    """The operation's name and the base path it is called through."""
    words = [word for word in place.path.replace("{", "").replace("}", "").split("/") if word]
    return ".".join([place.operation.name, *words])


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    if endpoint.read_secret is bearer_secret:
        return [{"bearer": []}]
    return [{"apiKey": []}, {"bearer": []}]


def _success(operation: Operation, refs: dict[type, dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {
        _JSON: {"schema": refs[operation.answer], "example": operation.examples[1]}
    }
    if operation.stream_example is not None:
        # Before version 3.2 the specification has no way to describe one event of a stream.
        media: dict[str, Any] = {"example": operation.stream_example}
        if operation.events:
            media["x-events"] = [refs[event] for event in operation.events]
        content["text/event-stream"] = media
    return {"description": "The answer.", "headers": _TRACE_HEADER, "content": content}


def _error_name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")


def _error(status: int, schema: dict[str, Any], era: Era) -> dict[str, Any]:
    content: dict[str, Any] = {_JSON: {"schema": schema}}
    if era is Era.V4:
        for media_type in _MISLABELLED.get(status, ()):
            content[media_type] = {"schema": {"type": "string"}}
    return {"description": _ERROR_TEXTS[status], "headers": _TRACE_HEADER, "content": content}
