"""The methods that read points, windows, consumption and the newest values."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from db_influx import _arguments, _times
from db_influx._base import Base
from db_influx._options import (
    ConsumptionOptions,
    PointOptions,
    ReadOptions,
    SeriesOptions,
    SliceOptions,
    takes,
)
from db_influx.methods.common import EVERY, LABELS, MINUTE, in_range, selected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Unpack

    from db_core.frame import Into
    from db_influx._aggregates import AggFunc
    from db_influx._flux import Selection, Tags
    from db_influx._options import Edge, Options
    from db_influx._steps import Steps
    from db_influx._times import Instant, Length
    from db_influx.methods.common import Framed, FramedIterator, Newest

__all__ = ["Reading"]

_SECOND = timedelta(seconds=1)


class Reading(Base):
    """The reading methods of both managers."""

    @takes(ReadOptions)
    def read(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        bucket: str,
        tags: Tags | None = None,
        interval: Length | None = "10m",
        agg_func: AggFunc = "mean",
        *,
        label: Edge = "stop",
        create_empty: bool = False,
        into: Into | None = None,
        **options: Unpack[ReadOptions],
    ) -> Framed:
        """Read fields of a measurement, downsampled.

        The server computes count, first, last, max, mean, min, spread and sum. The client computes the other
        functions from the points while they arrive. InfluxDB would take much longer for them than it takes
        to send the points, and it only estimates some.

        Args:
            fields: One field or several. They are the columns, in this order.
            interval: Length of a window, such as "10m", "15min", "1h", "1d", "1w", "1mo", a timedelta, a
                numpy timedelta64, or a pandas offset of fixed length. Whole days are calendar days in
                `tz`. None reads points as they are stored, in the language that `protocol` names.
            agg_func: count, first, last, max, mean, median, min, mode, skew, spread, stddev or sum; "p95" or
                ("quantile", 0.95) for a quantile. A list makes columns such as ``power_mean`` and
                ``power_p95``. A mapping names a function or a list for each field:
                ``{"kwh": "last", "power": ["mean", "max"]}``. Fields of text and booleans allow count, first,
                last and mode. median and quantiles are exact, interpolated as pandas does. mode is the
                smallest of the most frequent values. stddev is the sample's, and null for a single value.
                skew is the population's (biased), and null if all values are equal.
            label: The edge of a window that is its time: "stop" or "start". If a window extends beyond the
                range, its time is the edge of the range instead.
            create_empty: Also return windows without points, of each series that has a point in the range.
                Their values are null, and counts are 0.

        Returns:
            One frame, as the class describes.
        """
        from db_influx.plans import read

        call = self._call(ReadOptions, options, into)
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        if _arguments.flag(create_empty, "create_empty") and interval is None:
            reason = "needs windows, and a read with `interval=None` has none"
            raise _arguments.invalid("create_empty", reason)
        if interval is None:
            plan = read.stored(self._databases, selection, call)
        else:
            edge = _arguments.choice(label, "label", LABELS)
            spec = read.downsample_spec(selection, interval, agg_func, edge, call, create_empty=create_empty)
            plan = read.downsampled(self._databases, selection, spec, call)
        return self._run(read.handed(plan, call.into), call, "read", bucket, msname)

    @takes(SliceOptions)
    def read_all_fields(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        bucket: str,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[SliceOptions],
    ) -> Framed:
        """Read every field of a measurement, as stored.

        Returns:
            One frame. Its columns are the fields, sorted by name, and then the tags that are not index
            levels, as categories, sorted by name.
        """
        from db_influx.plans import read

        call = self._call(SliceOptions, options, into)
        selection = in_range(start, stop, msname, EVERY, bucket, tags, call.tz)
        plan = read.stored(self._databases, selection, call, tag_columns=True)
        return self._run(read.handed(plan, call.into), call, "read_all_fields", bucket, msname)

    @takes(ConsumptionOptions)
    def read_accumulated_value(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        bucket: str,
        timestep: Length,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[ConsumptionOptions],
    ) -> Framed:
        """Read consumption per window, from meters that report running totals.

        A window's consumption is its last total minus the last total before the window, however old that one
        is. It has the unit of the total. So the consumption of adjoining ranges adds up. A total on the edge
        of two windows, as at midnight, belongs to the window that ends there: a total at `stop` counts, and
        the first window counts from a total at `start`. A series that has no point up to `start` begins at
        its first point.

        Args:
            fields: One field or several, each a running total.
            timestep: Length of a window in minutes, or a duration as for `read`.
            on_reset: The consumption of a window in which the total fell. "null": it is not known.
                "restart": the total continued from zero. "rollover": the total continued from zero after
                it reached `rollover`. "keep": the negative difference. If a later, higher total of the same
                window hides a fall, the fall is detected only if it goes below the last total before the
                window. Use "restart" and "rollover" together with `max_rate`: otherwise a total that wavers
                adds the whole total to the consumption.
            rollover: For "rollover", the total after the highest one that the display can show, or a mapping
                with one for each field. It is 10,000 for a display from 0000.0 to 9999.9.
            max_rate: The highest plausible consumption per second, or a mapping with one for each field. A
                window above it is null. The total that caused it is treated as wrong, unless the next totals
                continue from it.
            gaps: The windows to which the consumption of windows without a point belongs. "book": the window
                in which totals continue. "spread": these windows and that one in equal parts, as far as they
                lie in the range. "null": none. With the last two, empty windows are rows too, if the series
                has a point in the range. A series without one has no rows.
            quality: Append a column of categories ``<field>_quality`` for each field: "ok", "first"
                (there is no total before), "gap", "reset", "rollover" or "implausible".
            closed: The edge that belongs to a window, and to the range. "right" is described above. With
                "left", a total on an edge belongs to the window that begins there: a total at `start`
                counts, and one at `stop` does not.
            label: The edge of a window that is its time: "stop" or "start".

        Returns:
            One frame, as the class describes, with float64 for float totals and int64 for integer totals.

        Raises:
            InvalidArgumentError: Also if a field is not numeric, or a difference exceeds 64 bits.
        """
        call = self._call(ConsumptionOptions, options, into)
        every = _times.duration(timestep, "timestep", unit=MINUTE), "timestep"
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        plan = self._accumulated(selection, every, options, call)
        return self._run(plan, call, "read_accumulated_value", bucket, msname)

    @takes(ConsumptionOptions)
    def read_accumulated_value_in_seconds(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        bucket: str,
        duration: Length,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[ConsumptionOptions],
    ) -> Framed:
        """Read consumption per window of `duration` seconds; otherwise as `read_accumulated_value`.

        Args:
            duration: Length of a window in seconds, or a duration as for `read`.

        Returns:
            One frame, as `read_accumulated_value` returns.
        """
        call = self._call(ConsumptionOptions, options, into)
        every = _times.duration(duration, "duration", unit=_SECOND), "duration"
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        plan = self._accumulated(selection, every, options, call)
        return self._run(plan, call, "read_accumulated_value_in_seconds", bucket, msname)

    def _accumulated(
        self, selection: Selection, every: tuple[str, str], options: ConsumptionOptions, call: Options
    ) -> Steps[Any]:
        from db_influx.plans import consumption, read

        spec = consumption.consumption_spec(selection, every, options, call)
        return read.handed(read.accumulated(self._databases, selection, spec, call), call.into)

    @takes(SeriesOptions)
    def read_average_value_in_seconds(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        duration: Length,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[SeriesOptions],
    ) -> Framed:
        """Read the mean of fields over the last seconds, computed by the server.

        Args:
            duration: Seconds to look back from now, or a duration as for `read`.

        Returns:
            One frame, as the class describes, with one row for each series. The time of a row is the newest
            in the range.
        """
        from db_influx.plans import read

        call = self._call(SeriesOptions, options, into)
        now = time.time_ns()
        start = _times.before(now, duration, "duration", call.tz)
        selection = selected(start, now, measurement, fields, bucket, tags)
        plan = read.handed(read.last_mean(self._databases, selection, call), call.into)
        return self._run(plan, call, "read_average_value_in_seconds", bucket, measurement)

    @takes(PointOptions)
    def read_last_data_point(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        tags: Tags | None = None,
        *,
        with_time: bool = False,
        **options: Unpack[PointOptions],
    ) -> Newest:
        """Read the newest value of each field over the matching series, however old it is.

        The manager reads the last hour first, then the last day, the last month, and all time. Each later
        query asks only for the fields that were not found yet. With more than a hundred tag values, the first
        query reads all time. Points in the future count.

        Args:
            with_time: Return the time with each value.

        Returns:
            A dict of the fields, in the order of `fields`, and their values: float, int, bool or str. A field
            that was never written is absent. With `with_time`, each value is a pair of a pandas Timestamp in
            UTC and the value.
        """
        from db_influx.plans import last_point

        call = self._call(PointOptions, options)
        selection = selected(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
        _arguments.flag(with_time, "with_time")
        plan = last_point.last_point(self._databases, selection, time.time_ns(), call, with_time=with_time)
        return self._run(plan, call, "read_last_data_point", bucket, measurement)  # type: ignore[no-any-return]

    @takes(SeriesOptions)
    def read_last_data_points(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[SeriesOptions],
    ) -> Framed:
        """Read the newest value of each field of each series, however old it is.

        Returns:
            One frame, as the class describes, with one row for each series, or for each combination of the
            tags in `by`. Each field has its own newest value. Points in the future count. The time of a row
            is the newest of its values.
        """
        from db_influx.plans import last_point

        call = self._call(SeriesOptions, options, into)
        selection = selected(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
        plan = last_point.last_points(self._databases, selection, call)
        return self._run(plan, call, "read_last_data_points", bucket, measurement)

    @takes(ReadOptions)
    def read_batches(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        bucket: str,
        tags: Tags | None = None,
        *,
        batch_rows: int = 65_536,
        into: Into | None = None,
        **options: Unpack[ReadOptions],
    ) -> FramedIterator:
        """Read points as they are stored, frame by frame, in bounded memory.

        The manager reads the range in slices, which are as long as `batch_rows` allows, and shorter if rows
        have very long texts or very many fields. The answer of a slice is complete before its frames are
        returned.

        Args:
            fields: One field or several. They are the columns, in this order.
            by: As the class describes. By default, index levels are the tags that differ over the whole
                range.
            batch_rows: The most rows of a frame.

        Returns:
            An iterator of frames, as `read` returns with ``interval=None``. All have one schema. Slices are
            in order of time; within a slice, rows are in order of the index. Errors are raised when you
            request the first frame. Closing the iterator stops the transfer.
        """
        from db_influx.plans import batches

        call = self._call(ReadOptions, options, into)
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        plan = batches.batches(self._databases, selection, rows, call)
        return self._iterate(plan, call, "read_batches", bucket, msname)
