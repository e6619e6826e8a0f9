"""Any query on a lazy frame gives what it gives on the whole frame, on the real server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from db_influx.polars import scan_influx
from tests.influx.drawn import (
    CUTS,
    NUMBERS,
    SLOW,
    SPELLED,
    SPRING,
    ZONES,
    Point,
    meter_points,
    meters,
    points,
    ranges,
    stored,
)

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

VALUES = ["one", "two, é", "a", "b", "0", "1", "nowhere", ""]
Comparison = Callable[[pl.Expr, pl.Expr], pl.Expr]
EQUAL: list[Comparison] = [
    lambda one, other: one == other,
    lambda one, other: other == one,
    lambda one, other: one != other,
    lambda one, other: one.eq_missing(other),
    lambda one, other: one.ne_missing(other),
]
COMPARED: list[Comparison] = [
    *EQUAL,
    lambda one, other: one >= other,
    lambda one, other: one > other,
    lambda one, other: one <= other,
    lambda one, other: one < other,
    lambda one, other: other <= one,
    lambda one, other: other > one,
]


@st.composite
def instants(draw: st.DrawFn, times: Sequence[int], tz: str) -> pl.Expr:
    """Draw a literal of a time at or near one of the frame, of nanoseconds or microseconds."""
    nanoseconds = draw(st.sampled_from(times)) + draw(st.sampled_from([0, 0, 1, -1, 1_000, 10**13]))
    utc = pl.lit(nanoseconds).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    if draw(st.booleans()):
        utc = pl.lit(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1_000))
    return utc.dt.convert_time_zone(tz)


def of_times(times: Sequence[int], tz: str) -> st.SearchStrategy[pl.Expr]:
    """Draw a condition on the time."""
    time, literals = pl.col("time"), instants(times, tz)
    closed: Any = st.sampled_from(["both", "left", "right", "none"])
    between = st.builds(
        lambda one, other, ends: time.is_between(one, other, closed=ends), literals, literals, closed
    )
    return st.builds(lambda compare, one: compare(time, one), st.sampled_from(COMPARED), literals) | between


def of_tag(name: str) -> st.SearchStrategy[pl.Expr]:
    """Draw a condition on a tag."""
    tags = st.sampled_from([pl.col(name), pl.col(name), pl.col(name).cast(pl.String)])
    some = st.lists(st.sampled_from([*VALUES, None]), max_size=3).map(
        lambda given: pl.Series(given, dtype=pl.String)
    )
    unary = [pl.Expr.is_null, pl.Expr.is_not_null, lambda tag: tag.eq_missing(None)]
    return st.one_of(
        st.builds(
            lambda compare, tag, value: compare(tag, pl.lit(value)),
            st.sampled_from(EQUAL),
            tags,
            st.sampled_from(VALUES),
        ),
        st.builds(lambda tag, values, equal: tag.is_in(values, nulls_equal=equal), tags, some, st.booleans()),
        st.builds(lambda one, tag: one(tag), st.sampled_from(unary), tags),
    )


@st.composite
def conditions(draw: st.DrawFn, whole: pl.DataFrame, tz: str) -> pl.Expr:
    """Draw a condition on the times, tags and values of a frame."""
    leaves = [of_times(whole["time"].to_physical().to_list() or [SPRING], tz)]
    leaves += [of_tag(name) for name, kind in whole.schema.items() if kind == pl.Categorical]
    numbers = [name for name, kind in whole.schema.items() if kind.is_numeric()]
    leaves += [st.integers(0, 99).map(lambda least, name=name: pl.col(name) > least) for name in numbers]
    leaf = st.one_of(leaves)
    made = draw(leaf)
    for _ in range(draw(st.integers(0, 3))):
        other, way = draw(leaf), draw(st.sampled_from(["and", "and", "or", "not"]))
        made = made & other if way == "and" else made | other if way == "or" else ~made
    return made


@st.composite
def queries(draw: st.DrawFn, whole: pl.DataFrame, tz: str) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """Draw filters and heads one after the other, and what is selected of their rows."""
    steps: list[Callable[[pl.LazyFrame], pl.LazyFrame]] = []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.integers(0, 2)):
            condition = draw(conditions(whole, tz))
            steps.append(lambda lazy, condition=condition: lazy.filter(condition))
        else:
            count = draw(st.integers(0, 12))
            steps.append(lambda lazy, count=count: lazy.head(count))
    names = draw(st.lists(st.sampled_from(whole.columns), max_size=3, unique=True))
    last = draw(st.sampled_from(["all", "some", "count", "last", "slice"]))

    def query(lazy: pl.LazyFrame) -> pl.LazyFrame:
        for step in steps:
            lazy = step(lazy)
        match last:
            case "some" if names:
                return lazy.select(names)
            case "count":
                return lazy.select(pl.len())
            case "last":
                return lazy.tail(3).select("time", *(name for name in names if name != "time"))
            case "slice":
                return lazy.slice(2, 3)
        return lazy

    return query


READS: list[dict[str, Any]] = [
    {},
    {"interval": "7h", "agg_func": ["mean", "count"]},
    {"interval": "1d", "agg_func": "last", "label": "start"},
]


@settings(SLOW, max_examples=20)
@given(
    data=st.data(),
    drawn=points(NUMBERS) | points({name: SPELLED[name] for name in ("f", "b", "s")}),
    span=ranges(),
    cut=CUTS,
    tz=st.sampled_from(ZONES),
    read=st.sampled_from(READS),
)
def test_any_query_on_points_and_windows(
    manager: InfluxManager,
    daily: Store,
    data: st.DataObject,
    drawn: tuple[int, list[Point]],
    span: tuple[int, int],
    cut: dict[str, Any],
    tz: str,
    read: dict[str, Any],
) -> None:
    """Sparse fields, series that come and go: with and without optimizations, by both engines."""
    begin, found = drawn
    fields = list(NUMBERS) if any(" i=" in point.line or "u=" in point.line for point in found) else ["f"]
    if not read:
        fields = [*NUMBERS, "b", "s"]
    start, stop = (pd.Timestamp(begin + offset, tz="UTC") for offset in span)
    question = (start, stop, stored(daily, found), fields, daily.name)
    lazy = scan_influx(manager, *question, **cut, **read, tz=tz, missing="ignore")

    check(data, lazy, tz)


@settings(SLOW, max_examples=10)
@given(
    data=st.data(),
    drawn=meters(),
    cut=st.sampled_from([{"every": "2d"}, {"every": "73h"}, {"rows": 9}]),
    tz=st.sampled_from(ZONES),
    timestep=st.sampled_from([60, "1d"]),
)
def test_any_query_on_consumption(
    manager: InfluxManager,
    daily: Store,
    data: st.DataObject,
    drawn: Any,
    cut: dict[str, Any],
    tz: str,
    timestep: Any,
) -> None:
    """With its qualities, which are no tags."""
    msname = stored(daily, meter_points(drawn, "i"))
    start, stop = pd.Timestamp(SPRING, tz="UTC"), pd.Timestamp(SPRING, tz="UTC") + pd.Timedelta(days=8)
    lazy = scan_influx(
        *(manager, start, stop, msname, "e", daily.name),
        **cut,
        timestep=timestep,
        quality=True,
        tz=tz,
        missing="ignore",
    )

    check(data, lazy, tz)


def check(data: st.DataObject, lazy: pl.LazyFrame, tz: str) -> None:
    """See that queries give on the scan what they give on all of its rows."""
    whole = lazy.collect()
    for _ in range(2):
        query = data.draw(queries(whole, tz))
        expected = query(whole.lazy()).collect(engine="in-memory")
        for engine in ("in-memory", "streaming"):
            for flags in (pl.QueryOptFlags(), pl.QueryOptFlags.none()):
                found = query(lazy).collect(engine=engine, optimizations=flags)
                assert expected.schema == found.schema
                assert list(map(repr, expected.rows())) == list(map(repr, found.rows()))
