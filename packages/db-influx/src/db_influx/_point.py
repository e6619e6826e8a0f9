"""Turns what `write` of a writer takes into what the encoder of points, or that of frames, takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core.errors import InvalidArgumentError
from db_core.line_protocol import PointEncoder
from db_influx import _times
from db_influx._arguments import invalid
from db_influx._points import Points, library

if TYPE_CHECKING:
    from db_core.line_protocol import Encoder
    from db_influx._outbox import Limits

__all__ = ["PointLayout", "as_point"]


class PointLayout(NamedTuple):
    """What all points of a writer have.

    Attributes:
        measurement: Name of the measurement of points that name none.
        tags: Tags of all of them.
        tag_columns: Columns of rows and frames that are tags.
        time_column: Column of their times.
    """

    measurement: str | None
    tags: dict[str, str]
    tag_columns: tuple[str, ...]
    time_column: str

    def encoder(self, limits: Limits) -> PointEncoder:
        """Return an encoder of single points."""
        try:
            return PointEncoder(
                self.measurement,
                tag_columns=self.tag_columns,
                time_column=self.time_column,
                tags=list(self.tags.items()),
                instant=partial(_times.moment, argument="data"),
                most_rows=min(limits.max_rows, sys.maxsize),
                most_bytes=min(limits.max_bytes, sys.maxsize),
            )
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"`{error.argument}`: {error}", argument=error.argument) from error

    def frame_encoder(self, data: Any) -> Encoder:
        """Check a frame, and return the encoder of its lines."""
        if self.measurement is None:
            raise invalid("measurement", "must name the measurement of a frame, in `writer`")
        time_column: str | None = self.time_column
        if library(data) == "pandas" and time_column not in getattr(data, "columns", [time_column]):
            time_column = None  # the index has the times
        return Points.of(data, self.measurement, self.tags, self.tag_columns, time_column).encoder()


def as_point(data: object) -> dict[str, Any] | str | None:
    """Return a point as its encoder takes it; None for a frame."""
    if isinstance(data, str):
        return data
    if isinstance(data, Mapping):
        return dict(data)
    if is_dataclass(data) and not isinstance(data, type):
        return {field.name: getattr(data, field.name) for field in fields(data)}
    if library(data) is None and not hasattr(data, "__arrow_c_stream__"):
        expected = "a mapping, a dataclass, a line of text or a frame"
        raise invalid("data", f"must be {expected}, not {type(data).__name__}; write one point at a time")
    return None
