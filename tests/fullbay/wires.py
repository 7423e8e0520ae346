"""Faults of the way: answers that arrive in part, slowly, or in other bytes than they say."""

from __future__ import annotations

import gzip as compression

from tests.fullbay.faults import Scene, kind

FIRST_BYTES = 40


def _somewhere(scene: Scene) -> int:
    """Return a place inside the body."""
    return 1 + scene.draw.below(max(len(scene.sent.body) - 2, 1))


@kind("wire")
def reset(scene: Scene, at: str = "body") -> None:
    """The connection is reset before the `headers`, or in the middle of the `body`."""
    scene.sent.cut = -1 if at == "headers" else _somewhere(scene)
    scene.sent.is_reset = True


@kind("wire")
def truncate(scene: Scene, length: str = "wrong") -> None:
    """The body ends too early; Content-Length is `right` about it, or `wrong`."""
    if length == "right":
        scene.sent.body = scene.sent.body[: _somewhere(scene)]
    else:
        scene.sent.cut = _somewhere(scene)


@kind("wire")
def drip(scene: Scene, interval: float = 0.001, at: str = "body", first: int | None = FIRST_BYTES) -> None:
    """The `headers` or the `body` come byte by byte, each after an interval: the `first` ones, or with None all."""
    scene.sent.interval = interval
    scene.sent.drips_in = at
    scene.sent.drips = first


@kind("wire")
def bom(scene: Scene) -> None:
    """The body begins with a byte order mark."""
    scene.sent.body = b"\xef\xbb\xbf" + scene.sent.body


@kind("wire")
def charset(scene: Scene, encoding: str = "utf-16", declares: str = "utf-8") -> bool | None:
    """The body is in another encoding than the headers say."""
    try:
        scene.sent.body = scene.sent.body.decode().encode(encoding, "replace")
    except UnicodeDecodeError:
        return False  # another fault was here
    scene.sent.content_type = f"application/json; charset={declares}"
    return None


@kind("wire")
def gzip(scene: Scene, is_declared: bool = True) -> None:
    """The body is compressed, asked for or not."""
    scene.sent.body = compression.compress(scene.sent.body, 1, mtime=0)
    if is_declared:
        scene.sent.headers["Content-Encoding"] = "gzip"
