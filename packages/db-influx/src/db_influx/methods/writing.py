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
    """Writing; see the managers."""

    @takes(SendOptions)
    def synchronous_write(
        self,
        bucket: str,
        data: object,
        data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None,
        **options: Unpack[SendOptions],
    ) -> None:
        """Write a frame; when this returns, every point was accepted.

        The whole frame is checked before anything is sent. Writing the same points again changes
        nothing, as every point carries its time.

        Args:
            data: A pandas DataFrame with a DatetimeIndex, or any frame with Arrow's PyCapsule
                protocol and a `time_column`. Index levels of strings, as reads return them, are tags.
            data_frame_measurement_name: Measurement.
            tags: Tags of every point.
            tag_columns: Columns of strings, integers or booleans to write as tags; a null or empty
                one is left out. All others are fields, written as they are: int, uint, float, bool,
                string. A null or NaN is left out.
            time_column: Column of timestamps; without a zone they are UTC. A pandas frame may have its
                times in the last level of its index instead. Beside a `time_column`, row numbers in the
                index are left out: a last or only level of integers that has no name. Levels of strings
                must have names. Any other level is an error, unless `tag_columns` names it.
            duplicates: What to do about rows with the same tags and time but different values of a field,
                of which InfluxDB keeps the last row's. `"error"` refuses the frame,
                and names the rows and the columns that may be missing in `tag_columns`; `"last"` writes
                it. Rows that set different fields, or the same values, are never an error.

        Raises:
            InvalidArgumentError: A value that can't be written as it is: an infinite float, a type
                that can't be stored, a missing time, a row without a field, a name or tag that line
                protocol can't carry, a field and a tag of one name, a text above 1 MiB, tags above
                64 KiB, a row that a later one would overwrite. Says column and row; nothing was sent.
            WriteError: Not every point was accepted. All points that the server takes are written.
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
        """Return the rows that `synchronous_write` would refuse or the server would drop; write nothing.

        Arguments are those of `synchronous_write`. First the frame is checked, for at most a thousand
        faults. If it has none, the server is asked how long the bucket keeps points, and for the types of
        the fields from a week before the frame's times to a week after them. A type may differ from week
        to week (by shard). So a conflict in the list need not arise, and a conflict with a type that the
        server does not report, or in a longer shard, may be missed.

        Returns:
            Rows with the reason, neighbours together; none if all would be written.
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
