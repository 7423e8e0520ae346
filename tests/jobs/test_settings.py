"""What the environment says about jobs."""

from __future__ import annotations

import pytest

from service import config

WRONG = {
    "JOBS_QUEUE_URL": ("https://sqs.eu-west-1.amazonaws.com/1/jobs.fifo", "must be of a standard queue"),
    "JOB_SECONDS": ("0", "must be a number from 1 to 86400"),
    "JOB_LEASE_SECONDS": ("0.5", "must be a number from 1 to 3600"),
    "JOB_MAX_ATTEMPTS": ("0", "must be a number from 1 to 100"),
    "JOB_RETRY_SECONDS": ("-1", "must be a number from 0 to 3600"),
    "SCHEDULE_EXPRESSION": ("daily", "is neither like rate"),
}


@pytest.mark.parametrize(("name", "value", "problem"), [(n, *rest) for n, rest in WRONG.items()], ids=WRONG)
def test_a_wrong_variable_is_named(name: str, value: str, problem: str) -> None:
    with pytest.raises(config.ConfigError) as refusal:
        config.load({name: value})
    assert f"{name}" in str(refusal.value)
    assert problem in str(refusal.value)


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(config.ConfigError) as refusal:
        config.load({name: value for name, (value, _) in WRONG.items()})
    for name in WRONG:
        assert name in str(refusal.value)


def test_a_queue_that_is_no_url_is_refused() -> None:
    with pytest.raises(config.ConfigError, match="JOBS_QUEUE_URL must begin with https://"):
        config.load({"JOBS_QUEUE_URL": "headgate-jobs"})
