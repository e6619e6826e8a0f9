"""Any InfluxQL: the buckets that it reads, its answer, and the messages of the server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db_influx._steps import Report, Warn
from db_influx.plans import query
from db_influx.plans.schema import no_database

if TYPE_CHECKING:
    from db_influx._influxql import AnyQuery
    from db_influx._options import Options
    from db_influx._steps import Steps
    from db_influx.plans.schema import Databases

__all__ = ["batches", "tables"]


def tables(
    databases: Databases, statements: AnyQuery, bucket: str | None, options: Options, *, split: bool
) -> Steps[Any]:
    """Run InfluxQL; return the union of its series, or with `split` a list of frames, one per schema."""
    statements = yield from _qualified(databases, statements, bucket)
    found = yield from query.tables(statements, options, split=split)
    yield from _said(statements)
    return found


def batches(
    databases: Databases, statements: AnyQuery, bucket: str | None, batch_rows: int, options: Options
) -> Steps[None]:
    """Run InfluxQL and hand on its answer as it arrives."""
    yield Report(is_endless=True)  # before anything is counted
    statements = yield from _qualified(databases, statements, bucket)
    yield from query.batches(statements, batch_rows, options)
    yield from _said(statements)


def _qualified(databases: Databases, statements: AnyQuery, bucket: str | None) -> Steps[AnyQuery]:
    """Return statements that read a bucket where they qualify no measurement."""
    if bucket is None:
        return statements
    database = yield from databases.now(bucket)
    if database is None:
        raise no_database(bucket)
    return replace(statements, database=database.name, policy=database.policy)


def _said(statements: AnyQuery) -> Steps[None]:
    for message in statements.said:
        yield Warn(f"InfluxDB warns about the query: {message}")
