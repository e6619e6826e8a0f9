"""Spark's types of the columns of partitions, and Arrow batches of these types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql.types import (
    BooleanType,
    DecimalType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from db_core.errors import InvalidArgumentError, SchemaConflictError
from db_influx._arguments import invalid
from db_influx._times import time_literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from db_influx.spark._options import Nanoseconds

__all__ = ["EXACT", "UNSIGNED", "batches", "check_same", "schema_of"]

EXACT = "time_ns"  # the column of nanoseconds
UNSIGNED = DecimalType(20, 0)  # the least that has all of uint64
_ROWS = 10_000  # of a batch, as Spark has them too
_TYPES = {
    "float64": DoubleType(),
    "int64": LongType(),
    "uint64": UNSIGNED,
    "bool": BooleanType(),
    "string": StringType(),
    "dictionary": StringType(),
}
_ARROW = {
    "float64": pa.float64(),
    "int64": pa.int64(),
    "uint64": pa.decimal128(UNSIGNED.precision, UNSIGNED.scale),
    "bool": pa.bool_(),
    "string": pa.string(),
    "dictionary": pa.string(),
}
_TIME = pa.timestamp("us", "UTC")


def schema_of(kinds: Mapping[str, str], nanoseconds: Nanoseconds) -> StructType:
    """Return Spark's schema of partitions.

    Args:
        kinds: `Partition.schema`.
        nanoseconds: "column" adds the time as nanoseconds.

    Raises:
        InvalidArgumentError: Two columns would have one name.
    """
    fields = [StructField("time", TimestampType(), nullable=False)]
    if nanoseconds == "column":
        if EXACT in kinds:
            reason = f"can't be 'column', since a field or tag is named {EXACT!r}"
            raise invalid("nanoseconds", reason)
        fields.append(StructField(EXACT, LongType(), nullable=False))
    fields += [StructField(name, _TYPES[kind]) for name, kind in kinds.items() if name != "time"]
    return StructType(fields)


def check_same(given: StructType, found: StructType) -> None:
    """Raise an error if the user's schema differs from that of the partitions.

    Raises:
        SchemaConflictError: It is another.
    """
    types = [[(field.name, field.dataType) for field in one.fields] for one in (given, found)]
    if types[0] != types[1]:
        raise SchemaConflictError(
            f"expected the columns {found.simpleString()}, got {given.simpleString()}. Leave out "
            "`.schema(…)`, and select or cast columns of the DataFrame"
        )


def batches(
    table: pa.Table, kinds: Mapping[str, str], schema: StructType, nanoseconds: Nanoseconds
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a partition as Spark wants them.

    Args:
        table: What the partition read.
        kinds: `Partition.schema`.
        schema: Spark's schema, as it asks for it.
        nanoseconds: What to do about times that are not whole microseconds.

    Raises:
        InvalidArgumentError: There is such a time, and it is to be an error.
    """
    types = {"time": _TIME, EXACT: pa.int64()} | {
        name: _ARROW[kind] for name, kind in kinds.items() if name != "time"
    }
    arrow = pa.schema([pa.field(one.name, types[one.name], one.nullable) for one in schema.fields])
    for batch in table.to_batches(max_chunksize=_ROWS):
        times = batch.column("time").cast(pa.int64())
        columns: dict[str, Any] = {"time": _microseconds(times, nanoseconds)}
        if nanoseconds == "column":
            columns[EXACT] = times
        for name in kinds:
            if name != "time":
                columns[name] = batch.column(name).cast(types[name])
        yield pa.record_batch([columns[name] for name in arrow.names], schema=arrow)


def _microseconds(times: pa.Array, nanoseconds: Nanoseconds) -> pa.Array:
    """Return nanoseconds as timestamps of microseconds, the earlier ones."""
    micros, below = np.divmod(times.to_numpy(), 1_000)
    if nanoseconds == "error" and below.any():
        first = times[int(below.astype(bool).argmax())].as_py()
        raise InvalidArgumentError(
            f"`nanoseconds`: a point has the time {time_literal(first)}, and Spark's timestamps have no "
            "nanoseconds. Set the option `nanoseconds` to 'column' for a further column of all nanoseconds, "
            "or to 'truncate' to round the times down",
            argument="nanoseconds",
        )
    return pa.array(micros).cast(_TIME)
