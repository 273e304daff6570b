"""What every path has in common: credentials, methods, media types, sizes, headers."""

from __future__ import annotations

import asyncio
import re

import pytest
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import Message

from tests.support.scripted_serving import SECRET, ScriptedPlatform
from tests.support.wire import COMPARISON, call, chat_body, message_of, wire_app
from whalefall.api.body import read_body
from whalefall.api.description import DOCUMENT_PATH, PAGE_PATH
from whalefall.api.endpoint import Endpoint
from whalefall.api.errors import BodyTimeoutError
from whalefall.api.options import Era, WireOptions
from whalefall.api.routes import api_routes
from whalefall.chat.messages import ContentDelta, Finished, FinishReason, Usage

SCRIPT = (ContentDelta("x"), Finished(FinishReason.STOP, Usage(3, 1, 0)))
ROUTES = api_routes(ScriptedPlatform(), WireOptions(comparisons=(COMPARISON,)))
PATHS = [
    (route.endpoint.method, route.path.replace("{model}", "deepseek-chat"))
    for route in ROUTES
    if isinstance(route, Route) and isinstance(route.endpoint, Endpoint)
]
MISSING = "Authentication Fails (auth header format should be Bearer sk-...)"


def test_all_routes_are_endpoints_or_the_description() -> None:
    others = [one.path for one in ROUTES if isinstance(one, Route) and one.name == "FixedPage"]
    assert len(PATHS) + len(others) == len(ROUTES)
    assert others == [DOCUMENT_PATH, PAGE_PATH]
    assert len(PATHS) >= 30


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_every_path_needs_a_key(method: str, path: str) -> None:
    app = wire_app(ScriptedPlatform(SCRIPT))
    response = await call(app, path, method=method, headers={"authorization": ""})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/json"
    assert message_of(response) == MISSING


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic sk-1", SECRET, "Token x", "Bearer \xff\xfe", b"Bearer \xff"],
)
async def test_odd_header_gets_the_format_text(value: str | bytes) -> None:
    platform = ScriptedPlatform()
    header = value.encode("latin-1") if isinstance(value, str) else value
    response = await call(wire_app(platform), "/models", headers={"authorization": header})
    assert response.status_code == 401
    assert response.json()["error"] == {
        "message": MISSING,
        "type": "authentication_error",
        "param": None,
        "code": "invalid_request_error",
    }
    assert not platform.secrets


@pytest.mark.parametrize(
    ("secret", "tail"),
    [
        ("sk-00000000000000000000000000000000", "0000"),
        ("sk-' OR 1=1' -", "1**-"),
        ('sk-"</script>', "ipt*"),
        ("x", "x"),
        ("sk-" + "a" * 1_000_000 + "wxyz", "wxyz"),
        ("sk-\x00\x01\x7f", "-***"),
    ],
)
async def test_unknown_key_shows_four_harmless_characters(secret: str, tail: str) -> None:
    app = wire_app(ScriptedPlatform())
    response = await call(app, "/models", headers={"authorization": f"Bearer {secret}"})
    assert response.status_code == 401
    assert message_of(response) == f"Authentication Fails, Your api key: ****{tail} is invalid"


async def test_very_long_or_unprintable_key_never_reaches_the_platform() -> None:
    platform = ScriptedPlatform()
    for secret in ("s" * 257, "sk-\x00"):
        await call(wire_app(platform), "/models", headers={"authorization": f"Bearer {secret}"})
    assert not platform.secrets


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_scheme_is_case_insensitive(scheme: str) -> None:
    headers = {"authorization": f"{scheme} {SECRET}"}
    response = await call(wire_app(ScriptedPlatform()), "/models", headers=headers)
    assert response.status_code == 200


async def test_later_era_answers_a_missing_header_in_plain_text() -> None:
    app = wire_app(ScriptedPlatform(), WireOptions(era=Era.V4))
    response = await call(app, "/models", headers={"authorization": ""})
    assert (response.status_code, len(response.content)) == (401, 31)
    assert response.content == b"Authentication Fails (governor)"
    assert "content-type" not in response.headers


async def test_key_is_checked_before_the_body() -> None:
    headers = {"authorization": "Bearer sk-x", "content-type": "text/plain"}
    response = await call(wire_app(ScriptedPlatform()), "/chat/completions", b"{", headers=headers)
    assert response.status_code == 401


# --- paths and methods ----------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_wrong_method_is_an_empty_405(method: str, path: str) -> None:
    app = wire_app(ScriptedPlatform())
    for wrong in {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"} - {method}:
        response = await call(app, path, method=wrong)
        assert (response.status_code, response.content) == (405, b"")
        assert response.headers["allow"] == method
        assert "content-type" not in response.headers


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/v2/models", "/chat/completions/", "/chat", "/v3.2_gone/models"]
)
async def test_unknown_path_is_an_empty_404(path: str) -> None:
    response = await call(wire_app(ScriptedPlatform()), path)
    assert (response.status_code, response.content) == (404, b"")
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-ds-trace-id"])


async def test_one_model_can_be_looked_up() -> None:
    app = wire_app(ScriptedPlatform())
    response = await call(app, "/v1/models/deepseek-chat")
    assert response.content == b'{"id":"deepseek-chat","object":"model","owned_by":"deepseek"}'
    response = await call(app, "/models/gpt-4")
    assert (response.status_code, message_of(response)) == (400, "Model Not Exist")


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "application/jsonx"])
async def test_other_media_types_are_refused(kind: str) -> None:
    app = wire_app(ScriptedPlatform(SCRIPT))
    headers = {"content-type": kind}
    response = await call(app, "/chat/completions", chat_body(), headers=headers)
    assert response.status_code == 415
    assert message_of(response) == "Expected request with `Content-Type: application/json`"


