"""Reads by Spark: the rows of the one read, whatever the partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.influx.frames import SECOND, T0
from tests.influx.spark.rows import of_arrow, of_spark

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

HOUR = 3_600 * SECOND
RANGE = {"start": "2026-01-01", "stop": "2026-01-04"}


@pytest.fixture
def mixed(store: Store, msname: str) -> str:
    """Give a measurement of all types, of series that differ in their tags and fields."""
    lines = []
    for hour in range(0, 60, 3):
        time = T0 + hour * HOUR
        lines += [
            f"{msname},meter=a,site=x power={hour}.5,count={hour}i {time}",
            f'{msname},meter=b total={2**63 + hour}u,on={"tf"[hour % 2]},note="n {hour}, ü" {time + 1_000}',
            f'{msname} power=-{hour},note="" {time}',
        ]
    store.write(*lines)
    return msname


@pytest.mark.parametrize("cut", [{"every": "1d"}, {"rows": "7"}])
def test_rows_are_those_of_the_one_read(
    load: Callable[..., DataFrame], manager: InfluxManager, store: Store, mixed: str, cut: dict[str, str]
) -> None:
    """Fields of all types, nulls, and series without a tag come as one read has them."""
    fields = ["power", "count", "total", "on", "note"]
    df = load(bucket=store.name, measurement=mixed, fields=",".join(fields), **RANGE, **cut)
    expected = manager.read(
        *("2026-01-01", "2026-01-04", mixed, fields, store.name),
        interval=None, by=["meter", "site"], into="arrow",
    ).select(["time", "meter", "site", *fields])  # fmt: skip

    assert (
        "struct<time:timestamp,meter:string,site:string,power:double,count:bigint,total:decimal(20,0),"
        "on:boolean,note:string>"
    ) == df.schema.simpleString()
    assert 60 == expected.num_rows
    assert of_arrow(expected) == of_spark(df)
    assert 1 < df.rdd.getNumPartitions()
