"""Types in Hive's words: read as Glue writes them, written so that they are read again, and nothing else taken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.exports.lake.types import MAX_DEPTH, SIMPLE, Type, UnknownType, parse

READ = {
    "a simple one": ("string", "string"),
    "capitals": ("BIGINT", "bigint"),
    "an alias": ("integer", "int"),
    "two words": ("double precision", "double"),
    "four words": ("timestamp with time zone", "timestamptz"),
    "a decimal": ("decimal(38,10)", "decimal(38,10)"),
    "a decimal with spaces": (" decimal( 9 , 2 ) ", "decimal(9,2)"),
    "a decimal without scale": ("decimal(9)", "decimal(9,0)"),
    "a bare decimal": ("decimal", "decimal(10,0)"),
    "a length": ("varchar(20)", "varchar(20)"),
    "nested": ("array<struct<name:string,price:decimal(9,2)>>", "array<struct<name:string,price:decimal(9,2)>>"),
    "nested with spaces": ("map < string , array < int > >", "map<string,array<int>>"),
    "names of fields": ("struct<größe:int,1st:int,my-field:int,a$b:int>",) * 2,
    "quoted names": ("struct<`a`:int,`a:b`:int,`c``d`:int,`e f`:int>", "struct<a:int,`a:b`:int,`c``d`:int,e f:int>"),
    "fields that are named like types": ("struct<struct:struct<int:int>>",) * 2,
    "as deep as may be": ("array<" * MAX_DEPTH + "int" + ">" * MAX_DEPTH,) * 2,
}
REFUSED = {
    "nothing": "",
    "blanks": "  ",
    "a word": "text",
    "more behind it": "int int",
    "a semicolon": "int;",
    "a comment": "int -- no",
    "no end": "array<int",
    "two ends": "array<int>>",
    "nothing inside": "array<>",
    "no fields": "struct<>",
    "an empty name": "struct<:int>",
    "an empty quoted name": "struct<``:int>",
    "one name twice": "struct<a:int,a:int>",
    "no type": "struct<a:>",
    "a comma too many": "struct<a:int,>",
    "a map of one": "map<int>",
    "a map of three": "map<int,int,int>",
    "a decimal of 39": "decimal(39,0)",
    "a decimal of none": "decimal(0,0)",
    "more scale than precision": "decimal(5,6)",
    "no precision": "decimal()",
    "three numbers": "decimal(9,2,1)",
    "two lengths": "varchar(1,2)",
    "a sign": "decimal(-9,2)",
    "a length of a million digits": f"varchar({'9' * 1_000_000})",
    "parameters of another": "int(4)",
    "too deep": "array<" * (MAX_DEPTH + 1) + "int" + ">" * (MAX_DEPTH + 1),
    "very deep": "array<" * 100_000,
    "digits of other scripts": "decimal(٩,٢)",
}


@pytest.mark.parametrize(("text", "expected"), READ.values(), ids=READ)
def test_types_are_read(text: str, expected: str) -> None:
    assert str(parse(text)) == expected


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(UnknownType):
        parse(text)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5)
LEAVES = (
    st.sampled_from([kind for kind in SIMPLE if kind not in ("decimal", "varchar", "char")]).map(Type)
    | st.integers(1, 38).flatmap(lambda size: st.integers(0, size).map(lambda scale: Type("decimal", (size, scale))))
    | st.integers(0, 65535).map(lambda length: Type("varchar", (length,)))
    | st.just(Type("varchar"))
)


def nested(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    structs = st.lists(st.tuples(NAMES, inner), min_size=1, max_size=3, unique_by=lambda field: field[0])
    return (
        inner.map(lambda child: Type("array", children=(child,)))
        | st.tuples(inner, inner).map(lambda children: Type("map", children=children))
        | structs.map(
            lambda fields: Type("struct", children=tuple(f[1] for f in fields), names=tuple(f[0] for f in fields))
        )
    )


@settings(max_examples=200)
@given(st.recursive(LEAVES, nested, max_leaves=6))
def test_any_type_is_read_as_it_was_written(kind: Type) -> None:
    assert parse(str(kind)) == kind


@settings(max_examples=200)
@given(st.text("arystuc<>(),:` 09\nint") | st.text())
def test_any_text_is_a_type_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except UnknownType:
        return
    assert parse(str(found)) == found
