"""The parts of a divided read, put together, against the one read: every cut, on the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.influx.drawn import (
    CUTS,
    DAYS,
    MINUTE,
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
    tags_within,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db_influx import InfluxManager, Partition
    from tests.influx.conftest import Store

NULLABLE = {"int64": "Int64", "uint64": "UInt64", "bool": "boolean"}


# --- Both ways -----------------------------------------------------------------


def put_together(parts: Sequence[Partition], into: str) -> pl.DataFrame | pd.DataFrame:
    """Read all parts, see that each has their one schema, and put them together in their order."""
    assert 1 == len({tuple(part.schema.items()) for part in parts})
    frames = [part.read(into=into) for part in parts]
    empty = parts[0].empty(into=into)
    if into == "pandas":
        kinds = empty.dtypes.map(str).to_dict()  # without the categories
        assert [kinds] * len(frames) == [frame.dtypes.map(str).to_dict() for frame in frames]
        tags = [name for name, kind in parts[0].schema.items() if kind == "dictionary"]
        return pd.concat([frame.astype(dict.fromkeys(tags, object)) for frame in frames])
    if into == "arrow":
        assert [empty.schema] * len(frames) == [frame.schema for frame in frames]
        return plain(pl.DataFrame(pa.concat_tables(frames)))
    assert all(frame.schema == empty.schema for frame in frames)
    return plain(pl.concat(frames))


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return categories as text, since each frame may have its own."""
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def in_order(whole: pl.DataFrame | pd.DataFrame, schema: dict[str, str]) -> pl.DataFrame | pd.DataFrame:
    """Return the one read as its parts are: ordered by time and tags, and of types that allow nulls."""
    tags = [name for name, kind in schema.items() if kind == "dictionary"]
    if isinstance(whole, pl.DataFrame):
        return plain(whole.select(list(schema))).sort("time", *tags, nulls_last=False, maintain_order=True)
    columns = [name for name in schema if name != "time"]
    types = dict.fromkeys(tags, object) | {
        name: NULLABLE[kind] for name, kind in schema.items() if kind in NULLABLE
    }
    flat = whole.reset_index().sort_values(["time", *tags], na_position="first", kind="stable")
    return flat.set_index("time")[columns].astype(types)


def check(one: Any, other: Any) -> None:
    """See that two frames are the same: names, types, values bit by bit, and order."""
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_freq=False)
        return
    assert one.schema == other.schema
    assert list(map(repr, one.rows())) == list(map(repr, other.rows()))


