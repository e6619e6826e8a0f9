"""A frame to write: its columns sorted into time, tags and fields, and their lines of line protocol."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from db_core.errors import InvalidArgumentError, Rejection
from db_core.frame import Frame
from db_core.line_protocol import Duplicates, Encoder, check_duplicates, encoder, problems
from db_influx import _arguments
from db_influx._index import beside_time_column, times_and_tags

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Points", "constant_tags", "library", "unusable"]


@dataclass(frozen=True, slots=True)
class Points:
    """A frame to write.

    Attributes:
        frame: The frame.
        measurement: Name of the measurement.
        layout: Its columns of time and tags, the constant tags, and what to do about duplicate rows.
    """

    frame: Frame
    measurement: str
    layout: dict[str, Any]

    @classmethod
    def of(
        cls,
        data: object,
        measurement: str,
        tags: Mapping[str, str] | None,
        tag_columns: Sequence[str] = (),
        time_column: str | None = None,
        duplicates: Duplicates = "error",
    ) -> Points:
        """Sort the columns of a frame; see `InfluxManager.synchronous_write`."""
        _arguments.text(measurement, "data_frame_measurement_name")
        constant = constant_tags(tags)
        if time_column is not None:
            _arguments.text(time_column, "time_column")
        columns = _arguments.names(() if tag_columns is None else tag_columns, "tag_columns", least=0)
        choice = check_duplicates(duplicates)
        levels: list[str] = []
        if library(data) == "pandas" and hasattr(data, "columns"):
            table = cast("pd.DataFrame", data)
            if time_column is None:
                time_column, levels = times_and_tags(table)
            else:
                data, levels = beside_time_column(table, time_column, columns)
        elif time_column is None:
            reason = "`data` is no pandas DataFrame"
            raise _arguments.invalid("time_column", f"must name the column of timestamps, because {reason}")
        with _named():
            frame = Frame.of(data)
        tag_names = tuple(dict.fromkeys((*levels, *columns)))
        layout = {
            "tag_columns": tag_names,
            "time_column": time_column,
            "tags": constant,
            "duplicates": choice,
        }
        return cls(frame, measurement, layout)

    def encoder(self) -> Encoder:
        """Check the whole frame, and return the encoder of its lines."""
        with _named():
            return encoder(self.frame, self.measurement, **self.layout)

    def problems(self) -> list[Rejection]:
        """Return what can't be written, row by row; a fault of a column is one of all rows."""
        rejected = []
        for row, column, fault in problems(self.frame, self.measurement, **self.layout):
            start, stop = (0, len(self.frame)) if row is None else (row, row + 1)
            reason = fault if column is None else f"column {column!r}: {fault}"
            rejected.append(Rejection(start, stop, stop - start, reason))
        return rejected

    @property
    def fields(self) -> list[str]:
        """Names of the columns that are fields."""
        others = {*self.layout["tag_columns"], self.layout["time_column"]}
        return [name for name in self.frame.columns if name not in others]


def unusable(data: Any) -> list[Rejection]:
    """Return the rows of a frame whose values have no type of ours, or another one than the column."""
    faults = sorted(Frame.faults(data), key=lambda fault: -1 if fault[0] is None else fault[0])
    spans = [((0, len(data)) if row is None else (row, row + 1), reason) for row, reason in faults]
    return [Rejection(start, stop, stop - start, reason) for (start, stop), reason in spans]


def library(data: object) -> str | None:
    """Return the library of a frame, also where its class is derived from the library's."""
    modules = {base.__module__.partition(".")[0] for base in type(data).__mro__}
    return next((name for name in ("pandas", "polars", "pyarrow") if name in modules), None)


@contextmanager
def _named() -> Generator[None]:
    """Raise errors again with the name that the argument has in `synchronous_write`."""
    try:
        yield
    except InvalidArgumentError as error:
        native = error.argument or "frame"
        argument = {"frame": "data", "measurement": "data_frame_measurement_name"}.get(native, native)
        raise InvalidArgumentError(f"`{argument}`: {error}", argument=argument) from error


def constant_tags(tags: object) -> dict[str, str]:
    """Return the constant tags of all points, checked."""
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise _arguments.invalid("tags", f"must map tag keys to values, not {tags!r}")
    return {
        _arguments.text(key, "tags", "a key"): _arguments.text(value, "tags", f"the value of {key!r}")
        for key, value in tags.items()
    }
