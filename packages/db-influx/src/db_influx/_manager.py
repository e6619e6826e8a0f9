"""`InfluxManager`: the methods, each of which waits until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from db_influx._official import point_settings
from db_influx.methods import Methods

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from influxdb_client.client.bucket_api import BucketsApi
    from influxdb_client.client.query_api import QueryApi
    from influxdb_client.client.write_api import WriteApi

    from db_influx._outbox import Job, Outbox
    from db_influx._point import PointLayout
    from db_influx._point_writer import PointWriter
    from db_influx._server import Server

__all__ = ["InfluxManager"]


class InfluxManager(Methods):
    """Read, downsample and write time series in InfluxDB 2.x, and turn meter totals into consumption.

    Threads may share one manager. It is a context manager, and can be pickled: the copy opens its own
    connections. So does a forked process: call `get_write_api` and similar methods again there.

    Every read returns exactly one frame. In pandas its index is a sorted `DatetimeIndex` of nanoseconds
    named ``time``. If the rows come from several series, the tags that differ between them are index levels
    before the time. In polars and Arrow these levels are the first columns. Columns are float64, int64,
    uint64, bool, timestamp or string, as stored. In pandas, integer and boolean columns with nulls are Int64,
    UInt64 or boolean. A field without data in the range is a column of nulls, with its type, or float64 if
    it has never been written. If nothing is found, the frame has the same columns and no rows.

    Common arguments:
        start, stop: The range, which includes `start` and excludes `stop`. For consumption, see `closed`.
            Each is a datetime, a date, a pandas Timestamp, a numpy datetime64 or ISO 8601 text. Without a
            zone or offset, it is a local time of `tz`. If the clocks show a time twice, the first is
            meant, unless its `fold` is 1. A time that the clocks skip raises an error. Text such as "-30d"
            or a negative timedelta is a time before now. "now()" is now, and so is a `stop` of None.
        tags: Tag keys, each with a value or a collection of values. A series must have one of these values.
            None or an empty text selects the series without this tag.
        by: Tags that are index levels, instead of the tags that differ. Name them in programs: which tags
            differ depends on the series that are found, and with one series there is no level. A tag that no
            series has is null. An empty list makes no levels, and raises an error for several series.
        into: "pandas", "polars" or "arrow" (a pyarrow Table).
        tz: Time zone of the index, of times without a zone, and of windows. Windows of days and longer begin
            at local midnight.
        max_parallel: How many slices of a long read of stored points are fetched at the same time.
        protocol: The language in which stored points are read. "flux" takes the server the least time, but
            its answers lose the carriage returns of text. "influxql" keeps them, and its answers have a
            quarter of the size, which is faster over a slow network. It raises an error if InfluxQL can't
            read exactly these points: if a field has several types, if a name is reserved in InfluxQL, if no
            database and retention policy are mapped to the bucket alone, or if a limit of the server
            refuses the read. "auto" uses InfluxQL for reads with fields of text, if it can read them, and
            Flux for all others.
        missing: What to do about a name that does not exist. "warn", the default, issues a `UserWarning` with
            the name and similar names. "raise" raises a `NotFoundError`. "ignore" does neither. A read checks
            the measurement and the fields. It checks a tag of `by` if no series that it found has this tag.
            It checks `tags` and their values only if it found nothing. So if one of two meters exists, the
            read returns the rows of this meter, and says nothing about the other one.
        timeout: Seconds for which the server may send nothing.
        progress: A function that is called again and again with a `Progress`, in the thread of the call, or
            in the event loop of an `AsyncInfluxManager`. An error that it raises ends the call.

    Common errors:
        InvalidArgumentError: An argument is invalid. Nothing was sent.
        ConnectionFailedError, OperationTimeoutError, AuthenticationError: The server can't be reached, does
            not answer in time, or refuses the token.
        NotFoundError: The bucket or the organization does not exist; see also `missing`.
        QueryError: The server refused the query, or the query failed while it ran.
        IncompleteResultError: The answer was cut off.
        DiskSpaceError: A file does not fit on the client's disk.
        AmbiguousSeriesError: `by` does not tell apart series that have values for the same row and column.
        SchemaConflictError: A field has types that no one column can have, or InfluxDB would leave out points
            of one type.
    """

    def _make_wire(self, server: Server) -> Any:
        from db_influx._wire import Wire

        return Wire(server)

    def _open_writer(self, outbox: Outbox, layout: PointLayout, deliver: Callable[[Job], Any]) -> PointWriter:
        from db_influx._point_writer import PointWriter

        return PointWriter(outbox, layout, deliver, self._transport.deadline)

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        self._wire.close()
        self._official.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # The official client, on the same settings

    def get_write_api(self, tags: Mapping[str, str] | None = None) -> WriteApi:
        """Return influxdb-client's own write API, which writes synchronously.

        Args:
            tags: Tags of every point that it writes.
        """
        from influxdb_client.client.write_api import SYNCHRONOUS

        options = {"write_options": SYNCHRONOUS, "point_settings": point_settings(tags)}
        return self._official.client().write_api(**options)

    def get_buckets_api(self) -> BucketsApi:
        """Return influxdb-client's own buckets API."""
        return self._official.client().buckets_api()

    def get_query_api(self) -> QueryApi:
        """Return influxdb-client's own query API."""
        return self._official.client().query_api()
