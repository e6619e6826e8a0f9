"""What comes from elsewhere: errors of other libraries, and values whose text can't be had."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from db_core.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["is_of_a_library", "shown", "told"]


def is_of_a_library(error: BaseException) -> bool:
    """Say whether an error is one, or a panic of Rust's, which is no `Exception`."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


@contextmanager
def told(tell: Callable[[str], DatabaseError]) -> Iterator[None]:
    """Raise what `tell` makes of a library's error, of its text.

    Ours pass, as do those of a library that is missing and of memory that is used up.
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
    """Return `repr` of a value, or its type where that fails, as of a dataclass with a field unset."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - of a type of the user's
        return f"a {type(value).__qualname__}"
