"""Where the application is mounted: which part of a request's path is SCRIPT_NAME, and which is PATH_INFO.

A stage (`/prod`) stands in the path of payload 2.0 and of an HTTP API's payload 1.0. A REST API takes it off, and says
in its request context what the client asked for. The base path is the API mapping of a custom domain: payload 1.0 has
it in the path, payload 2.0 never (it says the stage there, or nothing), so it is put before the path that comes.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from service.gateway.headers import latin1

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".on.aws")


def split_path(raw_path: str, request_context: dict[str, Any], base_path: str) -> tuple[str, str]:
    """Return SCRIPT_NAME and PATH_INFO, decoded. A stage or base path counts only as whole segments of the path."""
    path = _decode(raw_path)
    script_name = ""
    asked_for = _decode(request_context["path"]) if request_context.get("path") else path
    if path == "/" and not asked_for.endswith("/"):
        asked_for += "/"  # `/prod` is the root of the stage too
    stage = f"/{request_context.get('stage') or '$default'}"
    if asked_for != path and asked_for.endswith(path):
        script_name = asked_for.removesuffix(path).rstrip("/")
    elif stage != "/$default" and _is_below(path, stage):
        script_name, path = stage, path[len(stage) :]
    if base_path:
        if _is_below(path, base_path):
            script_name, path = script_name + base_path, path[len(base_path) :]
        elif "http" in request_context and _is_custom(request_context.get("domainName")):
            script_name = base_path
    return script_name, path if path or script_name else "/"


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")


def _is_custom(domain: str | None) -> bool:
    return bool(domain) and not str(domain).endswith(_AWS_DOMAINS)


def _decode(path: str) -> str:
    """Return a path percent-decoded, beginning with a slash. HTTP APIs have decoded it: then it may be non-ASCII."""
    if not path.startswith("/"):
        path = "/" + path
    if "%" in path:
        return unquote_to_bytes(path.encode("utf-8", "surrogatepass")).decode("latin-1")
    return latin1(path)