def compare(parts: Sequence[Partition], whole: Any, tags: list[str], into: str) -> None:
    """See that parts adjoin, and that put together they are the one read.

    Args:
        parts: All parts of a read.
        whole: Does the one read, by these keywords.
        tags: The tags that there are.
        into: A kind of frame.
    """
    assert [part.stop for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert ["time", *tags] == list(parts[0].schema)[: 1 + len(tags)]
    kind = "pandas" if into == "pandas" else "polars"
    expected = in_order(whole(by=tags, into=kind, missing="ignore"), parts[0].schema)
    check(expected, put_together(parts, into))
    for part in parts:
        times = part.read([], into="pandas").index
        assert all(part.earliest <= time <= part.latest for time in times)


EACH_KIND = st.sampled_from(["polars", "polars", "pandas", "arrow"])


@SLOW
@given(
    drawn=points(SPELLED),
    span=ranges(),
    cut=CUTS,
    tz=st.sampled_from(ZONES),
    protocol=st.sampled_from(["auto", "flux", "influxql"]),
    into=EACH_KIND,
)
def test_points_are_those_of_the_one_read(
    manager: InfluxManager,
    daily: Store,
    drawn: tuple[int, list[Point]],
    span: tuple[int, int],
    cut: dict[str, Any],
    tz: str,
    protocol: str,
    into: str,
) -> None:
    """Of all types, sparse, in series that come and go; integers and floats of a field are floats in all."""
    begin, found = drawn
    msname = stored(daily, found)
    start, stop = (pd.Timestamp(begin + offset, tz="UTC") for offset in span)
    tags = tags_within(found, start.value, stop.value)
    question: Any = (start, stop, msname, list(SPELLED), daily.name)
    has_both = protocol == "influxql" and any("x=" in point.line for point in found)
    options: Any = {"tz": tz, "protocol": "auto" if has_both else protocol}  # InfluxQL would cast

    parts = manager.partitions(*question, **cut, **options, missing="ignore")

    compare(parts, lambda **given: manager.read(*question, interval=None, **options, **given), tags, into)


FUNCTIONS: list[Any] = [
    "mean",
    "median",
    "last",
    "count",
    ["min", "max"],
    ["sum", ("quantile", 0.9)],
    ["first", "spread", "p25"],
    {"f": "mean", "i": ["max", "count"], "u": "last"},
]


@SLOW
@given(
    drawn=points(NUMBERS),
    span=ranges(),
    cut=CUTS,
    tz=st.sampled_from(ZONES),
    interval=st.sampled_from(["1h", "90m", "7h", "1d", "2d", "1w", "1mo"]),
    agg_func=st.sampled_from(FUNCTIONS),
    label=st.sampled_from(["start", "stop"]),
    into=EACH_KIND,
)
def test_windows_are_those_of_the_one_read(
    manager: InfluxManager,
    daily: Store,
    drawn: tuple[int, list[Point]],
    span: tuple[int, int],
    cut: dict[str, Any],
    tz: str,
    interval: str,
    agg_func: Any,
    label: Any,
    into: str,
) -> None:
    """Local ones, on days of 23 and 25 hours too; those that do not divide a partition are never cut."""
    begin, found = drawn
    msname = stored(daily, found)
    start, stop = (pd.Timestamp(begin + offset, tz="UTC") for offset in span)
    tags = tags_within(found, start.value, stop.value)
    question: Any = (start, stop, msname, list(NUMBERS), daily.name)
    options: Any = {"tz": tz, "interval": interval, "agg_func": agg_func, "label": label}

    parts = manager.partitions(*question, **cut, **options, missing="ignore")

    compare(parts, lambda **given: manager.read(*question, **options, **given), tags, into)


@SLOW
@given(
    drawn=meters(),
    span=st.lists(st.integers(-30 * 60, DAYS * 24 * 60), min_size=2, max_size=2, unique=True).map(sorted),
    cut=CUTS,
    options=st.fixed_dictionaries(
        {
            "on_reset": st.sampled_from(["null", "restart", "rollover", "keep"]),
            "tz": st.sampled_from(ZONES),
            "label": st.sampled_from(["start", "stop"]),
            "closed": st.sampled_from(["right", "left"]),
            "timestep": st.sampled_from([7, 60, "6h", "1d", "1w", "1mo"]),
            "quality": st.booleans(),
        }
    ),
    kind=st.sampled_from(["i", "u", ""]),
    into=EACH_KIND,
)
def test_consumption_is_that_of_the_one_read(
    manager: InfluxManager,
    daily: Store,
    drawn: list[list[tuple[int, int]]],
    span: list[int],
    cut: dict[str, Any],
    options: dict[str, Any],
    kind: str,
    into: str,
) -> None:
    """Each part takes its first totals from before it: over gaps, resets and meters that come and go."""
    found = meter_points(drawn, kind)
    msname = stored(daily, found)
    if options["on_reset"] == "rollover":
        options = options | {"rollover": 1_000_000}
    start, stop = (pd.Timestamp(SPRING + minutes * MINUTE, tz="UTC") for minutes in span)
    late = options["closed"] == "right"
    tags = tags_within(found, start.value + late, stop.value + late)
    question: Any = (start, stop, msname, "e", daily.name)

    parts = manager.partitions(*question, **cut, **options, missing="ignore")

    compare(parts, lambda **given: manager.read_accumulated_value(*question, **options, **given), tags, into)
