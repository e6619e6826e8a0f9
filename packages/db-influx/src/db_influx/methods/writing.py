"""The methods that write a frame, or say what would be refused of it."""

from __future__ import annotations

import inspect
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from db_influx import _arguments
from db_influx._base import Base
from db_influx._options import QueryOptions, SendOptions, WriteOptions, takes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Unpack

    from db_core.errors import Rejection, UnwrittenPoint
    from db_influx._outbox import Job
    from db_influx._point_writer import PointWriter
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
                protocol and a `time_column`. Index levels of strings, as reads return them, are tags. Times
                without a zone are in UTC, whatever `tz` the manager has.
            data_frame_measurement_name: Name of the measurement.
            tags: Tags of every point.
            tag_columns: Columns of strings, integers or booleans to write as tags. Null and empty tags are
                not written. All other columns are fields, written with their types: int, uint, float, bool
                or string. Null and NaN are not written.
            time_column: Column of timestamps. A pandas frame may have its times in the last level of its
                index instead. With a `time_column`, row numbers in the index are not written: a last or only
                level of integers without a name. Levels of strings must have names. Any other level raises
                an error, unless `tag_columns` names it.
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
                `rejected` lists the refused rows with the reasons, and `frame` has these rows. If a field
                has another type, the server refuses the rows in a shard that has the field, usually a week.
                In other shards it stores them with the new type: `check_write` lists both.
        """
        from db_influx.plans import write

        call = self._call(SendOptions, options)
        name = _arguments.text(data_frame_measurement_name, "data_frame_measurement_name")
        points = _points(data, name, tags, options)
        plan = write.write(_arguments.written_bucket(bucket), data, points)
        return self._run(plan, call, "synchronous_write", bucket, name)  # type: ignore[no-any-return]

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
        thousand faults, such as an infinite float, or a text in a column of numbers. If there are none, it
        asks the server how long the bucket keeps points, and for the types of the fields from a week before
        the frame's times to a week after them. A field may have a type in each shard, usually a week. So a
        listed conflict may not occur in the write. A conflict with a type that the server does not report, or
        in a longer shard, may be missed.

        Returns:
            The rows with the reasons. Neighbouring rows with the same reason are one entry. The list is empty
            if all rows would be written.
        """
        from db_influx.plans import check_write

        call = self._call(WriteOptions, options)
        name = _arguments.text(data_frame_measurement_name, "data_frame_measurement_name")
        points = _points(data, name, tags, options)
        plan = check_write.check_write(_arguments.written_bucket(bucket), data, points, time.time_ns())
        return self._run(plan, call, "check_write", bucket, name)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def writer(
        self,
        bucket: str,
        measurement: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        tag_columns: str | Sequence[str] = (),
        time_column: str = "time",
        max_rows: int = 50_000,
        max_seconds: float = 1.0,
        max_bytes: int = 4 << 20,
        max_buffer: int = 64 << 20,
        spool: str | os.PathLike[str] | None = None,
        on_refused: Callable[[UnwrittenPoint], object] | None = None,
        **options: Unpack[QueryOptions],
    ) -> PointWriter:
        """Return a writer that takes points one by one and sends them in batches, beside the caller.

        Use it in a ``with`` block, an `AsyncInfluxManager`'s in an ``async with`` block; its end raises an
        error if points could not be written. `write` takes a point or a frame. `flush` returns when the
        server has stored what was written before, or the spool has it on the disk. What no `flush` has
        returned for is lost if the process is killed.

        A batch that can't be sent stays, and is sent again and again, in order. Without a spool it stays in
        memory. Writing a point again changes nothing, as every point carries its time.

        Args:
            measurement: Measurement of points that name none.
            tags: Tags of every point.
            tag_columns: Columns that are tags, of rows and frames. Other columns are fields.
            time_column: Column of the time, of rows and frames; a pandas frame without it has its times in
                the index.
            max_rows, max_seconds, max_bytes: A batch is sent when it has so many points or bytes, or so long
                after its first point.
            max_buffer: When so many bytes wait to be sent, `write` waits.
            spool: A folder for batches that can't be sent, made if there is none. They are sent when the
                server is back, also by the next writer on this folder.
            on_refused: Is called with each point that the server refuses, as an `UnwrittenPoint`: by the
                thread that sends, or in the loop. Without it, or if it raises an error, the next `flush`
                or the end of the block raises a `WriteError` that has the points.

        Raises:
            InvalidArgumentError: Also if another writer uses the spool, or it has points for another server,
                organization or bucket.
        """
        from db_core.observed import Call
        from db_influx._outbox import Keep, Limits, Outbox
        from db_influx._point import PointLayout
        from db_influx._points import constant_tags
        from db_influx.plans.deliver import deliver

        call = self._call(QueryOptions, options)
        name = _arguments.written_bucket(bucket)
        layout = PointLayout(
            None if measurement is None else _arguments.text(measurement, "measurement"),
            constant_tags(tags),
            _arguments.names(tag_columns, "tag_columns", least=0),
            _arguments.text(time_column, "time_column"),
        )
        limits = Limits(
            _arguments.count(max_rows, "max_rows", least=1),
            _arguments.positive(max_seconds, "max_seconds"),
            _arguments.count(max_bytes, "max_bytes", least=1),
            _arguments.count(max_buffer, "max_buffer", least=1),
        )
        if on_refused is not None and not callable(on_refused):
            raise _arguments.invalid("on_refused", f"must be a function, not {on_refused!r}")
        if inspect.iscoroutinefunction(on_refused):
            raise _arguments.invalid("on_refused", f"must not be async, as nothing awaits it: {on_refused!r}")
        encoder = layout.encoder(limits)
        place = None
        if spool is not None:
            from db_influx._spool import Spool

            target = {"url": self._settings.url, "org": self._settings.org, "bucket": name}
            place = Spool(spool, target)

        def do(job: Job) -> Any:
            # Points of many callers leave together, so a delivery is part of no other span. What goes into
            # the spool does not reach the server.
            observed = (
                Call(self._observer, "writer", name)
                if isinstance(job, Keep)
                else self._observer.call("writer", name, is_root=True)
            )
            plan = deliver(job, name, place, on_refused)
            return self._wire.run(plan, observed, call.timeout, call.progress)

        return self._open_writer(Outbox(encoder, limits, place), layout, do)  # type: ignore[no-any-return]


def _points(
    data: object, measurement: str, tags: Mapping[str, str] | None, options: WriteOptions | SendOptions
) -> Callable[[], Points]:
    from db_influx._points import Points

    layout: dict[str, Any] = {name: value for name, value in options.items() if name in _LAYOUT}
    return partial(Points.of, data, measurement, tags, **layout)
