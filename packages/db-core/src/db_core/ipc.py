"""Write frames as pieces of Arrow IPC, and read them back with the same types, index and labels.

The pieces, one after the other, are one Arrow IPC stream, which any Arrow library can read. pyarrow is
not needed. db-redis stores frames in this way, but this module does not depend on Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, overload

from db_core._native import PieceReader, PieceWriter, Table
from db_core.errors import InvalidArgumentError, ParseError, SerializationError
from db_core.foreign import is_of_a_library, told
from db_core.frame import check_into, name_with_nul

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from db_core.frame import AnyFrame, Into

__all__ = ["FrameReader", "check_into", "write_pieces"]


def write_pieces(frame: object, piece_bytes: int) -> Iterator[bytes]:
    """Write a frame in pieces of at most `piece_bytes`, compressed if that makes them smaller.

    Args:
        frame: A pandas or polars DataFrame, a pyarrow Table, a `Frame`, or anything with
            Arrow's PyCapsule protocol.
        piece_bytes: The most bytes of a piece.

    Raises:
        InvalidArgumentError: `frame` is not a frame. It is raised by the call, not by the iterator.
        SerializationError: A column can't be kept exactly. The message names it. The call raises this too.
    """
    return _pieces(PieceWriter(_table(frame), piece_bytes))


def _pieces(writer: PieceWriter) -> Iterator[bytes]:
    while (piece := writer.piece()) is not None:
        yield piece


def _table(frame: object) -> Table:
    modules = {base.__module__.partition(".")[0] for base in type(frame).__mro__}
    if "pandas" in modules and hasattr(frame, "columns"):
        from db_core._pandas_exact import from_pandas

        with told(lambda reason: SerializationError(f"the frame can't be kept: {reason}")):
            return from_pandas(cast("pd.DataFrame", frame))
    is_series = type(frame).__name__ == "Series" and modules & {"pandas", "polars"}
    if is_series or not hasattr(frame, "__arrow_c_stream__"):
        message = (
            "`frame` must be a DataFrame or have Arrow's PyCapsule protocol, "
            f"not {type(frame).__module__}.{type(frame).__qualname__}"
        )
        raise InvalidArgumentError(message, argument="frame")
    if "polars" in modules:
        _check_polars(frame)
    try:
        return Table.from_arrow(frame)
    except BaseException as error:  # polars raises its own types for what Arrow lacks
        if not is_of_a_library(error):
            raise
        raise SerializationError(f"{_at_fault(frame, modules)} can't be kept: {error}") from error


def _check_polars(frame: Any) -> None:
    """Raise an error for what polars exports wrongly: objects as addresses, Null columns with a buffer."""
    import polars as pl

    if (nul := name_with_nul(frame)) is not None:
        raise SerializationError(
            f"column {nul!r} can't be kept: polars can't export a name with a NUL. Rename it"
        )
    for name, kind in frame.collect_schema().items():
        if kind == pl.Object:
            raise SerializationError(
                f"column {name!r} can't be kept: it has Python objects. Convert it to a type of polars"
            )
        if kind == pl.Null:
            raise SerializationError(f"column {name!r} can't be kept: it has no type. Cast it to one")


def _at_fault(frame: Any, modules: set[str]) -> str:
    """Return the name of the first column of a polars frame that Arrow has no type for, for a message."""
    for name in frame.columns if "polars" in modules else ():
        try:
            Table.from_arrow(frame.select(name))
        except BaseException as error:
            if not is_of_a_library(error):
                raise
            return f"column {name!r}"
    return "the frame"


class FrameReader:
    """Read a frame from its pieces."""

    def __init__(self) -> None:
        self._reader = PieceReader()

    def feed(self, piece: bytes) -> None:
        """Read the next piece. A polars or Arrow frame will share its memory.

        Raises:
            SerializationError: The piece is not Arrow IPC.
        """
        try:
            self._reader.feed(piece)
        except ParseError as error:
            raise SerializationError(str(error)) from error

    @overload
    def finish(self, into: Literal["pandas"]) -> pd.DataFrame: ...
    @overload
    def finish(self, into: Literal["polars"]) -> pl.DataFrame: ...
    @overload
    def finish(self, into: Literal["arrow"]) -> pa.Table: ...
    def finish(self, into: Into) -> AnyFrame:
        """Return the frame, after its last piece.

        Raises:
            SerializationError: The end is missing, or `into` has no type for a column.
        """
        try:
            table = self._reader.finish()
        except ParseError as error:
            raise SerializationError(str(error)) from error

        def tell(reason: str) -> SerializationError:
            return SerializationError(f"{_column_at_fault(table, into)} can't be read into {into}: {reason}")

        with told(tell):
            return _made(table, into)


def _column_at_fault(table: Table, into: Into) -> str:
    """Return the name of the first column that can't be read alone, for a message."""
    for name, array in zip(table.names, table.columns(), strict=True):
        try:
            _made(Table([name], [array], len(table)), into)
        except BaseException as error:
            if not is_of_a_library(error):
                raise
            return f"column {name!r}"
    return "the frame"


def _made(table: Table, into: Into) -> AnyFrame:
    if into == "pandas":
        from db_core._pandas_exact import KEY
        from db_core._pandas_restored import to_pandas

        if KEY not in table.metadata:
            _check_extensions(table, [False] * len(table.names), into)
        return to_pandas(table)
    if into == "arrow":
        import pyarrow as pa

        return pa.table(table)
    import polars as pl

    twice = sorted({name for name in table.names if table.names.count(name) > 1})
    if twice:
        names = ", ".join(map(repr, twice))
        raise SerializationError(
            f"two columns have the name {names}, which polars does not allow. Read into pandas"
        )
    frame = pl.DataFrame(table)
    known: type | tuple[()] = getattr(pl, "BaseExtension", ())  # older versions lack it
    _check_extensions(table, [isinstance(kind, known) for kind in frame.dtypes], into)
    return frame


def _check_extensions(table: Table, kept: list[bool], into: Into) -> None:
    """Raise an error for columns whose extension type would be lost silently."""
    for name, extension, is_kept in zip(table.names, table.extensions, kept, strict=True):
        if extension is not None and not is_kept:
            raise SerializationError(
                f"column {name!r}: {into} has no dtype for Arrow's extension type {extension!r}. "
                "Read into Arrow"
            )
