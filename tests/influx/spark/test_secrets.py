"""Secrets: no plan, pickle, message or log of Spark has the token."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pyspark.errors import PythonException
from pyspark.sql.datasource import CaseInsensitiveDict, EqualTo

from db_influx.spark import InfluxDataSource
from tests.influx.frames import T0

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from tests.influx.conftest import Store
    from tools import servers


@pytest.fixture
def options(store: Store, msname: str) -> dict[str, str]:
    """Give the options of a read of one point, whose time Spark can't have."""
    store.write(f"{msname},meter=a power=1i {T0 + 1}")
    range_ = {"start": "2026-01-01", "stop": "2026-01-03", "every": "1d", "pushdown": "true"}
    return {"bucket": store.name, "measurement": msname, "fields": "power", **range_}


def test_plans_messages_and_logs_have_no_token(
    spark: SparkSession,
    load: Callable[..., DataFrame],
    server: servers.InfluxDB,
    options: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What Spark shows of reads and writes, also of those that fail, has no token."""
    df = load(**options, nanoseconds="truncate").where("meter = 'a'")
    df.explain(extended=True)
    df.explain(mode="formatted")
    df.collect()
    with pytest.raises(PythonException) as caught:
        load(**options).collect()
    with pytest.raises(PythonException) as refused:
        df.write.format("influxdb").mode("append").options(bucket="none", measurement="m").save()
    shown = capfd.readouterr()

    assert "influxdb" in shown.out
    assert "nanoseconds" in str(caught.value)
    assert "bucket" in str(refused.value)
    for text in (
        shown.out,
        shown.err,
        str(caught.value),
        str(refused.value),
        spark.sparkContext.getConf().toDebugString(),
    ):
        assert server.token not in text


def test_pickles_have_no_token(
    server: servers.InfluxDB, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent to workers has no token, and a task gets the partitions of no other."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    source = InfluxDataSource(CaseInsensitiveDict(options))
    schema = source.schema()
    planned = pickle.dumps(source)
    reader = source.reader(schema)
    reader.pushFilters([EqualTo(("meter",), "a")])
    of_tasks = pickle.dumps((source, reader))
    partitions = [pickle.dumps(one) for one in reader.partitions()]

    assert 2 == len(partitions)
    assert all(server.token.encode() not in one for one in (planned, of_tasks, *partitions))
    assert all(b"db_influx._partition" in one for one in (planned, *partitions))
    assert b"db_influx._partition" not in of_tasks


def test_without_the_extra_an_error_names_it() -> None:
    """`db_influx` loads no pyspark; `db_influx.spark` without pyspark or pyarrow says what to install."""
    script = """
import sys
import db_influx
assert not {"pyspark", "pyarrow"} & set(sys.modules), "loaded"
for name in ("pyspark", "pyarrow"):
    sys.modules[name] = None
    try:
        import db_influx.spark
    except ValueError as error:
        print(type(error).__name__, error)
    del sys.modules[name]
"""
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})

    assert 2 == result.stdout.count("MissingLibraryError `db_influx.spark` needs pyspark 4.1")
    assert 2 == result.stdout.count("pip install 'db-influx[spark]'")
