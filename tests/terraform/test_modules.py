"""Every module and both roots: formatted, valid, tested, and each in the one form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terraform import program
from tests.terraform.program import ENVIRONMENTS, MODULES, ROOTS, TERRAFORM

LONGEST_MAIN = 200
PLATFORM_FREE = re.compile(r'"zh:[0-9a-f]{64}"')

pytestmark = [pytest.mark.slow, pytest.mark.terraform, pytest.mark.timeout(2 * program.SECONDS)]

every_directory = pytest.mark.parametrize(
    "directory", [*ROOTS, *MODULES], ids=lambda path: str(path.relative_to(TERRAFORM))
)


def blocks(directory: Path, kind: str) -> dict[str, str]:
    """Return the blocks of a kind, such as every variable, by name."""
    text = "\n".join(path.read_text() for path in sorted(directory.glob("*.tf")))
    found = re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.DOTALL | re.MULTILINE)
    return dict(found)


def test_the_code_is_formatted(terraform: None) -> None:
    assert program.worked(TERRAFORM, "fmt", "-check", "-recursive") == ""


@every_directory
def test_it_is_valid_without_a_warning(directory: Path, initialised: Callable[[Path], Path]) -> None:
    answer = json.loads(program.worked(initialised(directory), "validate", "-json"))
    assert answer["diagnostics"] == []


@every_directory
def test_its_own_tests_pass(directory: Path, initialised: Callable[[Path], Path]) -> None:
    said = program.worked(initialised(directory), "test", "-no-color")
    passed, failed = map(int, re.findall(r"(\d+) passed, (\d+) failed", said)[0])
    assert (passed > 0, failed) == (True, 0)


@every_directory
def test_it_has_the_one_form(directory: Path) -> None:
    needed = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", f"{directory.name}.tftest.hcl"}
    assert needed <= {path.name for path in directory.iterdir()}
    assert len((directory / "main.tf").read_text().splitlines()) <= LONGEST_MAIN
    for name, body in blocks(directory, "variable").items():
        assert re.search(r"^  description = ", body, re.MULTILINE), name
        assert re.search(r"^  type\s+= ", body, re.MULTILINE), name
    for name, body in blocks(directory, "output").items():
        assert re.search(r"^  description = ", body, re.MULTILINE), name


@pytest.mark.parametrize("root", ROOTS, ids=lambda path: path.name)
def test_environments_say_the_same_things_differently(root: Path) -> None:
    said = {
        place.name: set(re.findall(r"^(\w+)\s+= ", (place / f"{root.name}.tfvars").read_text(), re.MULTILINE))
        for place in ENVIRONMENTS
    }
    assert set(said) == {"dev", "prod"}
    assert said["dev"] == said["prod"]
    assert said["dev"] <= set(blocks(root, "variable"))


@pytest.mark.parametrize("root", ROOTS, ids=lambda path: path.name)
def test_providers_are_locked_for_every_platform(root: Path) -> None:
    text = (root / ".terraform.lock.hcl").read_text()
    assert 'hashicorp/aws" {' in text
    assert len(PLATFORM_FREE.findall(text)) > 3  # the registry's own: one for each platform's archive
    assert re.search(r'"h1:[A-Za-z0-9+/]{43}="', text)
