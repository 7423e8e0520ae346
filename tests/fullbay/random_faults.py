"""Lists of faults: written as text, or drawn from a seed for tests that run hundreds of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Self

from tests.fullbay import drifts, instead, pages, wires  # noqa: F401  (each registers its kinds)
from tests.fullbay.draws import Draw
from tests.fullbay.faults import Fault

# What a random fault is like: its kind and its options, to be chosen from. Seconds are put in.
CHOICES: dict[str, dict[str, list[Any]]] = {
    "status": {"status": [500, 502, 503, 504, 408, 425]},
    "unauthorized": {},
    "throttle": {"seconds": [...], "form": ["seconds", "date"]},
    "fail": {"message": ["Unable to process the request", "Server is busy"]},
    "html": {"status": [200, 502]},
    "body": {"text": ["", "null", '"ok"', "{}", "[", "OK"]},
    "timeout": {"seconds": [...]},
    "redirect": {"status": [301, 302, 307, 308]},
    "shift": {"inserts": [0, 1, 3], "updates": [0, 1, 3], "deletes": [0, 1, 3]},
    "repeat": {"page": [1, 2, 3], "echoes": [False, True]},
    "total": {"says": ["+1", "+500", "-1", "-500", "0", "missing", "null", "text"]},
    "total_pages": {"says": ["+1", "-1", "0", "1", "missing", "null", "text"]},
    "withhold": {"records": [None, 1, 3]},
    "drift": {"what": [*drifts.DRIFTS, "duplicate", "data_renamed", "data_null"], "share": [0.01, 0.1]},
    "reset": {"at": ["headers", "body"]},
    "truncate": {"length": ["right", "wrong"]},
    "drip": {"interval": [0.0005], "at": ["headers", "body"]},
    "bom": {},
    "charset": {"encoding": ["utf-16", "latin-1"], "declares": ["utf-8", "utf-16", "no-such"]},
    "gzip": {"is_declared": [True, False]},
}


class Faults(list[Fault]):
    """A list of faults."""

    fault: ClassVar[type[Fault]] = Fault

    @classmethod
    def random(
        cls, seed: int, *, kinds: Collection[str] = tuple(CHOICES), most: int = 4, seconds: float = 0.01
    ) -> Self:
        """Return 1 to `most` faults of these kinds.

        Half of them pass: they befall a few requests. The others befall some requests for ever. `seconds` is how long
        silence lasts and, rounded, what Retry-After says.
        """
        draw = Draw("random faults", seed)
        return cls(_random(draw, draw.choice(sorted(kinds)), seconds) for _ in range(draw.between(1, most)))

    @classmethod
    def parse(cls, *texts: str) -> Self:
        """Read `kind`, `kind:option`, `kind:option:probability` and `kind:name=value:…`, such as `status:500:0.1`."""
        return cls(_parsed(text, cls.fault) for text in texts)


def _random(draw: Draw, kind: str, seconds: float) -> Fault:
    options = {name: draw.choice(values) for name, values in CHOICES[kind].items()}
    if "seconds" in options:
        options["seconds"] = round(seconds) if kind == "throttle" else seconds
    first = draw.between(1, 20)
    shape = draw.below(4)
    if shape == 0:
        return Fault(kind, requests=range(first, first + draw.between(1, 5)), **options)
    if shape == 1:
        return Fault(kind, probability=0.3, times=draw.between(1, 5), **options)
    return Fault(kind, probability=0.05 if shape == 2 else 0.5, **options)


def _parsed(text: str, fault: type[Fault]) -> Fault:
    kind, *parts = text.split(":")
    if kind not in fault.kinds:
        raise ValueError(f"no fault is called {kind}; there are {', '.join(sorted(fault.kinds))}")
    named: dict[str, Any] = {}
    plain = [*list(fault.kinds[kind].options)[:1], "probability"]
    for part in parts:
        name, is_named, value = part.partition("=")
        if not is_named:
            if not plain:
                raise ValueError(f"{text}: {part} has no name")
            name, value = plain.pop(0), part
        named[name] = _requests(value) if name == "requests" else _value(value)
    return fault(kind, **named)


def _requests(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _value(text: str) -> Any:
    for read in (int, float):
        if not text.startswith(("+", "-")):
            try:
                return read(text)
            except ValueError:
                pass
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)
