"""Rows of Spark and of reads, in one form that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

TIME = pa.timestamp("us", "UTC")


def of_spark(df: DataFrame) -> list[tuple[Any, ...]]:
    """Give the rows of a DataFrame, sorted; times are those of UTC."""
    return of_arrow(df.toArrow())


def of_arrow(table: pa.Table) -> list[tuple[Any, ...]]:
    """Give the rows of a table, sorted; its times must be whole microseconds."""
    columns = [column.cast(TIME) if pa.types.is_timestamp(column.type) else column for column in table]
    return in_order(zip(*(column.to_pylist() for column in columns), strict=True))


def in_order(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Give rows sorted, null first."""
    return sorted(rows, key=lambda row: [(cell is not None, cell) for cell in row])
