"""Reads by Spark: the rows of the one read, whatever the partitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pyspark.errors import AnalysisException, PythonException

from tests.influx.frames import SECOND, T0
from tests.influx.spark.rows import of_arrow, of_spark

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

HOUR = 3_600 * SECOND
RANGE = {"start": "2026-01-01", "stop": "2026-01-04"}
WHOLE = "2026-01-01", "2026-01-04"


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
        *WHOLE, mixed, fields, store.name, interval=None, by=["meter", "site"], into="arrow"
    ).select(["time", "meter", "site", *fields])

    assert (
        "struct<time:timestamp,meter:string,site:string,power:double,count:bigint,total:decimal(20,0),"
        "on:boolean,note:string>"
    ) == df.schema.simpleString()
    assert 60 == expected.num_rows
    assert of_arrow(expected) == of_spark(df)
    assert 1 < df.rdd.getNumPartitions()


def test_windows_are_days_of_a_zone(
    load: Callable[..., DataFrame], manager: InfluxManager, store: Store, msname: str
) -> None:
    """`tz` decides on windows and on times without a zone; the zone of Spark's session does not matter."""
    lines = [
        f"{msname},meter={hour % 2} power={hour} {1_774_569_600 + 3_600 * hour}000000000"
        for hour in range(96)
    ]
    store.write(*lines)  # from 2026-03-27 on: Lisbon's clocks change on the 29th
    days = "2026-03-27", "2026-03-31"
    df = load(
        bucket=store.name, measurement=msname, fields="power", start=days[0], stop=days[1], every="2d",
        interval="1d", agg_func='["mean", "max"]', tz="Europe/Lisbon", label="start",
    )  # fmt: skip
    expected = manager.read(
        *days, msname, "power", store.name, interval="1d", agg_func=["mean", "max"], tz="Europe/Lisbon",
        label="start", by=["meter"], into="arrow",
    ).select(["time", "meter", "power_mean", "power_max"])  # fmt: skip

    assert 8 == expected.num_rows
    assert of_arrow(expected) == of_spark(df)


def test_consumption_goes_through_resets_and_edges(
    load: Callable[..., DataFrame], manager: InfluxManager, store: Store, msname: str
) -> None:
    """Consumption per hour of meters with resets and gaps is that of one read, its quality included."""
    store.write(
        *[
            f"{msname},meter={meter} kwh={(hour * 3 + meter) % 50}.25 {T0 + hour * HOUR}"
            for meter in range(2)
            for hour in range(70)
            if (hour + meter) % 11 > 2
        ]
    )
    df = load(
        bucket=store.name, measurement=msname, fields="kwh", timestep="60", every="1d", on_reset="restart",
        quality="true", **RANGE,
    )  # fmt: skip
    expected = manager.read_accumulated_value(
        *WHOLE, msname, "kwh", store.name, 60, on_reset="restart", quality=True, by=["meter"], into="arrow"
    ).select(["time", "meter", "kwh", "kwh_quality"])
    quality = expected.schema.get_field_index("kwh_quality")
    expected = expected.set_column(quality, "kwh_quality", expected["kwh_quality"].cast("string"))

    assert 90 < expected.num_rows
    assert of_arrow(expected) == of_spark(df)


def test_an_empty_range_has_columns_and_no_rows(
    load: Callable[..., DataFrame], store: Store, msname: str
) -> None:
    """A range without points is an empty DataFrame with the fields' types."""
    store.write(f"{msname},meter=a power=1i {T0}")
    df = load(
        bucket=store.name, measurement=msname, fields="power", start="2025-01-01", stop="2025-01-03",
        every="1d", missing="ignore",
    )  # fmt: skip

    assert "struct<time:timestamp,power:bigint>" == df.schema.simpleString()
    assert [] == of_spark(df)


