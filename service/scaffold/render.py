"""The files of a new feature, from templates. They come out as `ruff format` leaves them where lines are short."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from service.scaffold.kinds import Case
from service.scaffold.names import MAX_NAME, Feature

TEMPLATES = Path(__file__).parent / "templates"
WIDTH = 120


def files(feature: Feature, number: int) -> dict[str, str]:
    """Return the text of each new file by its path. `number` is the migration's."""
    return {
        path: _rendered(template, feature)
        for path, template in {
            f"service/database/migrations/{number:04}_{feature.name}.sql": "migration.sql.j2",
            f"service/{feature.name}/__init__.py": "package.py.j2",
            f"service/{feature.name}/schemas.py": "schemas.py.j2",
            f"service/{feature.name}/queries.py": "queries.py.j2",
            f"service/{feature.name}/routes.py": "routes.py.j2",
            f"tests/{feature.name}/__init__.py": "",
            f"tests/{feature.name}/test_{feature.name}.py": "tests.py.j2",
        }.items()
    }


def _rendered(template: str, feature: Feature) -> str:
    if not template:
        return ""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - what it writes is Python and SQL, where HTML's escapes would be wrong
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"wrapped": _wrapped, "listed": _listed, "in_order": in_order}
    owner = ["user_id"] if feature.is_of_users else []
    return environment.get_template(template).render(
        feature=feature,
        columns=["id", *owner, *(field.name for field in feature.fields)],
        values=[f"%({key})s" for key in ("id", *owner, *(field.key for field in feature.fields))],
        assignments=[*(f"{field.name} = %({field.key})s" for field in feature.fields), "updated_at = now()"],
        takes=sorted({"StrictSchema", *(field.kind.takes for field in feature.fields)}),
        required=[f'"{field.key}"' for field in feature.fields if not field.is_optional],
        optional=[f'"{field.key}"' for field in feature.fields if field.is_optional],
        database_cases=_database_cases(feature),
    )


def _database_cases(feature: Feature) -> list[tuple[str, Case]]:
    """Return columns and values that break a rule of the database."""
    null = Case("null", "None")
    owner = [("user_id", null), ("user_id", Case("nobody", "str(uuid.uuid4())"))] if feature.is_of_users else []
    return owner + [
        (field.name, case)
        for field in feature.fields
        for case in (*field.kind.refused_by_database, *(() if field.is_optional else (null,)))
    ]


def _wrapped(parts: Iterable[str], indent: int) -> str:
    """Return parts with commas between them, on as few lines as hold them."""
    lines = [""]
    for part in parts:
        if len(lines[-1]) + len(part) + indent + 2 > WIDTH:
            lines.append("")
        lines[-1] += f"{part}, "
    return f"\n{' ' * indent}".join(line.rstrip() for line in lines).rstrip(",")


def _listed(parts: Sequence[str], indent: int) -> str:
    """Return parts in parentheses: on the line that they are on, or on lines of their own where they are many."""
    if sum(map(len, parts)) + 2 * len(parts) <= WIDTH - indent - MAX_NAME - len("INSERT INTO  "):
        return f"({', '.join(parts)})"
    return f"(\n{' ' * (indent + 4)}{_wrapped(parts, indent + 4)}\n{' ' * indent})"


def in_order(block: str) -> str:
    """Return lines that import from modules in the order of the modules' names, where 10 follows 9."""
    return "".join(sorted(block.splitlines(keepends=True), key=place_of))


def place_of(line: str) -> list[tuple[int, str]]:
    """Return what a line that imports from a module is sorted by."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split("([0-9]+)", line.split()[1])]
