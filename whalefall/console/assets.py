"""The few static files, read once at start and served under names that change with their content,
so that browsers may keep them for good."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC_DIRECTORY = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    content_type: str
    version: str


class Assets:
    def __init__(self, directory: Path = STATIC_DIRECTORY) -> None:
        self._assets = {
            path.name: Asset(content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
            for path in sorted(directory.iterdir())
            if path.suffix in _TYPES
            for content in [path.read_bytes()]
        }

    def url(self, name: str) -> str:
        """KeyError for a file that is not there: a template is wrong."""
        return f"/static/{name}?v={self._assets[name].version}"

    async def serve(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response(status_code=404)
        is_versioned = request.query_params.get("v") == asset.version
        lasting = "public, max-age=31536000, immutable" if is_versioned else "no-cache"
        headers = {
            "cache-control": lasting,
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
            "etag": f'"{asset.version}"',
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(asset.content, media_type=asset.content_type, headers=headers)
