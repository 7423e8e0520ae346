"""DuckDB's values as Trino writes them: DuckDB SQL for the text, or the JSON, of an expression of a type."""

from __future__ import annotations

from typing import Any

INTEGERS = {"tinyint": "tinyint", "smallint": "smallint", "integer": "integer", "bigint": "bigint"}
NAMES = INTEGERS | {
    "boolean": "boolean",
    "float": "real",
    "double": "double",
    "varchar": "varchar",
    "blob": "varbinary",
    "date": "date",
    "timestamp": "timestamp(6)",
    "timestamp_ms": "timestamp(3)",
    "timestamp_s": "timestamp(0)",
    "timestamp with time zone": "timestamp(6) with time zone",
    "time": "time(6)",
    "uuid": "uuid",
    "json": "json",
    "hugeint": "decimal(38,0)",
    '"null"': "unknown",
}
NESTED = ("list", "map", "struct")
JSON_KEYS = ("boolean", *INTEGERS, "float", "double", "decimal", "varchar", "hugeint")
MICROSECONDS = "'%Y-%m-%d %H:%M:%S.%f'"

# Numbers far from 1 as Java writes them, 1.25E16, from their shortest digits as DuckDB writes them, 1.25e+16.
MACROS = """
CREATE MACRO main.java_power(digits, fraction, power) AS
    coalesce(try_cast(power AS INTEGER), 0) + length(ltrim(digits, '0')) - length(fraction) - 1;
CREATE MACRO main.java_digits(digits) AS
    ltrim(digits, '0')[1] || '.' || coalesce(nullif(rtrim(ltrim(digits, '0')[2:], '0'), ''), '0');
CREATE MACRO main.java_parts(sign, whole, fraction, power) AS
    sign || main.java_digits(whole || fraction) || 'E' || main.java_power(whole || fraction, fraction, power);
CREATE MACRO main.java(spelled) AS CASE spelled
    WHEN 'nan' THEN 'NaN'
    WHEN 'inf' THEN 'Infinity'
    WHEN '-inf' THEN '-Infinity'
    ELSE main.java_parts(
        CASE WHEN spelled LIKE '-%' THEN '-' ELSE '' END,
        ltrim(split_part(split_part(spelled, 'e', 1), '.', 1), '-'),
        split_part(split_part(spelled, 'e', 1), '.', 2),
        split_part(spelled, 'e', 2)
    )
END;
"""


class TypeMismatch(Exception):
    """Trino refuses the types."""


def kind(found: Any) -> str:
    """Return the id of a type of DuckDB's, `json` for its JSON."""
    return "json" if str(found) == "JSON" else str(found.id).lower()


def trino(found: Any) -> str:
    """Return what Trino calls a type of DuckDB's."""
    of = kind(found)
    children = dict(found.children) if of in (*NESTED, "decimal") else {}
    if of == "decimal":
        return f"decimal({children['precision']},{children['scale']})"
    if of == "list":
        return f"array({trino(children['child'])})"
    if of == "map":
        return f"map({trino(children['key'])}, {trino(children['value'])})"
    if of == "struct":
        return f"row({', '.join(f'{name} {trino(child)}' for name, child in children.items())})"
    return NAMES.get(of, of)


def shown(found: Any, sql: str, depth: int = 0) -> str:
    """Return SQL for the text of an expression in a result, NULL where it is NULL."""
    of = kind(found)
    inner = f"_{depth}"
    if of in ("double", "float"):
        plain = f"abs({sql}) >= 0.001 AND abs({sql}) < 10000000 OR {sql} = 0"
        return f"CASE WHEN {plain} THEN CAST({sql} AS VARCHAR) ELSE main.java(CAST({sql} AS VARCHAR)) END"
    if of == "decimal":
        return f"regexp_replace(CAST({sql} AS VARCHAR), '^(-?)[.]', '\\10.')"  # DuckDB leaves the zero out
    if of.startswith("timestamp"):
        return _moment(of, sql)
    if of == "time":
        return f"strftime(DATE '2000-01-01' + {sql}, '%H:%M:%S.%f')"
    if of == "blob":
        return f"rtrim(regexp_replace(lower(hex({sql})), '(..)', '\\1 ', 'g'))"
    if of == "list":
        each = shown(dict(found.children)["child"], inner, depth + 1)
        return f"'[' || {_joined(sql, inner, _or(each), ', ')} || ']'"
    if of == "map":
        types = dict(found.children)
        key, value = (shown(types[part], f"{inner}.{part}", depth + 1) for part in ("key", "value"))
        member = f"{key} || '=' || {_or(value)}"
        return f"'{{' || {_joined(f'map_entries({sql})', inner, member, ', ')} || '}}'"
    if of == "struct":
        parts = [f"'{_text(name)}=' || {_or(shown(child, _field(sql, name), depth))}" for name, child in found.children]
        members = " || ', ' || ".join(parts)
        return _unless_null(sql, f"'{{' || {members} || '}}'")
    return f"CAST({sql} AS VARCHAR)"


