"""The files that the documentation is made of: pages and scripts of ours, Swagger UI and ReDoc from a package.

A name that is not listed here is no file, whatever lies in the folders. Each file is read once, when it is asked for.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

OURS = Path(__file__).parent / "static"
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
PACKAGE = "drf_spectacular_sidecar"

# ReDoc asks a server of its maker's for a logo of 15 pixels. An empty image in its place shows none, and asks nobody.
REDOC_LOGO = b'"https://cdn.redoc.ly/redoc/logo-mini.svg"'
NO_LOGO = b'"data:,"'

_HTML = "text/html; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"
_STYLE = "text/css; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_SVG = "image/svg+xml"
_JSON = "application/json"

PAGES = {"swagger.html": _HTML, "redoc.html": _HTML}
ASSETS = {
    "favicon.svg": _SVG,
    "page.css": _STYLE,
    "redoc-page.js": _SCRIPT,
    "redoc.standalone.js": _SCRIPT,
    "redoc.standalone.js.LICENSE.txt": _TEXT,
    "swagger-page.js": _SCRIPT,
    "swagger-ui-bundle.js": _SCRIPT,
    "swagger-ui-bundle.js.LICENSE.txt": _TEXT,
    "swagger-ui.css": _STYLE,
}


class File(NamedTuple):
    """What is sent, and the tag by which a browser knows whether it has it already."""

    content: bytes
    media_type: str
    tag: str


@cache
def page(name: str) -> File:
    """Return a page."""
    return _file((OURS / name).read_bytes(), PAGES[name])


@cache
def asset(name: str) -> File:
    """Return what a page loads. Raises `KeyError` for a name that is not listed."""
    media_type = ASSETS[name]
    content = _path(name).read_bytes()
    return _file(content.replace(REDOC_LOGO, NO_LOGO) if name == "redoc.standalone.js" else content, media_type)


@lru_cache(maxsize=8)
def document(server: str) -> File:
    """Return the OpenAPI document, with the URL that its paths are below: relative to where the document is."""
    content = json.loads(DOCUMENT.read_bytes()) | {"servers": [{"url": server}]}
    return _file(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), _JSON)


def _path(name: str) -> Path:
    folders = {"swagger-ui": "swagger-ui-dist", "redoc.standalone": "redoc/bundles"}
    for beginning, folder in folders.items():
        if name.startswith(beginning):
            return _installed() / folder / name
    return OURS / name


def _installed() -> Path:
    """Return where the package's files are, without importing it: it would want Django."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"{PACKAGE} is not installed; requirements-docs.txt names it")
    return Path(spec.submodule_search_locations[0]) / "static" / PACKAGE


def _file(content: bytes, media_type: str) -> File:
    return File(content, media_type, hashlib.sha256(content).hexdigest()[:32])
