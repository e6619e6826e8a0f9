"""`InfluxDataSource`: reads are partitions, and each task writes its rows."""

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
    `timeout`. Lists are names with commas, or JSON; mappings are JSON. `load` decides on the columns and the
    partitions, and each partition is a task.

    `start`, `stop` and `tags` say which rows the server has to send; `where` leaves out rows of these in
    Spark. With `pushdown` "true", comparisons of the time and values of tags in `where` reach the server too.
    Then **a DataFrame that `load` returned must be used in one query only, and once in it**: Spark 4.3 keeps
    the partitions of its last query for all others, whose rows would be missing silently. It needs the
    setting ``spark.sql.python.filterPushdown.enabled``.

    Options of a write are `bucket`, `measurement`, `tag_columns`, `time_column` ("time" unless given),
    `tags`, `duplicates` and `timeout`, as for `InfluxManager.synchronous_write`. The mode is "append". A task
    that is repeated writes the same points, which changes nothing.

    Both have `url` and `org`, which are those of the environment unless given, or `connect`: a function that
    returns a manager, as "module:function". There is no option for the token, since options are shown in
    plans: the token is INFLUXDB_TOKEN where the driver and the workers run.

    Tags and texts are strings, ints are bigint, unsigned ints decimal(20,0), floats double and booleans
    boolean. Times are timestamps, which have microseconds. `nanoseconds` says what happens to others:
    "error" refuses them, "truncate" cuts them off, and "column" cuts them off beside a column `time_ns` of
    whole nanoseconds. In a write, "column" takes the time from `time_ns`.
    """

    _reading: Reading | None = None
    _found: list[Partition] | None = None

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "influxdb"

    def schema(self) -> StructType:
        """Return the columns, which the server is asked for.

        Raises:
            InvalidArgumentError: An option is unknown, missing or malformed.
        """
        reading, found = self._planned()
        return _arrow.schema_of(found[0].schema, reading.nanoseconds)

    def reader(self, schema: StructType) -> DataSourceReader:
        """Return what reads the partitions that `schema` found.

        Raises:
            SchemaConflictError: The user asks for other columns than there are.
        """
        reading, found = self._planned()
        _arrow.check_same(schema, _arrow.schema_of(found[0].schema, reading.nanoseconds))
        # Spark sends this object to each task, which needs no partitions of others.
        self._found = None
        reader = _NarrowingReader if reading.pushdown else _Reader
        return reader(found, schema, reading.nanoseconds)

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceWriter:  # noqa: FBT001 - Spark's signature
        """Return what writes rows.

        Raises:
            InvalidArgumentError: An option is unknown, missing or malformed, a column is missing or of
                another type, or the mode is "overwrite".
        """
        return Writer(_options.writing(self.options), schema, overwrite=overwrite)

    def _planned(self) -> tuple[Reading, list[Partition]]:
        """Return the options and the partitions, of which `load` decides."""
        if self._reading is None:
            self._reading = _options.reading(self.options)
        if self._found is None:
            manager = self._reading.place.manager()
            self._found = manager.partitions(**self._reading.arguments, connect=self._reading.place.connect)
        return self._reading, self._found


class _Reader(DataSourceReader):
    """Reads partitions: Spark pickles it for the tasks, which get their partitions apart from it."""

    def __init__(self, partitions: Sequence[Partition], schema: StructType, nanoseconds: Nanoseconds) -> None:
        self._partitions = partitions
        self._schema = schema
        self._nanoseconds = nanoseconds

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_partitions": ()}

    def partitions(self) -> Sequence[InputPartition]:
        """Return the partitions, each of which becomes a task."""
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
