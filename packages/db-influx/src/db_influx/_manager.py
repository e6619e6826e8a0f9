"""`InfluxManager`: the methods, each of which waits until it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from db_influx._official import point_settings
from db_influx.methods import Methods

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from influxdb_client.client.bucket_api import BucketsApi
    from influxdb_client.client.query_api import QueryApi
    from influxdb_client.client.write_api import WriteApi

    from db_influx._server import Server

__all__ = ["InfluxManager"]


class InfluxManager(Methods):
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
        protocol: The language in which stored points are read. "flux" takes the server the least time, but
            its answers lack the carriage returns of text. "influxql" has them, and answers of a quarter of
            the size: faster over a slow network. It is an error where InfluxQL can't read exactly these
            points: if a field has several types, if a name is one of InfluxQL's own, if no database and
            retention policy lead to the bucket alone, or if a limit of the server refuses it. "auto" is
            InfluxQL for reads with fields of text, where it can, and Flux for all others.
        missing: What to do where a measurement or field was never written, where nothing was found and a tag
            or its value does not exist, or where no series has a tag named in `by`: "warn" with a
            `UserWarning` that names it and what is near, "raise" a `NotFoundError`, or "ignore".
        timeout: Seconds the server may be silent.
        progress: A function that is called again and again with a `Progress`, in the thread of the call, or
            in the event loop of an `AsyncInfluxManager`. An error that it raises ends the call.

    Common errors:
        InvalidArgumentError: An argument is unusable; nothing was sent.
        ConnectionFailedError, OperationTimeoutError, AuthenticationError: The server can't be
            reached, is silent, or refuses.
        NotFoundError: There is no such bucket or organization; see also `missing`.
        QueryError: The server refused the query, or failed in the middle of it.
        IncompleteResultError: The answer was cut off.
        DiskSpaceError: A file that is written here does not fit on the disk.
        AmbiguousSeriesError: `by` lets values of several series meet.
        SchemaConflictError: A field has types that do not unify, or InfluxDB would leave out points of one.
    """

    def _make_wire(self, server: Server) -> Any:
        from db_influx._wire import Wire

        return Wire(server)

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
        """Return influxdb-client's own write API, writing synchronously.

        Args:
            tags: Tags of every point it writes.
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
