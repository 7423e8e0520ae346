"""The table of variables in docs/configuration.md is what config.py reads, no more and no less."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from service import config

ROOT = Path(__file__).parent.parent.parent
ROW = re.compile(r"\| `(?P<name>_?[A-Z][A-Z0-9_]*)` \| (?P<what>[^|]*) \|(?P<default>[^|]*)\|(?P<example>[^|]*)\|")


class Recording(dict[str, str]):
    """An environment that remembers what it is asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)


def rows() -> list[dict[str, str]]:
    lines = (ROOT / "docs" / "configuration.md").read_text().splitlines()
    return [match.groupdict() for match in map(ROW.fullmatch, lines) if match]


def variables_read() -> set[str]:
    environ = Recording()
    config.load(environ)
    return environ.asked


def named_in_the_source() -> set[str]:
    tree = ast.parse((ROOT / "service" / "config.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    reads = re.compile(r"read\.[a-z_]+|os\.environ\.get")
    names = [call.args[0] for call in calls if reads.fullmatch(ast.unparse(call.func)) and call.args]
    return {str(name.value) for name in names if isinstance(name, ast.Constant) and str(name.value).isupper()}


def test_every_variable_is_documented_once_and_no_other() -> None:
    names = [row["name"] for row in rows()]
    assert len(names) == len(set(names)) > 30
    assert set(names) == variables_read() | named_in_the_source()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"])
def test_a_row_says_what_the_variable_does_and_gives_an_example(row: dict[str, str]) -> None:
    assert row["what"].endswith(".") or ". " in row["what"]
    assert "`" in row["example"] or row["name"].endswith(("PASSWORD", "CLIENT_SECRET"))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"])
def test_the_example_is_accepted(row: dict[str, str]) -> None:
    """Beside what the variable cannot do without."""
    if not (example := row["example"].strip().strip("`")):
        return
    needed = {"DATABASE_NAME": "a", "DATABASE_USER": "a", "DATABASE_PASSWORD": "a", "DB_HOST": "localhost"}
    needed |= {"COGNITO_USER_POOL_ID": "eu-west-1_a", "COGNITO_CLIENT_ID": "a"} if "COGNITO" in row["name"] else {}
    if row["name"] == "DATABASE_MIGRATION_USER":
        needed["DATABASE_IAM_AUTH"] = "true"
    if row["name"] == "AWS_LAMBDA_FUNCTION_NAME":
        needed["TOKEN_ISSUER"] = "https://issuer.example.com"
    assert isinstance(config.load(needed | {row["name"]: example}), config.Config)


@pytest.mark.parametrize("row", [row for row in rows() if "`" in row["default"]], ids=lambda row: row["name"])
def test_the_default_is_the_one_of_the_code(row: dict[str, str]) -> None:
    default = re.findall("`([^`]*)`", row["default"])[0]
    if row["name"] == "TOKEN_JWKS_URL":
        assert str(config.load({"TOKEN_ISSUER": "https://a.example"}).tokens.jwks_url) == f"https://a.example{default}"
    else:
        with_host = {"AURORA_ENDPOINT": "a", "DATABASE_NAME": "a", "DATABASE_USER": "a", "DATABASE_PASSWORD": "a"}
        if row["name"] == "TOKEN_SCOPE_PREFIX":
            with_host |= {"COGNITO_USER_POOL_ID": "eu-west-1_a", "COGNITO_CLIENT_ID": "a"}
        if row["name"].startswith("ATHENA_"):  # another of them says that Athena is meant
            with_host |= {"ATHENA_WORKGROUP" if row["name"] != "ATHENA_WORKGROUP" else "ATHENA_DATABASE": "a"}
        assert config.load(with_host | {row["name"]: default}) == config.load(with_host)
