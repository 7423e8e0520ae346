"""A partner for each test, and what sends to it, with short waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from service import deadline
from service.exports.delivery import calls, pace
from service.exports.delivery.credentials import Credentials
from service.exports.delivery.pace import Pace
from service.exports.delivery.partner import Partner as Sender
from service.exports.settings import ExportsConfig
from tests.fullbay.messages import Answer, Request
from tests.partner import Partner


class Script(Partner):
    """A partner that answers batches by a list, with the last answer for ever."""

    def __init__(self, *answers: Answer, **options: Any) -> None:
        super().__init__(**options)
        self.answers = list(answers)
        self.batches: list[Request] = []

    def process(self, request: Request) -> Answer:
        """Return the next answer."""
        if request.path != self.records_path:
            return super().process(request)
        with self._lock:
            self.batches.append(request)
            return self.answers[min(len(self.batches), len(self.answers)) - 1]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Waits are short, and no test leaves a deadline to the next."""
    for module in (calls, pace):
        monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)
        monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.005)
    monkeypatch.setattr(pace, "FIRST_DISTANCE_SECONDS", 0.001)
    deadline.clear()
    yield
    deadline.clear()


@pytest.fixture
def start() -> Iterator[Callable[..., Partner]]:
    """Starts stand-ins that end with the test: `start(token_seconds=5)`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Partner(**options))


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    """Starts partners that answer by a list: `script(Answer(500), Answer(200))`."""
    with ExitStack() as stack:
        yield lambda *answers, **options: stack.enter_context(Script(*answers, **options))


@pytest.fixture
def open_sender() -> Iterator[Callable[..., Sender]]:
    """Opens what sends to a stand-in: `open_sender(partner, max_retries=3)`."""
    with ExitStack() as stack:

        def opened(partner: Partner, pace: Pace | None = None, **settings: Any) -> Sender:
            config = config_of(partner.credentials, **settings)
            return stack.enter_context(Sender(Credentials(config), config, pace or Pace()))

        yield opened


def config_of(credentials: dict[str, Any], **settings: Any) -> ExportsConfig:
    """Return a configuration with these credentials."""
    return ExportsConfig(**{"api_credentials": json.dumps(credentials), "timeout_seconds": 5.0} | settings)


def batch(*rows: Any, number: int = 1) -> bytes:
    """Return a batch of rows; a number is a customer's."""
    records = [{"customer_id": str(row), "status": "failed"} if isinstance(row, int) else row for row in rows]
    return json.dumps({"batch_number": number, "total_batches": 99, "records": records}).encode()


def ok(value: Any = None, status: int = 200) -> Answer:
    """Return a success that says something."""
    return Answer(status, b"" if value is None else json.dumps(value).encode())
