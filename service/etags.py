"""Versions of what is stored, as entity tags (RFC 9110): `ETag: "3"`, If-Match, If-None-Match."""

from __future__ import annotations

from flask import Response, request

from service.answers import as_json

IF_MATCH = {"If-Match": 'Replace this version only, such as `"3"`; several, or `*` for any; without it the last wins.'}
IF_NONE_MATCH = {"If-None-Match": 'The version that is known, such as `"3"`; the answer is 304 where it is still that.'}
ETAG = {"ETag": "The version, in quotation marks."}


def expected_versions() -> list[str] | None:
    """Return the versions of which the stored one must be one, as If-Match says; None where any will do."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    # A weak tag matches nothing here, and what is no number is no version of ours.
    return [tag for tag in request.if_match.as_set() if tag and tag.isascii() and tag.isdigit()]


def as_versioned_json(found: tuple[str, int] | None, missing: str, status: int = 200) -> Response:
    """Answer with JSON text and its version, 304 where a GET names that. Raises `NotFound` where there is none."""
    text, version = found or (None, 0)
    tag = f'"{version}"'
    if found and request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(str(version)):
        return Response(status=304, headers={"ETag": tag})
    return as_json(text, missing, status, {"ETag": tag})
