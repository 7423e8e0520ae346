"""Importing the service opens nothing and reads no environment, and a cold start loads nothing that it does not use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.policy.test_source import HEAVY
from tests.transports import event_v2

ROOT = Path(__file__).parent.parent.parent

IMPORT_ALL = """
import importlib, json, os, pkgutil, sys

SERVICE = sys.argv[1] + "/service/"
seen = []

def audit(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.mkdir",
                 "os.remove", "os.rename", "sqlite3.connect", "os.system", "os.posix_spawn"):
        seen.append(f"{event} {arguments!r}")
    if event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append(f"open {arguments!r}")

class Recording(dict):
    def _note(self, name):
        frame = sys._getframe(2)
        while "/os.py" in frame.f_code.co_filename or "os>" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(SERVICE):
            seen.append(f"environ {name} in {frame.f_code.co_filename}")
    def __getitem__(self, name):
        self._note(name)
        return dict.__getitem__(self, name)
    def get(self, name, default=None):
        self._note(name)
        return dict.get(self, name, default)
    def __contains__(self, name):
        self._note(name)
        return dict.__contains__(self, name)
    def __iter__(self):
        self._note("*")
        return dict.__iter__(self)
    def items(self):
        self._note("*")
        return dict.items(self)
    def copy(self):
        self._note("*")
        return dict(self)

os.environ = Recording(os.environ)
sys.addaudithook(audit)
import service
names = [module.name for module in pkgutil.walk_packages(service.__path__, "service.")]
for name in names:
    importlib.import_module(name)
imported = list(seen)

# The recording works: each of these is seen.
seen.clear()
exec(compile("import os\\nos.environ.get('A'); os.getenv('B'); 'C' in os.environ", SERVICE + "x.py", "exec"))
open(os.devnull, "w").close()
loaded = sorted(name for name in sys.modules if "." not in name)
print(json.dumps({"names": names, "imported": imported, "control": seen, "loaded": loaded}))
"""

COLD_START = """
import json, sys
from types import SimpleNamespace
from service.lambda_handler import handler
event = json.loads(sys.argv[1])
answer = handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: 30000))
print(json.dumps({"answer": answer, "modules": sorted(name for name in sys.modules if "." not in name)}))
"""

UNUSED = HEAVY - {"flask_cors"} | {"urllib3"}  # the event comes from a web page


def run(script: str, *arguments: str, **environment: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-B", "-c", script, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    printed: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return printed


def test_importing_every_module_opens_nothing_and_reads_no_environment() -> None:
    result = run(IMPORT_ALL, str(ROOT))
    assert len(result["names"]) > 20
    assert result["imported"] == []
    assert not HEAVY & set(result["loaded"])
    assert [line.split()[0] for line in result["control"]] == ["environ", "environ", "environ", "open"]


def test_the_first_event_on_lambda_loads_no_library_that_it_does_not_use(environment: dict[str, str]) -> None:
    claims = {"sub": "partner", "scope": "events:read"}
    event = event_v2("GET", "/api/v1/events", headers={"Origin": "https://app.example.com"}, claims=claims)
    result = run(
        COLD_START,
        json.dumps(event),
        **environment | {"AWS_LAMBDA_FUNCTION_NAME": "headgate", "TOKEN_ISSUER": "https://issuer.example.com"},
    )
    assert result["answer"]["statusCode"] == 200, result["answer"]
    assert {"service", "flask", "psycopg2"} <= set(result["modules"])
    assert not UNUSED & set(result["modules"])
