"""`Frame`: typed columns that convert to pandas, polars and Arrow.

Each of these libraries is imported when it is first needed. The conversion to pandas is in `_pandas`.
"""

from __future__ import annotations

from importlib.util import find_spec
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, cast, overload

from db_core._native import Table
from db_core.errors import InvalidArgumentError, MissingLibraryError
from db_core.foreign import is_of_a_library, shown, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from db_core._native import Array

__all__ = ["AnyFrame", "Frame", "Into", "check_into", "name_with_nul"]

Into: TypeAlias = Literal["pandas", "polars", "arrow"]
AnyFrame: TypeAlias = "pd.DataFrame | pl.DataFrame | pa.Table"  # what `Into` names, in its order

_LIBRARY: dict[Into, str] = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}


def check_into(into: object) -> Into:
    """Return `into`, if it names a kind of frame whose library is installed.

    Raises:
        InvalidArgumentError: `into` names no kind of frame.
        MissingLibraryError: The library is not installed.
    """
    for known, library in _LIBRARY.items():
        if isinstance(into, str) and into == known:
            if find_spec(library) is None:
                message = f"`into={known!r}` needs {library}, which is not installed: pip install {library}"
                raise MissingLibraryError(message)
            return known
    message = f"`into` must be one of {', '.join(map(repr, _LIBRARY))}, not {shown(into)}"
    raise InvalidArgumentError(message, argument="into")


class Frame:
    """Read-only typed columns of the same length.

    Any library that reads Arrow's PyCapsule protocol takes a `Frame` without a copy:
    ``polars.DataFrame(frame)``, ``pyarrow.table(frame)``, ``duckdb.sql("from frame")``.

    The first columns may be an index (`index`). They become the index in pandas, and ordinary columns in
    polars and Arrow.
    """

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: Table, index: int = 0) -> None:
        self._batch = batch
        self._index = index

    @classmethod
    def of(cls, source: object) -> Frame:
        """Return `source` as a `Frame`.

        Args:
            source: A `Frame`, a pandas DataFrame (copied; index levels become columns), or any frame
                with Arrow's PyCapsule protocol (not copied).

        Raises:
            InvalidArgumentError: `source` is none of these, or has a type that can't be kept.
        """
        if isinstance(source, Frame):
            return source
        modules = {base.__module__.partition(".")[0] for base in type(source).__mro__}
        if "pandas" in modules and hasattr(source, "columns"):
            from db_core._pandas import from_pandas

            with told(_unusable):
                return cls(from_pandas(cast("pd.DataFrame", source)))
        is_series = type(source).__name__ == "Series" and modules & {"pandas", "polars"}
        if is_series or not hasattr(source, "__arrow_c_stream__"):
            message = (
                "a frame must be a DataFrame or have Arrow's PyCapsule protocol, "
                f"not {type(source).__module__}.{type(source).__qualname__}"
            )
            raise InvalidArgumentError(message, argument="frame")
        if "polars" in modules:
            if (name := name_with_nul(source)) is not None:
                message = f"polars can't export the name of column {name!r}, which has a NUL. Rename it"
                raise InvalidArgumentError(message, argument="frame")
            source = _without_null_type(source)
        with told(_unusable):
            return cls(Table.from_arrow(source).joined())

    @staticmethod
    def faults(source: object, most: int = 1_000) -> list[tuple[int | None, str]]:
        """Return the row and the reason of at most `most` values for which `of` refuses a pandas DataFrame.

        The row is None if the fault is of a whole column. For any other frame the list is empty.
        """
        modules = {base.__module__.partition(".")[0] for base in type(source).__mro__}
        if "pandas" not in modules or not hasattr(source, "columns"):
            return []
        from db_core._pandas import faults

        return faults(cast("pd.DataFrame", source), most)

    @property
    def batch(self) -> Table:
        """The native columns."""
        return self._batch

    def slice(self, start: int, rows: int) -> Self:
        """Return at most `rows` rows from `start` on, without a copy."""
        return self.derive(self._batch.slice(start, min(rows, len(self))))

    def by_time(self) -> Self:
        """Return the rows in order of time, and the time as the only index, before all other columns.

        The last column of the index must be times. Rows of one time keep their order.
        """
        return type(self)(self._batch.by_time(self._index - 1), 1)

    def only(self, names: Sequence[str]) -> Self:
        """Return some of the columns, in this order; those of the index must come first."""
        places = self.columns
        columns = self._batch.columns()
        return self.derive(Table(list(names), [columns[places.index(name)] for name in names], len(self)))

    def derive(self, batch: Table) -> Self:
        """Return a frame of other columns with as many index columns."""
        return type(self)(batch, self._index)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._batch)

    @property
    def columns(self) -> list[str]:
        """Names of all columns, the index first."""
        return self._batch.names

    @property
    def kinds(self) -> dict[str, str]:
        """The columns that are not in the index, with their types: "float64", "int64", "string" and so on."""
        names, columns = self._batch.names, self._batch.columns()
        return {names[place]: columns[place].kind for place in range(self._index, len(names))}

    @property
    def index(self) -> list[str]:
        """Names of the leading columns that are the index."""
        return self._batch.names[: self._index]

    def __repr__(self) -> str:
        return f"<Frame: {len(self)} rows x {self.columns}>"

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._batch.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._batch.__arrow_c_schema__()

    def to_pandas(self) -> pd.DataFrame:
        """Copy into a pandas DataFrame.

        The dtypes are float64, int64, uint64, bool, str, datetime64[ns, tz], timedelta64[ns] and object
        (bytes). With nulls, integers and booleans are Int64, UInt64 and boolean; other columns have NaN or
        NaT. Dictionaries become categories, and plain strings in index levels.

        Raises:
            InvalidArgumentError: pandas can't hold a column. The message names it.
        """
        return self._into_pandas(self._batch.names, self._batch.columns())

    def _into_pandas(self, names: list[str], columns: list[Array]) -> pd.DataFrame:
        from db_core._pandas import to_pandas

        with told(lambda reason: InvalidArgumentError(f"pandas can't hold this: {reason}", argument="into")):
            return to_pandas(names, columns, self._index)

    def to_polars(self) -> pl.DataFrame:
        """Convert to a polars DataFrame, without a copy where polars needs none.

        Raises:
            InvalidArgumentError: polars can't hold a column or its name. The message names it.
        """
        import polars as pl

        made: pl.DataFrame = self._passed("polars", pl.DataFrame)
        return made

    def to_arrow(self) -> pa.Table:
        """Convert to a pyarrow Table, without a copy.

        Raises:
            InvalidArgumentError: pyarrow can't hold a column or its name. The message names it.
        """
        import pyarrow as pa

        made: pa.Table = self._passed("pyarrow", pa.table)
        return made

    def _passed(self, library: str, make: Callable[[Any], Any]) -> Any:
        self._check_names()
        self._check_nul()

        def tell(reason: str) -> InvalidArgumentError:
            message = f"{self._at_fault(make)} can't be converted to {library}: {reason}"
            return InvalidArgumentError(message, argument="into")

        with told(tell):
            return make(self)

    def _at_fault(self, make: Callable[[Any], Any]) -> str:
        """Name the first column that a library can't take alone."""
        for name, column in zip(self.columns, self._batch.columns(), strict=True):
            try:
                make(Table([""], [column], len(self)))
            except BaseException as error:
                if not is_of_a_library(error):
                    raise
                return f"column {name!r}"
        return "the frame"

    def to_pydict(self) -> dict[str, list[Any]]:
        """Return each column as a list: float, int, bool, str, bytes or int nanoseconds; None for null."""
        self._check_names()
        columns = zip(self._batch.names, self._batch.columns(), strict=True)
        return {name: _values(column) for name, column in columns}

    @overload
    def release(self, into: Literal["pandas"]) -> pd.DataFrame: ...
    @overload
    def release(self, into: Literal["polars"]) -> pl.DataFrame: ...
    @overload
    def release(self, into: Literal["arrow"]) -> pa.Table: ...
    def release(self, into: Into) -> AnyFrame:
        """Return the columns as a frame of another library, without a copy.

        This frame can't be used after a release into pandas, since pandas can change its memory in place.

        Args:
            into: "pandas", "polars" or "arrow".
        """
        if into == "polars":
            return self.to_polars()
        if into == "arrow":
            return self.to_arrow()
        names = self._batch.names
        return self._into_pandas(names, self._batch.release())

    def _check_names(self) -> None:
        names = self.columns
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = (
                f"two columns would have the name {', '.join(map(repr, twice))}, as a field has the name of "
                "a tag or of the time. Read into pandas, which allows this, or leave the field out"
            )
            raise InvalidArgumentError(message, argument="into")

    def _check_nul(self) -> None:
        for name in self.columns:
            if "\0" in name:
                message = f"name {name!r} has a NUL, which polars and Arrow do not allow. Read into pandas"
                raise InvalidArgumentError(message, argument="into")