def as_json(found: Any, sql: str, has_legacy_rows: bool, depth: int = 0) -> str:
    """Return SQL for the JSON of an expression as CAST(… AS JSON) makes it, NULL where it is NULL."""
    of = kind(found)
    if of in NESTED:
        return _nested_json(found, sql, has_legacy_rows, depth)
    if of == "decimal":
        return shown(found, sql)
    if of in ("boolean", *INTEGERS, "hugeint", "json", '"null"'):
        return f"CAST({sql} AS VARCHAR)"
    if of == "varchar":
        return f"CAST(to_json({sql}) AS VARCHAR)"
    if of in ("double", "float"):
        text = shown(found, sql)
        return f"CASE WHEN isfinite({sql}) THEN {text} ELSE '\"' || {text} || '\"' END"
    if of in ("date", "timestamp", "timestamp_ms", "timestamp_s"):
        return f"'\"' || {shown(found, sql)} || '\"'"
    raise TypeMismatch(f"Cannot cast {trino(found)} to json")


def _nested_json(found: Any, sql: str, has_legacy_rows: bool, depth: int) -> str:
    types = dict(found.children)
    inner = f"_{depth}"
    if kind(found) == "list":
        each = as_json(types["child"], inner, has_legacy_rows, depth + 1)
        return f"'[' || {_joined(sql, inner, _or(each), ',')} || ']'"
    if kind(found) == "map":
        if kind(types["key"]) not in JSON_KEYS:
            raise TypeMismatch(f"Cannot cast {trino(found)} to json")
        key = f"CAST(to_json({shown(types['key'], f'{inner}.key')}) AS VARCHAR)"
        value = _or(as_json(types["value"], f"{inner}.value", has_legacy_rows, depth + 1))
        members = f"list_sort(list_transform(map_entries({sql}), lambda {inner}: {key} || ':' || {value}))"
        return f"'{{' || array_to_string({members}, ',') || '}}'"
    values = {name: _or(as_json(one, _field(sql, name), has_legacy_rows, depth)) for name, one in types.items()}
    if has_legacy_rows:
        elements = " || ',' || ".join(values.values())
        return _unless_null(sql, f"'[' || {elements} || ']'")
    parts = " || ',' || ".join(
        f"CAST(to_json('{_text(name)}') AS VARCHAR) || ':' || {one}" for name, one in values.items()
    )
    return _unless_null(sql, f"'{{' || {parts} || '}}'")


def _moment(of: str, sql: str) -> str:
    if of == "timestamp with time zone":
        return f"strftime(make_timestamp(epoch_us({sql})), {MICROSECONDS}) || ' UTC'"
    text = f"strftime(CAST({sql} AS TIMESTAMP), {MICROSECONDS})"
    return {"timestamp_ms": f"{text}[:-4]", "timestamp_s": f"{text}[:-8]"}.get(of, text)


def _joined(sql: str, name: str, each: str, separator: str) -> str:
    return f"array_to_string(list_transform({sql}, lambda {name}: {each}), '{separator}')"


def _or(text: str) -> str:
    return f"coalesce({text}, 'null')"


def _unless_null(sql: str, text: str) -> str:
    return f"CASE WHEN {sql} IS NOT NULL THEN {text} END"


def _field(sql: str, name: str) -> str:
    return f"struct_extract({sql}, '{_text(name)}')"


def _text(name: str) -> str:
    return name.replace("'", "''")
