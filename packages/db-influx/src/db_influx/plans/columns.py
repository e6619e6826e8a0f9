"""The columns of a small answer, checked to be those that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db_core.annotated_csv import split
from db_core.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from db_core.annotated_csv import Answer

__all__ = ["TEXT", "VALUE", "columns"]

TEXT = ("string", "dictionary")
VALUE = ("float64", "int64", "uint64", "bool", *TEXT)  # what a field may hold


def columns(answer: Answer, **kinds: Container[str]) -> Iterator[tuple[dict[str, list[Any]], dict[str, str]]]:
    """Yield the columns of an answer and what they hold, schema by schema.

    Args:
        answer: What was decoded.
        kinds: The columns that were asked for, and what each may hold.

    Raises:
        ParseError: It has not these columns: it is the answer to another query.
    """
    for frame in split(answer):
        for name, allowed in kinds.items():
            if frame.kinds.get(name) not in allowed:
                held = ", ".join(f"{one} ({kind})" for one, kind in frame.kinds.items())
                raise ParseError(
                    f"the answer is to another question: it has {held}, and no such {name}", offset=0
                )
        yield frame.to_pydict(), frame.kinds
