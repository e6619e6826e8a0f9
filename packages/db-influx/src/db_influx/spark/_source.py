"""`InfluxDataSource`: Spark's tasks read partitions, and write their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

from db_influx.spark import _arrow, _filters, _options
from db_influx.spark._writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql.datasource import DataSourceWriter, Filter
    from pyspark.sql.types import StructType

    from db_influx._partition import Partition
    from db_influx.spark._options import Nanoseconds, Reading

__all__ = ["InfluxDataSource"]


class InfluxDataSource(DataSource):
    """Read from and write to InfluxDB with Apache Spark.

    Example::

        spark.dataSource.register(InfluxDataSource)
        df = (
            spark.read.format("influxdb")
            .option("bucket", "home")
            .option("measurement", "meters")
            .option("fields", "power,kwh")
            .option("start", "2026-01-01")
            .option("stop", "2026-02-01")
            .option("every", "1d")
            .load()
        )
        df.write.format("influxdb").mode("append").option("bucket", "copy").option("measurement", "meters")...

    Options of a read are the arguments of `InfluxManager.partitions`, as text: `bucket`, `measurement`,
    `fields`, `start`, `stop`, `tags`, `every` or `rows`, `interval`, `agg_func`, `timestep`, `dense`, `tz`,
    `by`, `label`, `closed`, `on_reset`, `rollover`, `quality`, `missing`, `max_parallel`, `protocol` and
    `timeout`. Lists are names with commas, or JSON. Mappings are JSON. `load` decides the columns and the
    partitions, and each partition is a task.

    The server sends the rows that `start`, `stop` and `tags` select, and Spark drops those that `where`
    leaves out. With `pushdown` "true", comparisons of the time and values of tags in `where` reach the server
    too. Then **use each DataFrame that `load` returned in one query only, and only once in it**: Spark 4.3
    uses the partitions of the last query for all others, which would lack rows without an error. `pushdown`
    needs the setting ``spark.sql.python.filterPushdown.enabled``.

    Options of a write are `bucket`, `measurement`, `tag_columns`, `time_column` (by default "time"), `tags`,
    `duplicates` and `timeout`, as for `InfluxManager.synchronous_write`. The mode is "append". A repeated
    task writes the same points, which changes nothing.

    Reads and writes have the options `url` and `org`, whose defaults come from the environment. Instead,
    `connect` can name a function that returns a manager, as "module:function". There is no option for the
    token, since Spark shows options in plans. The driver and the workers take it from INFLUXDB_TOKEN.

    Tags and texts are strings, integers are bigint, unsigned integers decimal(20,0), floats double, and
    booleans boolean. Times are timestamps, which have microseconds. `nanoseconds` says what happens to times
    with nanoseconds: "error" raises an error, "truncate" rounds them down, and "column" rounds them down and
    adds a column `time_ns` with all nanoseconds. In a write, "column" takes the time from `time_ns`.
    """

    _reading: Reading | None = None
    _found: list[Partition] | None = None

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "influxdb"

    def schema(self) -> StructType:
        """Return the columns and their types. This asks the server.

        Raises:
            InvalidArgumentError: An option is unknown, missing or malformed.
        """
        reading, found = self._planned()
        return _arrow.schema_of(found[0].schema, reading.nanoseconds)

    def reader(self, schema: StructType) -> DataSourceReader:
        """Return the reader of the partitions that `schema` found.

        Raises:
            SchemaConflictError: The user's schema has other columns than the data.
        """
        reading, found = self._planned()
        _arrow.check_same(schema, _arrow.schema_of(found[0].schema, reading.nanoseconds))
        # Spark sends this object to each task, which needs no partitions of others.
        self._found = None
        reader = _NarrowingReader if reading.pushdown else _Reader
        return reader(found, schema, reading.nanoseconds)

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceWriter:  # noqa: FBT001 - Spark's signature
        """Return the writer of rows.

        Raises:
            InvalidArgumentError: An option is unknown, missing or malformed, a column is missing or of
                another type, or the mode is "overwrite".
        """
        return Writer(_options.writing(self.options), schema, overwrite=overwrite)

    def _planned(self) -> tuple[Reading, list[Partition]]:
        """Return the options and the partitions, which `load` decides."""
        if self._reading is None:
            self._reading = _options.reading(self.options)
        if self._found is None:
            manager = self._reading.place.manager()
            self._found = manager.partitions(**self._reading.arguments, connect=self._reading.place.connect)
        return self._reading, self._found


class _Reader(DataSourceReader):
    """Reads partitions. Spark pickles the reader for the tasks, and sends the partitions separately."""

    def __init__(self, partitions: Sequence[Partition], schema: StructType, nanoseconds: Nanoseconds) -> None:
        self._partitions = partitions
        self._schema = schema
        self._nanoseconds = nanoseconds

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_partitions": ()}

    def partitions(self) -> Sequence[InputPartition]:
        """Return the partitions. Each becomes a task."""
        return [InputPartition(one) for one in self._partitions]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read a partition."""
        part: Partition | None = partition.value
        if part is not None:  # what Spark makes where filters left none
            table = part.read(into="arrow")
            yield from _arrow.batches(table, part.schema, self._schema, self._nanoseconds)


class _NarrowingReader(_Reader):
    """Reads what filters leave. Spark refuses a reader with this method unless its setting allows it."""

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:  # noqa: N802 - Spark's name
        """Narrow the partitions, and return the filters that Spark has to apply: all."""
        self._partitions = _filters.narrowed(self._partitions, filters)
        return filters
