"""What a write would meet: told before, and then met."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from db_core.errors import InvalidArgumentError, NotFoundError, WriteError

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
INDEX = pd.DatetimeIndex(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"], tz="UTC")
# InfluxDB refuses the first of these, and no range finds the last.
EDGES = np.array([-(2**63) + 1, -(2**63) + 2, 2**63 - 3, 2**63 - 2]).view("M8[ns]")


def frame(**columns: Any) -> pd.DataFrame:
    """Give four rows."""
    return pd.DataFrame(columns, index=INDEX)


def rows(rejections: list[Any]) -> list[tuple[int, int, int]]:
    """Give the rows of rejections, and how many points."""
    return [(one.start, one.stop, one.points) for one in rejections]


def test_what_can_be_written_has_nothing_to_tell(manager: InfluxManager, store: Store, msname: str) -> None:
    """Nothing is written by the check."""
    data = frame(f=[1.5, math.nan, 2.5, 3.5], i=[1, 2, 3, 4], s=["a", "b", "c", "d"], b=[True] * 4)
    store.write(f'{msname} f=1,i=2i,s="x",b=true {T0}')

    assert [] == manager.check_write(store.name, data, msname)
    assert 4 == len(store.points(msname))
    assert [] == manager.check_write(store.name, data.iloc[:0], msname)


@pytest.mark.parametrize(
    ("data", "expected", "words"),
    [
        (frame(v=[1.0, math.inf, -math.inf, 2.0]), [(1, 2, 1), (2, 3, 1)], "'v'.*inf"),
        (frame(v=[math.nan, math.nan, 1.0, math.nan]), [(0, 2, 2), (3, 4, 1)], "no field"),
        (frame(v=[1, 2, 3, 4]).set_axis(INDEX.where(INDEX != INDEX[2])), [(2, 3, 1)], "time"),
        (
            frame(v=[1, 2, 3, 4]).set_axis(pd.DatetimeIndex(EDGES)),
            [(0, 1, 1), (3, 4, 1)],
            "outside InfluxDB's times",
        ),
        (frame(v=["", "x" * (1 << 20), "x" * (1 << 20) + "y", ""]), [(2, 3, 1)], "'v'.*1048577 bytes"),
        (frame(v=list(INDEX)), [(0, 4, 4)], "'v'"),
        (frame(v=[1.5, "n/a", None, 2.5], w=[1, 2, 3, "y"]), [(1, 2, 1), (3, 4, 1)], "`str` '"),
        (
            frame(v=pd.Categorical(["a", 2, "b", "a"])),
            [(1, 2, 1)],
            "'v': `int` 2, where most values are `str`",
        ),
        (
            frame(v=pd.Series([1, 2**64, 3, 2**65], INDEX, object)),
            [(1, 2, 1), (3, 4, 1)],
            "'v'.* exceeds 64 bits",
        ),
        (frame(v=pd.Series(["a", "\ud800", "b", "c"], INDEX, object)), [(1, 2, 1)], "'v'.*surrogates"),
        (frame(v=INDEX - INDEX[0]), [(0, 4, 4)], "'v' holds .*timedelta64"),
        (frame(v=[1, "a", 2, 3]).set_axis([1], axis=1), [(0, 4, 4)], "column's name must be text"),
        (frame(time=[1, 2, 3, 4]), [(0, 4, 4)], "'time'"),
    ],
)
def test_every_fault_of_the_frame_is_told(
    manager: InfluxManager, store: Store, msname: str, data: pd.DataFrame, expected: Any, words: str
) -> None:
    """Not just the first one; and writing is refused for it."""
    told = manager.check_write(store.name, data, msname)

    assert expected == rows(told)
    assert all(pd.Series([one.reason]).str.contains(words).all() for one in told)
    with pytest.raises(InvalidArgumentError):
        manager.synchronous_write(store.name, data, msname)


@pytest.mark.parametrize(
    ("values", "dtype", "written"),
    [
        ([1.5, 2.5], pl.Float32, "float"),
        ([1, 2], pl.Int8, "integer"),
        ([1, 2], pl.UInt16, "unsigned integer"),
        (["a", "b"], pl.Categorical, "string"),
        (["a", "b"], pl.Enum(["a", "b"]), "string"),
    ],
)
def test_types_of_any_width_are_judged_as_they_are_written(
    manager: InfluxManager, store: Store, msname: str, values: list[Any], dtype: Any, written: str
) -> None:
    """What is told is what the write meets; a column without a value meets nothing."""
    times = pl.Series([T0, T0 + 1], dtype=pl.Datetime("ns"))
    data = pl.DataFrame({"time": times, "v": pl.Series(values, dtype=dtype), "none": [None, None]})
    options: dict[str, Any] = {"time_column": "time"}
    store.write(f"{msname},k=a v=true,none=1i {T0}")

    [told] = manager.check_write(store.name, data, msname, **options)

    assert f"column 'v': {written}, where the bucket holds boolean" == told.reason
    with pytest.raises(WriteError):
        manager.synchronous_write(store.name, data, msname, **options)
    other = f"{msname}-other"
    assert [] == manager.check_write(store.name, data, other, **options)
    manager.synchronous_write(store.name, data, other, **options)


def test_a_type_that_differs_from_what_is_stored(manager: InfluxManager, store: Store, msname: str) -> None:
    """Names both types, and counts the points."""
    store.write(f"{msname},k=a v=1i {T0}")
    store.write(f"{msname},k=a unknown=1i {T0}")
    data = frame(v=[0.5, math.nan, 1.5, 2.5], other=[1, 2, 3, 4], unknown=[math.nan] * 4)

    [told] = manager.check_write(store.name, data, msname)

    assert (0, 4, 3) == (told.start, told.stop, told.points)
    assert "column 'v': float, where the bucket holds integer" == told.reason
    with pytest.raises(WriteError):
        manager.synchronous_write(store.name, data, msname)


@pytest.mark.parametrize("side", [-1, 1], ids=["before", "after"])
def test_a_type_that_differs_from_what_is_stored_beside_it(
    manager: InfluxManager, store: Store, msname: str, side: int
) -> None:
    """New points follow the old ones, and are in one shard with them."""
    noon = pd.Timestamp("2026-01-01T12:00Z")  # a Thursday, in the middle of a week's shard
    store.write(f"{msname} v=1.5 {noon.value}")
    data = pd.DataFrame({"v": [1, 2]}, pd.DatetimeIndex([noon + side * pd.Timedelta("1h")]).repeat(2))
    data.index = data.index + pd.to_timedelta([0, 1], unit="s")

    [told] = manager.check_write(store.name, data, msname)

    assert (0, 2, 2) == (told.start, told.stop, told.points)
    with pytest.raises(WriteError):
        manager.synchronous_write(store.name, data, msname)


@pytest.mark.parametrize("key", ["result", "table"])
def test_tags_that_are_called_as_columns_of_an_answer(
    manager: InfluxManager, store: Store, msname: str, key: str
) -> None:
    """Stored points may have such tags; they are no part of the question about types."""
    store.write(f"{msname},{key}=a v=1i {T0}")

    [told] = manager.check_write(store.name, frame(v=[0.5] * 4, t=["a"] * 4), msname)

    assert "column 'v': float, where the bucket holds integer" == told.reason


def test_a_nan_that_arrow_holds_as_a_value_is_none(manager: InfluxManager, store: Store, msname: str) -> None:
    """It is not written, so it is not counted, and meets nothing."""
    store.write(f"{msname},k=a v=1i,w=1i {T0}")
    times = pl.Series([T0, T0 + 1, T0 + 2], dtype=pl.Datetime("ns"))
    data = pl.DataFrame({"time": times, "v": [math.nan, None, 1.5], "w": [math.nan] * 3, "x": [1, 2, 3]})

    [told] = manager.check_write(store.name, data, msname, time_column="time")

    assert ("column 'v': float, where the bucket holds integer", 1) == (told.reason, told.points)


def test_points_that_the_bucket_does_not_keep(manager: InfluxManager, own_store: Store, msname: str) -> None:
    """A bucket of an hour: what is older would be dropped."""
    api = own_store.client.buckets_api()
    bucket = api.find_bucket_by_name(own_store.name)
    bucket.retention_rules[0].every_seconds = 3600
    bucket.retention_rules[0].shard_group_duration_seconds = 3600
    api.update_bucket(bucket)
    now = pd.Timestamp(time.time_ns(), tz="UTC")
    times = [now - pd.Timedelta(hours=hours) for hours in (9, 8, 0)]
    data = pl.DataFrame({"t": times, "v": [1, 2, 3]})

    told = manager.check_write(own_store.name, data, msname, time_column="t")

    assert [(0, 2, 2)] == rows(told)
    assert "older than the 3600 seconds that the bucket keeps" == told[0].reason
    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(own_store.name, data, msname, time_column="t")
    assert [0, 1] == [row for one in caught.value.rejected for row in range(one.start, one.stop)]


def test_a_bucket_that_is_not_there(manager: InfluxManager) -> None:
    """Is not found, as in a write."""
    with pytest.raises(NotFoundError, match="nowhere"):
        manager.check_write("nowhere", frame(v=[1, 2, 3, 4]), "m")
