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
    """Reading; see the managers."""

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

        The server computes count, first, last, max, mean, min, spread and sum. The other functions are
        computed here, from the points as they arrive, since InfluxDB takes much longer for them than for
        the points, and estimates some.

        Args:
            fields: One field or several: the columns, in this order.
            interval: Length of a window, such as "10m", "15min", "1h", "1d", "1w", "1mo", a timedelta, a
                numpy timedelta64, or a pandas offset of fixed length; whole days are calendar days in
                `tz`. None reads points as they are stored, in the language that `protocol` says.
            agg_func: count, first, last, max, mean, median, min, mode, skew, spread, stddev or sum; "p95" or
                ("quantile", 0.95) for a quantile. A list of these gives columns such as ``power_mean`` and
                ``power_p95``. A mapping gives each field a function or list of its own:
                ``{"kwh": "last", "power": ["mean", "max"]}``. Text and booleans have count, first, last and
                mode. median and quantiles are exact, interpolated as pandas does. mode is the smallest of
                the most frequent values. stddev is that of a sample, and null for one value. skew is that of
                a population (biased), and null where all values are equal.
            label: The edge of a window that is its time: "stop" or "start". A window that reaches
                beyond the range has the edge of the range instead.
            create_empty: Return windows without points too, as nulls, or as 0 in counts.

        Returns:
            One frame; see the class.
        """
        from db_influx.plans import read

        call = self._call(ReadOptions, options, into)
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        if _arguments.flag(create_empty, "create_empty") and interval is None:
            reason = "needs windows, and a read with `interval=None` has none"
            raise _arguments.invalid("create_empty", reason)
        if interval is None:
            return self._run(read.handed(read.stored(self._databases, selection, call), call.into), call)
        edge = _arguments.choice(label, "label", LABELS)
        spec = read.downsample_spec(selection, interval, agg_func, edge, call, create_empty=create_empty)
        return self._run(
            read.handed(read.downsampled(self._databases, selection, spec, call), call.into), call
        )

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
            One frame: the fields by name, then by name the tags that are no index level, as
            categories.
        """
        from db_influx.plans import read

        call = self._call(SliceOptions, options, into)
        selection = in_range(start, stop, msname, EVERY, bucket, tags, call.tz)
        plan = read.stored(self._databases, selection, call, tag_columns=True)
        return self._run(read.handed(plan, call.into), call)

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

        A window's consumption is its last total less the last total before it, however old that is, in
        the total's unit; so the consumption of adjoining ranges adds up. A total that is read on the edge
        of two windows, as at midnight, closes the one that ends there: one at `stop` counts, and one at
        `start` is what the first window counts from. A series without a point up to `start` begins at its
        first point.

        Args:
            fields: One field or several, each a running total.
            timestep: Length of a window in minutes, or a duration as for `read`.
            on_reset: The consumption of a window in which the total fell: "null", as it is not known;
                "restart", counted from zero; "rollover", counted through `rollover`; or "keep", the
                negative difference. A fall that a later, higher total of the same window hides is seen
                where it goes below the last total before the window. With "restart" and "rollover"
                give `max_rate` too, or a total that trembles is booked whole.
            rollover: For "rollover", the total that is zero again: 9999.9, or one for each field.
            max_rate: Most that a field may count per second, or one for each field. A window with more
                is null. The total that caused it is taken for wrong, unless the next ones go on from it.
            gaps: Where the consumption over windows without a point goes: "book", into the window in
                which totals go on; "spread", evenly over those windows and this one, as far as they
                lie in the range; "null", nowhere. The last two give empty windows too.
            quality: Append a column ``<field>_quality`` for each field, of categories: "ok", "first"
                (no total before), "gap", "reset", "rollover" or "implausible".
            closed: The edge that belongs to a window, and to the range: "right", as said above, or
                "left": a total on an edge counts for the window that begins there, one at `start` counts,
                and one at `stop` does not.
            label: The edge of a window that is its time: "stop" or "start".

        Returns:
            One frame, float64 for float totals and int64 for integer totals; see the class.

        Raises:
            InvalidArgumentError: Also if a field has no numbers, or a difference exceeds 64 bits.
        """
        call = self._call(ConsumptionOptions, options, into)
        every = _times.duration(timestep, "timestep", unit=MINUTE), "timestep"
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        return self._run(self._accumulated(selection, every, options, call), call)

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
            As `read_accumulated_value`.
        """
        call = self._call(ConsumptionOptions, options, into)
        every = _times.duration(duration, "duration", unit=_SECOND), "duration"
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        return self._run(self._accumulated(selection, every, options, call), call)

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
            One frame with one row per series, whose time is the newest in the range; see the class.
        """
        from db_influx.plans import read

        call = self._call(SeriesOptions, options, into)
        now = time.time_ns()
        start = _times.before(now, duration, "duration", call.tz)
        selection = selected(start, now, measurement, fields, bucket, tags)
        return self._run(read.handed(read.last_mean(self._databases, selection, call), call.into), call)

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

        The last hour is read first, then the last day and month, then all time; each later query is only
        about the fields that are not found yet. With more than a hundred tag values, all time is read at
        once. Points in the future count.

        Args:
            with_time: Return pairs of time and value.

        Returns:
            Fields with their values, in the order of `fields`: float, int, bool or str. A field that was
            never written is absent. With `with_time`, pairs of a UTC pandas Timestamp and a value.
        """
        from db_influx.plans import last_point

        call = self._call(PointOptions, options)
        selection = selected(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
        _arguments.flag(with_time, "with_time")
        plan = last_point.last_point(self._databases, selection, time.time_ns(), call, with_time=with_time)
        return self._run(plan, call)  # type: ignore[no-any-return]

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
            One frame with one row per series, or per combination of the tags in `by`. Each field has its own
            newest value, points in the future included; the time of the row is the newest of all; see the
            class.
        """
        from db_influx.plans import last_point

        call = self._call(SeriesOptions, options, into)
        selection = selected(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
        return self._run(last_point.last_points(self._databases, selection, call), call)

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
        """Read points as they are stored, in bounded memory.

        The range is read in slices, as wide as `batch_rows` allows, and narrower where rows have very long
        texts or very many fields. The answer of a slice is complete before its frames are returned.

        Args:
            fields: One field or several: the columns, in this order.
            by: See the class. The tags that differ are those that differ over the whole range.
            batch_rows: Most rows of a frame.

        Returns:
            An iterator of frames as `read` returns with ``interval=None``, all of one schema, in order of
            time from slice to slice; within a slice the rows are in order of the index. Errors are raised
            when the first frame is requested. Closing it stops the transfer.
        """
        from db_influx.plans import batches

        call = self._call(ReadOptions, options, into)
        selection = in_range(start, stop, msname, fields, bucket, tags, call.tz)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        return self._iterate(batches.batches(self._databases, selection, rows, call), call)
