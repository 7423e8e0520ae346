"""What the templates make of every kind of feature: right for ruff, mypy, PostgreSQL and the registry of routes."""

from __future__ import annotations

import json
import uuid

import pytest

from service import config
from service.scaffold import words
from service.scaffold.checkout import APP, next_number, registered
from service.scaffold.kinds import KINDS
from service.scaffold.names import MAX_FIELDS, MAX_NAME, Feature, feature
from service.scaffold.render import files, in_order
from service.scaffold.writing import GENERATE
from tests.postgres import Postgres
from tests.scaffold.clone import Clone


def longest(prefix: str, ending: str = "") -> str:
    return prefix + "x" * (MAX_NAME - len(prefix) - len(ending)) + ending


def features() -> list[Feature]:
    """Return features of each kind of field alone, optional or not, of all together, and of extreme names."""
    found = [
        feature(f"{'some' if mark else 'all'}_{kind}_{auth[0]}as", f"{kind}_value:{kind}{mark}", auth)
        for kind in KINDS
        for mark in ("", "?")
        for auth in ("user", "scope")
    ]
    both = " ".join(f"{kind}_a:{kind} {kind}_b:{kind}?" for kind in KINDS)
    odd = [f"{word}:str" for word in sorted(words.SQL_TYPES - {"unknown"})]  # no types, but columns
    wide = " ".join(f"{longest(f'f{number}_')}:str" for number in range(MAX_FIELDS))
    many = " ".join(f"f{number}:{kind}?" for number, kind in enumerate((*KINDS,) * 5))
    for auth in ("user", "scope"):
        found += [
            feature(f"wholes_of_{auth}", both, auth, "/api/v2/wholes-of-" + auth, f"whole_of_{auth}"),
            feature(longest(f"long_{auth}_", "s"), wide, auth, None, longest(f"other_{auth}_")),
            feature(f"many_{auth}s", many, auth),
            feature(f"part9_of_{auth}s", "n10:int n9:int", auth, None, f"ninth_of_{auth}"),
            feature(f"part10_of_{auth}s", "n_1:int n_2b:int", auth, None, f"tenth_of_{auth}"),
        ]
    for number, letter in enumerate("abcdefg"):
        some = odd[number * MAX_FIELDS : (number + 1) * MAX_FIELDS]
        found += [feature(f"odd_{letter}s", " ".join(some), "user")] if some else []
    assert not odd[7 * MAX_FIELDS :]
    return found


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, list[str]]:
    """A clone with all these features, as the templates made them; and the paths of their modules."""
    clone = Clone(tmp_path_factory.mktemp("many") / "clone")
    written = []
    for made in features():
        for path, text in files(made, next_number(clone.root)).items():
            (clone.root / path).parent.mkdir(exist_ok=True)
            (clone.root / path).write_text(text)
            written += [path] if path.endswith(".py") else []
        app = clone.root / APP
        app.write_text(registered(app.read_text(), made.name))
    return clone, written


def test_every_feature_is_clean_before_it_is_formatted(many: tuple[Clone, list[str]]) -> None:
    clone, written = many
    short = [path for path in written if "xxx" not in path and "many_" not in path and "odd" not in path]
    assert len(short) > 200
    result = clone.run("ruff", "check", "--no-cache", APP, *short)
    assert result.returncode == 0, result.stdout
    formatted = [path for path in short if "test_" not in path and "wholes" not in path]
    result = clone.run("ruff", "format", "--no-cache", "--check", APP, *formatted)
    assert result.returncode == 0, result.stdout


def test_every_feature_is_clean_when_it_is_formatted_and_typed(many: tuple[Clone, list[str]]) -> None:
    clone, written = many
    assert clone.run("ruff", "format", "--no-cache", *written).returncode == 0
    result = clone.run("ruff", "check", "--no-cache", APP, *written)
    assert result.returncode == 0, result.stdout
    result = clone.run("mypy")
    assert result.returncode == 0, result.stdout
    for path in written:
        if path.startswith("service/"):
            assert len((clone.root / path).read_text().splitlines()) <= 300


def test_every_feature_has_its_table_and_its_routes(many: tuple[Clone, list[str]], postgres: Postgres) -> None:
    clone, _ = many
    settings = config.load({"DATABASE_URL": postgres.create(f"many_{uuid.uuid4().hex}")})
    result = clone.run("python", "-m", "service", "migrate", DATABASE_URL=settings.database.url or "")
    assert result.returncode == 0, result.stderr
    result = clone.run("python", "-c", GENERATE, str(clone.root))
    assert result.returncode == 0, result.stderr
    document = json.loads((clone.root / "docs/openapi.json").read_text())
    for made in features():
        assert set(document["paths"][made.path]) == {"get", "post"}
        assert set(document["paths"][f"{made.path}/{{{made.id_key}}}"]) == {"get", "put", "delete"}
        body = document["components"]["schemas"][f"{made.title}Input"]
        assert set(body["properties"]) == {field.key for field in made.fields}
        assert set(body.get("required", [])) == {field.key for field in made.fields if not field.is_optional}


def test_imports_are_in_the_order_of_their_modules() -> None:
    block = "from service.b10 import a\nfrom service.b_1 import a\nfrom service.b9 import a\nfrom service import a\n"
    assert [line.split()[1] for line in in_order(block).splitlines()] == [
        "service",
        "service.b9",
        "service.b10",
        "service.b_1",
    ]
