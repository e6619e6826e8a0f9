"""Lazy frames of polars: what of a query reaches the server, and what comes of it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pytest

from db_core.errors import AuthenticationError, ConfigurationError, InvalidArgumentError, SchemaConflictError
from db_influx.polars import scan_influx
from tests.influx.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from db_influx import AsyncInfluxManager, InfluxManager
    from tests.influx.conftest import Store
    from tools import servers

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
SPAN = ("2026-01-01", "2026-01-05")
METERS = ("a", "b", "c d")
time, meter, room = pl.col("time"), pl.col("meter"), pl.col("room")

each_engine = pytest.mark.parametrize("engine", ["in-memory", "streaming"])


@pytest.fixture(scope="module")
def house(store: Store) -> Store:
    """Store four days of three meters, a point each hour, of which one has no room; i only at noon."""
    lines = []
    for number, name in enumerate(METERS):
        key = f"house,meter={name}".replace(" ", "\\ ") + (f",room=r{number}" if number else "")
        lines += [f"{key} f={hour / 4} {T0 + hour * HOUR}" for hour in range(96)]
        lines += [f"{key} i={day}i {T0 + day * DAY + 12 * HOUR}" for day in range(4)]
    store.write(*lines)
    return store


@pytest.fixture
def recorder(server: servers.InfluxDB) -> Iterator[Recorder]:
    """Give a proxy before the server, which keeps what is sent."""
    made = Recorder(server.url)
    yield made
    made.close()


@pytest.fixture
def scan(
    make_manager: Callable[..., InfluxManager], house: Store, recorder: Recorder
) -> Callable[..., pl.LazyFrame]:
    """Give a function that scans the house in days, behind the recorder, which then forgets."""

    def make(*fields: str, **options: Any) -> pl.LazyFrame:
        manager = make_manager(url=recorder.url, max_parallel=1)
        cut: dict[str, Any] = {} if "rows" in options else {"every": "1d"}
        lazy = scan_influx(manager, *SPAN, "house", fields or ("f", "i"), house.name, **cut | options)
        recorder.clear()
        return lazy

    return make


def at(day: float, tz: str = "UTC") -> datetime:
    """Return a time, days after the begin of 2026 in UTC, as the clock of a zone shows it."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)).astimezone(ZoneInfo(tz))


def asked(recorder: Recorder) -> list[tuple[float, float]]:
    """Return the ranges of all queries of points, in days from the begin of 2026."""
    found = [re.findall(r"range\(start: (\S+), stop: (\S+)\)", flux) for flux in recorder.flux]
    return [
        ((pd.Timestamp(start).value - T0) / DAY, (pd.Timestamp(stop).value - T0) / DAY)
        for [(start, stop)] in found
    ]


def fields_of(recorder: Recorder) -> set[str]:
    """Return the fields of all queries of points."""
    return {name for flux in recorder.flux for name in re.findall(r'r\["_field"\] == "(\w+)"', flux)}


# --- Columns --------------------------------------------------------------------


@each_engine
def test_columns_of_a_dense_scan_reach_the_query(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder, engine: Any
) -> None:
    """Those of a selection, of a condition and of a group; without `dense` all fields make the rows."""
    dense = scan(dense=True)
    for query, fields in (
        (dense.select("i"), {"i"}),
        (dense.select(pl.col("f").sum()), {"f"}),
        (dense.filter(pl.col("i") > 1).select("meter"), {"i"}),
        (dense.filter(pl.col("i") > 1).select("f"), {"f", "i"}),
        (dense.group_by("meter").agg(pl.col("f").mean()), {"f"}),
        (dense.select("meter", "time"), {"f", "i"}),
    ):
        recorder.clear()
        query.collect(engine=engine)
        assert fields == fields_of(recorder)
    assert 288 == len(scan().select("i").collect(engine=engine))
    assert {"f", "i"} == fields_of(recorder)


@each_engine
def test_a_count_counts_all_rows(scan: Callable[..., pl.LazyFrame], engine: Any) -> None:
    """With no column at all, and with one that is null in most rows."""
    assert 288 == scan().select(pl.len()).collect(engine=engine).item()
    assert 12 == scan().select(pl.col("i").count()).collect(engine=engine).item()
    assert 96 == scan().filter(meter == "a").select(pl.len()).collect(engine=engine).item()


def test_the_schema_is_that_of_the_frames(scan: Callable[..., pl.LazyFrame], recorder: Recorder) -> None:
    """It asks no server; times are nanoseconds in the zone, tags are categories."""
    lazy = scan(tz="Europe/Lisbon")
    schema = lazy.collect_schema()

    assert [] == recorder.flux
    kinds = [pl.Datetime("ns", "Europe/Lisbon"), pl.Categorical(), pl.Categorical(), pl.Float64, pl.Int64]
    assert pl.Schema(zip(("time", "meter", "room", "f", "i"), kinds, strict=True)) == schema
    assert schema == lazy.collect().schema


