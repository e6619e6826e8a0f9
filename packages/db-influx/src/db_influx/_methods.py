"""The methods of both managers: their arguments, checked, and the plan that each runs.

`InfluxManager` and `AsyncInfluxManager` differ only in how they wait. The annotations are those of
`InfluxManager`; `AsyncInfluxManager` returns an awaitable or an asynchronous iterator of the same.
`__init__.pyi` has the types of both, made of these by `tools/stub.py`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from db_influx import _arguments, _flux, _flux_params, _influxql, _times
from db_influx._base import Base
from db_influx._options import (
    ConsumptionOptions,
    PartitionOptions,
    PointOptions,
    QueryOptions,
    ReadOptions,
    SliceOptions,
    WriteOptions,
    takes,
)
from db_influx._parquet import NAME

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Unpack

    from db_core.errors import Rejection
    from db_core.frame import Into
    from db_influx._aggregates import AggFunc
    from db_influx._flux import Selection, Tags
    from db_influx._influxql import AnyQuery
    from db_influx._manager import InfluxManager
    from db_influx._options import Closed, Edge, Options
    from db_influx._parquet import ParquetFile
    from db_influx._partition import Partition
    from db_influx._points import Points
    from db_influx._snapshot import Snapshot
    from db_influx._steps import Steps
    from db_influx._times import Instant, Length
    from db_influx.plans.partitions import Reduction

__all__ = ["Methods"]

# What a method returns whose arguments decide it; `tools/stub.py` knows how, and tells type checkers.
Framed: TypeAlias = Any  # a frame of the kind that `into` names
FramedIterator: TypeAlias = Any  # an iterator of these
FramedOrList: TypeAlias = Any  # one, or with `split` a list of these
Newest: TypeAlias = "dict[str, Any]"  # values, or with `with_time` pairs of time and value

_EVERY: Any = object()  # in place of names: every field
_CLOSED: tuple[Closed, ...] = ("right", "left")
_LABELS: tuple[Edge, ...] = ("start", "stop")
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


class Methods(Base):
    """The methods; see the managers."""

    # Reading

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
        selection = self._range(start, stop, msname, fields, bucket, tags, call.tz)
        if _arguments.flag(create_empty, "create_empty") and interval is None:
            reason = "needs windows, and a read with `interval=None` has none"
            raise _arguments.invalid("create_empty", reason)
        if interval is None:
            return self._run(read.handed(read.stored(self._databases, selection, call), call.into), call)
        edge = _arguments.choice(label, "label", _LABELS)
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
        selection = self._range(start, stop, msname, _EVERY, bucket, tags, call.tz)
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
        every = _times.duration(timestep, "timestep", unit=_MINUTE), "timestep"
        selection = self._range(start, stop, msname, fields, bucket, tags, call.tz)
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
        selection = self._range(start, stop, msname, fields, bucket, tags, call.tz)
        return self._run(self._accumulated(selection, every, options, call), call)

    def _accumulated(
        self, selection: Selection, every: tuple[str, str], options: ConsumptionOptions, call: Options
    ) -> Steps[Any]:
        from db_influx.plans import consumption, read

        spec = consumption.consumption_spec(selection, every, options, call)
        return read.handed(read.accumulated(self._databases, selection, spec, call), call.into)

    @takes(PartitionOptions)
    def partitions(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        bucket: str,
        tags: Tags | None = None,
        *,
        every: Length | None = None,
        rows: int | None = None,
        interval: Length | None = None,
        agg_func: AggFunc = "mean",
        timestep: Length | None = None,
        dense: bool = False,
        connect: Callable[[], InfluxManager] | None = None,
        **options: Unpack[PartitionOptions],
    ) -> list[Partition]:
        """Divide a read into partitions, which other processes and machines can read.

        The columns and their types are decided here, for all partitions. Of the points, only one of each
        series and field is read. Without `interval` and `timestep`, points are read as they are stored.
        Windows are never cut. Consumption has no `gaps` and no `max_rate` here, since both look at totals
        beyond the edges of a partition: `read_accumulated_value` has them.

        Args:
            fields: One field or several.
            every: Length of a partition as for `read`: "1d" makes local days. Give either this or `rows`.
            rows: About how many rows a partition has, by counting the points that there are.
            interval: Length of a window, as for `read`.
            agg_func: Functions of the windows, as for `read`.
            timestep: Length of a window of consumption, as for `read_accumulated_value`.
            dense: Each row has a value of every field. Then a read of some columns asks for their fields
                alone. Where this does not hold, rows without a value in these columns are left out.
            connect: Function without arguments that returns the manager where a partition is read; it must be
                picklable. None is a manager like this one, with the token of ``INFLUXDB_TOKEN``.
            on_reset, rollover, quality, closed: As for `read_accumulated_value`, with `timestep`.
            label: The edge of a window that is its time: "stop" or "start".
            by: The tags that are columns; None is all that the series in the range have.

        Returns:
            The partitions in order of time: together they are the range, with gaps between points in them.
            There are at most 100,000.

        Raises:
            SchemaConflictError: Also if a field of windows or consumption has several types.
        """
        from db_influx import _partition
        from db_influx.plans import partitions as plans

        of_read, of_windows = _parted(options, ReadOptions)
        self._call(PartitionOptions, of_windows)  # keywords that there are
        call = self._call(ReadOptions, of_read)
        selection = self._range(start, stop, msname, fields, bucket, tags, call.tz)
        if (every is None) == (rows is None):
            raise _arguments.invalid("every", "or `rows` must be given, and not both")
        cut = None if every is None else _times.duration(every, "every"), rows
        if rows is not None:
            _arguments.count(rows, "rows", least=1)
        reduction = _reduction(selection, interval, agg_func, timestep, of_windows, call)
        _arguments.flag(dense, "dense")
        if connect is not None and not callable(connect):
            raise _arguments.invalid("connect", f"must be a function that returns a manager, not {connect!r}")
        token = _partition.Secret(self._settings.token.get_secret_value())
        connection = _partition.Connection(
            self._settings.url, self._settings.org, self._transport, connect, token
        )
        make = partial(_partition.divided, connection)
        plan = plans.planned(self._databases, selection, reduction, cut, call, dense=dense, make=make)
        return self._run(plan, call)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def read_partition(
        self,
        partition: Partition,
        columns: str | Iterable[str] | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[QueryOptions],
    ) -> Framed:
        """Read a partition by this manager instead of one of its own.

        Args:
            partition: One that `partitions` of any manager returned.
            columns: As for `Partition.read`.

        Returns:
            As `Partition.read`.
        """
        from db_influx._partition import Partition
        from db_influx.plans import partitions as plans

        if not isinstance(partition, Partition):
            raise _arguments.invalid("partition", f"must be a Partition, not {partition!r}")
        call = self._call(QueryOptions, options, into)
        asked = partition.checked_columns(columns)
        of_read = replace(partition.layout.options, into=call.into)
        parts = partition.within, partition.conditions, asked
        return self._run(plans.part(self._databases, partition.layout, *parts, of_read), call)

    @takes(ReadOptions)
    def read_average_value_in_seconds(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        duration: Length,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[ReadOptions],
    ) -> Framed:
        """Read the mean of fields over the last seconds, computed by the server.

        Args:
            duration: Seconds to look back from now, or a duration as for `read`.

        Returns:
            One frame with one row per series, whose time is the newest in the range; see the class.
        """
        from db_influx.plans import read

        call = self._call(ReadOptions, options, into)
        now = time.time_ns()
        start = _times.before(now, duration, "duration", call.tz)
        selection = _selection(start, now, measurement, fields, bucket, tags)
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
        selection = _selection(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
        _arguments.flag(with_time, "with_time")
        plan = last_point.last_point(self._databases, selection, time.time_ns(), call, with_time=with_time)
        return self._run(plan, call)  # type: ignore[no-any-return]

    @takes(ReadOptions)
    def read_last_data_points(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        **options: Unpack[ReadOptions],
    ) -> Framed:
        """Read the newest value of each field of each series, however old it is.

        Returns:
            One frame with one row per series, or per combination of the tags in `by`. Each field has its own
            newest value, points in the future included; the time of the row is the newest of all; see the
            class.
        """
        from db_influx.plans import last_point

        call = self._call(ReadOptions, options, into)
        selection = _selection(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
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
        selection = self._range(start, stop, msname, fields, bucket, tags, call.tz)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        return self._iterate(batches.batches(self._databases, selection, rows, call), call)

    @takes(QueryOptions)
    def query(
        self,
        flux: str,
        params: Mapping[str, object] | None = None,
        *,
        split: bool = False,
        into: Into | None = None,
        **options: Unpack[QueryOptions],
    ) -> FramedOrList:
        """Run any Flux query.

        Args:
            flux: The query.
            params: Values that the query uses as ``params.name``; they never become query text. A
                bool, int, float, text, datetime, timedelta, or a list or mapping of these. A datetime
                without a zone is UTC, as a query has no `tz`.
            split: Return a list of frames, one per schema, instead of their union.

        Returns:
            One frame of all tables of all results: columns in order of first appearance, absent
            cells null. Strings of the group key are categories. An integer column that is float in
            another table is float64 where that is exact.

        Raises:
            SchemaConflictError: A column has types that do not unify; names both tables.
        """
        from db_influx.plans import query

        call = self._call(QueryOptions, options, into)
        _arguments.flag(split, "split")
        return self._run(query.tables(_flux_params.bind(flux, params), call, split=split), call)

    @takes(QueryOptions)
    def query_batches(
        self,
        flux: str,
        params: Mapping[str, object] | None = None,
        *,
        batch_rows: int = 65_536,
        into: Into | None = None,
        **options: Unpack[QueryOptions],
    ) -> FramedIterator:
        """Run any Flux query and return its answer as it arrives, in bounded memory.

        Args:
            flux: The query.
            params: As for `query`.
            batch_rows: Most rows of a frame.

        Returns:
            An iterator of frames, each of one schema. Closing it stops the transfer. Only when it ends
            without an error is it known that the answer was complete.
        """
        from db_influx.plans import query

        call = self._call(QueryOptions, options, into)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        return self._iterate(query.batches(_flux_params.bind(flux, params), rows, call), call)

    @takes(QueryOptions)
    def query_influxql(
        self,
        influxql: str,
        params: Mapping[str, object] | None = None,
        *,
        bucket: str | None = None,
        split: bool = False,
        into: Into | None = None,
        **options: Unpack[QueryOptions],
    ) -> FramedOrList:
        """Run any InfluxQL, one statement or several.

        Args:
            influxql: The statements. SELECT and most SHOW statements return rows; DELETE and DROP MEASUREMENT
                return none. InfluxDB 2.x has no SELECT INTO, and no statements about users, databases,
                retention policies or continuous queries.
            params: Values that the statements use as ``$name``; they never become text of them. A bool, int,
                finite float, text, datetime, timedelta, or a compiled regular expression, which Go's syntax
                must know. A datetime without a zone is UTC.
            bucket: The bucket that is read where the text qualifies no measurement: its database and
                retention policy are looked up each time. Without it, the text must name these, as in
                ``"database"."policy"."measurement"``; they are those of the organization that the token
                was made in, whatever `org` is.
            split: Return a list of frames, one per layout of columns, instead of their union.

        Returns:
            One frame of all series of all statements: columns in order of first appearance, absent cells
            null. Tags of the series are categories.

        Raises:
            NotFoundError: There is no such bucket, or no database and policy lead to it alone.
            QueryError: The server refused a statement. Those before it were run.
            SchemaConflictError: A column has types that do not unify; names both tables.
        """
        from db_influx.plans import influxql as plans

        call = self._call(QueryOptions, options, into)
        _arguments.flag(split, "split")
        plan = plans.tables(self._databases, *_statements(influxql, params, bucket), call, split=split)
        return self._run(plan, call)

    @takes(QueryOptions)
    def query_influxql_batches(
        self,
        influxql: str,
        params: Mapping[str, object] | None = None,
        *,
        bucket: str | None = None,
        batch_rows: int = 65_536,
        into: Into | None = None,
        **options: Unpack[QueryOptions],
    ) -> FramedIterator:
        """Run any InfluxQL and return its answer as it arrives, in bounded memory.

        Args:
            influxql: As for `query_influxql`.
            params: As for `query_influxql`.
            bucket: As for `query_influxql`.
            batch_rows: Most rows of a frame.

        Returns:
            An iterator of frames, each of one layout of columns. Closing it stops the transfer. Only when it
            ends without an error is it known that the answer was complete.
        """
        from db_influx.plans import influxql as plans

        call = self._call(QueryOptions, options, into)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        plan = plans.batches(self._databases, *_statements(influxql, params, bucket), rows, call)
        return self._iterate(plan, call)

    # Files

    @takes(QueryOptions)
    def snapshot(
        self,
        bucket: str,
        start: Instant,
        stop: Instant | None = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        progress: Callable[[int, int | None], object] | None = None,
        **options: Unpack[QueryOptions],
    ) -> Snapshot:
        """Download the shards of a bucket that overlap a range, to read them on this machine.

        Whole shards come as they lie on the server's disk, which is many times faster than an answer to a
        query. They hold all measurements of the bucket, and what was acknowledged when the download began.
        It needs the operator token, that of the server's first setup. Use the snapshot in a ``with``
        block, whose end removes the files.

        The server leaves out its newest points where it is writing its cache all the while. This
        is seen and tried again, unless the server does not publish its metrics.

        Args:
            folder: Folder for the files, in a temporary folder of their own; else the system's.
            progress: Is called with the number of bytes that have come, and about how many there will be,
                or None if the server does not tell. An `AsyncInfluxManager` calls it in the loop.

        Returns:
            A `Snapshot`, with the options of this manager.

        Raises:
            AuthenticationError: Also if the token is not the operator's.
            DiskSpaceError: There is too little space. It is checked first if the server tells sizes.
        """
        from db_influx._snapshot import Snapshot
        from db_influx.plans.snapshot import Wanted, download

        call = self._call(QueryOptions, options)
        begin, end = _times.time_range(start, stop, time.time_ns(), call.tz)
        wanted = Wanted(_arguments.text(bucket, "bucket"), self._settings.org, begin, end)
        make = partial(Snapshot, start=begin, stop=end, options=call)
        place = None if folder is None else _arguments.folder(folder, "folder")
        if progress is not None and not callable(progress):
            raise _arguments.invalid("progress", f"must be a function, not {progress!r}")
        return self._enter(download(wanted, place, progress, make), call)  # type: ignore[no-any-return]

    @takes(ReadOptions)
    def write_parquet(
        self,
        folder: str | os.PathLike[str],
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str] | None,
        bucket: str,
        tags: Tags | None = None,
        *,
        name: str = NAME,
        **options: Unpack[ReadOptions],
    ) -> list[ParquetFile]:
        """Write points as they are stored to Parquet files, one for each month, in bounded memory.

        A file is written beside its place, and moved there when it is whole; one of the same name is
        replaced. Tags are dictionaries, all of them unless `by` names some, times are nanoseconds, and fields
        have the types that are stored. Rows are in order of time from slice to slice, as in `read_batches`;
        `Snapshot.write_parquet` is faster, and writes series after series. Needs pyarrow:
        ``pip install 'db-influx[parquet]'``.

        Args:
            folder: Where the files go; it is made if there is none.
            fields: One field or several; None is all of the measurement.
            name: Template of the files' names, of {measurement}, {year} and {month} in `tz`. Months that it
                gives one name are one file. It may name folders: "{measurement}/{year}/{month}.parquet".

        Returns:
            The files, with their rows; a month without points has none.

        Raises:
            ConfigurationError: pyarrow is not installed.
            DiskSpaceError: The disk is full.
        """
        from db_influx import _parquet
        from db_influx.plans import parquet

        _parquet.check_installed()
        call = replace(self._call(ReadOptions, options), into="arrow")
        selection = self._range(
            start, stop, msname, _EVERY if fields is None else fields, bucket, tags, call.tz
        )
        span = selection.start, selection.stop
        files = _parquet.periods(folder, name, selection.measurement, *span, call.tz)
        return self._collect(parquet.write(self._databases, selection, files, call), call)  # type: ignore[no-any-return]

    # Writing

    @takes(WriteOptions)
    def synchronous_write(
        self,
        bucket: str,
        data: object,
        data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None,
        **options: Unpack[WriteOptions],
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

        call = self._call(WriteOptions, options)
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

    # Metadata

    @takes(QueryOptions)
    def get_measurements_on_bucket(self, bucket: str, **options: Unpack[QueryOptions]) -> list[str]:
        """Return the names of a bucket's measurements over all time, sorted."""
        from db_influx.plans import query

        plan = query.listed(_flux.measurements(_arguments.text(bucket, "bucket")))
        return self._run(plan, self._call(QueryOptions, options))  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def get_fields(self, bucket: str, measurement: str, **options: Unpack[QueryOptions]) -> list[str]:
        """Return the names of a measurement's fields over all time, sorted."""
        from db_influx.plans import query

        names = _arguments.text(bucket, "bucket"), _arguments.text(measurement, "measurement")
        return self._run(query.listed(_flux.fields(*names)), self._call(QueryOptions, options))  # type: ignore[no-any-return]

    def _call(self, allowed: Any, keywords: Any, into: Into | None = None) -> Options:
        """Return the options of a call, checked."""
        return self._options.but(allowed, keywords, into=into)

    def _range(
        self,
        start: Instant,
        stop: Instant | None,
        measurement: str,
        fields: str | Iterable[str],
        bucket: str,
        tags: Tags | None,
        tz: str,
    ) -> Selection:
        begin, end = _times.time_range(start, stop, time.time_ns(), tz)
        return _selection(begin, end, _arguments.text(measurement, "msname"), fields, bucket, tags)


