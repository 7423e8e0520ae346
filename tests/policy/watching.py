"""A function that CloudWatch watches: its own metrics as it prints them, and what AWS measures of an invocation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.policy.cloudwatch import CloudWatch, Values
from tests.policy.conftest import ENVIRONMENT, NAME, Applied

NOW = 1_800_000_000.0
OF_FUNCTION = {"FunctionName": NAME}
OF_API = {"ApiId": "abc123", "Stage": ENVIRONMENT}


class Watched:
    """What is invoked here is measured; `alarm` is the one that is looked at."""

    def __init__(self, alarm: Values, capsys: pytest.CaptureFixture[str]) -> None:
        self.alarm = alarm
        self.cloudwatch = CloudWatch(NOW)
        self._capsys = capsys

    @property
    def state(self) -> str:
        return self.cloudwatch.state(self.alarm)

    @property
    def period(self) -> float:
        """The seconds of a period of the alarm."""
        metrics = [query["metric"][0] for query in self.alarm["metric_query"] if query["metric"]]
        return float(self.alarm["period"] or metrics[0]["period"])

    def wait(self, periods: float = 1) -> None:
        """Let time go by, in which nothing happens."""
        self.cloudwatch.now += periods * self.period

    def forget(self) -> None:
        """Wait until all that was measured so far is too old."""
        self.wait(self.alarm["evaluation_periods"] + 10)

    def invoke(self, invoke: Callable[[Any], Any], event: Any) -> Any:
        """Invoke a function with an event; return its answer, or what it raised."""
        self._capsys.readouterr()
        try:
            answer = invoke(event)
        except Exception as error:
            answer = error
        self.cloudwatch.read(self._capsys.readouterr().out)
        is_failed = isinstance(answer, Exception)
        self.cloudwatch.put("AWS/Lambda", "Errors", int(is_failed), "Count", **OF_FUNCTION)
        if "http" in event.get("requestContext", {}):
            is_5xx = is_failed or answer["statusCode"] >= 500
            self.cloudwatch.put("AWS/ApiGateway", "Count", 1, "Count", **OF_API)
            self.cloudwatch.put("AWS/ApiGateway", "5xx", int(is_5xx), "Count", **OF_API)
        return answer


Watch = Callable[[str], Watched]


@pytest.fixture
def watch(alarms: Applied, fresh: None, capsys: pytest.CaptureFixture[str]) -> Watch:
    """Looks at an alarm: `watch("rejects")`."""
    return lambda name: Watched(alarms[name], capsys)
