"""`InfluxManager`: the facade. Each method checks, asks, decodes and frames; the rooms do the work."""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from db_core.errors import InvalidArgumentError
from db_influx import _checks, _flux, _times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from zoneinfo import ZoneInfo

    from influxdb_client.client.bucket_api import BucketsApi
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.client.query_api import QueryApi
    from influxdb_client.client.write_api import WriteApi

    from db_core.annotated_csv import Answer
    from db_core.errors import Rejection
    from db_core.frame import Frame, Into
    from db_core.line_protocol import Duplicates
    from db_influx._aggregates import AggFunc
    from db_influx._consumption import Closed, Gaps, OnReset, PerField
    from db_influx._fetch import Asking
    from db_influx._flux import Query, Selection, Tags
    from db_influx._schema import Missing, Schema
    from db_influx._settings import InfluxSettings
    from db_influx._times import Instant, Length
    from db_influx._transport import Connection
    from db_influx._windows import Windows

__all__ = ["InfluxManager"]

_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_LABELS: tuple[Literal["start", "stop"], ...] = ("start", "stop")
_CLOSED: tuple[Closed, ...] = ("right", "left")
_MISSING: tuple[Missing, ...] = ("warn", "raise", "ignore")
_CALLER = 3  # calls from a warning up to who called the method
_EVERY: Any = object()  # in place of names: every field
# How far back the last point is looked for, step by step; then over all time.
_LOOK_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=30))


@dataclass(frozen=True, slots=True)
class _Options:
    """What a manager does unless a call says otherwise."""

    into: Into = "pandas"
    tz: str = "UTC"
    max_parallel: int = 4
    by: tuple[str, ...] | None = None
    missing: Missing = "warn"


_managers: weakref.WeakSet[InfluxManager] = weakref.WeakSet()


def _open_anew() -> None:
    """In a forked process, leave the parent's connections, and locks held by its threads, alone."""
    for manager in _managers:
        manager._open()  # noqa: SLF001 - a manager's own room


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_open_anew)