def _parted(options: Any, keywords: type) -> tuple[Any, Any]:
    """Divide options into those of the keywords, and others."""
    known = {name: value for name, value in options.items() if name in keywords.__annotations__}
    return known, {name: value for name, value in options.items() if name not in known}


def _reduction(
    selection: Selection,
    interval: Length | None,
    agg_func: AggFunc,
    timestep: Length | None,
    options: Any,
    call: Options,
) -> Reduction | None:
    """Return what becomes of the points of partitions, checked."""
    from db_influx.plans import consumption, partitions, read

    if interval is not None and timestep is not None:
        raise _arguments.invalid(
            "interval", "is for windows of functions and `timestep` for those of consumption; give one"
        )
    if timestep is not None:
        every = _times.duration(timestep, "timestep", unit=_MINUTE)
        spec = consumption.consumption_spec(selection, (every, "timestep"), options, call)
        closed = _arguments.choice(options.get("closed", "right"), "closed", _CLOSED)
        return partitions.Metered(every, spec.policy, closed, spec.label)
    if unused := [name for name in options if interval is None or name != "label"]:
        need = "`timestep`" if interval is not None or unused != ["label"] else "`interval` or `timestep`"
        raise _arguments.invalid(unused[0], f"needs windows: give {need} too, or leave it out")
    if interval is None:
        return None
    label = _arguments.choice(options.get("label", "stop"), "label", _LABELS)
    made = read.downsample_spec(selection, interval, agg_func, label, call, create_empty=False)
    return partitions.Windowed(made.windows.every, tuple(made.columns), label)


def _selection(
    start: int, stop: int, measurement: str, fields: str | Iterable[str], bucket: str, tags: Tags | None
) -> Selection:
    return _flux.Selection(
        bucket=_arguments.text(bucket, "bucket"),
        measurement=_arguments.text(measurement, "measurement"),
        fields=None if fields is _EVERY else _arguments.names(fields, "fields"),
        tags=_flux.conditions(tags),
        start=start,
        stop=stop,
    )


def _statements(influxql: str, params: object, bucket: str | None) -> tuple[AnyQuery, str | None]:
    """Return InfluxQL with its parameters, and the bucket that it reads, checked."""
    return _influxql.bind(influxql, params), None if bucket is None else _arguments.text(bucket, "bucket")


def _points(
    data: object, measurement: str, tags: Mapping[str, str] | None, options: WriteOptions
) -> Callable[[], Points]:
    from db_influx._points import Points

    layout: dict[str, Any] = {name: value for name, value in options.items() if name != "timeout"}
    return partial(Points.of, data, measurement, tags, **layout)
