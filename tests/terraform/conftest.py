"""A copy of the Terraform code, to initialise in, so that the working tree stays as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.required import skip_without
from tests.terraform import program


@pytest.fixture(scope="session")
def terraform() -> None:
    """Skip where there is no Terraform, unless it is required."""
    skip_without("TERRAFORM", program.why_not())


@pytest.fixture(scope="session")
def initialised(terraform: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Gives the copy of a module or a root, with its providers and without a state."""
    copy = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(program.TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform"))
    done: set[Path] = set()

    def give(directory: Path) -> Path:
        place = copy / directory.relative_to(program.TERRAFORM)
        if place not in done:
            program.worked(place, "init", "-backend=false", "-no-color")
            done.add(place)
        return place

    return give
