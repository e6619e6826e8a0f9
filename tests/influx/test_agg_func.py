"""What `agg_func` takes: names, lists, mappings and quantiles; and the frame that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

from benchmarks.sent import sent_by
from db_core.errors import AmbiguousSeriesError, InvalidArgumentError

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SPAN: dict[str, Any] = {"start": "2026-01-01", "stop": "2026-01-02", "interval": "1h", "label": "start"}


@pytest.fixture
def asked(store: Store, msname: str) -> dict[str, Any]:
    """Write an hour of a float, an integer and an unsigned field, every minute; give what asks for them."""
    store.write(
        *(
            f"{msname} power={minute % 7}.5,kwh={100 + minute}i,count={minute % 5}u {T0 + minute * MINUTE}"
            for minute in range(60)
        )
    )
    return {**SPAN, "msname": msname, "fields": ["power", "kwh", "count"], "bucket": store.name}


POWER = [minute % 7 + 0.5 for minute in range(60)]
KWH = [100 + minute for minute in range(60)]


def test_a_list_gives_a_column_for_each_function(manager: InfluxManager, asked: dict[str, Any]) -> None:
    """By field and then by function, named after both."""
    frame = manager.read(**asked | {"fields": ["power", "kwh"]}, agg_func=["mean", "max", "p95", "count"])

    expected = {
        "power_mean": np.mean(POWER),
        "power_max": max(POWER),
        "power_p95": np.quantile(POWER, 0.95),
        "power_count": 60,
        "kwh_mean": np.mean(KWH),
        "kwh_max": 159,
        "kwh_p95": np.quantile(KWH, 0.95),
        "kwh_count": 60,
    }
    assert list(expected) == list(frame.columns)
    assert list(expected.values()) == pytest.approx(frame.iloc[0].tolist(), rel=1e-14)
    assert [T0] == frame.index.astype("int64").tolist()


def test_a_mapping_gives_each_field_its_own(manager: InfluxManager, asked: dict[str, Any]) -> None:
    """A field with one function keeps its name; columns are in the order of `fields`."""
    functions: dict[str, Any] = {"kwh": "last", "count": ("quantile", 0.5), "power": ["median", "max"]}

    frame = manager.read(**asked, agg_func=functions)

    assert ["power_median", "power_max", "kwh", "count"] == list(frame.columns)
    assert [np.median(POWER), max(POWER), 159, 2.0] == frame.iloc[0].tolist()
    assert "int64" == frame["kwh"].dtype


@pytest.mark.parametrize(
    ("function", "name", "share"),
    [
        ("p95", "p95", 0.95),
        (("quantile", 0.95), "p95", 0.95),
        ("p99.9", "p99.9", 0.999),
        (("quantile", 0.999), "p99.9", 0.999),
        ("p0", "p0", 0.0),
        (("quantile", 1), "p100", 1.0),
        (("quantile", np.float64(0.25)), "p25", 0.25),
        (("quantile", np.float32(0.5)), "p50", 0.5),
        (("quantile", np.int64(1)), "p100", 1.0),
        (("quantile", 1 / 3), "p33.33333333333333", 1 / 3),
        ("median", "median", 0.5),
    ],
    ids=str,
)
def test_a_quantile_may_be_spelled_in_two_ways(
    manager: InfluxManager, asked: dict[str, Any], function: Any, name: str, share: float
) -> None:
    """Alone it keeps the field's name; in a list it is named by percent. It is numpy's."""
    alone = manager.read(**asked | {"fields": "power"}, agg_func=function)
    listed = manager.read(**asked | {"fields": "power"}, agg_func=[function, "min"])

    assert ["power"] == list(alone.columns)
    assert [f"power_{name}", "power_min"] == list(listed.columns)
    assert np.quantile(POWER, share) == pytest.approx(alone["power"].iloc[0], rel=1e-14)
    assert alone["power"].tolist() == listed[f"power_{name}"].tolist()


def test_a_tuple_of_functions_is_a_list(manager: InfluxManager, asked: dict[str, Any]) -> None:
    """Only the pair of "quantile" and a number is one function."""
    listed = manager.read(**asked, agg_func=["min", "max"])

    assert_frame_equal(listed, manager.read(**asked, agg_func=("min", "max")))


@pytest.mark.parametrize(
    "agg_func",
    [
        "p101",
        "p-1",
        "p",
        "p1e1",
        "P95",
        "quantile",
        "Mean",
        "",
        None,
        5,
        [],
        (),
        ["mean", "mean"],
        ["p50", ("quantile", 0.5)],
        ["mean", None],
        [["mean"]],
        pytest.param({"mean", "max"}, id="set"),
        ("quantile", 1.5),
        ("quantile", -0.1),
        ("quantile", float("nan")),
        ("quantile", True),
        ("quantile", np.timedelta64(1, "D")),
        ("quantile", "0.5"),
        ("quantile",),
        ("quantile", 0.5, 0.6),
        {},
        {"power": "mean"},
        {"power": "mean", "kwh": "last", "volt": "max"},
        {"power": "mean", "kwh": []},
        {"power": "mean", "kwh": "derivative"},
        {"power": "mean", "kwh": ["mean) |> drop("]},
    ],
    ids=repr,
)
def test_what_is_no_function_is_refused(nowhere: InfluxManager, agg_func: Any) -> None:
    """Before anything is sent: there is no server."""
    with pytest.raises(InvalidArgumentError, match="`agg_func`") as caught:
        nowhere.read(**SPAN, msname="m", fields=["power", "kwh"], bucket="b", agg_func=agg_func)
    assert "agg_func" == caught.value.argument


def test_two_columns_of_one_name_are_refused(nowhere: InfluxManager) -> None:
    """A field may be named as the column of another."""
    functions = {"a": ["mean"], "a_mean": "last"}

    with pytest.raises(InvalidArgumentError, match="two columns named 'a_mean'"):
        nowhere.read(**SPAN, msname="m", fields=["a", "a_mean"], bucket="b", agg_func=functions)


def test_functions_of_the_storage_engine_are_one_question(
    manager: InfluxManager, asked: dict[str, Any]
) -> None:
    """However many they are; integers whose sum could overflow have a second one beside it."""
    functions = ["count", "first", "last", "max", "min", "spread"]
    one = sent_by(manager, lambda: manager.read(**asked, agg_func=functions))
    floats = sent_by(manager, lambda: manager.read(**asked | {"fields": "power"}, agg_func=["mean", "sum"]))
    mixed = {"power": ["mean", "max"], "kwh": "last", "count": "min"}
    several = sent_by(manager, lambda: manager.read(**asked, agg_func=mixed))
    bounded = sent_by(manager, lambda: manager.read(**asked, agg_func=["mean", "max"]))

    assert [1, 1, 1, 2] == [len(sent.queries) for sent in (one, floats, several, bounded)]
    assert all("aggregateWindow" in sent.queries[0].flux for sent in (one, floats, several, bounded))


# --- The frame ----------------------------------------------------------------

ALL = ["count", "first", "max", "mean", "median", "mode", "spread", "stddev", "sum", "p95"]


def test_windows_without_points_are_given_with_all_functions(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """With `create_empty` counts are 0 there, and all others null; integers stay integers."""
    store.write(
        f"{msname},m=a v=3i {T0}", f"{msname},m=a v=4i {T0 + 2 * HOUR}", f"{msname},m=b v=5i {T0 + HOUR}"
    )
    asked: dict[str, Any] = {**SPAN, "stop": "2026-01-01T03:00", "msname": msname, "fields": "v"}

    frame = manager.read(**asked, bucket=store.name, agg_func=ALL, create_empty=True)

    assert 6 == len(frame)
    assert [1, 0, 1, 0, 1, 0] == frame["v_count"].tolist()
    assert "int64" == frame["v_count"].dtype
    for name in ("first", "max", "mode", "sum"):
        assert [3, None, 4, None, 5, None] == [None if one is pd.NA else one for one in frame[f"v_{name}"]]
        assert "Int64" == frame[f"v_{name}"].dtype
    for name in set(ALL) - {"count"}:
        assert frame[f"v_{name}"].isna().iloc[[1, 3, 5]].all()
    assert [T0 + hour * HOUR for hour in (0, 1, 2)] * 2 == frame.index.get_level_values("time").astype(
        "int64"
    ).tolist()


@pytest.mark.parametrize("label", ["start", "stop"])
@pytest.mark.parametrize("max_parallel", [1, 4])
def test_local_days_over_a_change_of_the_clocks(
    manager: InfluxManager, store: Store, msname: str, label: str, max_parallel: int
) -> None:
    """What is worked out here has the windows of what the server works out: pandas' local days."""
    start = pd.Timestamp("2026-03-26", tz="Europe/Lisbon")
    index = pd.date_range(
        start, pd.Timestamp("2026-04-02", tz="Europe/Lisbon"), freq="37min", inclusive="left"
    )
    values = pd.Series(np.random.default_rng(3).integers(0, 50, len(index)), index)
    store.write(
        *(f"{msname} v={value}i {time}" for time, value in zip(index.as_unit("ns").asi8, values, strict=True))
    )

    frame = manager.read(
        "2026-03-26",
        "2026-04-02",
        msname,
        "v",
        store.name,
        interval="1d",
        agg_func=["count", "median", "sum", "p95"],
        label=label,  # type: ignore[arg-type]
        tz="Europe/Lisbon",
        max_parallel=max_parallel,
    )

    days = values.resample("1D", label="left" if label == "start" else "right")
    assert 7 == len(days.count())
    assert (
        days.count().index.astype("M8[ns, UTC]").astype("int64").tolist()
        == frame.index.astype("int64").tolist()
    )
    for name, expected in (("count", days.count()), ("median", days.median()), ("sum", days.sum())):
        assert expected.tolist() == frame[f"v_{name}"].tolist()
    assert days.quantile(0.95).tolist() == pytest.approx(frame["v_p95"].tolist(), rel=1e-14)