# --- Times and tags ---------------------------------------------------------------

TIMES: dict[str, tuple[pl.Expr, list[tuple[float, float]]]] = {
    "from": (time >= at(2.5), [(2.5, 3), (3, 4)]),
    "to": (time < at(1.25), [(0, 1), (1, 1.25)]),
    "from and to": ((time > at(1)) & (time <= at(1.5)), [(1, 1.5)]),
    "mirrored": (pl.lit(at(2.5)) <= time, [(2.5, 3), (3, 4)]),
    "equal": (time == at(1.5), [(1.5, 1.5)]),
    "between": (time.is_between(at(0.5), at(1.5)), [(0.5, 1), (1, 1.5)]),
    "between, open": (time.is_between(at(0.5), at(1.5), closed="none"), [(0.5, 1), (1, 1.5)]),
    "either": ((time < at(0.5)) | (time == at(0.75)), [(0, 0.75)]),
    "a sum": (time >= pl.lit(at(3)) + timedelta(hours=12), [(3.5, 4)]),
    "a sum, mirrored": (pl.lit(at(3)) + timedelta(hours=12) <= time, [(3.5, 4)]),
    "with others": ((time >= at(3.5)) & (pl.col("f") > 1) & (meter != "b"), [(3.5, 4)]),
    "pandas": (time >= pd.Timestamp(at(3.5)), [(3.5, 4)]),
    "nanoseconds": (
        time >= pl.lit(T0 + 3 * DAY).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"),
        [(3, 4)],
    ),
    "outside": (time > at(9), []),
    "never": ((time > at(3)) & (time < at(2)), []),
    "any": (time.dt.hour() < 3, [(0, 1), (1, 2), (2, 3), (3, 4)]),
    "not": (~(time < at(3)), [(3, 4)]),
}


@each_engine
@pytest.mark.parametrize("name", TIMES)
def test_conditions_on_times_reach_the_query(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder, name: str, engine: Any
) -> None:
    """Only these parts of partitions are asked for, but for a millisecond; rows are those that fulfil it."""
    condition, expected = TIMES[name]
    lazy = scan()
    rows = lazy.collect().filter(condition)
    recorder.clear()

    assert rows.equals(lazy.filter(condition).collect(engine=engine))
    assert [pytest.approx(span, abs=1e-8) for span in expected] == asked(recorder)


@pytest.mark.parametrize("tz", ["Europe/Lisbon", "Asia/Kathmandu"])
def test_times_are_those_of_the_zone_of_the_frame(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder, tz: str
) -> None:
    """Polars refuses a literal of another zone or of none; none of these becomes a wrong bound."""
    lazy = scan(tz=tz, rows=1_000)
    moments = lazy.collect()["time"].to_physical()
    recorder.clear()

    assert (moments >= T0 + 3.5 * DAY).sum() == len(lazy.filter(time >= at(3.5, tz)).collect()) > 0
    assert [pytest.approx((3.5, 4), abs=1)] == asked(recorder)[:1]
    for literal in (at(3.5, "America/New_York"), at(3.5).replace(tzinfo=None)):
        with pytest.raises(pl.exceptions.SchemaError, match="time"):
            lazy.filter(time >= literal).collect()


TAGS: dict[str, tuple[pl.Expr, set[str]]] = {
    "equal": (meter == "a", {'r["meter"] == "a"'}),
    "mirrored": (pl.lit("c d") == meter, {'r["meter"] == "c d"'}),
    "in": (meter.is_in(["a", "x"]), {'r["meter"] == "a"', 'r["meter"] == "x"'}),
    "in a column": (meter.is_in(pl.Series(["a", "x"])), {'r["meter"] == "a"', 'r["meter"] == "x"'}),
    "equal or missing": (room.eq_missing("r1"), {'r["room"] == "r1"'}),
    "missing": (room.is_null(), {'not exists r["room"]'}),
    "both missing": (room.eq_missing(None), {'not exists r["room"]'}),
    "in, or missing": (
        room.is_in(["r2", None], nulls_equal=True),
        {'not exists r["room"]', 'r["room"] == "r2"'},
    ),
    "either": ((meter == "a") | (meter == "b"), {'r["meter"] == "a"', 'r["meter"] == "b"'}),
    "two": ((meter == "b") & (room == "r1"), {'r["meter"] == "b"', 'r["room"] == "r1"'}),
    "as text": (meter.cast(pl.String) == "a", {'r["meter"] == "a"'}),
    "with others": ((meter == "a") & (pl.col("i") > 1) & (time.dt.hour() == 12), {'r["meter"] == "a"'}),
    "either, or a time": ((meter == "a") | (time < at(1)), set()),
    "another": (meter != "a", set()),
    "there": (room.is_not_null(), set()),
    "a start": (meter.cast(pl.String).str.starts_with("c"), set()),
}


