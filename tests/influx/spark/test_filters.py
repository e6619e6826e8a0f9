"""Filters that reach the server: seen in its queries, and the same rows as without them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import datasource as pushed
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

from db_influx.spark._filters import narrowed
from tests.influx.frames import SECOND, T0
from tests.influx.spark.rows import of_spark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from db_influx import InfluxManager, Partition
    from tests.influx.conftest import Store
    from tests.influx.recorder import Recorder

DAY = 86_400 * SECOND
START, STOP = "2026-01-01", "2026-01-05"
METERS = ("a", "b", "ü' \\x", "")  # the last is no tag
# Around the edges of days, of hours and of microseconds.
TIMES = sorted({T0 + day * DAY + step for day in range(4) for step in (0, 1, 999, 1_000, DAY // 2, DAY - 1)})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def points(store: Store) -> str:
    """Give a measurement of three meters and a series without one."""
    store.write(
        *[
            f"filtered{f',meter={meter}' if meter else ''} power={number}.5 {time}".replace("ü' ", "ü'\\ ")
            for number, time in enumerate(TIMES)
            for meter in METERS[number % 2 :]
        ]
    )
    return "filtered"


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """Give what examples of one module share."""
    return {}


def test_filters_are_in_the_query(
    load: Callable[..., DataFrame], store: Store, points: str, recorder: Recorder
) -> None:
    """With `pushdown`, one day and one meter of four are asked for; a filter on a value is Spark's."""
    options = {
        "url": recorder.url, "bucket": store.name, "measurement": points, "fields": "power", "start": START,
        "stop": STOP, "every": "1d", "protocol": "flux", "nanoseconds": "truncate",
    }  # fmt: skip
    df = load(**options, pushdown="true")
    recorder.clear()
    found = df.where(
        "time >= timestamp'2026-01-02 10:00:00Z' and time < timestamp'2026-01-02 12:00:00.000001Z' "
        "and meter in ('a', null) and power > 3"
    ).collect()
    [narrow] = queries(recorder)
    recorder.clear()
    load(**options).where("time >= timestamp'2026-01-02 10:00:00Z' and meter = 'a'").collect()
    whole = " ".join(queries(recorder))

    assert [10.5] == [row.power for row in found]
    assert "range(start: 2026-01-02T10:00:00.000000000Z, stop: 2026-01-02T12:00:00.000001000Z)" in narrow
    assert 'r["meter"] == "a"' in narrow
    assert '"power"' in narrow
    assert "3" not in narrow.partition("fn: (r) => r[")[2].partition("keep")[0]
    assert "stop: 2026-01-02T00:00:00.000000000Z)" in whole
    assert 'r["meter"] == "a"' not in whole


def queries(recorder: Recorder) -> list[str]:
    """Give the queries for points."""
    return [one for one in recorder.flux if "from(bucket" in one]


def test_a_dataframe_is_used_twice_without_pushdown(
    load: Callable[..., DataFrame], store: Store, points: str
) -> None:
    """Where `pushdown` is not set, filters of one query do not reach another of the same DataFrame."""
    df = load(
        bucket=store.name, measurement=points, fields="power", start=START, stop=STOP, every="1d",
        nanoseconds="truncate",
    )  # fmt: skip
    first, second = (
        df.where("time < timestamp'2026-01-02 00:00:00Z'"),
        df.where("time >= timestamp'2026-01-02 00:00:00Z'"),
    )
    parts = first.count(), second.count()

    assert sum(parts) == df.count() == first.union(second).count()
    assert all(parts)


class Numbers(DataSource):
    """Four partitions of a number each, one of which a filter leaves."""

    def schema(self) -> str:
        """Return the column."""
        return "x int"

    def reader(self, schema: object) -> DataSourceReader:  # noqa: ARG002
        """Return what reads them."""
        return NumbersReader()


class NumbersReader(DataSourceReader):
    """Reads a number of each partition."""

    only = range(4)

    def pushFilters(self, filters: Any) -> Any:  # noqa: N802
        """Keep the numbers that a filter leaves."""
        for one in filters:
            if isinstance(one, pushed.EqualTo):
                self.only = [one.value]
            else:
                yield one

    def partitions(self) -> list[InputPartition]:
        """Return the partitions."""
        return [InputPartition(number) for number in self.only]

    def read(self, partition: InputPartition) -> Iterator[tuple[int]]:
        """Read one."""
        yield (partition.value,)


def test_spark_itself_mixes_up_filters_of_a_dataframe(spark: SparkSession) -> None:
    """`pushdown` must be asked for, since Spark mixes filters up; once this fails, it can be the default."""
    spark.dataSource.register(Numbers)
    df = spark.read.format("Numbers").load()
    both = df.where("x = 1").union(df.where("x = 2")).collect()

    assert [2, 2] == [row.x for row in both]


