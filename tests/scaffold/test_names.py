"""What a new feature cannot be called, and what follows from its name."""

from __future__ import annotations

import ast
import keyword
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.scaffold import words
from service.scaffold.kinds import KINDS
from service.scaffold.names import Feature, Refused, feature, singular_of
from service.scaffold.render import files


def refusal(*arguments: Any) -> str:
    with pytest.raises(Refused) as refused:
        feature(*arguments)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "words of a-z"),
        ("Meals", "words of a-z"),
        ("2meals", "words of a-z"),
        ("_meals", "words of a-z"),
        ("meals_", "words of a-z"),
        ("my__meals", "words of a-z"),
        ("my-meals", "words of a-z"),
        ("my meals", "words of a-z"),
        ("meals\n", "words of a-z"),
        ("meals;", "words of a-z"),
        ("meals'--", "words of a-z"),
        ("../meals", "words of a-z"),
        ("meals/../../x", "words of a-z"),
        ("/etc/meals", "words of a-z"),
        ("m\u0435als", "words of a-z"),  # a Cyrillic letter
        ("\uff4deals", "words of a-z"),  # a wide letter
        ("meal\u017f", "words of a-z"),  # a long s
        ("meals\u200b", "words of a-z"),  # a space of no width
        ("mea\u0301ls", "words of a-z"),
        ("m" * 39 + "es", "at most 40 characters"),
        ("m" * 63 + "s", "at most 40 characters"),
        ("class", "keyword of Python"),
        ("lambda", "keyword of Python"),
        ("match", "keyword of Python"),
        ("type", "keyword of Python"),
        ("orders_by", "singular of orders_by is not known"),
        ("order", "reserved word of SQL"),
        ("user", "reserved word of SQL"),
        ("table", "reserved word of SQL"),
        ("values", "type or a word of SQL"),
        ("text", "type or a word of SQL"),
        ("json", "type or a word of SQL"),
        ("email", "module of Python"),
        ("statistics", "module of Python"),
        ("list", "builtin of Python"),
        ("copyright", "builtin of Python"),
        ("queries", "means something else"),
        ("inputs", "means something else"),
        ("uuid", "type or a word of SQL"),
        ("pg_meals", "must not begin with pg_"),
        ("test_meals", "must not begin with"),
        ("sheep", "singular of sheep is not known"),
        ("lists", "the singular is a builtin of Python: list"),
        ("part2s", "the singular names a variable of paths, which has no digits: part2"),
        ("classes", "the singular is a keyword of Python: class"),
        ("tables", "the singular is a reserved word of SQL: table"),
        ("emails", "the singular is a module of Python: email"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_with_the_rule(name: str, rule: str) -> None:
    assert rule in refusal(name, "title:str", "user")


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ("", "there are no fields"),
        (" \n\t", "there are no fields"),
        ("title", "needs a type"),
        ("title:", "type of title must be one of str, text, int, decimal, bool, date, datetime, uuid"),
        ("title:string", "type of title must be one of"),
        ("title:str??", "type of title must be one of"),
        ("title?:str", "words of a-z"),
        ("title:str,note:str", "type of title must be one of"),
        ("title\uff1astr", "words of a-z"),
        ("title:str\u00a0note:str", "type of title must be one of"),
        ("Title:str", "words of a-z"),
        ("ti\u0442le:str", "words of a-z"),
        ("title);--:str", "words of a-z"),
        ("class:str", "keyword of Python"),
        ("match:str", "keyword of Python"),
        ("select:str", "reserved word of SQL"),
        ("offset:int", "reserved word of SQL"),
        ("f" * 41 + ":str", "at most 40 characters"),
        ("f" * 64 + ":str", "at most 40 characters"),
        ("title:str title:text", "stands twice: title"),
        ("step1:int step_1:int", "stands twice: step_1"),
        ("id:uuid", "every feature has: id"),
        ("user_id:uuid", "every feature has: user_id"),
        ("created_at:datetime", "every feature has: created_at"),
        ("updated_at:datetime", "every feature has: updated_at"),
        ("version:int", "every feature has: version"),
        ("page:int", "every feature has: page"),
        ("pagination:text", "every feature has: pagination"),
        ("meal_id:uuid", "every feature has: meal_id"),
        ("meals:int", "name of its table: meals"),
        ("ctid:int", "column of PostgreSQL's own: ctid"),
        ("xmin:int", "column of PostgreSQL's own: xmin"),
        ("fields:str", "something that every schema has: fields"),
        ("dump:str", "something that every schema has: dump"),
        ("validate:bool", "something that every schema has: validate"),
        ("load:decimal", "something that every schema has: load"),
        (" ".join(f"f{number}:int" for number in range(41)), "at most 40 fields: 41"),
    ],
    ids=lambda value: value[:30],
)
def test_fields_that_cannot_be_are_refused_with_the_rule(fields: str, rule: str) -> None:
    assert rule in refusal("meals", fields, "user")


@pytest.mark.parametrize("auth", ["", "User", "public", "none", "user ", "meals:read"])
def test_an_unknown_auth_is_refused(auth: str) -> None:
    assert refusal("meals", "title:str", auth) == f"--auth must be one of user, scope: {auth!r}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "meals",
        "/meals/",
        "//meals",
        "/me als",
        "/Meals",
        "/meals/<x>",
        "/meals/{id}",
        "/../meals",
        "/meals/..",
        "/m%65als",
        "/meals?x=1",
        "/meals#x",
        '/meals"',
        "/m\u0435als",
        "/meals\n",
        "/a/b/c/d/e/f",
        "/" + "a" * 100,
    ],
)
def test_a_path_that_cannot_be_one_is_refused(path: str) -> None:
    assert "a path must be" in refusal("meals", "title:str", "user", path)


