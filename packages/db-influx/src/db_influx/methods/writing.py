"""The methods that write a frame, or say what would be refused of it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from db_influx import _arguments
from db_influx._base import Base
from db_influx._options import SendOptions, WriteOptions, takes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Unpack

    from db_core.errors import Rejection
    from db_influx._points import Points

__all__ = ["Writing"]

_LAYOUT = ("tag_columns", "time_column", "duplicates")


class Writing(Base):
    """The writing methods of both managers."""

    @takes(SendOptions)
    def synchronous_write(
        self,
        bucket: str,
        data: object,
        data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None,
        **options: Unpack[SendOptions],
    ) -> None:
        """Write a frame. When this method returns, the server has accepted every point.

        The whole frame is checked before anything is sent. Writing the same points again changes nothing,
        since every point has its time.

        Args:
            data: A pandas DataFrame with a DatetimeIndex, or any frame with Arrow's PyCapsule
                protocol and a `time_column`. Index levels of strings, as reads return them, are tags.
            data_frame_measurement_name: Name of the measurement.
            tags: Tags of every point.
            tag_columns: Columns of strings, integers or booleans to write as tags. Null and empty tags are
                not written. All other columns are fields, written with their types: int, uint, float, bool
                or string. Null and NaN are not written.
            time_column: Column of timestamps. Timestamps without a zone are in UTC. A pandas frame may have
                its times in the last level of its index instead. With a `time_column`, row numbers in the
                index are not written: a last or only level of integers without a name. Levels of strings
                must have names. Any other level raises an error, unless `tag_columns` names it.
            duplicates: What to do about rows with the same tags and time but different values of a field.
                InfluxDB would keep the value of the last row. `"error"` raises an error that names the rows
                and the columns that `tag_columns` may lack. `"last"` writes the frame. Rows that set
                different fields, or the same values, never raise an error.

        Raises:
            InvalidArgumentError: A value can't be written unchanged: an infinite float, a type that can't be
                stored, a missing time, a row without a field, a name or tag that line protocol can't
                express, a field and a tag of the same name, a text above 1 MiB, tags above 64 KiB, or a
                row that a later row would overwrite. The message names column and row. Nothing was sent.
            WriteError: The server did not accept every point. All points that it accepts are written.
                `rejected` lists the refused rows with the reasons, and `frame` has these rows.
        """
        from db_influx.plans import write

        call = self._call(SendOptions, options)
        points = _points(data, data_frame_measurement_name, tags, options)
        plan = write.write(_arguments.written_bucket(bucket), data, points)
        return self._run(plan, call)  # type: ignore[no-any-return]

    @takes(WriteOptions)
    def check_write(
        self,
        bucket: str,
        data: object,
        data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None,
        **options: Unpack[WriteOptions],
    ) -> list[Rejection]:
        """Return the rows that `synchronous_write` or the server would refuse; write nothing.

        The arguments are those of `synchronous_write`. This method first searches the frame for at most a
        thousand faults. If there are none, it asks the server how long the bucket keeps points, and for the
        types of the fields from a week before the frame's times to a week after them. A field may have a type
        in each shard, usually a week. So a listed conflict may not occur in the write. A conflict
        with a type that the server does not report, or in a longer shard, may be missed.

        Returns:
            The rows with the reasons. Neighbouring rows with the same reason are one entry. The list is empty
            if all rows would be written.
        """
        from db_influx.plans import check_write

        call = self._call(WriteOptions, options)
        points = _points(data, data_frame_measurement_name, tags, options)
        plan = check_write.check_write(_arguments.written_bucket(bucket), data, points, time.time_ns())
        return self._run(plan, call)  # type: ignore[no-any-return]


def _points(
    data: object, measurement: str, tags: Mapping[str, str] | None, options: WriteOptions | SendOptions
) -> Callable[[], Points]:
    from db_influx._points import Points

    layout: dict[str, Any] = {name: value for name, value in options.items() if name in _LAYOUT}
    return partial(Points.of, data, measurement, tags, **layout)