def _unusable(reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"the frame can't be read: {reason}", argument="frame")


def name_with_nul(frame: Any) -> str | None:
    """Return the first column of a polars frame with a NUL in a name, over which polars aborts."""
    schema = frame.collect_schema()
    return next(
        (name for name, kind in schema.items() if any("\0" in one for one in _names(name, kind))), None
    )


def _names(name: str, kind: Any) -> Iterator[str]:
    yield name
    if (inner := getattr(kind, "inner", None)) is not None:
        yield from _names("", inner)
    for field in getattr(kind, "fields", ()):
        yield from _names(field.name, field.dtype)


def _without_null_type(frame: Any) -> Any:
    """Return a polars frame with float64 in place of Null columns, which polars exports with buffers."""
    import polars as pl

    return frame.with_columns(pl.col(pl.Null).cast(pl.Float64)) if isinstance(frame, pl.DataFrame) else frame


# Of the kinds whose values are memory.
_MEMORY_FORMAT: dict[str, Literal["d", "q", "Q", "?", "i"]] = {
    "float64": "d",
    "int64": "q",
    "uint64": "Q",
    "bool": "?",
    "timestamp": "q",
    "duration": "q",
    "dictionary": "i",
}


def _values(array: Array) -> list[Any]:
    format_ = _MEMORY_FORMAT.get(array.kind)
    if format_ is None:
        return [None] * len(array) if array.kind == "null" else list(array.values())
    nulls, words = array.nulls(), array.dictionary()
    listed: list[Any] = memoryview(array.values()).cast(format_).tolist()
    if nulls is None and words is None:
        return listed
    marks = repeat(0) if nulls is None else memoryview(nulls)
    texts = words.values() if words else None
    pairs = zip(listed, marks, strict=False)
    return [None if null else value if texts is None else texts[value] for value, null in pairs]