class InfluxManager:
    """Reads, downsamples and writes time series in InfluxDB 2.x, and turns totals into consumption.

    One manager may be shared between threads. It is a context manager, and can be pickled: its copy
    opens connections of its own, and so does a forked process; there, ask anew for the objects that
    `get_write_api` and its like gave.

    Every read gives exactly one frame. In pandas its index is a `DatetimeIndex` of nanoseconds named
    ``time``, sorted; if the rows come from several series, the tags that differ between them are
    index levels before it. In polars and Arrow these are the first columns. Columns are float64,
    int64, uint64, bool, timestamp or string, as stored; in pandas a null makes them Int64, UInt64 or
    boolean. A field without data in the range is a column of nulls of its type, or of float64 if it has
    never been written. Nothing found is the same shape without rows.

    Common arguments:
        start, stop: Half-open range: start is in, stop is out; for consumption, see `closed`. A datetime, a
            date, a pandas Timestamp, a numpy datetime64 or ISO 8601 text; without a zone or offset they are
            local times of `tz`. Of a
            time that the clocks show twice the first is meant, unless its `fold` is 1; one that they
            skip is an error. Or "now()", or text such as "-30d" or a negative timedelta, which count
            back from now. A `stop` of None is now.
        tags: Tag keys with the value, or collection of values, of which a series must have one. None or
            an empty text stands for having no such tag.
        by: Tags that are index levels, instead of those that differ; one that no series has is null.
            An empty list insists on one series.
        into: "pandas", "polars" or "arrow" (a pyarrow Table).
        tz: Time zone of the index, of times without a zone, and of windows: days and longer ones begin
            at local midnight.
        max_parallel: How many slices of a long read of stored points are fetched at once.
        missing: What to do where a measurement or field was never written, where nothing was found and a tag
            or its value does not exist, or where no series has a tag named in `by`: "warn" with a
            `UserWarning` that names it and what is near, "raise" a `NotFoundError`, or "ignore".
        timeout: Seconds the server may be silent.

    Common errors:
        InvalidArgumentError: An argument is unusable; nothing was sent.
        ConnectionFailedError, OperationTimeoutError, AuthenticationError: The server can't be
            reached, is silent, or refuses.
        NotFoundError: There is no such bucket or organization; see also `missing`.
        QueryError: The server refused the query, or failed in the middle of it.
        IncompleteResultError: The answer was cut off.
        AmbiguousSeriesError: `by` lets values of several series meet.
        SchemaConflictError: A field has types that do not unify, or InfluxDB would leave out points of one.
    """

    def __init__(
        self,
        url: str | None = None,
        org: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
        deadline: float | None = 3_600.0,
        retries: int = 3,
        max_parallel: int = 4,
        gzip: bool = False,
        into: Into = "pandas",
        tz: str | ZoneInfo = "UTC",
        missing: Missing = "warn",
        verify: bool = True,
        ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None,
    ) -> None:
        """Read the settings; no connection is opened yet.

        Args:
            url: Address of the server; else ``INFLUXDB_URL``.
            org: Name or ID of the organization; else ``INFLUXDB_ORG``.
            token: API token; else ``INFLUXDB_TOKEN``.
            timeout: Seconds the server may be silent, per attempt: give nothing, or take nothing of what
                is sent.
            connect_timeout: Seconds a connection may take to be made, TLS included.
            deadline: Seconds a call may take, all its questions and retries included; None is without
                end. It does not hold for `query_batches`, and for `read_batches` for each slice.
            retries: How often a request is repeated whose connection failed or broke, or that was
                answered with 429, 502, 503 or 504. Then the server's Retry-After is kept to. Writing
                again changes nothing, as every point carries its time.
            max_parallel: How many slices of a long read are fetched at once; 1 asks for no slices.
            gzip: Compress what is sent and received; worth it for far servers.
            into: Kind of the frames given, unless a call says otherwise.
            tz: Time zone, unless a call says otherwise.
            missing: What to do about names that do not exist, unless a call says otherwise.
            verify: Check the server's certificate.
            ca_cert: Path of the certificates to trust instead of the system's.
            client_cert: Path of a client certificate with its key, or a pair of paths.

        Raises:
            ConfigurationError: A setting is missing or malformed; names argument and variable.
        """
        # Imported here, so that `import db_influx` loads neither pydantic nor urllib3.
        from db_core.settings import load
        from db_influx import _certificates
        from db_influx._settings import InfluxSettings
        from db_influx._transport import Connection

        self._settings = load(InfluxSettings, {"url": url, "org": org, "token": token})
        self._connection = Connection(
            timeout=_checks.positive(timeout, "timeout"),
            connect_timeout=_checks.positive(connect_timeout, "connect_timeout"),
            deadline=None if deadline is None else _checks.positive(deadline, "deadline"),
            retries=_checks.count(retries, "retries"),
            gzip=_checks.flag(gzip, "gzip"),
            verify=_checks.flag(verify, "verify"),
            ca_cert=None if ca_cert is None else _certificates.authorities(ca_cert),
            client_cert=None if client_cert is None else _certificates.client(client_cert),
        )
        self._options = _Options(
            into=_into(into),
            tz=_times.zone(tz),
            max_parallel=_checks.parallel(max_parallel),
            missing=_checks.choice(missing, "missing", _MISSING),
        )
        self._open()

    def _open(self) -> None:
        from db_influx._schema import Databases
        from db_influx._transport import Transport

        self._transport = Transport(self._settings, self._connection)
        self._databases = Databases()
        self._client: InfluxDBClient | None = None
        self._client_lock = threading.Lock()
        _managers.add(self)

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        self._transport.close()
        with self._client_lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"InfluxManager(url={self._settings.url!r}, org={self._settings.org!r})"

    def __getstate__(self) -> tuple[InfluxSettings, Connection, _Options]:
        return self._settings, self._connection, self._options

    def __setstate__(self, state: tuple[InfluxSettings, Connection, _Options]) -> None:
        self._settings, self._connection, self._options = state
        self._open()

    # Reading

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
        by: Iterable[str] | None = None,
        label: Literal["start", "stop"] = "stop",
        create_empty: bool = False,
        into: Into | None = None,
        tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Read fields of a measurement, downsampled.

        Count, first, last, max, mean, min, spread and sum are worked out by the server. The others are worked
        out here, as they arrive, of the points themselves, since InfluxDB takes much longer for them
        than for the points, and estimates some.

        Args:
            fields: One field or several: the columns, in this order.
            interval: Length of a window, such as "10m", "15min", "1h", "1d", "1w", "1mo", a timedelta, a
                numpy timedelta64, or a pandas offset of fixed length; whole days are calendar days in
                `tz`. None reads points as they are stored.
            agg_func: count, first, last, max, mean, median, min, mode, skew, spread, stddev or sum; "p95" or
                ("quantile", 0.95) for a quantile. A list of these gives columns such as ``power_mean`` and
                ``power_p95``. A mapping gives each field a function or list of its own:
                ``{"kwh": "last", "power": ["mean", "max"]}``. Text and booleans have count, first, last and
                mode. median and quantiles are exact, interpolated as pandas does. mode is the smallest of
                the most frequent values. stddev is that of a sample, and null for one value. skew is that of
                a population (biased), and null where all values are equal.
            label: Whether a window's start or stop is its time. A window cut by the range keeps the
                range's edge.
            create_empty: Give windows without points too, as nulls, or 0 where they are counted.

        Returns:
            One frame; see the class.
        """
        call = self._call(by=by, into=into, tz=tz, max_parallel=max_parallel, missing=missing)
        selection = self._selection(start, stop, msname, fields, bucket, tags, call.tz)
        if _checks.flag(create_empty, "create_empty") and interval is None:
            message = "`create_empty` is about windows, which a read with `interval=None` has not"
            raise InvalidArgumentError(message, argument="create_empty")
        if interval is None:
            return self._raw(selection, call, timeout).release(call.into)
        from db_influx._aggregates import aggregates, check_types
        from db_influx._downsample import downsample

        label = _checks.choice(label, "label", _LABELS)
        cut = _windows(selection, _times.duration(interval, "interval"), call.tz)
        axis = cut.labels(label) if create_empty else None
        wanted = aggregates(agg_func, selection.fields or ())
        ask = self._asking(call, timeout)
        schema = self._schema(ask, selection)
        schema.check_types([selection], newest=any(one.function == "last" for one in wanted))
        check_types(wanted, schema.types, msname)
        frame = downsample(
            ask,
            selection,
            cut,
            wanted,
            schema.types or {},
            label=label,
            by=call.by,
            tz=call.tz,
            axis=axis,
            max_parallel=call.max_parallel,
        )
        _check_found(schema, selection, frame, call)
        return frame.release(call.into)

    def read_all_fields(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        bucket: str,
        tags: Tags | None = None,
        *,
        into: Into | None = None,
        tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Read every field of a measurement, as stored.

        Returns:
            One frame: the fields by name, then by name the tags that are no index level, as
            categories.
        """
        call = self._call(into=into, tz=tz, max_parallel=max_parallel, missing=missing)
        selection = self._selection(start, stop, msname, _EVERY, bucket, tags, call.tz)
        return self._raw(selection, call, timeout, tag_columns=True).release(call.into)

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
        on_reset: OnReset = "null",
        rollover: PerField | None = None,
        max_rate: PerField | None = None,
        gaps: Gaps = "book",
        quality: bool = False,
        closed: Closed = "right",
        by: Iterable[str] | None = None,
        label: Literal["start", "stop"] = "stop",
        into: Into | None = None,
        tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Read consumption per window, from meters that report running totals.

        A window's consumption is its last total less the last total before it, however old that is, in
        the total's unit; so the consumption of adjoining ranges adds up. A total that is read on the edge
        of two windows, as at midnight, closes the one that ends there: one at `stop` counts, and one at
        `start` is what the first window counts from. A series without a point up to `start` begins at its
        first point.

        Args:
            fields: One field or several, each a running total.
            timestep: Length of a window in minutes, or a duration as for `read`.
            on_reset: What a window is worth in which the total fell: "null", as it is not known;
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
            closed: Which of its edges a window holds, and the range with it: "right", as said above, or
                "left": a total on an edge counts for the window that begins there, one at `start` counts,
                and one at `stop` does not.
            label: Whether a window's start or stop is its time.

        Returns:
            One frame, float64 for float totals and int64 for integer totals; see the class.

        Raises:
            InvalidArgumentError: Also if a field holds no numbers, or a difference exceeds 64 bits.
        """
        call = self._call(by=by, into=into, tz=tz, max_parallel=max_parallel, missing=missing)
        every = _times.duration(timestep, "timestep", unit=_MINUTE)
        return self._consumption(
            self._selection(start, stop, msname, fields, bucket, tags, call.tz),
            (every, "timestep"),
            (on_reset, rollover, max_rate, gaps, quality),
            closed,
            label,
            call,
            timeout,
        )

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
        on_reset: OnReset = "null",
        rollover: PerField | None = None,
        max_rate: PerField | None = None,
        gaps: Gaps = "book",
        quality: bool = False,
        closed: Closed = "right",
        by: Iterable[str] | None = None,
        label: Literal["start", "stop"] = "stop",
        into: Into | None = None,
        tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Read consumption per window of `duration` seconds; otherwise as `read_accumulated_value`.

        Args:
            duration: Length of a window in seconds, or a duration as for `read`.

        Returns:
            As `read_accumulated_value`.
        """
        call = self._call(by=by, into=into, tz=tz, max_parallel=max_parallel, missing=missing)
        every = _times.duration(duration, "duration", unit=_SECOND)
        return self._consumption(
            self._selection(start, stop, msname, fields, bucket, tags, call.tz),
            (every, "duration"),
            (on_reset, rollover, max_rate, gaps, quality),
            closed,
            label,
            call,
            timeout,
        )

    def _consumption(
        self,
        selection: Selection,
        every: tuple[str, str],
        policy: tuple[OnReset, PerField | None, PerField | None, Gaps, bool],
        closed: Closed,
        label: Literal["start", "stop"],
        call: _Options,
        timeout: float | None,
    ) -> Any:
        from db_influx._aggregates import Aggregate, check_types
        from db_influx._consumption import Policy, consumption, windows

        label = _checks.choice(label, "label", _LABELS)
        closed = _checks.choice(closed, "closed", _CLOSED)
        how = Policy.of(selection.fields or (), *policy)
        cut, grid = windows(selection, every, how, closed=closed, label=label, tz=call.tz)
        ask = self._asking(call, timeout)
        schema = self._schema(ask, selection)
        schema.check_types([selection], newest=True)
        totals = [Aggregate(field, field, "consumption", "spread") for field in selection.fields or ()]
        check_types(totals, schema.types, selection.measurement, argument="fields")
        frame = consumption(
            ask,
            selection,
            cut,
            grid,
            how,
            kinds=schema.kinds(selection.fields),
            label=label,
            by=call.by,
            tz=call.tz,
        )
        _check_found(schema, selection, frame, call, above=1)
        return frame.release(call.into)

    def read_average_value_in_seconds(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        duration: Length,
        tags: Tags | None = None,
        *,
        by: Iterable[str] | None = None,
        into: Into | None = None,
        tz: str | ZoneInfo | None = None,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Read the mean of fields over the last seconds, computed by the server.

        Args:
            duration: Seconds to look back from now, or a duration as for `read`.

        Returns:
            One frame with one row per series, whose time is the newest in the range; see the class.
        """
        from db_influx._downsample import average

        call = self._call(by=by, into=into, tz=tz, missing=missing)
        now = time.time_ns()
        start = _times.before(now, duration, "duration", call.tz)
        selection = _selection(start, now, measurement, fields, bucket, tags)
        ask = self._asking(call, timeout)
        schema = self._schema(ask, selection)
        schema.check_types([selection], newest=True)
        frame = average(ask, selection, schema.types or {}, by=call.by, tz=call.tz)
        _check_found(schema, selection, frame, call)
        return frame.release(call.into)

    def read_last_data_point(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        tags: Tags | None = None,
        *,
        with_time: bool = False,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Read the newest value of each field over the matching series, however old it is.

        The last hour is asked first, then the last day and month, then all time; each later question
        is only about the fields not found yet. For more than a hundred tag values it is all time at once.
        Points in the future count.

        Args:
            with_time: Give pairs of time and value.

        Returns:
            Fields with their values, in the order asked: float, int, bool or str. A field that was
            never written is absent. With `with_time`, pairs of a UTC pandas Timestamp and a value.
        """
        from db_influx._fetch import TEXT, VALUE, columns

        now = time.time_ns()
        selection = _selection(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
        wanted = selection.fields or ()
        found: dict[str, tuple[int, Any]] = {}
        call = self._call(into=None, missing=missing)
        ask = self._asking(call, timeout)
        schema = self._schema(ask, selection)
        schema.check_types([selection], newest=True)
        # The server takes longer over thousands of names than over the points of all time.
        is_short = sum(len(values) for _, values in selection.tags) <= _flux.FEW_NAMES
        for back in (*(_LOOK_BACK if is_short else ()), None):
            left = tuple(field for field in wanted if field not in found)
            if not left:
                break
            start = _times.EARLIEST if back is None else _times.instant(-back, "start", now)
            query = _flux.newest(replace(selection, fields=left, start=start))
            [answer] = ask([query])
            for points, _ in columns(answer, _time=("timestamp",), _field=TEXT, _value=VALUE):
                for moment, field, value in zip(
                    points["_time"], points["_field"], points["_value"], strict=True
                ):
                    if field not in found or moment > found[field][0]:
                        # A stored point always has a value; the answer shows an empty string as none.
                        found[field] = (moment, "" if value is None else value)
        schema.check_found(selection, call.missing, nothing=not found, stacklevel=_CALLER - 1)
        if not with_time:
            return {field: found[field][1] for field in wanted if field in found}
        import pandas as pd

        return {
            field: (pd.Timestamp(found[field][0], unit="ns", tz="UTC"), found[field][1])
            for field in wanted
            if field in found
        }

    def read_last_data_points(
        self,
        bucket: str,
        measurement: str,
        fields: str | Iterable[str],
        tags: Tags | None = None,
        *,
        by: Iterable[str] | None = None,
        into: Into | None = None,
        tz: str | ZoneInfo | None = None,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Read the newest value of each field of each series, however old it is.

        Returns:
            One frame with one row per series, or per combination of the tags in `by`. Each field has its own
            newest value, points in the future included; the time of the row is the newest of all; see the
            class.
        """
        from db_core.pivot import latest

        call = self._call(by=by, into=into, tz=tz, missing=missing)
        selection = _selection(_times.EARLIEST, _times.LATEST, measurement, fields, bucket, tags)
        ask = self._asking(call, timeout)
        schema = self._schema(ask, selection)
        schema.check_types([selection], newest=True)
        kinds = schema.kinds(selection.fields)
        frame = latest(_wide(ask([_flux.series(selection, "last")]), selection.fields, call, kinds=kinds))
        _check_found(schema, selection, frame, call)
        return frame.release(call.into)

    def query(
        self,
        flux: str,
        params: Mapping[str, object] | None = None,
        *,
        split: bool = False,
        into: Into | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Run any Flux query.

        Args:
            flux: The query.
            params: Values that the query uses as ``params.name``; they never become query text. A
                bool, int, float, text, datetime, timedelta, or a list or mapping of these. A datetime
                without a zone is UTC, as a query has no `tz`.
            split: Give a list of frames, one per schema, instead of their union.

        Returns:
            One frame of all tables of all results: columns in order of first appearance, absent
            cells null. Strings of the group key are categories. An integer column that is float in
            another table is float64 where that is exact.

        Raises:
            SchemaConflictError: A column has types that do not unify; names both tables.
        """
        from db_core import annotated_csv

        call = self._call(into=into)
        [answer] = self._ask([_flux.bind(flux, params)], call, timeout)
        if split:
            return [frame.release(call.into) for frame in annotated_csv.split(answer)]
        return annotated_csv.union(answer).release(call.into)

    def query_batches(
        self,
        flux: str,
        params: Mapping[str, object] | None = None,
        *,
        batch_rows: int = 65_536,
        into: Into | None = None,
        timeout: float | None = None,
    ) -> Iterator[Any]:
        """Run any Flux query and give its answer as it arrives, in bounded memory.

        Args:
            flux: The query.
            params: As for `query`.
            batch_rows: Most rows of a frame.

        Returns:
            An iterator of frames, each of one schema. Closing it stops the transfer. That the answer
            was complete is known when the iterator ends without an error.
        """
        call = self._call(into=into)
        rows = _checks.count(batch_rows, "batch_rows", least=1)
        return self._query_frames(_flux.bind(flux, params), rows, call, _checks.timeout(timeout))

    def _query_frames(
        self, query: Query, batch_rows: int, call: _Options, timeout: float | None
    ) -> Iterator[Any]:
        from db_influx._fetch import fetch_batches

        with closing(fetch_batches(self._transport, query, batch_rows, timeout=timeout)) as frames:
            for frame in frames:
                yield frame.release(call.into)

    def read_batches(
        self,
        start: Instant,
        stop: Instant | None,
        msname: str,
        fields: str | Iterable[str],
        bucket: str,
        tags: Tags | None = None,
        *,
        by: Iterable[str] | None = None,
        batch_rows: int = 65_536,
        into: Into | None = None,
        tz: str | ZoneInfo | None = None,
        missing: Missing | None = None,
        timeout: float | None = None,
    ) -> Iterator[Any]:
        """Read points as they are stored, in bounded memory.

        The range is read in slices, as wide as `batch_rows` allows, and narrower where rows have very long
        texts or very many fields. The answer of a slice is complete before its frames are given.

        Args:
            fields: One field or several: the columns, in this order.
            by: See the class. The tags that differ are those that differ over the whole range.
            batch_rows: Most rows of a frame.

        Returns:
            An iterator of frames as `read` gives with ``interval=None``, all of one schema, in order of
            time from slice to slice; within a slice the rows are in order of the index. Errors come
            with the first frame asked for. Closing it stops the transfer.
        """
        call = self._call(by=by, into=into, tz=tz, missing=missing)
        selection = self._selection(start, stop, msname, fields, bucket, tags, call.tz)
        rows = _checks.count(batch_rows, "batch_rows", least=1)
        return self._read_frames(selection, rows, call, _checks.timeout(timeout))

    def _read_frames(
        self, selection: Selection, batch_rows: int, call: _Options, timeout: float | None
    ) -> Iterator[Any]:
        from db_core.annotated_csv import room_of_batch
        from db_influx._batches import slices
        from db_influx._fetch import fetch_at_most

        # The whole range's series tell what differs, and each field's type, before the first slice.
        ask_first = self._asking(call, timeout)
        schema = self._schema(ask_first, selection)
        schema.check_types([selection])
        answers = ask_first([_flux.series(selection)])
        series = _wide(answers, selection.fields, call, kinds=schema.kinds(selection.fields))
        _check_found(schema, selection, series, call)
        call = replace(call, by=tuple(series.index[:-1]))
        kinds = series.kinds

        def ask(part: Selection, limits: tuple[int, int] | None) -> tuple[Answer, int] | None:
            return fetch_at_most(self._transport, _flux.raw(part), limits, timeout=timeout)

        for answer in slices(
            selection, batch_rows * len(selection.fields or ()), room_of_batch(batch_rows), ask
        ):
            frame = _wide([answer], selection.fields, call, kinds=kinds)
            for first in range(0, len(frame), batch_rows):
                yield frame.slice(first, batch_rows).release(call.into)

    # Writing

    def synchronous_write(
        self,
        bucket: str,
        data: object,
        data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None,
        *,
        tag_columns: Sequence[str] = (),
        time_column: str | None = None,
        duplicates: Duplicates = "error",
        timeout: float | None = None,
    ) -> None:
        """Write a frame; when this returns, every point was accepted.

        The whole frame is checked before anything is sent. Writing the same points again changes
        nothing, as every point carries its time.

        Args:
            data: A pandas DataFrame with a DatetimeIndex, or any frame with Arrow's PyCapsule
                protocol and a `time_column`. Index levels of strings, as reads give them, are tags.
            data_frame_measurement_name: Measurement.
            tags: Tags of every point.
            tag_columns: Columns of strings, integers or booleans to write as tags; a null or empty
                one is left out. All others are fields, written as they are: int, uint, float, bool,
                string. A null or NaN is left out.
            time_column: Column of timestamps; without a zone they are UTC. A pandas frame may have its
                times in the last level of its index instead. Beside a `time_column`, row numbers in the
                index are left out: a last or only level of integers that has no name. Levels of strings
                must have names. Any other level is an error, unless `tag_columns` names it.
            duplicates: What becomes of rows that have the same tags and time and give one field
                different values, of which InfluxDB keeps the last row's. `"error"` refuses the frame,
                and names the rows and the columns that may be missing in `tag_columns`; `"last"` writes
                it. Rows that set different fields, or the same values, are never an error.

        Raises:
            InvalidArgumentError: A value that can't be written as it is: an infinite float, a type
                that can't be stored, a missing time, a row without a field, a name or tag that line
                protocol can't carry, a field and a tag of one name, a text above 1 MiB, tags above
                64 KiB, a row that a later one would overwrite. Says column and row; nothing was sent.
            WriteError: Not every point was accepted. All that the server takes are written; which rows it
                refused, and why, is in `rejected`, and these rows are in `frame`.
        """
        from db_influx._points import Points
        from db_influx._writing import write

        _checks.written_bucket(bucket)
        silence = _checks.timeout(timeout)
        points = Points.of(data, data_frame_measurement_name, tags, tag_columns, time_column, duplicates)
        lines = points.encoder()
        with self._transport.call() as call:

            def send(body: bytes) -> None:
                call.attempt(partial(self._transport.write, bucket, body, timeout=silence, call=call))

            write(send, lines, data)

    def check_write(
        self,
        bucket: str,
        data: object,
        data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None,
        *,
        tag_columns: Sequence[str] = (),
        time_column: str | None = None,
        duplicates: Duplicates = "error",
        timeout: float | None = None,
    ) -> list[Rejection]:
        """Tell what `synchronous_write` would refuse, or the server would drop; nothing is written.

        Arguments are those of `synchronous_write`. The frame's own faults are looked for first, a
        thousand of them at most. If there are none, the server is asked how long the bucket keeps
        points, and of what type the fields are that it holds up to a week before and after the frame's
        times. A type may differ from week to week (by shard): a conflict that is told need not arise,
        and one with a type that the server does not tell, or in a longer shard, may be missed.

        Returns:
            Rows with the reason, neighbours together; none if all would be written.
        """
        from db_influx._points import Points
        from db_influx._preview import preview

        _checks.written_bucket(bucket)
        points = Points.of(data, data_frame_measurement_name, tags, tag_columns, time_column, duplicates)
        return preview(self._asking(self._options, timeout), bucket, points, time.time_ns())

    # The official client, on the same settings

    def get_write_api(self, tags: Mapping[str, str] | None = None) -> WriteApi:
        """Give influxdb-client's own write API, writing synchronously.

        Args:
            tags: Tags of every point it writes.
        """
        from influxdb_client.client.write_api import SYNCHRONOUS, PointSettings

        from db_influx._points import constant_tags

        settings = PointSettings(**constant_tags(tags))
        return self._official().write_api(write_options=SYNCHRONOUS, point_settings=settings)

    def get_buckets_api(self) -> BucketsApi:
        """Give influxdb-client's own buckets API."""
        return self._official().buckets_api()

    def get_query_api(self) -> QueryApi:
        """Give influxdb-client's own query API."""
        return self._official().query_api()

    def _official(self) -> InfluxDBClient:
        from influxdb_client.client.influxdb_client import InfluxDBClient

        cert, key = self._connection.cert_files
        with self._client_lock:
            if self._client is None:
                self._client = InfluxDBClient(
                    url=self._settings.url,
                    token=self._settings.token.get_secret_value(),
                    org=self._settings.org,
                    timeout=round(self._connection.timeout * 1_000),
                    enable_gzip=self._connection.gzip,
                    verify_ssl=self._connection.verify,
                    ssl_ca_cert=self._connection.ca_cert,
                    cert_file=cert,
                    cert_key_file=key,
                )
            return self._client

    # Metadata

    def get_measurements_on_bucket(self, bucket: str, *, timeout: float | None = None) -> list[str]:
        """Give the names of a bucket's measurements over all time, sorted."""
        return self._names(_flux.measurements(_checks.text(bucket, "bucket")), timeout)

    def get_fields(self, bucket: str, measurement: str, *, timeout: float | None = None) -> list[str]:
        """Give the names of a measurement's fields over all time, sorted."""
        query = _flux.fields(_checks.text(bucket, "bucket"), _checks.text(measurement, "measurement"))
        return self._names(query, timeout)

    def _names(self, query: Query, timeout: float | None) -> list[str]:
        from db_influx._fetch import names

        [answer] = self._ask([query], self._options, timeout)
        return names(answer)

    # Shared steps

    def _call(
        self,
        *,
        into: Into | None,
        by: Iterable[str] | None = None,
        tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None,
        missing: Missing | None = None,
    ) -> _Options:
        """The options of one call."""
        own = self._options
        return _Options(
            into=own.into if into is None else _into(into),
            tz=own.tz if tz is None else _times.zone(tz),
            max_parallel=own.max_parallel if max_parallel is None else _checks.parallel(max_parallel),
            by=None if by is None else _checks.names(by, "by", least=0),
            missing=own.missing if missing is None else _checks.choice(missing, "missing", _MISSING),
        )

    def _selection(
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
        return _selection(begin, end, _checks.text(measurement, "msname"), fields, bucket, tags)

    def _raw(
        self, selection: Selection, call: _Options, timeout: float | None, *, tag_columns: bool = False
    ) -> Frame:
        """Points as they are stored; nothing but the frame keeps their memory, so it may hand it over."""
        ask = self._asking(call, timeout)
        schema = self._schema(ask, selection)
        parts = schema.apart(_flux.slices(selection, call.max_parallel))
        schema.check_types(parts)
        answers = ask([_flux.raw(part) for part in parts])
        kinds = schema.kinds(selection.fields)
        frame = _wide(answers, selection.fields, call, tag_columns=tag_columns, kinds=kinds)
        _check_found(schema, selection, frame, call, above=1)
        return frame

    def _ask(self, queries: Sequence[Query], call: _Options, timeout: float | None) -> list[Answer]:
        """Send the slices of a read and decode their answers as they arrive."""
        return self._asking(call, timeout)(queries)

    def _asking(self, call: _Options, timeout: float | None) -> Asking:
        """Return what asks the questions of one read: its deadline runs from now on."""
        from db_influx._fetch import Asking

        return Asking(self._transport, max_parallel=call.max_parallel, timeout=_checks.timeout(timeout))

    def _schema(self, ask: Asking, selection: Selection) -> Schema:
        """Ask what the measurement holds."""
        from db_influx._schema import Schema

        return Schema(ask, self._databases, selection.bucket, selection.measurement)


def _selection(
    start: int,
    stop: int,
    measurement: str,
    fields: str | Iterable[str],
    bucket: str,
    tags: Tags | None,
) -> Selection:
    return _flux.Selection(
        bucket=_checks.text(bucket, "bucket"),
        measurement=_checks.text(measurement, "measurement"),
        fields=None if fields is _EVERY else _checks.names(fields, "fields"),
        tags=_flux.conditions(tags),
        start=start,
        stop=stop,
    )


def _windows(selection: Selection, every: str, tz: str) -> Windows:
    from db_influx._windows import Windows

    return Windows(every, tz, selection.start, selection.stop)


def _wide(
    answers: Sequence[Answer],
    fields: Sequence[str] | None,
    call: _Options,
    *,
    tag_columns: bool = False,
    kinds: Mapping[str, str] | None = None,
) -> Frame:
    """One row per series and time. Stored points always have a value: an empty text is just empty."""
    from db_core.pivot import pivot

    return pivot(
        answers,
        fields=fields,
        by=call.by,
        tag_columns=tag_columns,
        empty_text=True,
        kinds=kinds,
        tz=call.tz,
    )


def _check_found(
    schema: Schema, selection: Selection, frame: Frame, call: _Options, *, above: int = 0
) -> None:
    """Tell what was asked for and does not exist; `above` is how far the method is called from."""
    levels = zip(frame.index[:-1], frame.batch.columns(), strict=False)
    empty = [name for name, level in levels if (nulls := level.nulls()) is not None and all(bytes(nulls))]
    schema.check_found(
        selection,
        call.missing,
        nothing=not len(frame),
        empty_levels=(empty if len(frame) else call.by) if call.by else (),
        stacklevel=_CALLER + above,
    )


def _into(into: object) -> Into:
    from db_core.frame import check_into

    return check_into(into)
