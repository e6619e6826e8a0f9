"""Handle errors of other libraries, and values of users whose `repr` may fail."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from db_core.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["is_of_a_library", "shown", "told"]


def is_of_a_library(error: BaseException) -> bool:
    """Return whether an error is an `Exception`, or a panic in Rust code, which is not an `Exception`."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


@contextmanager
def told(tell: Callable[[str], DatabaseError]) -> Iterator[None]:
    """Replace a library's error that leaves the block by the error that `tell` makes of its text.

    Our own errors, missing libraries and exhausted memory are raised as they are.
    """
    try:
        yield
    except (DatabaseError, ImportError, MemoryError):
        raise
    except BaseException as error:
        if not is_of_a_library(error):
            raise
        raise tell(str(error) or type(error).__name__) from error


def shown(value: object) -> str:
    """Return `repr` of a value, or its type if that fails, as for a dataclass with an unset field."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a user's type may raise anything
        return f"a {type(value).__qualname__}"
