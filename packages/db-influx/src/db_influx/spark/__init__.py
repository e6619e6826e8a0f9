"""A data source of Apache Spark: ``spark.read.format("influxdb")`` and ``df.write.format("influxdb")``.

It needs ``pip install 'db-influx[spark]'`` and Java 17 or newer. See `InfluxDataSource`.
"""

from __future__ import annotations

from db_core.errors import MissingLibraryError

try:
    import pyarrow as pa  # noqa: F401 - a part of the extra
    from pyspark.sql.datasource import StringContains  # noqa: F401 - pyspark has filters since 4.1
except ImportError as error:
    message = (
        "`db_influx.spark` needs pyspark 4.1 or newer and pyarrow, which are not installed: "
        "pip install 'db-influx[spark]'"
    )
    raise MissingLibraryError(message) from error

from db_influx.spark._source import InfluxDataSource

__all__ = ["InfluxDataSource"]
