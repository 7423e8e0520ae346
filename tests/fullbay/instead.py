"""Faults that answer in the place of the API: errors of every kind, silence, another host."""

from __future__ import annotations

import math
from datetime import timedelta
from email.utils import formatdate
from urllib.parse import urlencode

from tests.fullbay import services, v1
from tests.fullbay.faults import Scene, kind
from tests.fullbay.messages import REASONS, Answer, json_answer

HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1><p>We'll be right back.</p></body></html>"


@kind("instead")
def status(scene: Scene, status: int = 500, retry_after: str | None = None) -> None:
    """An error: 500, 502, 503, 408, 425 or whatever else."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    scene.answer = json_answer({"error": REASONS.get(status, "Error")}, status, **headers)


@kind("instead")
def unauthorized(scene: Scene) -> None:
    """The key is refused, though it is right."""
    scene.answer = services.failed("Invalid token") if scene.request.is_service else v1.refused()


@kind("before")
def rotate(scene: Scene, key: str = "key-rotated", shop: str = "default") -> bool | None:
    """The key of a shop changes: the old one is refused from now on."""
    if scene.fullbay.shops[shop] == key:
        return False
    scene.fullbay.rotate(shop, key)
    return None


@kind("instead")
def throttle(scene: Scene, seconds: float = 1, form: str = "seconds", status: int = 429) -> None:
    """Too many requests: Retry-After is a number of `seconds`, or a `date`. Whoever comes before it is impolite."""
    now = scene.fullbay.clock()
    until = now + timedelta(seconds=math.ceil(seconds))
    if form == "date":
        until = until.replace(microsecond=0) + timedelta(seconds=bool(until.microsecond and seconds))
    scene.fullbay.not_before = until
    wait = formatdate(until.timestamp(), usegmt=True) if form == "date" else str(math.ceil(seconds))
    scene.details |= {"retry_after": wait}
    scene.answer = json_answer({"error": REASONS.get(status, "Error")}, status, **{"Retry-After": wait})


@kind("instead")
def fail(scene: Scene, message: str = "Unable to process the request") -> None:
    """A failure that says 200."""
    scene.answer = services.failed(message)


@kind("instead")
def html(scene: Scene, status: int = 200) -> None:
    """A page for people: maintenance, or a proxy's error."""
    scene.answer = Answer(status, HTML.format(REASONS.get(status, "Error")).encode(), "text/html; charset=utf-8")


@kind("instead")
def body(scene: Scene, text: str = "") -> None:
    """A body that is no page: nothing, null, a text, an empty object."""
    scene.answer = Answer(body=text.encode())


@kind("instead")
def timeout(scene: Scene, seconds: float = 30) -> None:
    """Nothing for that long, and then the end."""
    scene.fullbay.wait(seconds)
    scene.answer = Answer(cut=-1)


@kind("instead")
def redirect(scene: Scene, status: int = 302, host: str = "localhost") -> None:
    """Go to another host, with the key. Whoever does is noted in `Fullbay.leaks`."""
    query = urlencode(scene.request.query)
    location = f"http://{host}:{scene.fullbay.port}{scene.request.path}{'?' if query else ''}{query}"
    scene.answer = Answer(status, headers={"Location": location})
