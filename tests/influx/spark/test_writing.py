"""Writes by Spark: what was read comes back, a task can be repeated, and what is refused is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pyspark.errors import AnalysisException, PythonException

from tests.influx.frames import BIG, SECOND, T0
from tests.influx.spark.rows import of_spark

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from tests.influx.conftest import Store

DAY = 86_400 * SECOND
RANGE = {"start": "2026-01-01", "stop": "2026-01-04"}


def save(df: DataFrame, mode: str = "append", **options: str) -> None:
    """Write a DataFrame with these options."""
    df.write.format("influxdb").mode(mode).options(**options).save()


@pytest.fixture
def copied(load: Callable[..., DataFrame], store: Store, msname: str) -> DataFrame:
    """Give a DataFrame of all types, with nulls, of three tasks."""
    for day in range(3):
        time = T0 + day * DAY
        store.write(
            f"{msname},meter=a,site=x power={day}.5,count={BIG + day}i {time}",
            f'{msname},meter=b total={2**64 - 1 - day}u,on=t,note="ä, \\"{day}\\"" {time + 1_000}',
        )
    fields = "power,count,total,on,note"
    return load(bucket=store.name, measurement=msname, fields=fields, every="1d", **RANGE)


def stored(store: Store, measurement: str) -> list[tuple[Any, ...]]:
    """Give what is stored of a measurement, without its name."""
    return [point[1:] for point in store.points(measurement)]


def test_what_was_read_is_written_with_its_types(
    load: Callable[..., DataFrame], copied: DataFrame, store: Store, msname: str
) -> None:
    """Tags, all types and nulls go there and back; writing again changes nothing."""
    options = {"bucket": store.name, "measurement": f"{msname}-copy", "tag_columns": '["meter", "site"]'}
    for _ in range(2):
        save(copied, **options)

        assert stored(store, msname) == stored(store, f"{msname}-copy")
    fields = "power,count,total,on,note"
    again = load(bucket=store.name, measurement=f"{msname}-copy", fields=fields, rows="2", **RANGE)

    assert of_spark(copied) == of_spark(again)


def test_nanoseconds_go_there_and_back(load: Callable[..., DataFrame], store: Store, msname: str) -> None:
    """With `nanoseconds` as a column, the times that are written are those that were read."""
    store.write(f"{msname},meter=a power=1 {T0 + 1}", f"{msname},meter=a power=2 {T0 + 2}")
    df = load(
        bucket=store.name, measurement=msname, fields="power", every="3d", nanoseconds="column", **RANGE
    )
    save(df, bucket=store.name, measurement=f"{msname}-copy", tag_columns="meter", nanoseconds="column")

    assert stored(store, msname) == stored(store, f"{msname}-copy")


def test_columns_may_have_other_names(spark: SparkSession, store: Store, msname: str) -> None:
    """Times of any column, constant tags and narrow numbers are written; no rows write nothing."""
    df = spark.sql("select timestamp_micros(1767225600000001) at, 1S short, 2 int, 3.5F float, null text")
    options = {"bucket": store.name, "measurement": msname, "time_column": "at", "tags": '{"site": "x"}'}
    save(df.drop("text"), **options)
    save(df.drop("text").where("int = 1"), **options)

    assert [
        ({"site": "x"}, "float", "double", 3.5, T0 + 1_000),
        ({"site": "x"}, "int", "long", 2, T0 + 1_000),
        ({"site": "x"}, "short", "long", 1, T0 + 1_000),
    ] == stored(store, msname)


def test_a_refused_point_is_named(spark: SparkSession, store: Store, msname: str) -> None:
    """A point that the server refuses is an error with its tags and time; the others are written."""
    store.write(f"{msname},meter=b power=1i {T0}")
    df = spark.sql(
        "select timestamp_micros(1767225600000000 + id) time, 1.5D power, concat('m', id) meter from range(3)"
    )
    with pytest.raises(
        PythonException,
        match=r"WriteError.*Among the rows: .*'meter': 'm0', 'time': '2026-01-01 00:00:00.000000'",
    ) as caught:
        save(df.coalesce(1), bucket=store.name, measurement=msname, tag_columns="meter")

    assert "field type conflict" in str(caught.value)


@pytest.mark.parametrize("zone", ["GMT+8", "UTC-03:00", "+05:30"])
def test_a_refused_point_is_named_in_any_zone(
    spark: SparkSession, store: Store, msname: str, zone: str
) -> None:
    """Also in zones of Spark that Python has not, and with years that Python has not."""
    store.write(f"{msname} power=1i {T0}")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        for micros, error, shown in (
            (T0 // 1_000, "WriteError", "2026-01-01 00:00:00.000000"),
            (253_402_300_800_000_000, "InvalidArgumentError", "10000-01-01 00:00:00.000000"),
        ):
            with pytest.raises(PythonException, match=rf"{error}: .*Among the rows: .*'time': '{shown}'"):
                save(
                    spark.sql(f"select timestamp_micros({micros}) time, 1.5D power"),
                    bucket=store.name,
                    measurement=msname,
                )
    finally:
        spark.conf.set("spark.sql.session.timeZone", "America/New_York")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select timestamp'2026-01-01 00:00:00Z' time, double('inf') power, 'x' meter", "'meter': 'x'"),
        ("select timestamp'2026-01-01 00:00:00Z' time, double(null) power, 'y' meter", "'meter': 'y'"),
        ("select timestamp(null) time, 1 power, 'z' meter", "'meter': 'z'"),
        ("select current_timestamp() time, decimal(-1) power, 'x' meter", "power"),
        ("select current_timestamp() time, date'2026-01-01' power, 'x' meter", "power"),
        (
            (
                "select now() time, cast(n as decimal(20,0)) n, string(n) meter "
                "from (select explode(array(5, -1)) n)"
            ),
            "written as unsigned: Integer value out of bounds. Among the rows: {'meter': '-1'",
        ),
    ],
)
def test_a_row_that_cannot_be_written_is_named(
    spark: SparkSession, store: Store, msname: str, query: str, message: str
) -> None:
    """A value that InfluxDB has no place for is an error, and nothing of its batch is written."""
    with pytest.raises(PythonException, match="InvalidArgumentError") as caught:
        save(spark.sql(query), bucket=store.name, measurement=msname, tag_columns="meter")

    assert message in str(caught.value)
    assert [] == stored(store, msname)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "overwrite"}, "`mode` must be 'append', not 'overwrite'"),
        ({"tag_columns": "meter,no"}, "`tag_columns` must name columns (time, power, meter, day), not 'no'"),
        ({"time_column": "no"}, "`time_column` needs a column 'no' of timestamp, which is missing"),
        ({"time_column": "day"}, "`time_column` needs a column 'day' of timestamp, which is timestamp_ntz"),
        ({"nanoseconds": "column"}, "`nanoseconds` needs a column 'time_ns' of bigint, which is missing"),
        (
            {"nanoseconds": "column", "time_column": "time_ns"},
            "`time_column` must name the timestamps, which are not written, instead of 'time_ns'",
        ),
        (
            {"nanoseconds": "column", "tag_columns": "time"},
            "`tag_columns` can't have 'time', which is not written, since 'time_ns' has the times",
        ),
        ({"nanoseconds": "truncate"}, "`nanoseconds` must be 'error' or 'column'"),
        (
            {"fields": "power"},
            "`fields` is not an option of writing: expected one of bucket, connect, duplicates",
        ),
        ({"token": "very-secret"}, "Set INFLUXDB_TOKEN where the driver and the workers run"),
    ],
)
def test_what_cannot_be_written_is_told_before(
    spark: SparkSession, store: Store, msname: str, options: dict[str, str], message: str
) -> None:
    """Modes, options and columns are checked before a task starts."""
    df = spark.sql(
        "select timestamp'2026-01-01 00:00:00Z' time, 1 power, 'x' meter, timestamp_ntz'2026-01-01' day"
    )
    with pytest.raises((AnalysisException, PythonException)) as caught:
        save(df, **{"bucket": store.name, "measurement": msname, "tag_columns": "meter", **options})

    assert message in str(caught.value)
    assert "very-secret" not in str(caught.value)
    assert [] == stored(store, msname)
