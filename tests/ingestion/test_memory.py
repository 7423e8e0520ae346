"""Memory does not grow with the number of records: ten times as many of them take no more."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.bench.pull import KEY
from tests.transports import ROOT

MORE_MB = 4.0  # what a few more pages of garbage may make


def test_ten_times_as_many_records_take_no_more_memory(install: Any, serve: Any) -> None:
    peaks = {}
    for count in (2_000, 20_000):
        installation = install()
        fullbay = serve(work_orders=count, shops={"default": KEY}, is_cached=True)
        command = [sys.executable, "-m", "tests.bench.pull", "ours", fullbay.url, installation.url, "100"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert installation.sql("SELECT count(*) FROM fullbay_work_orders") == [(count,)]
        peaks[count] = json.loads(done.stdout.splitlines()[-1])["peak_mb"]
    assert peaks[20_000] < peaks[2_000] + MORE_MB, peaks
