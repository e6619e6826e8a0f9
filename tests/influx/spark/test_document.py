"""The document about Spark: its examples run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from db_influx import InfluxManager
from tests.test_documents import WITH_SPARK, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tools import servers


@pytest.fixture
def home(server: servers.InfluxDB, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the bucket of the examples, and the server in the environment."""
    for variable, value in server.environment().items():
        monkeypatch.setenv(variable, value)
    with InfluxManager() as manager:
        buckets = manager.get_buckets_api()
        bucket = buckets.create_bucket(bucket_name="home")
        yield
        buckets.delete_bucket(bucket)


@pytest.mark.parametrize("path", WITH_SPARK, ids=lambda path: path.name)
@pytest.mark.usefixtures("home")
def test_the_examples_run(spark: SparkSession, path: Path) -> None:
    """Every Python block runs as it stands, and its comments tell what it gives."""
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)

    assert blocks
    for block in blocks:
        run(block, path)
    assert spark.getActiveSession() is spark
