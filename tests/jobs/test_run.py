"""`make run` works off jobs by itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.conftest import wait_for
from tests.postgres import free_port
from tests.transports import ROOT


@pytest.mark.slow
def test_the_service_on_a_laptop_has_a_worker(
    jobs_environment: dict[str, str], put: Callable[..., None], sql: Any, tmp_path: Path
) -> None:
    put("until-told", key="a")
    put("nothing")
    log = tmp_path / "log"
    script = "from tests.jobs import working; working.register(); working.main(['run'])"
    environ = {"PATH": os.environ["PATH"], "PORT": str(free_port()), **jobs_environment, "JOB_SECONDS": "60"}
    with log.open("w") as output:
        run = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env=environ, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs", 40)
        wait_for(lambda: re.search("curl", log.read_text()), "it is up")
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 0, log.read_text()
    finally:
        if run.poll() is None:
            run.kill()
    assert sql("SELECT note FROM ran") == [("cut=True",)]
    assert sql("SELECT name, lease, attempts FROM jobs") == [("nothing", None, 0)]
    assert log.read_text().rstrip().endswith("headgate: stopped")