def test_nanoseconds_are_refused_cut_off_or_a_column(
    load: Callable[..., DataFrame], store: Store, msname: str
) -> None:
    """A time that Spark can't have is an error that names it, unless an option says what becomes of it."""
    before = -1_000_000_001  # whose microsecond is the earlier one
    store.write(f"{msname} power=1 {before}", f"{msname} power=2 {T0 + 1_000}")
    options = {"bucket": store.name, "measurement": msname, "fields": "power", "every": "10000d"}
    options |= {"start": "1960-01-01", "stop": "2026-02-01"}
    with pytest.raises(PythonException, match=r"1969-12-31T23:59:58.999999999Z.*`nanoseconds`"):
        load(**options).collect()
    cut = load(**options, nanoseconds="truncate").selectExpr("unix_micros(time)", "power").collect()
    exact = load(**options, nanoseconds="column").selectExpr("unix_micros(time)", "time_ns").collect()

    assert {(-1_000_001, 1.0), (T0 // 1_000 + 1, 2.0)} == set(map(tuple, cut))
    assert {(-1_000_001, before), (T0 // 1_000 + 1, T0 + 1_000)} == set(map(tuple, exact))


def test_hostile_names_are_columns(load: Callable[..., DataFrame], store: Store, msname: str) -> None:
    """Names and values with what Spark, Flux and InfluxQL give a meaning to come as they are."""
    store.write(f"{msname},ta\\ g`.a=x'\\,\\ y a.b=1,c`\\,d=2,$e'\\=\"f=3 {T0}")
    fields = ["a.b", "c`,d", "$e'=\"f"]
    df = load(bucket=store.name, measurement=msname, fields=json.dumps(fields), every="3d", **RANGE)

    assert ["time", "ta g`.a", *fields] == df.columns
    assert [("x', y", 1.0, 2.0, 3.0)] == [row[1:] for row in of_spark(df)]


def test_partitions_stay_those_of_load(load: Callable[..., DataFrame], store: Store, msname: str) -> None:
    """A range that ends now ends when `load` is called: queries of one DataFrame agree."""
    store.write(f"{msname} power=1i 1000")
    df = load(bucket=store.name, measurement=msname, fields="power", start="1970-01-01", rows="1")
    first = df.count()
    store.write(f"{msname} power=2i 9000000000000000000")

    assert (1, 1) == (first, df.count())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bukket": "b"}, "`bukket` is not an option of reading: expected one of agg_func, bucket, by"),
        ({"Token": "very-secret"}, "Set INFLUXDB_TOKEN where the driver and the workers run"),
        ({"bucket": "b", "measurement": "m", "start": "-1d"}, "`fields` must be given"),
        ({"tags": "meter=a"}, "`tags` must be JSON, not 'meter=a'"),
        ({"tags": "[1]"}, "`tags` must be an object in JSON"),
        ({"rows": "many"}, "`rows` must be a whole number, not 'many'"),
        ({"timeout": "long"}, "`timeout` must be a number, not 'long'"),
        ({"dense": "yes"}, "`dense` must be 'true' or 'false', not 'yes'"),
        ({"fields": '["a", 1]'}, "`fields` must be names with commas or a list of texts in JSON"),
        ({"connect": "module"}, "`connect` must name a function as 'module:function'"),
        ({"connect": "no_module:f"}, "`connect` names no_module:f, which can't be imported"),
        ({"connect": "json:loads", "url": "http://h"}, "`connect` returns a manager"),
        ({"connect": "sys:path"}, "`connect` must name a function, and sys:path is not one"),
        ({"connect": "os:getcwd"}, "`connect` must return an InfluxManager, not str"),
        ({"nanoseconds": "round"}, "`nanoseconds` must be 'error', 'truncate' or 'column'"),
        ({"agg_func": "max"}, "`agg_func` needs windows. Set `interval` too"),
        ({"agg_func": "max", "timestep": "1h"}, "`agg_func` needs windows. Set `interval` too"),
        ({"every": "1d", "rows": "5"}, "`every` and `rows` exclude each other. Pass exactly one"),
        ({"measurement": ""}, "`measurement` must be non-empty text"),
    ],
)
def test_wrong_options_are_told(
    load: Callable[..., DataFrame], options: dict[str, str], message: str
) -> None:
    """An option that is unknown, missing or malformed is an error when the DataFrame is made."""
    needed = {"bucket": "b", "measurement": "m", "fields": "f", "start": "-1d"}
    with pytest.raises(AnalysisException) as caught:
        load(**(options if "start" in options else needed | options))

    assert message in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_another_schema_is_refused(spark: SparkSession, store: Store, msname: str) -> None:
    """`schema` can't rename or cast columns: it is an error that shows those there are."""
    store.write(f"{msname} power=1i {T0}")
    options = {"bucket": store.name, "measurement": msname, "fields": "power", "every": "3d", **RANGE}
    reader = spark.read.format("influxdb").options(**options)
    same = reader.schema("time timestamp, power bigint").load()
    other = reader.schema("time timestamp, power double").load()

    assert [1] == [row.power for row in same.collect()]
    with pytest.raises(AnalysisException, match=r"struct<time:timestamp,power:bigint>, got struct<time:"):
        other.collect()


def test_a_function_returns_the_manager(load: Callable[..., DataFrame], store: Store, msname: str) -> None:
    """`connect` names a function that is called where partitions are made and read."""
    store.write(f"{msname} power=1i {T0}")
    df = load(
        bucket=store.name, measurement=msname, fields="power", every="3d",
        connect="tests.influx.spark.connecting:manager", **RANGE,
    )  # fmt: skip

    assert [1] == [row.power for row in df.collect()]
