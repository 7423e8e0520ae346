"""The documentation: /docs to try requests, /redoc to read, /openapi.json for programs.

Pages name what they load relative to themselves, so they work below a stage or a base path as they are.
"""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Flask, Response, request

from service.docs import files
from service.docs.files import File
from service.docs.schemas import OpenApi
from service.errors import NotFound
from service.operations import PUBLIC, Answer, operation

# Nothing but what this service sends is loaded, run or called. The exceptions are ReDoc's: styled-components puts its
# rules into <style> elements that are empty, where the hash of nothing lets it; a scrollbar brings one sheet, which the
# other hash is of; and the search runs in a worker made from a blob, which is under this same policy.
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self'{styles}; "
    "{workers}base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
NO_TEXT = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
SCROLLBAR = "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
SWAGGER_POLICY = POLICY.format(styles="", workers="")
REDOC_POLICY = POLICY.format(styles=f" {NO_TEXT} {SCROLLBAR}", workers="worker-src blob:; ")

UNCHANGED = Answer(description="What the header If-None-Match names is still the newest.")

docs = Blueprint("docs", __name__)


def init_app(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(docs)


@docs.get("/docs")
@operation(PUBLIC, answers={200: Answer(media_type="text/html", description="Swagger UI."), 304: UNCHANGED})
def swagger() -> Response:
    """Show this API in Swagger UI, where requests can be tried."""
    return _send(files.page("swagger.html"), SWAGGER_POLICY)


@docs.get("/redoc")
@operation(PUBLIC, answers={200: Answer(media_type="text/html", description="ReDoc."), 304: UNCHANGED})
def redoc() -> Response:
    """Show this API in ReDoc, for reading."""
    return _send(files.page("redoc.html"), REDOC_POLICY)


@docs.get("/docs/<name>")
@operation(PUBLIC, answers={200: Answer(media_type="*/*", description="The file."), 304: UNCHANGED})
def asset(name: str) -> Response:
    """Return a script, style or image of the documentation's pages."""
    if name not in files.ASSETS:
        raise NotFound("The documentation has no file of this name")
    return _send(files.asset(name))


@docs.get("/openapi.json")
@operation(PUBLIC, answers={200: OpenApi, 304: UNCHANGED})
def document() -> Response:
    """Return this document: every route, with what it takes and what it answers."""
    return _send(files.document(quote(request.script_root) or "/"))


def _send(file: File, policy: str | None = None) -> Response:
    """Answer with a file, or that it is unchanged. A browser asks each time: a release may have brought another."""
    response = Response(file.content, content_type=file.media_type)
    response.set_etag(file.tag)
    response.cache_control.no_cache = True
    response.headers["X-Content-Type-Options"] = "nosniff"
    if policy:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Referrer-Policy"] = "no-referrer"
    return response.make_conditional(request)  # type: ignore[return-value]
