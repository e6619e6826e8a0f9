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
    """Querying; see the managers."""

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

        call = self._call(FetchOptions, options, into)
        _arguments.flag(split, "split")
        return self._run(query.tables(_flux_params.bind(flux, params), call, split=split), call)

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
            batch_rows: Most rows of a frame.

        Returns:
            An iterator of frames, each of one schema. Closing it stops the transfer. Only when it ends
            without an error is it known that the answer was complete.
        """
        from db_influx.plans import query

        call = self._call(FetchOptions, options, into)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        return self._iterate(query.batches(_flux_params.bind(flux, params), rows, call), call)

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

        call = self._call(FetchOptions, options, into)
        _arguments.flag(split, "split")
        plan = plans.tables(self._databases, *_statements(influxql, params, bucket), call, split=split)
        return self._run(plan, call)

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
            batch_rows: Most rows of a frame.

        Returns:
            An iterator of frames, each of one layout of columns. Closing it stops the transfer. Only when it
            ends without an error is it known that the answer was complete.
        """
        from db_influx.plans import influxql as plans

        call = self._call(FetchOptions, options, into)
        rows = _arguments.count(batch_rows, "batch_rows", least=1)
        plan = plans.batches(self._databases, *_statements(influxql, params, bucket), rows, call)
        return self._iterate(plan, call)

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

    @takes(QueryOptions)
    def get_tags(self, bucket: str, measurement: str, **options: Unpack[QueryOptions]) -> list[str]:
        """Return the keys of a measurement's tags over all time, sorted."""
        from db_influx.plans import query

        names = _arguments.text(bucket, "bucket"), _arguments.text(measurement, "measurement")
        return self._run(query.tag_keys(*names), self._call(QueryOptions, options))  # type: ignore[no-any-return]

    @takes(QueryOptions)
    def get_tag_values(
        self, bucket: str, measurement: str, tag: str, **options: Unpack[QueryOptions]
    ) -> list[str]:
        """Return the values of a measurement's tag over all time, sorted."""
        from db_influx.plans import query

        names = _arguments.text(bucket, "bucket"), _arguments.text(measurement, "measurement")
        plan = query.listed(_flux.tag_values(*names, _flux.tag_key(tag, "tag")))
        return self._run(plan, self._call(QueryOptions, options))  # type: ignore[no-any-return]


def _statements(influxql: str, params: object, bucket: str | None) -> tuple[AnyQuery, str | None]:
    """Return InfluxQL with its parameters, and the bucket that it reads, checked."""
    return _influxql.bind(influxql, params), None if bucket is None else _arguments.text(bucket, "bucket")
