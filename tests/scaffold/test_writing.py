"""A feature is written whole or not at all, whatever comes between."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint

from service.app import create_app
from service.config import Config
from service.scaffold.checkout import registered
from service.scaffold.names import Refused, feature
from service.scaffold.writing import Failed, Plan, alone, carry_out, plan
from tests.scaffold.clone import Clone

AMULETS = ("amulets", "--fields", "title:str won_on:date?", "--auth", "user")
ADDED = [
    "service/amulets/__init__.py",
    "service/amulets/schemas.py",
    "service/amulets/queries.py",
    "service/amulets/routes.py",
    "tests/amulets/__init__.py",
    "tests/amulets/test_amulets.py",
]
CHANGED = ["service/app.py", "docs/openapi.json", "terraform/application/routes.auto.tfvars.json"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose generated files are fresh. Tests that use it leave it as it was."""
    clone = Clone(tmp_path_factory.mktemp("original") / "clone")
    assert clone.run("python", "-m", "service", "routes", "--write").returncode == 0
    return clone


@pytest.fixture
def clone(original: Clone) -> Any:
    """The clone, which must be as it was when the test ends."""
    before = original.files()
    yield original
    after = original.files()
    assert {path for path in before | after if before.get(path) != after.get(path)} == set()


def refused(clone: Clone, *arguments: str) -> str:
    result = clone.new(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch("headgate: .+\n", result.stderr)
    return result.stderr.removeprefix("headgate: ").rstrip()


def planned(clone: Clone, name: str = "amulets", singular: str | None = None, path: str | None = None) -> Plan:
    return plan(clone.root, create_app(Config()), feature(name, "title:str", "user", path, singular))


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(clone: Clone) -> None:
    result = clone.new(*AMULETS, "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"would add    service/database/migrations/\d{4}_amulets.sql", lines[0])
    assert lines[1:] == [*(f"would add    {path}" for path in ADDED), *(f"would change {path}" for path in CHANGED)]


def test_scopes_of_its_own_change_what_the_user_pool_has(clone: Clone) -> None:
    result = clone.new(*AMULETS[:-1], "scope", "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    assert "would change terraform/foundation/scopes.auto.tfvars.json" in result.stdout


def test_help_shows_types_and_an_example(original: Clone) -> None:
    result = original.new("--help")
    assert result.returncode == 0
    for word in ("--fields", "--auth", "--path", "--singular", "--dry-run", "datetime", "endpoint new meals"):
        assert word in result.stdout
    assert "endpoint" in original.run("python", "-m", "service", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("class", "--fields", "title:str", "--auth", "user"), "the name is a keyword of Python: class"),
        (("amulets", "--auth", "user"), "there are no fields: tell them with --fields"),
        (("amulets", "--fields", "title:str"), "--auth must be one of user, scope: ''"),
        (("../amulets", "--fields", "title:str", "--auth", "user"), "the name must be words of a-z"),
        (("items", "--fields", "title:str", "--auth", "user"), "service/items exists"),
        (("deadlines", "--fields", "title:str", "--auth", "user", "--path", "/../x"), "a path must be"),
    ],
    ids=["keyword", "no-fields", "no-auth", "traversal", "taken", "path"],
)
def test_the_command_refuses_with_one_line_and_writes_nothing(
    clone: Clone, arguments: tuple[str, ...], rule: str
) -> None:
    assert refused(clone, *arguments).startswith(rule)


@pytest.mark.parametrize(
    ("name", "singular", "path", "rule"),
    [
        ("items", None, None, "service/items exists"),
        ("events", None, None, "service/events exists"),
        ("pages", "sheet", None, "service/pages.py exists"),
        ("errors", None, None, "service/errors.py exists"),
        ("policy", "policies", None, "tests/policy exists"),
        ("transports", None, None, "tests/transports.py exists"),
        ("users", "person", None, "the migrations create users already"),
        ("business_events", None, None, "the migrations create business_events already"),
        ("items_newest", "newest_item", None, "the migrations create items_newest already"),
        ("rfc3339", "moment", None, "the migrations create rfc3339 already"),
        ("goods", "item", None, "the migrations create item_json already"),
        ("yoyo_lock", "lock", None, "the migrations create yoyo_lock already"),
        ("flask", "bottle", None, None),
        ("create_app", "app_made", None, "service/app.py calls something create_app already"),
        ("happenings", "event", None, "service/events/schemas.py has a class EventOutput already"),
        ("amulets", None, "/api/items", "a route answers at /api/items already"),
        ("amulets", None, "/health", "a route answers at /health already"),
        ("amulets", None, "/api/v1/events/bulk", "a route answers at /api/v1/events/bulk already"),
        ("amulets", None, "/api/v1/events/x", "a route answers at /api/v1/events/x already"),
        ("amulets", None, "/api/v1/entities/car", "a route answers at /api/v1/entities/car/0f8fad5b-d9cb-469f-a165-"),
        ("amulets", None, "/api/v1", None),
        ("amulets", None, "/api/items/amulets", None),
    ],
)
def test_what_exists_is_not_written_over(
    clone: Clone, name: str, singular: str | None, path: str | None, rule: str | None
) -> None:
    if rule is None:
        assert planned(clone, name, singular, path).added
    else:
        with pytest.raises(Refused, match=f"^{re.escape(rule)}"):
            planned(clone, name, singular, path)


def test_the_name_of_a_blueprint_is_not_given_twice(clone: Clone) -> None:
    app = create_app(Config())
    app.register_blueprint(Blueprint("amulets", __name__))
    with pytest.raises(Refused, match="a blueprint is named amulets already"):
        plan(clone.root, app, feature("amulets", "title:str", "user"))


def test_a_dangling_link_is_something_that_exists(clone: Clone) -> None:
    link = clone.root / "tests" / "amulets"
    link.symlink_to("nowhere")
    try:
        assert refused(clone, *AMULETS) == "tests/amulets exists"
    finally:
        link.unlink()


def test_outside_a_checkout_nothing_is_written(original: Clone, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"is no checkout of the repository: it has no service/app\.py"):
        plan(tmp_path, create_app(Config()), feature("amulets", "title:str", "user"))
    (tmp_path / "service" / "database" / "migrations").mkdir(parents=True)
    (tmp_path / "service" / "app.py").touch()
    with pytest.raises(Refused, match="it has no tests"):
        plan(tmp_path, create_app(Config()), feature("amulets", "title:str", "user"))


def test_the_source_of_the_app_must_be_as_expected() -> None:
    source = "from service.events import routes as events\n\n\ndef create_app():\n    app = 1\n    return app\n"
    assert registered(source, "amulets") == (
        "from service.amulets import routes as amulets\nfrom service.events import routes as events\n\n\n"
        "def create_app():\n    app = 1\n    amulets.init_app(app)\n    return app\n"
    )
    for other in ("", source.replace("return app", "return 1"), source.replace("service.", "other.")):
        with pytest.raises(Refused, match="has no create_app"):
            registered(other, "amulets")


def test_two_commands_at_once_do_not_mix(clone: Clone) -> None:
    with alone(clone.root):
        assert refused(clone, *AMULETS) == f"another command writes into {clone.root}"


def test_a_file_that_appears_meanwhile_is_kept_and_nothing_else_is_written(clone: Clone) -> None:
    planned_before = planned(clone)
    appeared = clone.root / "tests" / "amulets"
    appeared.mkdir()
    (appeared / "mine.py").write_text("mine")
    with pytest.raises(Failed, match="tests/amulets has appeared meanwhile"):
        carry_out(clone.root, planned_before)
    assert (appeared / "mine.py").read_text() == "mine"
    (appeared / "mine.py").unlink()
    appeared.rmdir()


def test_a_move_that_fails_undoes_those_before_it(clone: Clone) -> None:
    made = planned(clone)
    blocked = replace(made, changed=made.changed | {"README.md/x": "a file stands where a directory must be"})
    with pytest.raises(Failed, match=r"README\.md"):
        carry_out(clone.root, blocked)


def test_code_that_does_not_work_is_not_written(clone: Clone) -> None:
    made = planned(clone)
    broken = replace(made, added=made.added | {"service/amulets/routes.py": "import nothing_of_this_name\n"})
    with pytest.raises(Failed, match="refused the new feature, nothing was written: ModuleNotFoundError"):
        carry_out(clone.root, broken)


@pytest.mark.parametrize("size", [0, 1_000, 4_000, 30_000], ids="{}-bytes".format)
def test_a_disk_without_space_leaves_nothing_behind(clone: Clone, size: int) -> None:
    process = subprocess.run(
        clone.command("python", "-m", "service", "endpoint", "new", *AMULETS),
        cwd=clone.root,
        env=clone.environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    assert process.returncode == 1
    assert re.fullmatch("headgate: .+nothing was written.*\n", process.stderr)
    assert not (clone.root / ".cache").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_command_that_is_killed_has_written_all_or_nothing(clone: Clone, number: signal.Signals) -> None:
    before = clone.files()
    for milliseconds in range(150, 1500, 300):
        process = subprocess.Popen(
            clone.command("python", "-m", "service", "endpoint", "new", *AMULETS),
            cwd=clone.root,
            env=clone.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(milliseconds / 1000)
        process.send_signal(number)
        process.wait(30)
        after = clone.files()
        written = {path for path in before | after if before.get(path) != after.get(path)}
        assert written in (set(), {*ADDED, *CHANGED, *(path for path in written if path.endswith("_amulets.sql"))})
        if written:
            remove(clone, written, before)


def remove(clone: Clone, written: set[str], before: dict[str, bytes]) -> None:
    """Make a clone what it was."""
    for path in written:
        if path in before:
            (clone.root / path).write_bytes(before[path])
        else:
            (clone.root / path).unlink()
    for directory in ("service/amulets", "tests/amulets"):
        (clone.root / directory).rmdir()