@each_engine
@pytest.mark.parametrize("name", TAGS)
def test_conditions_on_tags_reach_the_query(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder, name: str, engine: Any
) -> None:
    """As conditions of their own, in each query; rows are those that fulfil it."""
    condition, expected = TAGS[name]
    lazy = scan()
    rows = lazy.collect().filter(condition)
    recorder.clear()

    assert rows.equals(lazy.filter(condition).collect(engine=engine))
    assert len(recorder.flux) == 4
    for flux in recorder.flux:
        assert expected == set(re.findall(r'(?:not exists )?r\["(?:meter|room)"\](?: == "[^"]*")?', flux))


def test_no_value_of_a_tag_asks_nothing(scan: Callable[..., pl.LazyFrame], recorder: Recorder) -> None:
    """A tag of an empty list, or of two values at once; and a condition that holds never."""
    for condition in (meter.is_in([]), (meter == "a") & (meter == "b"), pl.lit(None, pl.Boolean)):
        assert 0 == len(scan().filter(condition).collect())
        assert [] == recorder.flux


@pytest.mark.parametrize("reduction", [{"interval": "1h"}, {"timestep": 60, "quality": True}])
@pytest.mark.parametrize("label", ["start", "stop"])
def test_partitions_of_windows_are_left_out_whole(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder, reduction: dict[str, Any], label: Any
) -> None:
    """No window is cut; a quality is no tag, so that a condition on it leaves series as they are."""
    lazy = scan("f", label=label, **reduction)
    whole = lazy.collect()
    condition = (time > at(1.3)) & (time < at(1.6)) & (meter == "a")
    recorder.clear()

    assert whole.filter(condition).equals(lazy.filter(condition).collect())
    spans = asked(recorder)
    assert {'"a"'} == {quoted for flux in recorder.flux for quoted in re.findall(r'"[abc]"', flux)}
    assert all(start < 1.1 and (stop <= 1.1 or stop > 1.9) for start, stop in spans)
    assert max(stop for _, stop in spans) < 2.1
    if "quality" in reduction:
        known = pl.col("f_quality") == "ok"
        assert len(whole.filter(known)) > 0
        assert whole.filter(known).equals(lazy.filter(known).collect())


# --- The first rows -----------------------------------------------------------------


@each_engine
def test_the_first_rows_need_a_part_of_a_partition(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder, engine: Any
) -> None:
    """It is a 256th of the first, then more; partitions behind are not asked for."""
    lazy = scan()
    whole = lazy.collect()

    for count, most in ((1, 1 / 256), (3, 1 / 256), (5, 21 / 256), (20, 0.5), (80, 2)):
        recorder.clear()
        assert whole.head(count).equals(lazy.head(count).collect(engine=engine))
        spans = asked(recorder)
        assert 0 == spans[0][0]
        assert spans[-1][1] <= most
        assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]
    recorder.clear()
    assert whole.equals(lazy.head(1_000).collect(engine=engine))
    assert 4 + 4 >= len(asked(recorder))
    recorder.clear()
    assert 0 == len(lazy.head(0).collect(engine=engine))
    assert [] == recorder.flux


@each_engine
def test_the_first_rows_are_counted_before_a_condition_that_follows(
    scan: Callable[..., pl.LazyFrame], engine: Any
) -> None:
    """And after one that precedes."""
    lazy, late = scan(), time >= at(1)

    assert 0 == len(lazy.head(9).filter(late).collect(engine=engine))
    assert 3 == len(lazy.head(9).filter(meter == "b").collect(engine=engine))
    assert [at(1)] * 3 + [at(1) + timedelta(hours=1)] == (
        lazy.filter(late).head(4).collect(engine=engine)["time"].to_list()
    )


def test_streaming_stops_when_it_has_the_first_rows_of_a_condition(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder
) -> None:
    """The last partitions are not asked for; the in-memory engine asks for all of them."""
    assert 2 == len(scan(every="6h").filter(pl.col("f") >= 0).head(2).collect(engine="streaming"))
    assert 16 > len(recorder.flux)


def test_windows_are_asked_for_whole_for_the_first_rows(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder
) -> None:
    """Those of the first partition."""
    rows = scan("f", interval="1h").head(2).collect()

    assert [at(0) + timedelta(hours=1)] * 2 == rows["time"].to_list()
    assert {(0.0, 1.0)} == set(asked(recorder))


# --- Queries ------------------------------------------------------------------------


