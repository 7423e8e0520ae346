"""What goes wrong at the partner.

    partner.faults = [Fault("status", status=503, requests=range(3, 6)), Fault("lost", probability=0.2)]
    partner.faults = Faults.random(seed)
    partner.faults = Faults.parse("status:500:0.1", "throttle:form=date:times=2")

Whether a fault befalls a request is a function of the seed, the fault's place in the list and the request's number.
Each kind acts at one stage: at the `head`, before the body is read; `before` the request is looked at; `instead` of
that; or `after` it, on the answer.
"""

from __future__ import annotations

import base64
import functools
import gzip as compression
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.fullbay import faults as fullbay_faults
from tests.fullbay import random_faults
from tests.fullbay.draws import Draw
from tests.fullbay.faults import Applied, Kind
from tests.fullbay.instead import HTML
from tests.fullbay.messages import REASONS, Answer, Request, json_answer, text_answer
from tests.partner.grants import refused

if TYPE_CHECKING:
    from tests.partner.stand_in import Partner

STAGES = ("before", "instead", "after")
KINDS: dict[str, Kind] = {}


class Fault(fullbay_faults.Fault):
    """One thing that goes wrong; see `tests.fullbay.faults.Fault`."""

    kinds = KINDS


@dataclass
class Scene:
    """A request on its way to an answer, as the faults see it."""

    partner: Partner
    request: Request
    draw: Draw
    answer: Answer | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def sent(self) -> Answer:
        """Return the answer, where there is one."""
        assert self.answer is not None
        return self.answer


class Schedule(fullbay_faults.Schedule):
    """Which fault befalls which request."""

    def is_welcome(self, partner: Partner, request: Request, faults: list[Fault]) -> bool:
        """Return whether the body of a request is read at all."""
        scene = Scene(partner, request, Draw(self._seed, "scene", request.number))
        return not any(self._happens(scene, fault) for fault in faults if KINDS[fault.kind].stage == "head")

    def reply(self, partner: Partner, request: Request, faults: list[Fault]) -> Answer:
        """Answer a request to which these faults are due."""
        scene = Scene(partner, request, Draw(self._seed, "scene", request.number))
        kinds: list[str] = []
        for stage in STAGES:
            if stage == "after":
                scene.answer = scene.answer or partner.process(request)
            due = [fault for fault in faults if KINDS[fault.kind].stage == stage]
            kinds += [fault.kind for fault in due if self._happens(scene, fault)]
        return _changed(scene.sent, faults=tuple(kinds))

    def _happens(self, scene: Scene, fault: fullbay_faults.Fault) -> bool:
        stage, act, _ = KINDS[fault.kind]
        with self._lock:
            spent = self._spent.get(id(fault), 0)
            if (stage == "instead" and scene.answer) or (fault.times is not None and spent >= fault.times):
                return False
            self._spent[id(fault)] = spent + 1
        scene.details = {}
        if act(scene, **fault.options) is False:
            with self._lock:
                self._spent[id(fault)] -= 1
            return False
        scene.partner.applied.append(Applied(fault.kind, scene.request.number, scene.request.path, scene.details))
        return True


kind = functools.partial(fullbay_faults.kind, kinds=KINDS)


@kind("head")
def deaf(scene: Scene) -> None:
    """The connection is reset before the body is read."""


@kind("before")
def revoke(scene: Scene) -> None:
    """No token that was given out is good any more."""
    scene.partner.revoke()


@kind("instead")
def status(scene: Scene, status: int = 500, retry_after: str | None = None) -> None:
    """An error: 500, 502, 503, 408, 425 or whatever else."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    scene.answer = json_answer({"error": REASONS.get(status, "Error")}, status, **headers)


@kind("instead")
def throttle(scene: Scene, seconds: float = 1, form: str = "seconds", status: int = 429) -> None:
    """Too many requests. Retry-After is a number of `seconds`, a `date`, or missing (`none`)."""
    scene.answer = throttled(scene.partner, seconds, form, status)


@kind("instead")
def unauthorized(scene: Scene) -> None:
    """The token is refused, though it is good."""
    scene.answer = refused()


@kind("instead")
def html(scene: Scene, status: int = 502) -> None:
    """A page for people: maintenance, or a proxy's error."""
    scene.answer = Answer(status, HTML.format(REASONS.get(status, "Error")).encode(), "text/html; charset=utf-8")


@kind("instead")
def timeout(scene: Scene, seconds: float = 30) -> None:
    """Nothing for that long, and then the end."""
    scene.partner.wait(seconds)
    scene.answer = Answer(cut=-1)


@kind("instead")
def reset(scene: Scene) -> None:
    """The connection is reset when the body was read, and nothing was done about it."""
    scene.answer = Answer(cut=-1, is_reset=True)


@kind("instead")
def redirect(scene: Scene, status: int = 307, host: str = "localhost", port: int | None = None) -> None:
    """Go to another host, with the token and the rows. Whoever does is noted in `Partner.leaks`."""
    location = f"http://{host}:{port or scene.partner.port}{scene.request.path}"
    scene.answer = Answer(status, headers={"Location": location})


