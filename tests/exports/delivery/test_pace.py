"""One pace for all threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from service import deadline
from service.exports.delivery import pace as module
from service.exports.delivery.failures import OutOfTime, Stopped
from service.exports.delivery.pace import Pace
from tests.exports.delivery.conftest import batch
from tests.partner import Fault

Open = Callable[..., Any]


def turns(pace: Pace, count: int, threads: int = 4) -> list[float]:
    began = time.monotonic()
    times: list[float] = []

    def take(_: int) -> None:
        pace.wait()
        times.append(time.monotonic() - began)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(take, range(count)))
    return sorted(times)


def send_many(sender: Any, count: int) -> list[Any]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: sender.send(batch(number), f"run-{number}", 1), range(count)))


def test_without_a_limit_nobody_waits() -> None:
    assert turns(Pace(), 200)[-1] < 0.5


@pytest.mark.parametrize("rate", [20, 100, 400])
def test_a_limit_holds_for_all_threads_together(rate: float) -> None:
    count = int(rate / 2)
    times = turns(Pace(rate), count)
    assert (count - 1) / rate * 0.98 <= times[-1] < (count - 1) / rate + 0.5


def test_what_one_is_told_holds_for_all(start: Open, open_sender: Open) -> None:
    stand_in = start(faults=[Fault("throttle", seconds=1, requests=[6], path="records")])
    sender = open_sender(stand_in)
    found = send_many(sender, 40)
    assert sum(one.attempts for one in found) == 41
    times = [request.time.timestamp() for request in stand_in.requests]
    waits = [later - earlier for earlier, later in pairwise(times)]
    under_way = sum(1 for at in times if times[5] < at < times[5] + 0.9)
    assert max(waits) > 0.9
    assert under_way <= 4


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_nobody_comes_before_the_time_that_was_named(start: Open, open_sender: Open, form: str, status: int) -> None:
    stand_in = start(faults=[Fault("throttle", seconds=1, form=form, status=status, requests=[2], path="records")])
    sender = open_sender(stand_in)
    sender.send(batch(1), "run-1", 1)
    assert stand_in.impolite == 0
    assert len(stand_in.requests) == 3


@pytest.mark.parametrize("form", ["none", "seconds"])
def test_a_partner_with_a_limit_of_its_own_is_not_run_against(
    start: Open, open_sender: Open, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(module, "FIRST_DISTANCE_SECONDS", 0.02)
    stand_in = start(requests_per_second=60, retry_after=form)
    sender = open_sender(stand_in, max_retries=40)
    assert len(send_many(sender, 80)) == 80
    assert len(stand_in.rows) == 80


def test_waits_grow_while_nothing_else_is_said_and_a_success_ends_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "jitter", lambda attempt, first, longest: min(longest, first * 2**attempt))
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.5)
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 3.0)
    pace = Pace()
    waits = []
    for _ in range(4):
        pace.slow(time.monotonic(), 0, "slow")
        waits.append(pace._next - time.monotonic())
    assert waits == pytest.approx([1, 2, 3, 3], abs=0.05)
    pace.succeed(time.monotonic())
    pace._next = 0
    pace.slow(time.monotonic(), 0, "slow")
    assert pace._next - time.monotonic() == pytest.approx(1, abs=0.05)


def test_requests_that_were_under_way_together_slow_once() -> None:
    pace = Pace()
    began = time.monotonic()
    for _ in range(4):
        pace.slow(began, 0, "slow")
    assert pace._growth == 1


def test_the_distance_shrinks_to_what_it_was() -> None:
    for rate, shortest in ((0, 0), (50, 0.02)):
        pace = Pace(rate)
        for _ in range(3):
            pace.slow(time.monotonic(), 0, "slow")
        assert pace._distance > shortest
        for _ in range(500):
            pace.succeed(time.monotonic())
        assert pace._distance == shortest


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    pace = Pace()
    pace.slow(time.monotonic(), 60, "the partner answered 429")
    deadline.start(5)
    began = time.monotonic()
    with pytest.raises(OutOfTime, match="the partner answered 429") as failure:
        pace.wait()
    assert time.monotonic() - began < 0.5
    assert 59 < failure.value.seconds <= 61


def test_a_deadline_that_is_cut_ends_a_wait() -> None:
    pace = Pace()
    pace.slow(time.monotonic(), 20, "slow")
    found = deadline.start(60)
    timer = threading.Timer(0.2, found.cut, (0.5,))
    timer.start()
    began = time.monotonic()
    with pytest.raises(OutOfTime):
        pace.wait()
    assert time.monotonic() - began < 1
    timer.join()


def test_who_waits_for_a_turn_hears_that_it_is_later() -> None:
    pace = Pace(2)
    pace.wait()
    began = time.monotonic()
    timer = threading.Timer(0.1, lambda: pace.slow(time.monotonic(), 1, "slow"))
    timer.start()
    pace.wait()
    timer.join()
    assert 1 < time.monotonic() - began < 1.8


def test_a_stop_ends_every_wait_and_all_that_follow() -> None:
    pace = Pace()
    pace.slow(time.monotonic(), 20, "slow")
    with ThreadPoolExecutor(4) as pool:
        coming = [pool.submit(pace.wait) for _ in range(4)]
        time.sleep(0.1)
        began = time.monotonic()
        pace.stop()
        for each in coming:
            with pytest.raises(Stopped):
                each.result(5)
    assert time.monotonic() - began < 0.5
    with pytest.raises(Stopped):
        Pace.wait(pace)
