"""The columns of a small answer, checked against those of its query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db_core.annotated_csv import split
from db_core.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from db_core.annotated_csv import Answer

__all__ = ["TEXT", "VALUE", "columns"]

TEXT = ("string", "dictionary")
VALUE = ("float64", "int64", "uint64", "bool", *TEXT)  # the types of fields


def columns(
    answer: Answer, **kinds: Collection[str]
) -> Iterator[tuple[dict[str, list[Any]], dict[str, str]]]:
    """Yield the columns of an answer and their types, schema by schema.

    Args:
        answer: The decoded answer.
        kinds: The expected columns, and the types that each may have.

    Raises:
        ParseError: The answer lacks such a column, as when a cache mixes up answers.
    """
    for frame in split(answer):
        for name, allowed in kinds.items():
            if frame.kinds.get(name) not in allowed:
                expected = f"`{name}` ({' or '.join(allowed)})"
                got = ", ".join(f"`{column}` ({kind})" for column, kind in frame.kinds.items())
                message = f"unexpected columns in the answer: expected {expected}, got {got}"
                raise ParseError(message, offset=0)
        yield frame.to_pydict(), frame.kinds