@kind("instead")
def echo(scene: Scene, status: int = 400, form: str = "json") -> None:
    """An error that quotes what it was sent to show what was wrong with it: in JSON, `text` or `base64`."""
    sent = scene.request.headers.get("authorization", "") + " " + scene.request.body.decode("utf-8", "replace")[:2000]
    if form == "json":
        scene.answer = json_answer({"message": f"cannot handle {sent}", "headers": scene.request.headers}, status)
    elif form == "text":
        scene.answer = text_answer(f"cannot handle {sent}\nsorry", status)
    else:
        coded = base64.b64encode(scene.request.headers.get("authorization", "").split(" ")[-1].encode()).decode()
        scene.answer = json_answer({"detail": f"bad token {coded}"}, status)


@kind("after")
def lost(scene: Scene, resets: bool = True) -> None:
    """The batch was taken, and its answer is lost."""
    scene.answer = Answer(cut=-1, is_reset=resets)


@kind("after")
def truncate(scene: Scene, length: str = "wrong") -> bool | None:
    """The answer ends too early; Content-Length is `right` about it, or `wrong`."""
    if len(scene.sent.body) < 3:
        return False
    at = 1 + scene.draw.below(len(scene.sent.body) - 2)
    scene.answer = _changed(scene.sent, **({"body": scene.sent.body[:at]} if length == "right" else {"cut": at}))
    return None


@kind("after")
def drip(scene: Scene, interval: float = 0.001, at: str = "body", first: int | None = 40) -> None:
    """The `headers` or the `body` come byte by byte: the `first` ones, or with None all."""
    scene.answer = _changed(scene.sent, interval=interval, drips_in=at, drips=first)


@kind("after")
def slow(scene: Scene, seconds: float = 0.05) -> None:
    """The batch was taken, and the answer is late."""
    scene.partner.wait(seconds)


@kind("after")
def body(scene: Scene, text: str = "", status: int = 202, content_type: str = "application/json") -> bool | None:
    """A success has another body: nothing, null, an empty object, a page."""
    if scene.sent.status >= 300 or scene.request.path == scene.partner.token_path:
        return False
    scene.answer = _changed(scene.sent, body=text.encode(), status=status, content_type=content_type)
    return None


@kind("after")
def gzip(scene: Scene, is_declared: bool = True) -> bool | None:
    """The answer is compressed, asked for or not."""
    if "Content-Encoding" in scene.sent.headers:
        return False
    headers = {"Content-Encoding": "gzip"} if is_declared else {}
    scene.answer = _changed(scene.sent, body=compression.compress(scene.sent.body, 1, mtime=0), headers=headers)
    return None


def throttled(partner: Partner, seconds: float, form: str, status: int = 429) -> Answer:
    """Return the answer to too many requests. Whoever comes before its time is impolite."""
    until = partner.clock() + timedelta(seconds=math.ceil(seconds))
    if form == "date":
        until = until.replace(microsecond=0) + timedelta(seconds=bool(until.microsecond and seconds))
    if form != "none":
        partner.not_before = until
    wait = {"seconds": str(math.ceil(seconds)), "date": formatdate(until.timestamp(), usegmt=True)}.get(form)
    headers = {"Retry-After": wait} if wait else {}
    return json_answer({"error": REASONS.get(status, "Error")}, status, **headers)


def _changed(answer: Answer, **changes: Any) -> Answer:
    """Return an answer that is another one's but for some things; the first may be given again under its key."""
    return Answer(**vars(answer) | changes)


# What a random fault is like: its kind and its options, to be chosen from. Seconds are put in.
CHOICES: dict[str, dict[str, list[Any]]] = {
    "deaf": {},
    "revoke": {},
    "status": {"status": [500, 502, 503, 504, 408, 425]},
    "throttle": {"seconds": [...], "form": ["seconds", "date", "none"], "status": [429, 503]},
    "html": {"status": [500, 502]},
    "timeout": {"seconds": [...]},
    "reset": {},
    "lost": {"resets": [True, False]},
    "truncate": {"length": ["wrong"]},
    "drip": {"interval": [0.0005], "at": ["headers", "body"]},
    "slow": {"seconds": [...]},
    "gzip": {"is_declared": [True]},
}


class Faults(random_faults.Faults):
    """A list of faults."""

    fault: ClassVar[type[fullbay_faults.Fault]] = Fault

    @classmethod
    def random(
        cls, seed: int, *, kinds: Collection[str] = tuple(CHOICES), most: int = 4, seconds: float = 0.01
    ) -> Self:
        """Return 1 to `most` faults that pass: an export that is patient gets through.

        `seconds` is how long silence lasts and, rounded, what Retry-After says.
        """
        draw = Draw("random partner", seed)
        return cls(_random(draw, draw.choice(sorted(kinds)), seconds) for _ in range(draw.between(1, most)))


def _random(draw: Draw, kind: str, seconds: float) -> Fault:
    options = {name: draw.choice(values) for name, values in CHOICES[kind].items()}
    if "seconds" in options:
        options["seconds"] = round(seconds) if kind == "throttle" else seconds
    first = draw.between(1, 20)
    shape = draw.below(3)
    if kind == "revoke":  # a new token that is refused at once is a denial
        return Fault(kind, requests=[first])
    if shape == 0:
        return Fault(kind, requests=range(first, first + draw.between(1, 4)), **options)
    if shape == 1:
        return Fault(kind, probability=0.3, times=draw.between(1, 6), **options)
    return Fault(kind, probability=draw.choice([0.02, 0.1]), **options)