LITERALS = st.one_of(
    st.sampled_from(TIMES).map(lambda time: EPOCH + timedelta(microseconds=time // 1_000)),
    st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]),
)
WORDS = st.sampled_from([*METERS, "c"])
NAMED = [pushed.EqualTo, pushed.EqualNullSafe]
SIDES = [pushed.GreaterThan, pushed.GreaterThanOrEqual, pushed.LessThan, pushed.LessThanOrEqual]
EXACT = st.one_of(
    st.builds(lambda kind, value: kind(("time",), value), st.sampled_from(NAMED + SIDES), LITERALS),
    st.builds(lambda kind, value: kind(("time_ns",), value), st.sampled_from(SIDES), st.sampled_from(TIMES)),
    st.builds(lambda kind, value: kind(("meter",), value), st.sampled_from(NAMED), WORDS),
    st.builds(pushed.In, st.just(("meter",)), st.lists(st.one_of(st.none(), WORDS), max_size=3).map(tuple)),
)
OTHERS = st.one_of(
    st.builds(pushed.Not, EXACT),
    st.builds(pushed.EqualNullSafe, st.sampled_from([("meter",), ("time",)]), st.none()),
    st.builds(lambda kind, value: kind(("meter",), value), st.sampled_from(SIDES), WORDS),
    st.builds(lambda kind, name: kind((name,)), st.sampled_from([pushed.IsNull, pushed.IsNotNull]),
              st.sampled_from(["time", "meter"])),
    st.builds(pushed.StringStartsWith, st.just(("meter",)), WORDS),
    st.builds(lambda kind, value: kind(("power",), value), st.sampled_from(NAMED + SIDES), st.floats(0, 30)),
)  # fmt: skip
COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    pushed.EqualTo: lambda cell, value: cell == value,
    pushed.GreaterThan: lambda cell, value: cell > value,
    pushed.GreaterThanOrEqual: lambda cell, value: cell >= value,
    pushed.LessThan: lambda cell, value: cell < value,
    pushed.LessThanOrEqual: lambda cell, value: cell <= value,
    pushed.StringStartsWith: lambda cell, value: cell.startswith(value),
}


def truth(one: Any, row: dict[str, Any]) -> bool | None:
    """Tell whether a filter is true of a row, as SQL does: None is unknown."""
    if isinstance(one, pushed.Not):
        inner = truth(one.child, row)
        return None if inner is None else not inner
    cell = row[one.attribute[0]]
    match one:
        case pushed.IsNull() | pushed.IsNotNull():
            return (cell is None) == isinstance(one, pushed.IsNull)
        case pushed.EqualNullSafe():
            return bool(cell == one.value)
        case pushed.In():
            is_unknown = cell is None or (cell not in one.value and None in one.value)
            return None if is_unknown else cell in one.value
    return None if cell is None or one.value is None else COMPARISONS[type(one)](cell, one.value)


def rows_of(partitions: list[Partition]) -> list[dict[str, Any]]:
    """Give the rows of partitions, with the times that Spark has."""
    rows = [row for one in partitions for row in one.read(into="polars").to_dicts()]
    tables = [one.read(into="arrow")["time"].cast("int64").to_pylist() for one in partitions]
    for row, time in zip(rows, [time for table in tables for time in table], strict=True):
        row |= {"time_ns": time, "time": EPOCH + timedelta(microseconds=time // 1_000)}
    return rows


@pytest.mark.parametrize(
    "reduction",
    [{}, {"interval": "6h"}, {"interval": "6h", "label": "start"}, {"timestep": "6h", "closed": "left"}],
    ids=["raw", "stop", "start", "consumption"],
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_random_filters_leave_out_no_row(
    manager: InfluxManager,
    store: Store,
    points: str,
    known: dict[str, Any],
    reduction: dict[str, str],
    data: st.DataObject,
) -> None:
    """Narrowed partitions have all rows of which the filters are true, and of stored points no others."""
    key = repr(reduction)
    if key not in known:
        make: Any = partial(manager.partitions, START, STOP, points, "power", store.name, every="1d")
        known[key] = make(**reduction), rows_of(make(**reduction))
    partitions, rows = known[key]
    exact = data.draw(st.lists(EXACT, min_size=1, max_size=3))
    others = data.draw(st.lists(OTHERS, max_size=2))
    filters = data.draw(st.permutations(exact + others))
    remaining = narrowed(partitions, filters)
    found = rows_of(remaining)

    def true_of(row: dict[str, Any], wanted: list[Any]) -> bool:
        return all(truth(one, row) for one in wanted)

    assert [row for row in rows if true_of(row, filters)] == [row for row in found if true_of(row, filters)]
    if not reduction:
        assert [row for row in rows if true_of(row, exact)] == found


SQL_LITERALS = LITERALS.map(lambda time: f"timestamp'{time.isoformat(sep=' ')}'")
QUOTED = WORDS.map(lambda word: "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'")
CONDITIONS = st.one_of(
    st.builds("time {} {}".format, st.sampled_from(["<", "<=", ">", ">=", "=", "!=", "<=>"]), SQL_LITERALS),
    st.builds("meter {} {}".format, st.sampled_from(["=", "!=", "<=>", "<"]), QUOTED),
    st.builds("meter in ({}, {})".format, QUOTED, st.one_of(st.just("null"), QUOTED)),
    st.builds("not (meter in ({}, {}))".format, QUOTED, st.one_of(st.just("null"), QUOTED)),
    st.sampled_from(["meter is null", "meter <=> null", "power > 7.5", "meter like 'ü%'", "hour(time) < 6"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(
    conditions=st.lists(CONDITIONS, min_size=1, max_size=3), word=st.sampled_from([" and ", " and ", " or "])
)
def test_spark_finds_the_rows_that_it_finds_in_a_copy(
    spark: SparkSession,
    load: Callable[..., DataFrame],
    store: Store,
    points: str,
    known: dict[str, Any],
    conditions: list[str],
    word: str,
) -> None:
    """Whatever is asked in `where`, the rows are those that Spark finds in a copy of all of them."""
    options = {"bucket": store.name, "measurement": points, "fields": "power", "start": START, "stop": STOP}
    make = partial(load, **options, rows="30", nanoseconds="truncate")
    if "copy" not in known:
        known["copy"] = spark.createDataFrame(make().collect(), make().schema)
    condition = word.join(conditions)

    assert of_spark(known["copy"].where(condition)) == of_spark(make(pushdown="true").where(condition))
