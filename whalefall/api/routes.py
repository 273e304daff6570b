"""Every path of the public wire, under every base path it answers on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.routing import BaseRoute, Route

from whalefall.api.account import Balance, Models, OneModel
from whalefall.api.endpoint import Endpoint, Handler
from whalefall.api.openai.routes import ChatCompletions
from whalefall.api.options import WireOptions
from whalefall.serving.platform import Base, Platform


@dataclass(frozen=True, slots=True)
class _Path:
    method: str
    path: str
    handler: Handler


def api_routes(platform: Platform, options: WireOptions) -> list[BaseRoute]:
    """app.py mounts these and lets `endpoint.not_found` answer every other path."""
    paths = _paths(platform, options)
    return [
        Route(
            prefix + one.path,
            Endpoint(
                platform=platform,
                options=options,
                base=base,
                method=one.method,
                handler=one.handler,
            ),
        )
        for prefix, base in base_paths(options)
        for one in paths
    ]


def base_paths(options: WireOptions) -> Iterator[tuple[str, Base]]:
    """`/v1` says nothing: each base answers with and without it."""
    bases = [("", Base()), ("/beta", Base(is_beta=True))]
    bases += [(f"/{name}", Base(comparison=name)) for name in options.comparisons]
    for prefix, base in bases:
        yield prefix, base
        yield f"{prefix}/v1", base


def _paths(platform: Platform, options: WireOptions) -> list[_Path]:
    return [
        _Path("POST", "/chat/completions", ChatCompletions(platform, options)),
        _Path("GET", "/models", Models(platform)),
        _Path("GET", "/models/{model}", OneModel(platform)),
        _Path("GET", "/user/balance", Balance(platform)),
    ]
