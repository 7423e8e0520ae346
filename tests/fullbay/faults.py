"""What goes wrong, when, and a record of it.

    fullbay.faults = [Fault("status", status=503, requests=range(3, 6)), Fault("shift", probability=0.2, deletes=2)]
    fullbay.faults = Faults.random(seed)
    fullbay.faults = Faults.parse("status:500:0.1", "throttle:form=date:times=2")

Each kind is a function of `instead.py`, `pages.py`, `drifts.py` or `wires.py`; its arguments are the fault's options.
Whether a fault befalls a request is a function of the seed, the fault's place in the list and the request's number.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from tests.fullbay.draws import Draw
from tests.fullbay.messages import Answer, Page, Request

if TYPE_CHECKING:
    from tests.fullbay.stand_in import Fullbay

STAGES = ("before", "instead", "request", "page", "wire")


@dataclass
class Scene:
    """A request on its way to an answer, as the faults see it."""

    fullbay: Fullbay
    request: Request
    draw: Draw
    page: Page | None = None
    answer: Answer | None = None
    details: dict[str, Any] = field(default_factory=dict)  # what a fault did, for tests

    @property
    def made(self) -> Page:
        """Return the page, where there is one."""
        assert self.page is not None
        return self.page

    @property
    def sent(self) -> Answer:
        """Return the answer, where there is one."""
        assert self.answer is not None
        return self.answer


Effect = Callable[..., "bool | None"]  # False: it could do nothing here


class Kind(NamedTuple):
    """A kind of fault: at which stage it acts, how, and its options with their defaults, the main one first."""

    stage: str
    act: Effect
    options: dict[str, Any]


KINDS: dict[str, Kind] = {}


def kind(stage: str, kinds: dict[str, Kind] = KINDS) -> Callable[[Effect], Effect]:
    """Register a function as a kind of fault."""

    def register(act: Effect) -> Effect:
        parameters = list(inspect.signature(act).parameters.values())[1:]
        options = {parameter.name: parameter.default for parameter in parameters}
        kinds[act.__name__.rstrip("_")] = Kind(stage, act, options)
        return act

    return register


class Fault:
    """One thing that goes wrong.

    It befalls those of `requests` (numbers from 1; all, if none are named) whose path contains `path`, each with
    `probability`, and no more than `times` of them. The rest are options of its kind.
    """

    kinds: ClassVar[dict[str, Kind]] = KINDS

    def __init__(
        self,
        kind: str,
        *,
        requests: Container[int] | None = None,
        probability: float = 1.0,
        times: int | None = None,
        path: str = "",
        **options: Any,
    ) -> None:
        if kind not in self.kinds:
            raise ValueError(f"no fault is called {kind}; there are {', '.join(sorted(self.kinds))}")
        known = self.kinds[kind].options
        if unknown := set(options) - set(known):
            raise ValueError(f"{kind} has no option {', '.join(unknown)}; it has {', '.join(known)}")
        self.kind = kind
        self.requests = requests
        self.probability = probability
        self.times = times
        self.path = path
        self.options = options

    def __repr__(self) -> str:
        given = {
            name: value for name, value in vars(self).items() if name != "options" and value not in (None, "", 1.0)
        }
        given = {name: value for name, value in given.items() if name != "kind"} | self.options
        return f"Fault({', '.join([repr(self.kind), *(f'{name}={value!r}' for name, value in given.items())])})"


class Applied(NamedTuple):
    """A fault that befell a request, and what it did."""

    kind: str
    request: int
    path: str
    details: dict[str, Any]


class Schedule:
    """Which fault befalls which request. Counts the requests from 1."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self.faults = list(faults)
        self._seed = seed
        self._count = 0
        self._spent: dict[int, int] = {}  # how often a fault has acted, by its id()
        self._lock = threading.Lock()

    def next(self, request: Request) -> tuple[int, list[Fault]]:
        """Count a request; return its number and what may befall it."""
        with self._lock:
            self._count += 1
            number = self._count
        return number, [fault for place, fault in enumerate(self.faults) if self._is_due(fault, place, number, request)]

    def answer(self, fullbay: Fullbay, request: Request, faults: list[Fault]) -> Answer:
        """Answer a request to which these faults are due."""
        scene = Scene(fullbay, request, Draw(self._seed, "scene", request.number))
        kinds: list[str] = []
        for stage in STAGES:
            due = [fault for fault in faults if KINDS[fault.kind].stage == stage]
            kinds += [fault.kind for fault in due if self._act(scene, fault)]
            if stage == "request" and scene.answer is None and scene.page is None:
                found = fullbay.page(scene.request)
                scene.page, scene.answer = (None, found) if isinstance(found, Answer) else (found, None)
            if stage == "page" and scene.page is not None:
                scene.answer = Answer(body=scene.page.text().encode())
        scene.sent.faults = tuple(kinds)
        return scene.sent

    def _is_due(self, fault: Fault, place: int, number: int, request: Request) -> bool:
        is_named = fault.path in request.path and (fault.requests is None or number in fault.requests)
        is_left = fault.times is None or self._spent.get(id(fault), 0) < fault.times
        return is_named and is_left and Draw(self._seed, "fault", place, number).chance(fault.probability)

    def _act(self, scene: Scene, fault: Fault) -> bool:
        stage, act, _ = KINDS[fault.kind]
        is_late = (stage in ("instead", "request") and scene.answer is not None) or (stage == "page" and not scene.page)
        with self._lock:
            spent = self._spent.get(id(fault), 0)
            if is_late or (fault.times is not None and spent >= fault.times):
                return False
            self._spent[id(fault)] = spent + 1
        scene.details = {}
        if act(scene, **fault.options) is False:
            with self._lock:
                self._spent[id(fault)] -= 1
            return False
        applied = Applied(fault.kind, scene.request.number, scene.request.path, scene.details)
        scene.fullbay.applied.append(applied)
        return True