@pytest.mark.parametrize("singular", ["", "meals", "Meal", "class", "../meal", "table", "input", "m" * 41])
def test_a_singular_is_checked_as_a_name_is(singular: str) -> None:
    assert "singular" in refusal("meals", "title:str", "user", None, singular)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("meals", "meal"),
        ("work_orders", "work_order"),
        ("categories", "category"),
        ("boxes", "box"),
        ("branches", "branch"),
        ("dishes", "dish"),
        ("addresses", "address"),
        ("houses", "house"),
        ("movies", "movy"),  # --singular movie
        ("ties", "tie"),
        ("status", None),
        ("news", "new"),  # --singular news_item
        ("staff", None),
        ("analysis", None),
        ("s", None),
    ],
)
def test_the_singular_is_that_of_most_english_plurals(plural: str, singular: str | None) -> None:
    assert singular_of(plural) == singular


def test_names_follow_from_the_plural_and_the_singular() -> None:
    made = feature("work_orders", "due_on:date is_paid:bool?", "scope")
    assert (made.singular, made.path, made.key, made.id_key) == (
        "work_order",
        "/work-orders",
        "workOrders",
        "workOrderId",
    )
    assert (made.title, made.scope, made.a_singular) == ("WorkOrder", "work-orders", "a work order")
    assert [(field.name, field.key, field.is_optional) for field in made.fields] == [
        ("due_on", "dueOn", False),
        ("is_paid", "isPaid", True),
    ]
    assert feature("items_sold", "n:int", "user", "/api/sold-items", "item_sold").a_singular == "an item sold"


@pytest.mark.parametrize("word", sorted((words.SQL_RESERVED | words.PYTHON_KEYWORDS) - {"False", "None", "True", "_"}))
def test_no_word_of_python_or_sql_names_a_feature_or_a_field(word: str) -> None:
    refusal(word, "title:str", "user", None, "singular")
    refusal("meals", f"{word}:str", "user")


def test_the_words_of_sql_are_all_known(rows: Any) -> None:
    keywords = {
        kind: {word for (word,) in rows("SELECT word FROM pg_get_keywords() WHERE catcode = %s", kind)}
        for kind in "RTC"
    }
    assert keywords["R"] | keywords["T"] <= words.SQL_RESERVED
    types = rows(
        """
        SELECT typname FROM pg_type
        WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype <> 'c' AND typname !~ '^(_|pg_)'
        """
    )
    assert {name for (name,) in types} | keywords["C"] <= words.SQL_TYPES | words.SQL_RESERVED
    columns = {name for (name,) in rows("SELECT attname FROM pg_attribute WHERE attnum < 0")}
    assert columns == words.SQL_COLUMNS


@pytest.mark.parametrize("auth", ["user", "scope"])
def test_a_feature_cannot_be_called_what_its_modules_call_something_else(auth: str) -> None:
    made = feature("meals", "title:str", auth)
    own = {made.name, made.singular, f"{made.singular}_id", made.id_key}
    for path, text in files(made, 1).items():
        if path.endswith(("routes.py", "queries.py")):
            for name in bound(ast.parse(text)) - own:
                if re.fullmatch("[a-z][a-z0-9_]*", name):
                    refusal(name, "title:str", auth, None, "singular")
                    refusal("plurals", "title:str", auth, None, name)


def bound(tree: ast.Module) -> set[str]:
    """Return every name that a module gives or uses."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.name.partition(".")[0])
    return found


IDENTIFIERS = st.from_regex("[a-z][a-z0-9_]{0,12}s?", fullmatch=True) | st.sampled_from(
    sorted(words.SQL_TYPES | words.PYTHON_MODULES | {*keyword.kwlist})
)
NAMES = IDENTIFIERS | st.text(max_size=50)
FIELDS = st.lists(
    st.tuples(NAMES, st.sampled_from([*KINDS, *(f"{kind}?" for kind in KINDS)]) | st.text(max_size=5)), max_size=4
)


@given(
    name=NAMES,
    fields=FIELDS.map(lambda pairs: " ".join(":".join(pair) for pair in pairs)) | st.text(max_size=60),
    auth=st.sampled_from(["user", "scope"]) | st.text(max_size=5),
    path=st.none() | st.text(max_size=20).map(lambda text: f"/{text}"),
    singular=st.none() | NAMES,
)
def test_whatever_is_asked_is_refused_in_a_line_or_safe(
    name: str, fields: str, auth: str, path: str | None, singular: str | None
) -> None:
    try:
        made = feature(name, fields, auth, path, singular)
    except Refused as refused:
        told = str(refused)
        assert re.fullmatch("[ -~]{1,400}", told)
    else:
        assert_safe(made)


@given(name=IDENTIFIERS, fields=st.lists(IDENTIFIERS, min_size=1, max_size=5), auth=st.sampled_from(["user", "scope"]))
def test_what_is_not_refused_compiles(name: str, fields: list[str], auth: str) -> None:
    try:
        made = feature(name, " ".join(f"{field}:str" for field in fields), auth)
    except Refused:
        return
    assert_safe(made)


def assert_safe(made: Feature) -> None:
    for identifier in (made.name, made.singular, *(field.name for field in made.fields)):
        assert re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", identifier)
        assert len(identifier) <= 40
        assert not keyword.iskeyword(identifier)
    for path, text in files(made, 1).items():
        assert re.fullmatch("(service|tests)/[a-z0-9_/]+[.](py|sql)", path)
        if path.endswith(".py"):
            compile(text, path, "exec")
