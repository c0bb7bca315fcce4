"""Files of the console that are the same for everybody: styles and scripts."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import NotFound

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class _Asset:
    data: bytes
    zipped: bytes
    media_type: str
    version: str


@cache
def _assets() -> Mapping[str, _Asset]:
    """All there are, by their names."""
    root = files("gateway.http.console").joinpath("static")
    found: dict[str, _Asset] = {}
    for folder in (root, root.joinpath("vendor")):
        for file in folder.iterdir():
            media_type = _TYPES.get(file.name[file.name.rfind(".") :])
            if media_type is not None:
                data = file.read_bytes()
                version = hashlib.sha256(data).hexdigest()[:12]
                found[file.name] = _Asset(data, gzip.compress(data, mtime=0), media_type, version)
    return found


def asset_url(name: str) -> str:
    """Where a file is; a changed one is elsewhere, so that browsers may keep it."""
    return f"/ui/static/{_assets()[name].version}/{name}"


async def serve_asset(request: Request) -> Response:
    asset = _assets().get(request.path_params["name"])
    if asset is None or asset.version != request.path_params["version"]:
        raise NotFound(f"{request.scope['path']}: no such file")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "vary": "accept-encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.zipped, 200, headers | {"content-encoding": "gzip"}, asset.media_type)
    return Response(asset.data, 200, headers, asset.media_type)
