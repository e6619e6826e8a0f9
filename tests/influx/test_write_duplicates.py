"""Rows of one frame that would overwrite each other: refused, told before, or written on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest

from db_core import InvalidArgumentError, to_line_protocol

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
WHEN = "2026-01-01T00:00:00.000000001Z"


def frame(**columns: Any) -> pd.DataFrame:
    """Give four rows: three of one time, and between them one of another."""
    return pd.DataFrame(columns, index=pd.DatetimeIndex([T0 + 1, T0 + 5, T0 + 1, T0 + 1]))


METERS = frame(meter=["a", "a", "b", "c"], unit=["W"] * 4, v=[1, 2, 3, 4])

CONFLICTS: dict[str, tuple[pd.DataFrame, dict[str, Any], list[tuple[int, str]]]] = {
    "forgotten tags": (
        METERS,
        {},
        [
            (0, "column 'meter': row 3 has the same tags"),
            (2, "column 'meter': row 3 has the same tags"),
        ],
    ),
    "forgotten tags, categories": (
        METERS.astype({"meter": "category"}),
        {"tag_columns": ["unit"]},
        [(0, 'If "meter" tells series apart, add it to tag_columns'), (2, "row 3 has the same tags")],
    ),
    "a value beside others": (
        frame(v=[1.5, 1.5, 1.5, 2.5]),
        {},
        [(0, "column 'v': row 3 has the same tags"), (2, "If they are of different series, add the column")],
    ),
    "one meter twice": (
        frame(meter=["a", "a", "b", "a"], v=[1, 2, 3, 4]),
        {"tag_columns": ["meter"]},
        [(0, f"column 'v': row 3 has the same tags and time, {WHEN}, and another value")],
    ),
    "null and empty tags": (
        frame(meter=[None, "a", "", "a"], v=[1, 2, 3, 4]),
        {"tag_columns": ["meter"]},
        [(0, "row 2 has the same tags")],
    ),
    "a value that comes back": (
        frame(v=[1, 1, 2, 1]),
        {},
        [(2, "row 3 has the same tags")],
    ),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_rows_that_overwrite_each_other_are_refused(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """The check tells of each row that would lose a value; the write names the first, and stores nothing."""
    data, options, expected = CONFLICTS[name]

    told = manager.check_write(store.name, data, msname, **options)

    assert [row for row, _ in expected] == [one.start for one in told]
    assert {(1, 1)} == {(one.stop - one.start, one.points) for one in told}
    for one, (_, words) in zip(told, expected, strict=True):
        assert words in one.reason
    with pytest.raises(InvalidArgumentError, match=f", row {expected[0][0]}: row .* the same tags") as caught:
        manager.synchronous_write(store.name, data, msname, **options)
    assert "data" == caught.value.argument
    assert [] == store.points(msname)


def test_the_last_row_of_the_frame_stays_if_it_is_asked_for(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """`duplicates="last"` leaves rows to the server, which keeps the last value of each field."""
    data = frame(v=[1, 2, 3, 4], w=[5, 6, 7, None])

    assert [] == manager.check_write(store.name, data, msname, duplicates="last")
    manager.synchronous_write(store.name, data, msname, duplicates="last")

    stored = {(point.field, point.time - T0): point.value for point in store.points(msname)}
    assert {("v", 1): 4, ("w", 1): 7, ("v", 5): 2, ("w", 5): 6} == stored


MERGED: dict[str, tuple[pd.DataFrame, dict[tuple[str, int], Any]]] = {
    "different fields": (
        frame(a=[1, 9, None, None], b=[None, 9, 2, None], c=[None, 9, None, "x"])
        .astype({"a": "Int64", "b": "Int64", "c": object})
        .assign(c=["x" if row == 3 else None for row in range(4)]),
        {("a", 1): 1, ("b", 1): 2, ("c", 1): "x", ("a", 5): 9, ("b", 5): 9},
    ),
    "the same values": (frame(v=[0.5, 1.5, 0.5, 0.5]), {("v", 1): 0.5, ("v", 5): 1.5}),
    "0 and -0": (frame(v=[0.0, 1.5, -0.0, 0.0]), {("v", 1): 0.0, ("v", 5): 1.5}),
}


@pytest.mark.parametrize("name", MERGED)
def test_rows_that_the_server_merges_are_written(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """Rows of one series and time that set different fields, or the same values, lose nothing."""
    data, expected = MERGED[name]

    assert [] == manager.check_write(store.name, data, msname)
    manager.synchronous_write(store.name, data, msname)

    assert expected == {(point.field, point.time - T0): point.value for point in store.points(msname)}


def test_meters_of_one_time_are_no_conflict(manager: InfluxManager, store: Store, msname: str) -> None:
    """Tags tell them apart, whatever the columns of tags hold, and in whatever order the rows are."""
    meters = [1, 1, 2, 3]
    columns = [
        pl.Series("meter", [f"m{meter}" for meter in meters], dtype=kind)
        for kind in (pl.String, pl.Categorical, pl.Enum(["m3", "m1", "m2"]))
    ]
    columns.append(pl.Series("meter", meters, dtype=pl.UInt8))
    times = pl.Series("t", [T0 + 1, T0 + 5, T0 + 1, T0 + 1], dtype=pl.Datetime("ns"))
    for number, column in enumerate(columns):
        data = pl.DataFrame({"t": times, "meter": column, "v": [1, 2, 3, 4]})
        manager.synchronous_write(
            store.name, data, f"{msname}-{number}", time_column="t", tag_columns=["meter"]
        )

        found = store.points(f"{msname}-{number}")
        assert [1, 2, 3, 4] == sorted(point.value for point in found)


def test_lines_of_rows_that_overwrite_each_other_are_refused_too() -> None:
    """`to_line_protocol` has the same option with the same default."""
    data = frame(v=[1, 2, 3, 4])

    with pytest.raises(InvalidArgumentError, match="row 0: row 3 has the same tags and time"):
        to_line_protocol(data, "m")

    written = [f"m v={value}i {T0 + offset}" for value, offset in ((1, 1), (2, 5), (3, 1), (4, 1))]
    assert written == to_line_protocol(data, "m", duplicates="last").decode().splitlines()


def test_of_a_frame_without_its_tags_a_thousand_rows_are_told(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """As of any fault; the error of the write has one line."""
    rows = 50_000
    times = pd.DatetimeIndex(pd.date_range("2026-01-01", periods=rows // 10, freq="s").repeat(10))
    data = pd.DataFrame({"meter": [f"m{row % 10}" for row in range(rows)], "v": range(rows)}, index=times)

    assert 1_000 == sum(one.points for one in manager.check_write(store.name, data, msname))
    with pytest.raises(InvalidArgumentError, match=r'"meter", row 0: row 9 .* If "meter" tells'):
        manager.synchronous_write(store.name, data, msname)