def test_slices_of_long_reads_give_what_one_gives(manager: InfluxManager, store: Store, msname: str) -> None:
    """Windows are never cut, not those of a week either."""
    random = np.random.default_rng(5)
    store.write(
        *(
            f"{msname},m={meter} v={value} {T0 + int(place) * HOUR}"
            for meter in "ab"
            for place, value in enumerate(random.normal(size=40 * 24))
        )
    )
    asked: dict[str, Any] = {"start": "2026-01-01T00:30", "stop": "2026-02-09T17:00", "msname": msname}

    for interval in ("1h", "5h", "1d", "1w", "1mo", "1y"):
        frames = [
            manager.read(
                **asked, fields="v", bucket=store.name, interval=interval, agg_func=ALL, max_parallel=parallel
            )
            for parallel in (1, 2, 7)
        ]
        assert_frame_equal(frames[0], frames[1])
        assert_frame_equal(frames[0], frames[2])
        assert 2 * (40 * 24 - 1 - 7) == frames[0]["v_count"].sum()


@pytest.mark.parametrize(
    "function", ["max", "median", "spread", ["max", "spread"], ["median", "count"]], ids=str
)
def test_by_names_the_levels(manager: InfluxManager, store: Store, msname: str, function: Any) -> None:
    """Series that meet are an error that names the field, not a name of our own."""
    store.write(
        f"{msname},site=n,unit=W power=1.5 {T0}",
        f"{msname},site=n,unit=kWh kwh=2i {T0}",
        f"{msname},site=s,unit=W power=2.5 {T0}",
    )
    asked: dict[str, Any] = {**SPAN, "msname": msname, "bucket": store.name, "agg_func": function}

    frame = manager.read(**asked, fields=["power", "kwh"], by="site")
    assert ["n", "s"] == frame.index.get_level_values("site").tolist()
    assert 2 == len(frame)
    with pytest.raises(AmbiguousSeriesError, match="series"):
        manager.read(**asked, fields="power", by=[])
    with pytest.raises(AmbiguousSeriesError, match='field "power') as caught:
        manager.read(**asked, fields="power", by=["nowhere"], missing="ignore")
    assert "least" not in str(caught.value)


@pytest.mark.parametrize("into", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize("function", ["stddev", "skew"])
def test_one_point_has_a_null_and_no_nan(
    manager: InfluxManager, store: Store, msname: str, into: Any, function: str
) -> None:
    """In pandas, polars and Arrow; equal values deviate by 0, and have no skew."""
    store.write(f"{msname} v=1.5 {T0}", *(f"{msname} v=0.1 {T0 + HOUR + place}" for place in range(3)))
    asked: dict[str, Any] = {**SPAN, "msname": msname, "fields": "v", "bucket": store.name}

    frame = manager.read(**asked, agg_func=function, into=into)

    if into == "pandas":
        nulls = frame["v"].isna().tolist()
        held = frame["v"].dropna().tolist()
    else:
        column = frame["v"] if into == "polars" else pl.Series(frame["v"].to_pylist())
        nulls, held = column.is_null().to_list(), column.drop_nulls().to_list()
    assert ([True, False], [0.0]) == (nulls, held) if function == "stddev" else [True, True] == nulls
