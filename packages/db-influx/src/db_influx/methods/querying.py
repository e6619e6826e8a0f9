"""The methods that run Flux and InfluxQL, and list the names that a bucket has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db_influx import _arguments, _flux, _flux_params, _influxql
from db_influx._base import Base
from db_influx._options import FetchOptions, QueryOptions, takes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from db_core.frame import Into
    from db_influx._influxql import AnyQuery
    from db_influx.methods.common import FramedIterator, FramedOrList

__all__ = ["Querying"]


class Querying(Base):
    """The querying methods of both managers."""

    @takes(FetchOptions)
    def query(
        self,
        flux: str,
        params: Mapping[str, object] | None = None,
        *,
        split: bool = False,
        into: Into | None = None,
        **options: Unpack[FetchOptions],
    ) -> FramedOrList:
        """Run any Flux query.

        Args:
            flux: The query.
            params: Values that the query uses as ``params.name``. They never become part of its text. A value
                is a bool, int, float, text, datetime, timedelta, or a list or mapping of these. A datetime
                without a zone is in UTC, as a query has no `tz`.
            split: Return a list of frames, one for each schema, instead of one frame.

        Returns:
            One frame of all tables of all results. Columns are in order of first appearance, and missing
            cells are null. Strings of the group key are categories. If a column is integer in one table and
            float in another, it is float64, provided that this is exact.

        Raises:
            SchemaConflictError: A column has types in two tables that no one column can have. The message
                names both tables.
        """
        from db_influx.plans import query

        call = self._call(FetchOptions, options, into)
        _arguments.flag(split, "split")
        plan = query.tables(_flux_params.bind(flux, params), call, split=split)
        return self._run(plan, call, "query")

    @takes(FetchOptions)
    def query_batches(
        self,
        flux: str,
        params: Mapping[str, object] | None = None,
        *,
        batch_rows: int = 65_536,
        into: Into | None = None,
        **options: Unpack[FetchOptions],
    ) -> FramedIterator:
        """Run any Flux query and return its answer as it arrives, in bounded memory.

        Args:
            flux: The query.
            params: As for `query`.
            batch_rows: The most rows of a frame.

        Returns:
            An iterator of frames, each of one schema. Closing it stops the transfer. The answer was complete
            only if the iterator ends without an error.
        """
        from db_influx.plans import query

        call = self._call(FetchOptions, options, into)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        plan = query.batches(_flux_params.bind(flux, params), rows, call)
        return self._iterate(plan, call, "query_batches")

    @takes(FetchOptions)
    def query_influxql(
        self,
        influxql: str,
        params: Mapping[str, object] | None = None,
        *,
        bucket: str | None = None,
        split: bool = False,
        into: Into | None = None,
        **options: Unpack[FetchOptions],
    ) -> FramedOrList:
        """Run any InfluxQL, one statement or several.

        Args:
            influxql: The statements. SELECT and most SHOW statements return rows; DELETE and DROP MEASUREMENT
                return none. InfluxDB 2.x has no SELECT INTO, and no statements about users, databases,
                retention policies or continuous queries.
            params: Values that the statements use as ``$name``. They never become part of their text. A value
                is a bool, int, finite float, text, datetime, timedelta, or a compiled regular expression
                that Go's syntax permits. A datetime without a zone is in UTC.
            bucket: The bucket to read if the text names only a measurement. The manager looks up its database
                and retention policy each time. Without it, the text must name these, as in
                ``"database"."policy"."measurement"``. They always belong to the organization in which the
                token was made, whatever `org` is.
            split: Return a list of frames, one for each set of columns, instead of one frame.

        Returns:
            One frame of all series of all statements. Columns are in order of first appearance, and missing
            cells are null. Tags of the series are categories.

        Raises:
            NotFoundError: The bucket does not exist, or no database and policy are mapped to it alone.
            QueryError: The server refused a statement. The statements before it were run.
            SchemaConflictError: A column has types in two tables that no one column can have. The message
                names both tables.
        """
        from db_influx.plans import influxql as plans

        call = self._call(FetchOptions, options, into)
        _arguments.flag(split, "split")
        plan = plans.tables(self._databases, *_statements(influxql, params, bucket), call, split=split)
        return self._run(plan, call, "query_influxql", bucket)

    @takes(FetchOptions)
    def query_influxql_batches(
        self,
        influxql: str,
        params: Mapping[str, object] | None = None,
        *,
        bucket: str | None = None,
        batch_rows: int = 65_536,
        into: Into | None = None,
        **options: Unpack[FetchOptions],
    ) -> FramedIterator:
        """Run any InfluxQL and return its answer as it arrives, in bounded memory.

        Args:
            influxql: As for `query_influxql`.
            params: As for `query_influxql`.
            bucket: As for `query_influxql`.
            batch_rows: The most rows of a frame.

        Returns:
            An iterator of frames, each with one set of columns. Closing it stops the transfer. The answer was
            complete only if the iterator ends without an error.
        """
        from db_influx.plans import influxql as plans

        call = self._call(FetchOptions, options, into)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        plan = plans.batches(self._databases, *_statements(influxql, params, bucket), rows, call)
        return self._iterate(plan, call, "query_influxql_batches", bucket)

    @takes(QueryOptions)
    def get_measurements_on_bucket(self, bucket: str, **options: Unpack[QueryOptions]) -> list[str]:
        """Return the names of a bucket's measurements over all time, sorted.

        InfluxDB's answer leaves out carriage returns.
        """
        from db_influx.plans import query

        call = self._call(QueryOptions, options)
        plan = query.listed(_flux.measurements(_arguments.text(bucket, "bucket")))
        return self._run(plan, call, "get_measurements_on_bucket", bucket)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def get_fields(self, bucket: str, measurement: str, **options: Unpack[QueryOptions]) -> list[str]:
        """Return the names of a measurement's fields over all time, sorted.

        InfluxDB's answer leaves out carriage returns.
        """
        from db_influx.plans import query

        call = self._call(QueryOptions, options)
        names = _arguments.text(bucket, "bucket"), _arguments.text(measurement, "measurement")
        return self._run(query.listed(_flux.fields(*names)), call, "get_fields", bucket, measurement)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def get_tags(self, bucket: str, measurement: str, **options: Unpack[QueryOptions]) -> list[str]:
        """Return the keys of a measurement's tags over all time, sorted.

        InfluxDB's answer leaves out carriage returns.
        """
        from db_influx.plans import query

        call = self._call(QueryOptions, options)
        names = _arguments.text(bucket, "bucket"), _arguments.text(measurement, "measurement")
        return self._run(query.tag_keys(*names), call, "get_tags", bucket, measurement)  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def get_tag_values(
        self, bucket: str, measurement: str, tag: str, **options: Unpack[QueryOptions]
    ) -> list[str]:
        """Return the values of a measurement's tag over all time, sorted.

        InfluxDB's answer leaves out carriage returns.
        """
        from db_influx.plans import query

        call = self._call(QueryOptions, options)
        names = _arguments.text(bucket, "bucket"), _arguments.text(measurement, "measurement")
        plan = query.listed(_flux.tag_values(*names, _flux.tag_key(tag, "tag")))
        return self._run(plan, call, "get_tag_values", bucket, measurement)  # type: ignore[no-any-return]


def _statements(influxql: str, params: object, bucket: str | None) -> tuple[AnyQuery, str | None]:
    """Return InfluxQL with its parameters, and the bucket that it reads, checked."""
    return _influxql.bind(influxql, params), None if bucket is None else _arguments.text(bucket, "bucket")
