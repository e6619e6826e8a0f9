"""The parts of a divided read, put together, against the one read: every cut, on the real server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from influxdb_client import BucketRetentionRules

from tests.influx.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from influxdb_client import InfluxDBClient

    from db_influx import InfluxManager, Partition

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# A day of 23 hours and one of 25 in Lisbon are four days later; so are changes of half an hour on Lord Howe.
SPRING = 1_774_396_800_000_000_000  # 2026-03-25T00:00:00Z
AUTUMN = 1_792_627_200_000_000_000  # 2026-10-22T00:00:00Z
DAYS = 8
BORDER = 3  # days; a field of mixed numbers has another type from there on
ZONES = ["UTC", "Europe/Lisbon", "Australia/Lord_Howe", "Asia/Kathmandu"]
CUTS = st.one_of(
    st.fixed_dictionaries({"every": st.sampled_from(["1d", "7h", "2d", "1w", "1mo", "29h13m7s", "100h1ns"])}),
    st.fixed_dictionaries({"rows": st.integers(1, 12)}),
)
NULLABLE = {"int64": "Int64", "uint64": "UInt64", "bool": "boolean"}
SLOW = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def daily(official: InfluxDBClient) -> Iterator[Store]:
    """Give a bucket whose shards are days, so that a field may have another type on another day."""
    rules = BucketRetentionRules(type="expire", every_seconds=0, shard_group_duration_seconds=DAY // 10**9)
    made = official.buckets_api().create_bucket(bucket_name=f"test-{uuid.uuid4()}", retention_rules=[rules])
    yield Store(made.name, made.id, official)
    official.buckets_api().delete_bucket(made)


# --- Data ---------------------------------------------------------------------

# Fields as line protocol spells a number of theirs; the last is integer on some days and float on others.
Spelling = Callable[[int, int], str]
SPELLED: dict[str, Spelling] = {
    "f": lambda number, _: f"{number / 7}",
    "i": lambda number, _: f"{2**53 + number}i",
    "u": lambda number, _: f"{2**63 + number}u",
    "b": lambda number, _: "true" if number % 2 else "false",
    "s": lambda number, _: f'"text, {number}"' if number % 5 else '""',
    "x": lambda number, day: f"{number}i" if day < BORDER else f"{number}.5",
}
NUMBERS: dict[str, Spelling] = {
    "f": SPELLED["f"],
    "i": lambda number, _: f"{number - 50}i",
    "u": lambda number, _: f"{number}u",
}
TAGS = ("b c", "k")


class Point(NamedTuple):
    """A point without a measurement: its time, the tags that it has, and its line."""

    time: int
    tags: frozenset[str]
    line: str


@st.composite
def points(draw: st.DrawFn, fields: dict[str, Spelling]) -> tuple[int, list[Point]]:
    """Draw when the data begins, and its points: series and fields come and go."""
    begin = draw(st.sampled_from([SPRING, AUTUMN]))
    series = st.tuples(st.sampled_from(["", "one", "two, é"]), st.sampled_from(["", "a", "b"]))
    times = st.tuples(
        st.integers(-DAY // HOUR, (DAYS + 1) * 24), st.sampled_from([0, 0, 1, HOUR - 1, 30 * MINUTE])
    )
    drawn = draw(
        st.dictionaries(
            st.tuples(series, times),
            st.dictionaries(st.sampled_from(list(fields)), st.integers(0, 99), min_size=1),
            max_size=40,
        )
    )
    found = []
    for (tags, (hours, rest)), values in drawn.items():
        time = begin + hours * HOUR + rest
        day = (time - begin) // DAY
        named = {name: value for name, value in zip(TAGS, tags, strict=True) if value}
        key = "".join(f",{escaped(name)}={escaped(value)}" for name, value in named.items())
        cells = ",".join(f"{field}={fields[field](number, day)}" for field, number in values.items())
        found.append(Point(time, frozenset(named), f"{key} {cells} {time}"))
    return begin, found


def escaped(name: str) -> str:
    """Return a name of a tag or a value as line protocol spells it."""
    return name.replace(",", "\\,").replace(" ", "\\ ")


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    """Draw where a read begins and ends, in nanoseconds from the begin of the data."""
    hours = st.integers(-30, (DAYS + 2) * 24)
    start, stop = sorted(draw(st.lists(hours, min_size=2, max_size=2, unique=True)))
    return start * HOUR + draw(st.sampled_from([0, 0, 1, 17 * MINUTE])), stop * HOUR + MINUTE


def stored(store: Store, drawn: Sequence[Point]) -> str:
    """Store points under a measurement of their own, and return its name."""
    msname = f"m{uuid.uuid4().hex}"
    if drawn:
        store.write(*(f"{msname}{point.line}" for point in drawn))
    return msname


def tags_within(drawn: Sequence[Point], start: int, stop: int) -> list[str]:
    """Return the tags of all series that have a point in a half-open range."""
    return sorted({tag for point in drawn if start <= point.time < stop for tag in point.tags})


# --- Both ways -----------------------------------------------------------------


def put_together(parts: Sequence[Partition], into: str) -> pl.DataFrame | pd.DataFrame:
    """Read all parts, see that each has their one schema, and put them together in their order."""
    assert 1 == len({tuple(part.schema.items()) for part in parts})
    frames = [part.read(into=into) for part in parts]
    empty = parts[0].empty(into=into)
    if into == "pandas":
        assert all(frame.dtypes.to_dict().keys() == empty.dtypes.to_dict().keys() for frame in frames)
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


@st.composite
def meters(draw: st.DrawFn) -> list[list[tuple[int, int]]]:
    """Draw minutes and totals of up to three meters over a week, with gaps and resets."""
    drawn = []
    for _ in range(draw(st.integers(1, 3))):
        at, total = draw(st.integers(-2_000, 4_000)), draw(st.integers(0, 900))
        totals = []
        for _ in range(draw(st.integers(0, 30))):
            totals.append((at, total))
            at += draw(st.sampled_from([1, 7, 30, 60, 200, 1_500]))
            total = (
                draw(st.integers(0, 50)) if draw(st.integers(0, 6)) == 0 else total + draw(st.integers(0, 40))
            )
        drawn.append(totals)
    return drawn


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
    found = [
        Point(
            SPRING + at * MINUTE,
            frozenset({"meter"}),
            f",meter={number} e={total}{kind} {SPRING + at * MINUTE}",
        )
        for number, totals in enumerate(drawn)
        for at, total in totals
    ]
    msname = stored(daily, found)
    if options["on_reset"] == "rollover":
        options = options | {"rollover": 1_000_000}
    start, stop = (pd.Timestamp(SPRING + minutes * MINUTE, tz="UTC") for minutes in span)
    late = options["closed"] == "right"
    tags = tags_within(found, start.value + late, stop.value + late)
    question: Any = (start, stop, msname, "e", daily.name)

    parts = manager.partitions(*question, **cut, **options, missing="ignore")

    compare(parts, lambda **given: manager.read_accumulated_value(*question, **options, **given), tags, into)
