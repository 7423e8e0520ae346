"""No secret of the partner's stands anywhere after a run, whatever became of it and whatever the partner repeats."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus

import pytest

from service import jobs
from service.jobs import RunFailed
from tests.exports.conftest import Installation
from tests.exports.rows import TABLE, Refusing, rows
from tests.fullbay.messages import Answer, Request, json_answer
from tests.ingestion.leaks import Leaks
from tests.partner import Fault, Partner
from tests.transports import ROOT

Install = Callable[..., Installation]

SECRET = 's3cret/of+nobody%&="x'


class Talkative(Partner):
    """A partner that repeats what it was sent, in whatever it says."""

    says = ""

    def process(self, request: Request) -> Answer:
        answer = super().process(request)
        sent = request.headers.get("authorization", "")
        if self.says == "failures" and request.path == self.records_path and answer.status == 200:
            told = [{"index": 0, "message": f"bad row from {sent}"}, {"index": 1, "reason": sent.split()[-1]}]
            return json_answer({"errors": told})
        if self.says == "no row" and request.path == self.records_path and answer.status == 200:
            return json_answer({"errors": [f"somebody with {sent} sent something"]})
        if self.says == "token" and request.path == self.token_path:
            basic = base64.b64decode(sent.split()[-1]).decode()
            told = f"who is {basic} alias {self.grants.client_secret} alias {sent}?"
            return json_answer({"error": "invalid_client", "error_description": told}, 401)
        return answer


FAULTS: dict[str, list[Fault]] = {
    "none": [],
    "echoed in a refusal": [Fault("echo", status=422, path="/records")],
    "echoed as text": [Fault("echo", status=400, form="text", path="/records")],
    "echoed in base64": [Fault("echo", status=422, form="base64", path="/records")],
    "echoed with a 500": [Fault("echo", status=500, path="/records")],
    "echoed with a 403": [Fault("echo", status=403, form="text", path="/records")],
    "echoed by the token endpoint": [Fault("echo", status=400, path="/oauth")],
    "echoed as text by the token endpoint": [Fault("echo", status=401, form="text", path="/oauth")],
    "denied": [Fault("unauthorized", path="/records")],
    "redirected": [Fault("redirect", path="/records")],
    "redirected for a token": [Fault("redirect", path="/oauth")],
    "reset": [Fault("reset", path="/records")],
    "broken off": [Fault("truncate", path="/records")],
    "HTML": [Fault("html", path="/records")],
    "429": [Fault("throttle", form="none", path="/records")],
    "gzip that is none": [Fault("gzip", path="/records")],
}


@pytest.fixture(scope="module")
def installed(install: Install) -> Installation:
    return install(None, rows(12), BATCH_SIZE="4", EXPORT_MAX_RETRIES="8")


@pytest.fixture
def partner(installed: Installation) -> Iterator[Talkative]:
    with Talkative(client_secret=SECRET, refuses=Refusing(3)) as it:
        installed.empty()
        installed.send_to(it)
        yield it


@pytest.fixture
def leaks(installed: Installation) -> Leaks:
    found = Leaks()
    found.add_database(installed.url)
    return found


def know(leaks: Leaks, partner: Partner) -> None:
    """Let leaks know all that is secret of a partner by now."""
    client = partner.grants.client_id
    leaks.add("the secret", partner.grants.client_secret)
    for pair in (f"{client}:{SECRET}", f"{quote_plus(client)}:{quote_plus(SECRET)}"):
        leaks.add("the pair", pair)
        leaks.add("the pair in base64", base64.b64encode(pair.encode()).decode())
    for token in partner.tokens:
        leaks.add("a token", token)


CASES = [(faults, "") for faults in FAULTS.values()] + [([], says) for says in ("failures", "no row", "token")]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("faults", "says"), CASES, ids=[*FAULTS, "in failures", "in failures of no row", "for a token"]
)
def test_whatever_is_repeated(
    installed: Installation, partner: Talkative, leaks: Leaks, faults: list[Fault], says: str
) -> None:
    partner.faults, partner.says = faults, says
    told = []
    with leaks:
        run_id = installed.begin()
        for _ in range(2):
            result = installed.work(run_id)
            told.append(repr(result))
        with installed.app():
            try:
                told.append(repr(jobs.run("export", {"table": TABLE})))
            except RunFailed as failed:
                told += [failed.reason, str(failed), repr(failed.__context__)]
    assert len(partner.requests) > 0
    know(leaks, partner)
    assert installed.sql("SELECT count(*) > 1 FROM export_runs") == [(True,)]
    leaks.assert_none(installed.sql, told)


def test_what_is_hidden_is_there_in_all_other_respects(installed: Installation, partner: Talkative) -> None:
    partner.says, partner.records.refuses = "failures", Refusing()
    run_id, status = installed.export()
    assert status == "PARTIAL"
    reasons = [reason for (reason,) in installed.sql("SELECT DISTINCT reason FROM export_rejects")]
    assert sorted(reasons) == ["***", "bad row from Bearer ***"], run_id


@pytest.mark.parametrize("says", ["failures", "token"])
def test_a_process_keeps_its_secrets(install: Install, partner: Talkative, leaks: Leaks, says: str, lake: str) -> None:
    installation = install(partner, [], DATA_DIR=lake, BATCH_SIZE="250")
    partner.says = says
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-m", "service", "export", TABLE, "--json"],
        cwd=ROOT,
        env=environ | installation.environ | {"LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    know(leaks, partner)
    assert done.returncode == (4 if says == "failures" else 1), done.stderr
    assert json.loads(done.stdout)["status"] == ("PARTIAL" if says == "failures" else "FAILED")
    leaks.assert_none(installation.sql, [done.stdout, done.stderr])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("lake"))


@pytest.mark.parametrize("where", ["log", "database"])
@pytest.mark.parametrize("what", ["secret", "token", "pair"])
def test_the_search_finds_what_was_planted(
    installed: Installation, partner: Talkative, leaks: Leaks, where: str, what: str
) -> None:
    run_id, _ = installed.export()
    know(leaks, partner)
    pair = f"{partner.grants.client_id}:{SECRET}"
    planted = {"secret": SECRET, "token": partner.tokens[0], "pair": base64.b64encode(pair.encode()).decode()}[what]
    leaks.assert_none(installed.sql)
    if where == "log":
        leaks.log.write(json.dumps({"reason": f"Basic {planted}"}))
    else:
        installed.sql("UPDATE export_rejects SET reason = %s WHERE run_id = %s", f"Bearer {planted}", run_id)
    with pytest.raises(AssertionError, match=where):
        leaks.assert_none(installed.sql)
