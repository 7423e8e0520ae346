"""What API Gateway itself answers and adds where an HTTP API has a CORS configuration."""

from __future__ import annotations

from typing import Any

from tests.rehearsal.serving import Request, Response

PREFIX = "access-control-"


def preflight(cors: dict[str, Any] | None, request: Request) -> Response | None:
    """Return the answer to a browser that asks first: API Gateway gives it, whatever the routes."""
    origin = request.headers.get("Origin")
    if not cors or request.method != "OPTIONS" or not origin or "Access-Control-Request-Method" not in request.headers:
        return None
    return Response(204, [*_allowed_origin(cors, origin), *_allowed(cors)] if _allowed_origin(cors, origin) else [])


def with_headers(cors: dict[str, Any] | None, request: Request, response: Response) -> Response:
    """Return an answer with the headers of the API in place of the function's own."""
    if not cors:
        return response
    headers = [(name, value) for name, value in response.headers if not name.lower().startswith(PREFIX)]
    origin = request.headers.get("Origin")
    return Response(response.status, headers + (_allowed_origin(cors, origin) if origin else []), response.body)


def _allowed_origin(cors: dict[str, Any], origin: str) -> list[tuple[str, str]]:
    origins = cors.get("AllowOrigins", [])
    if origin not in origins and "*" not in origins:
        return []
    headers = [("access-control-allow-origin", origin if origin in origins else "*"), ("vary", "origin")]
    if exposed := cors.get("ExposeHeaders"):
        headers.append(("access-control-expose-headers", ",".join(exposed)))
    if cors.get("AllowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    return headers


def _allowed(cors: dict[str, Any]) -> list[tuple[str, str]]:
    headers = [
        ("access-control-allow-methods", ",".join(cors.get("AllowMethods", []))),
        ("access-control-allow-headers", ",".join(cors.get("AllowHeaders", []))),
    ]
    return [*headers, ("access-control-max-age", str(cors["MaxAge"]))] if cors.get("MaxAge") else headers
