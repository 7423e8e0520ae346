"""What PyIceberg 0.12 loses, reading and writing: a NULL list of structs, or map to structs, becomes an empty one.

It makes such an array anew to put the fields of the structs in order, and forgets its NULLs. They are put back here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def keep_nulls() -> None:
    """Have PyIceberg keep NULL lists and maps, in the whole process."""
    from pyiceberg.io.pyarrow import ArrowProjectionVisitor

    for name in ("list", "map"):
        setattr(ArrowProjectionVisitor, name, _keeping(getattr(ArrowProjectionVisitor, name)))


def _keeping(project: Callable[..., Any]) -> Callable[..., Any]:
    def projected(self: Any, kind: Any, array: Any, *children: Any) -> Any:
        import pyarrow as pa
        from pyarrow import compute

        found = project(self, kind, array, *children)
        if found is None or found.null_count == array.null_count:
            return found
        kept = compute.if_else(array.is_valid(), found, pa.scalar(None, found.type))
        return kept.cast(found.type)  # with the ids of fields, which got lost on the way

    return projected
