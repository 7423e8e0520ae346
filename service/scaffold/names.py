"""What a new feature is called, and what it is made of: from the words of the command, or refused.

Names become files, modules, tables, columns, paths and keys of JSON, unquoted everywhere, so they are checked here for
what none of these can be. Whether a name is free is `checkout`'s to know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.scaffold import words
from service.scaffold.kinds import KINDS, Kind
from service.validation import StrictSchema

MAX_NAME = 40  # so that lines stay short, and what is named after it below PostgreSQL's 63
MAX_FIELDS = 40  # json_build_object takes 50 pairs
AUTHS = ("user", "scope")

_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PATH = re.compile(r"(/[a-z][a-z0-9]*(-[a-z0-9]+)*){1,5}")
_SPACE = re.compile(r"[ \t\n]+")


class Refused(Exception):
    """The command cannot mean this, and has written nothing."""


@dataclass(frozen=True)
class Field:
    """One field: a column, and a key of JSON."""

    name: str
    kind: Kind
    is_optional: bool

    @property
    def key(self) -> str:
        """Return its key in JSON."""
        return camel(self.name)

    @property
    def words(self) -> str:
        """Return its name as people write it."""
        return self.name.replace("_", " ")

    def source(self, template: str) -> str:
        """Return source of its kind, such as an example, for this field."""
        return template.replace("{name}", self.words).replace("{column}", self.name)


@dataclass(frozen=True)
class Feature:
    """A new feature. `name` and `singular` are safe identifiers."""

    name: str
    singular: str
    path: str
    is_of_users: bool
    fields: tuple[Field, ...]

    @property
    def words(self) -> str:
        """Return its name as people write it."""
        return self.name.replace("_", " ")

    @property
    def key(self) -> str:
        """Return the key of its lists in JSON."""
        return camel(self.name)

    @property
    def id_key(self) -> str:
        """Return the key of its ids in JSON, which is also the variable of its paths."""
        return f"{camel(self.singular)}Id"

    @property
    def title(self) -> str:
        """Return the beginning of the names of its classes."""
        return "".join(word.capitalize() for word in self.singular.split("_"))

    @property
    def scope(self) -> str:
        """Return what its scopes begin with."""
        return self.name.replace("_", "-")

    @property
    def a_singular(self) -> str:
        """Return one of it as people write it, with its article."""
        is_vowel = re.match("(?!uni|us[aeiou]|eu|one)[aeiou]", self.singular)
        return f"{'an' if is_vowel else 'a'} {self.singular.replace('_', ' ')}"


def camel(name: str) -> str:
    """Return a name as a key of JSON: `eaten_at` is `eatenAt`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def feature(name: str, fields: str, auth: str, path: str | None = None, singular: str | None = None) -> Feature:
    """Return the feature that a command asks for. Raises `Refused` with the first rule that it breaks."""
    _check_name("the name", name)
    if singular is None:
        singular = singular_of(name)
        if singular is None:
            raise Refused(f"the singular of {name} is not known: tell it with --singular")
    _check_name("the singular", singular)
    if re.search("[0-9]", singular):
        raise Refused(f"the singular names a variable of paths, which has no digits: {singular}")
    if singular == name:
        raise Refused(f"the singular must differ from the name: {name}")
    if auth not in AUTHS:
        raise Refused(f"--auth must be one of {', '.join(AUTHS)}: {auth!a}")
    path = "/" + name.replace("_", "-") if path is None else path
    if not _PATH.fullmatch(path) or len(path) > 2 * MAX_NAME:
        raise Refused(f"a path must be one to five words of a-z, 0-9 and -, each behind a /: {path!a}")
    made = Feature(name, singular, path, auth == "user", _fields(fields))
    _check_fields(made)
    return made


def singular_of(name: str) -> str | None:
    """Return the singular of an English plural, None where it is not obvious."""
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if name.endswith(ending) and len(name) > len(ending) + 1:
            return name.removesuffix(ending) + replacement
    return name[:-1] if re.search("[^suix_]s$", name) else None


def _check_name(what: str, name: str) -> None:
    _check_identifier(what, name)
    for names, why in (
        (words.SQL_TYPES, "is a type or a word of SQL"),
        (words.PYTHON_MODULES, "is a module of Python"),
        (words.PYTHON_BUILTINS, "is a builtin of Python"),
        (words.TAKEN_BY_TEMPLATES | words.OWN_FIELDS, "means something else in the code of a feature"),
    ):
        if name in names:
            raise Refused(f"{what} {why}: {name}")
    if name.startswith(("pg_", "test_")):
        raise Refused(f"{what} must not begin with pg_ or test_: {name}")


def _check_identifier(what: str, name: str) -> None:
    if not _IDENTIFIER.fullmatch(name):
        raise Refused(f"{what} must be words of a-z and 0-9 joined by _, the first letter one of a-z: {name!a:.100}")
    if len(name) > MAX_NAME:
        raise Refused(f"{what} must have at most {MAX_NAME} characters: {name:.100}")
    if name in words.PYTHON_KEYWORDS:
        raise Refused(f"{what} is a keyword of Python: {name}")
    if name in words.SQL_RESERVED:
        raise Refused(f"{what} is a reserved word of SQL: {name}")


def _fields(text: str) -> tuple[Field, ...]:
    parts = [part for part in _SPACE.split(text) if part]
    if not parts:
        raise Refused('there are no fields: tell them with --fields, such as "name:str eaten_at:datetime notes:str?"')
    if len(parts) > MAX_FIELDS:
        raise Refused(f"there may be at most {MAX_FIELDS} fields: {len(parts)}")
    return tuple(_field(part) for part in parts)


def _field(part: str) -> Field:
    name, separator, kind = part.partition(":")
    _check_identifier("a field", name)
    if not separator:
        raise Refused(f"a field needs a type, such as {name}:str")
    if kind.removesuffix("?") not in KINDS:
        raise Refused(
            f"the type of {name} must be one of {', '.join(KINDS)}, with ? where it is optional: {kind!a:.100}"
        )
    return Field(name, KINDS[kind.removesuffix("?")], kind.endswith("?"))


def _check_fields(made: Feature) -> None:
    of_schemas = {*dir(StrictSchema), *vars(StrictSchema())}
    seen: set[str] = set()
    for field in made.fields:
        if field.key in seen:
            raise Refused(f"a field stands twice: {field.name}")
        seen.add(field.key)
        if field.name in words.OWN_FIELDS or field.key == made.id_key:
            raise Refused(f"a field has the name of one that every feature has: {field.name}")
        if field.name in words.SQL_COLUMNS:
            raise Refused(f"a field has the name of a column of PostgreSQL's own: {field.name}")
        if field.key in of_schemas:
            raise Refused(f"a field has the name of something that every schema has: {field.name}")
        if field.name == made.name:
            raise Refused(f"a field has the name of its table: {field.name}")