@each_engine
def test_a_scan_is_grouped_joined_and_written(
    scan: Callable[..., pl.LazyFrame], house: Store, manager: InfluxManager, tmp_path: Path, engine: Any
) -> None:
    """As any lazy frame."""
    lazy = scan()
    sums = lazy.group_by("meter").agg(pl.col("f").sum(), pl.len()).sort(meter.cast(pl.String))
    names = pl.LazyFrame({"meter": ["b"], "name": ["attic"]}, schema_overrides={"meter": pl.Categorical})

    total = sum(hour / 4 for hour in range(96))
    assert [(name, total, 96) for name in METERS] == sums.collect(engine=engine).rows()
    joined = lazy.join(names, on="meter").collect(engine=engine)
    assert {"attic"} == set(joined["name"].to_list())
    assert 96 == len(joined)
    lazy.sink_parquet(tmp_path / "house.parquet", engine=engine)
    read = manager.read(*SPAN, "house", ["f", "i"], house.name, interval=None, into="polars")
    expected = read.sort("time", "meter").select("time", pl.col("meter").cast(pl.String), "f", "i")
    written = pl.read_parquet(tmp_path / "house.parquet").cast({pl.Categorical: pl.String})
    assert expected.equals(written.select("time", "meter", "f", "i"))


def test_a_query_that_has_the_frame_twice_reads_it_once(
    scan: Callable[..., pl.LazyFrame], recorder: Recorder
) -> None:
    """So that both are of the same points."""
    lazy = scan("f").select("time", "f")

    assert 576 == len(pl.concat([lazy, lazy]).collect())
    assert 4 == len(recorder.flux)


# --- Errors and secrets --------------------------------------------------------------


@each_engine
def test_an_error_is_ours(
    make_manager: Callable[..., InfluxManager], own_store: Store, server: servers.InfluxDB, engine: Any
) -> None:
    """Polars raises what a read raises, with its attributes."""
    own_store.write(f"m v=1i {T0}")
    manager = make_manager()
    lazy = scan_influx(manager, "2026-01-01", "2026-02-01", "m", "v", own_store.name, every="1w")
    own_store.write(f"m v=2.5 {T0 + 20 * DAY}")

    with pytest.raises(SchemaConflictError, match="'v'"):
        lazy.collect(engine=engine)
    with pytest.raises(AuthenticationError) as caught:
        scan_influx(make_manager(token="wrong"), *SPAN, "m", "v", own_store.name, every="1d")
    assert server.token not in str(caught.value)


def test_a_wrong_argument_is_named(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager]
) -> None:
    """The manager, and those of partitions."""
    wrong: Sequence[tuple[str, Any, dict[str, Any]]] = (
        ("manager", "http://localhost", {"every": "1d"}),
        ("manager", make_async(), {"every": "1d"}),
        ("every", manager, {}),
        ("label", manager, {"every": "1d", "label": "start"}),
    )
    for argument, one, options in wrong:
        with pytest.raises(InvalidArgumentError, match=f"`{argument}`") as caught:
            scan_influx(one, *SPAN, "m", "v", "b", **options)
        assert argument == caught.value.argument
    unknown: dict[str, Any] = {"gaps": "book"}
    with pytest.raises(TypeError, match="gaps"):
        scan_influx(manager, *SPAN, "m", "v", "b", every="1d", **unknown)


def test_a_plan_has_no_secret(
    manager: InfluxManager, house: Store, server: servers.InfluxDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither shown nor serialized; where it is read again, the token is that of the environment."""
    pytest.importorskip("cloudpickle", reason="polars serializes sources by it")
    lazy = scan_influx(manager, *SPAN, "house", "f", house.name, every="1d").filter(meter == "a")
    plan = lazy.serialize()
    copy = pl.LazyFrame.deserialize(io.BytesIO(plan))

    for shown in (
        plan.decode("latin-1"),
        lazy.explain(),
        lazy.explain(optimized=False),
        repr(lazy),
        str(lazy),
    ):
        assert server.token not in shown
    with pytest.raises(ConfigurationError, match="INFLUXDB_TOKEN"):
        copy.collect()
    monkeypatch.setenv("INFLUXDB_TOKEN", server.token)
    assert lazy.collect().equals(copy.collect())


def test_without_polars_it_is_told_what_to_install() -> None:
    """When a scan is asked for; importing loads no polars."""
    code = (
        "import sys; sys.modules['polars'] = None\n"
        "from db_influx import InfluxManager\n"
        "from db_influx.polars import scan_influx\n"
        "manager = InfluxManager('http://localhost:1', 'o', 't')\n"
        "scan_influx(manager, '-1d', None, 'm', 'v', 'b', every='1d')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert "MissingLibraryError: " in done.stderr.splitlines()[-1]
    assert "pip install 'db-influx[polars]'" in done.stderr.splitlines()[-1]
    code = "import db_influx.polars, sys; print('polars' in sys.modules)"
    assert (
        "False\n"
        == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
