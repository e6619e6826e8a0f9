"""One Spark session for all tests of this folder, on two local workers."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from db_influx.spark import InfluxDataSource
from tests.influx.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame

    from tools import servers

ROOT = Path(__file__).parents[3]
# Spark 4.3 warns of every pandas 3, which this project needs; none of these tests use pandas through Spark.
PANDAS = "ignore:PySpark does not yet fully support pandas:FutureWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Spark's warning about pandas pass in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(PANDAS))


@pytest.fixture(scope="session")
def spark(server: servers.InfluxDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Give a session; the token is in the environment of its driver and workers alone."""
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or newer, and there is no `java` on PATH and no JAVA_HOME")
    place = tmp_path_factory.mktemp("spark")
    environment = {
        **server.environment(),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),  # for `tests`, in workers
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    java = f"-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dderby.system.home={place} -Djava.io.tmpdir={place}"
    builder = SparkSession.builder.master("local[2]")
    for name, value in {
        "spark.driver.extraJavaOptions": java,
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(place),
        "spark.sql.python.filterPushdown.enabled": "true",
        "spark.sql.session.timeZone": "America/New_York",  # which must not matter
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(place / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(name, value)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        session = builder.getOrCreate()  # it starts Java, which keeps this environment
    session.dataSource.register(InfluxDataSource)
    yield session
    session.stop()
    gateway: Any = SparkContext._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()  # at which Java ends
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None


@pytest.fixture
def load(spark: SparkSession) -> Callable[..., DataFrame]:
    """Give a function that reads with these options."""

    def read(**options: object) -> DataFrame:
        return spark.read.format("influxdb").options(**options).load()

    return read


@pytest.fixture
def recorder(server: servers.InfluxDB) -> Iterator[Recorder]:
    """Give a proxy before the real server that keeps what is sent."""
    made = Recorder(server.url)
    yield made
    made.close()
