"""Write frames as InfluxDB line protocol."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from db_core._native import Encoder, PointEncoder, split_lines
from db_core.errors import InvalidArgumentError
from db_core.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Duplicates",
    "Encoder",
    "PointEncoder",
    "Precision",
    "check_duplicates",
    "encoder",
    "problems",
    "split_lines",
    "to_line_protocol",
]

Precision = Literal["ns", "us", "ms", "s"]
Duplicates = Literal["error", "last"]


def to_line_protocol(
    frame: object,
    measurement: str,
    *,
    tag_columns: Sequence[str] = (),
    time_column: str = "time",
    tags: Mapping[str, str] | None = None,
    precision: Precision = "ns",
    duplicates: Duplicates = "error",
) -> bytes:
    """Write a frame as lines of line protocol, one for each row.

    Args:
        frame: A `Frame`, a pandas DataFrame, or any frame with Arrow's PyCapsule protocol.
        measurement: Measurement of all points.
        tag_columns: Columns of strings, integers or booleans that are tags. Null and empty tags are not
            written. All other columns are fields: int as ``i``, uint as ``u``, float, bool or string.
            Null and NaN are not written.
        time_column: Column of timestamps. Timestamps without a zone are in UTC. The levels of a pandas
            index count as columns of their names. A level of times without a name counts as ``time``,
            and a RangeIndex without a name is not written.
        tags: Tags of every point.
        precision: Unit of the timestamps in the lines.
        duplicates: What to do with rows that have the same tags and time, but different values of a
            field. InfluxDB would keep the value of the last row. ``"error"`` raises an error, and
            ``"last"`` writes them.

    Raises:
        InvalidArgumentError: The frame has a name or tag that line protocol can't express, an infinite
            float, a type that can't be stored, a text above 1 MiB, tags above 64 KiB, a missing time or
            one that InfluxDB or `precision` can't hold, a row without a field, or a row that a later row
            would overwrite. The message names column and row.
    """
    lines = encoder(
        frame,
        measurement,
        tag_columns=tag_columns,
        time_column=time_column,
        tags=tags,
        precision=precision,
        duplicates=duplicates,
    )
    body = lines.body(sys.maxsize)
    return b"" if body is None else body[0]


def encoder(
    frame: object,
    measurement: str,
    *,
    tag_columns: Sequence[str] = (),
    time_column: str = "time",
    tags: Mapping[str, str] | None = None,
    precision: Precision = "ns",
    duplicates: Duplicates = "error",
) -> Encoder:
    """Check a frame and return the encoder of its lines, with the arguments of `to_line_protocol`."""
    return Encoder(**_checked(frame, measurement, tag_columns, time_column, tags, precision, duplicates))


def problems(
    frame: object,
    measurement: str,
    *,
    tag_columns: Sequence[str] = (),
    time_column: str = "time",
    tags: Mapping[str, str] | None = None,
    precision: Precision = "ns",
    duplicates: Duplicates = "error",
    most: int = 1_000,
) -> list[tuple[int | None, str | None, str]]:
    """Return row, column and reason of at most `most` faults for which `to_line_protocol` would raise."""
    return Encoder.problems(
        **_checked(frame, measurement, tag_columns, time_column, tags, precision, duplicates), most=most
    )


def check_duplicates(duplicates: object) -> Duplicates:
    """Return `duplicates`, if it is "error" or "last".

    Raises:
        InvalidArgumentError: It is something else.
    """
    choices: tuple[Duplicates, ...] = get_args(Duplicates)
    for known in choices:
        if isinstance(duplicates, str) and duplicates == known:
            return known
    message = f"`duplicates` must be 'error' or 'last', not {duplicates!r}"
    raise InvalidArgumentError(message, argument="duplicates")


def _checked(
    frame: object,
    measurement: object,
    tag_columns: Sequence[str],
    time_column: object,
    tags: object,
    precision: Precision,
    duplicates: object,
) -> dict[str, Any]:
    """Check the arguments, and return those of the native encoder."""
    for argument, value in (("measurement", measurement), ("time_column", time_column)):
        if not isinstance(value, str):
            message = f"`{argument}` must be text, not {value!r}"
            raise InvalidArgumentError(message, argument=argument)
    constant = tags if tags is not None else {}
    if not isinstance(constant, Mapping) or not all(
        isinstance(key, str) and isinstance(value, str) for key, value in constant.items()
    ):
        message = f"`tags` must map tag keys to texts, not {tags!r}"
        raise InvalidArgumentError(message, argument="tags")
    return {
        "frame": Frame.of(frame).batch,
        "measurement": measurement,
        "tag_columns": [tag_columns] if isinstance(tag_columns, str) else list(tag_columns),
        "time_column": time_column,
        "tags": list(constant.items()),
        "precision": precision,
        "duplicates": check_duplicates(duplicates),
    }