async def test_later_era_refuses_media_types_in_plain_text() -> None:
    app = wire_app(ScriptedPlatform(SCRIPT), WireOptions(era=Era.V4))
    headers = {"content-type": "text/plain"}
    response = await call(app, "/chat/completions", chat_body(), headers=headers)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.content == b"Expected request with `Content-Type: application/json`"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_carry_parameters(kind: str) -> None:
    app = wire_app(ScriptedPlatform(SCRIPT))
    headers = {"content-type": kind}
    response = await call(app, "/chat/completions", chat_body(), headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "zstd"])
async def test_compressed_bodies_are_refused_unread(encoding: str) -> None:
    app = wire_app(ScriptedPlatform(SCRIPT))
    headers = {"content-encoding": encoding}
    response = await call(app, "/chat/completions", b"\x1f\x8b" * 10, headers=headers)
    assert response.status_code == 415


async def test_too_large_a_body_is_refused_whether_declared_or_not() -> None:
    app = wire_app(ScriptedPlatform(SCRIPT), WireOptions(body_bytes_max=1000))
    for headers in ({}, {"content-length": "5"}):
        body = b'{"x":"' + b"y" * 1000 + b'"}'
        response = await call(app, "/chat/completions", body, headers=headers)
        assert response.status_code == 413
        assert response.headers["connection"] == "close"
        assert "length limit exceeded" in message_of(response)


async def test_body_of_absurdly_many_values_is_refused_before_it_is_parsed() -> None:
    app = wire_app(ScriptedPlatform(SCRIPT), WireOptions(body_values_max=100))
    response = await call(app, "/chat/completions", {"x": [0] * 200})
    assert (response.status_code, "too many values" in message_of(response)) == (400, True)


async def test_large_broken_body_is_explained_too() -> None:
    body = b'{"messages":[{"role":"user","content":"' + b"x" * 200_000 + b'"}],"model":5}'
    response = await call(wire_app(ScriptedPlatform(SCRIPT)), "/chat/completions", body)
    assert "model: invalid type: integer `5`, expected a string" in message_of(response)


async def test_body_that_never_comes_ends_in_time() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    headers = Headers({"content-type": "application/json"})
    with pytest.raises(BodyTimeoutError):
        await read_body(headers, never, WireOptions(body_timeout_seconds=0.01))


@pytest.mark.parametrize(
    ("body", "kind", "content"),
    [
        (
            b"",
            "application/octet-stream",
            b"Failed to parse the request body as JSON: EOF while parsing a value at line 1 "
            b"column 0",
        ),
        (
            b'{"model":',
            "application/octet-stream",
            b"Failed to parse the request body as JSON: model: EOF while parsing a value at line "
            b"1 column 9",
        ),
        (
            b"{}",
            "application/json",
            b'{"error":{"message":"Failed to deserialize the JSON body into the target type: '
            b'missing field `messages` at line 1 column 2","type":"invalid_request_error",'
            b'"param":null,"code":"invalid_request_error"}}',
        ),
        (
            b'{"model":"deepseek-chat","messages":[{"role":"user","content":"x"}],"temperature":3}',
            "application/octet-stream",
            b'{"error":{"message":"Invalid temperature value, the valid range of temperature is '
            b'[0, 2]","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}',
        ),
    ],
)
async def test_later_era_mixes_its_media_types(body: bytes, kind: str, content: bytes) -> None:
    app = wire_app(ScriptedPlatform(SCRIPT), WireOptions(era=Era.V4))
    response = await call(app, "/chat/completions", body)
    assert (response.status_code, response.headers["content-type"]) == (400, kind)
    assert response.content == content


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"model":"x","messages":[]}'])
async def test_this_era_answers_everything_in_json(body: bytes) -> None:
    response = await call(wire_app(ScriptedPlatform(SCRIPT)), "/chat/completions", body)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json")
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


# --- headers --------------------------------------------------------------------------------------


async def test_every_answer_carries_the_wire_headers_and_no_rate_limits() -> None:
    app = wire_app(ScriptedPlatform(SCRIPT))
    answers = [
        await call(app, "/models"),
        await call(app, "/chat/completions", chat_body()),
        await call(app, "/chat/completions", chat_body(stream=True)),
        await call(app, "/chat/completions", b"{"),
        await call(app, "/models", headers={"authorization": ""}),
        await call(app, "/models", method="PUT"),
        await call(app, "/nope"),
    ]
    ids = set()
    for response in answers:
        assert response.headers["vary"].startswith("origin, access-control-request-method")
        assert response.headers["access-control-allow-credentials"] == "true"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in response.headers if "ratelimit" in name]
        assert "retry-after" not in response.headers
        ids.add(response.headers["x-ds-trace-id"])
    assert len(ids) == len(answers)


async def test_browsers_may_call_from_anywhere() -> None:
    app = wire_app(ScriptedPlatform())
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
        "authorization": "",
    }
    response = await call(app, "/chat/completions", method="OPTIONS", headers=asked)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert response.headers["access-control-allow-methods"] == "POST"
    assert response.headers["access-control-allow-headers"] == "authorization, content-type"
