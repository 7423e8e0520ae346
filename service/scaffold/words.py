"""Words that mean something to PostgreSQL, Python and the house, so that nothing new can be called so."""

from __future__ import annotations

import builtins
import keyword
import sys
from pathlib import Path

_HERE = Path(__file__).parent

# What cannot name a column or a table: pg_get_keywords(), categories R and T.
SQL_RESERVED = frozenset((_HERE / "sql_reserved.txt").read_text().split())

# What cannot name a type, and each row of a table has one: category C, and the types that PostgreSQL brings.
SQL_TYPES = frozenset((_HERE / "sql_types.txt").read_text().split())

SQL_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})  # of every table

PYTHON_KEYWORDS = frozenset((*keyword.kwlist, *keyword.softkwlist, "type"))  # type is one from Python 3.12 on
PYTHON_MODULES = frozenset(sys.stdlib_module_names)
PYTHON_BUILTINS = frozenset(dir(builtins))

# What every feature has by itself.
OWN_FIELDS = frozenset(
    {"id", "user_id", "created_at", "updated_at", "version", "page", "limit", "offset", "sort", "pagination"}
)

# What the modules of a feature call something else; a test compares it with them.
TAKEN_BY_TEMPLATES = frozenset(
    {
        *("annotations", "app", "as_json", "current_user", "cursor", "delete", "get_database", "index", "init_app"),
        *("inputs", "insert", "json_of", "one", "operation", "page", "queries", "replace", "replaced", "show"),
        "stored",
    }
)
