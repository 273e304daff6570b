"""Every path of the public wire, under every base path it answers on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.routing import BaseRoute, Route

from whalefall.api.account import Balance, Models, OneModel
from whalefall.api.anthropic.routes import CountTokens, ListModels, Messages
from whalefall.api.auth import SecretReader, api_key_secret, bearer_secret
from whalefall.api.description import description_routes
from whalefall.api.endpoint import Endpoint, Handler, NoteStatus, unnoted
from whalefall.api.fim.routes import Completions
from whalefall.api.openai.routes import ChatCompletions
from whalefall.api.options import WireOptions
from whalefall.api.responses.routes import Responses
from whalefall.serving.platform import Base, Platform


@dataclass(frozen=True, slots=True)
class _Path:
    method: str
    path: str
    handler: Handler
    read_secret: SecretReader = bearer_secret


def api_routes(
    platform: Platform, options: WireOptions, note_status: NoteStatus = unnoted
) -> list[BaseRoute]:
    """app.py mounts these and lets `endpoint.not_found` answer every other path."""
    openai_paths = _openai_paths(platform, options)
    anthropic_paths = _anthropic_paths(platform, options)
    routes = [
        *(
            _route(platform, options, prefix + one.path, base, one, note_status)
            for prefix, base in base_paths(options)
            for one in openai_paths
        ),
        *(
            _route(platform, options, prefix + one.path, base, one, note_status)
            for prefix, base in anthropic_base_paths(options)
            for one in anthropic_paths
        ),
    ]
    return [*routes, *description_routes(routes, options)]


def _route(
    platform: Platform,
    options: WireOptions,
    path: str,
    base: Base,
    one: _Path,
    note_status: NoteStatus,
) -> BaseRoute:
    return Route(
        path,
        Endpoint(
            platform=platform,
            options=options,
            base=base,
            method=one.method,
            handler=one.handler,
            read_secret=one.read_secret,
            note_status=note_status,
        ),
    )


def base_paths(options: WireOptions) -> Iterator[tuple[str, Base]]:
    """`/v1` says nothing: each base answers with and without it."""
    bases = [("", Base()), ("/beta", Base(is_beta=True))]
    bases += [(f"/{name}", Base(comparison=name)) for name in options.comparisons]
    for prefix, base in bases:
        yield prefix, base
        yield f"{prefix}/v1", base


def anthropic_base_paths(options: WireOptions) -> Iterator[tuple[str, Base]]:
    """The bases an Anthropic SDK is pointed at; it adds `/v1/...` itself."""
    yield "/anthropic", Base()
    for name in options.comparisons:
        yield f"/{name}/anthropic", Base(comparison=name)


def _openai_paths(platform: Platform, options: WireOptions) -> list[_Path]:
    return [
        _Path("POST", "/chat/completions", ChatCompletions(platform, options)),
        _Path("POST", "/completions", Completions(platform, options)),
        _Path("POST", "/responses", Responses(platform, options)),
        _Path("GET", "/models", Models(platform)),
        _Path("GET", "/models/{model}", OneModel(platform)),
        _Path("GET", "/user/balance", Balance(platform)),
    ]


def _anthropic_paths(platform: Platform, options: WireOptions) -> list[_Path]:
    messages, count = Messages(platform, options), CountTokens(platform, options)
    return [
        _Path("POST", "/v1/messages", messages, api_key_secret),
        _Path("POST", "/v1/messages/count_tokens", count, api_key_secret),
        _Path("GET", "/v1/models", ListModels(platform), api_key_secret),
    ]
