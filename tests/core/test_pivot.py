"""Long to wide, at the surface; the native crate's tests hold the kernel against a twin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from db_core import AmbiguousSeriesError, InvalidArgumentError, SchemaConflictError
from db_core.annotated_csv import decode, split, union
from db_core.pivot import pivot

if TYPE_CHECKING:
    from db_core.annotated_csv import Answer

HOUR = 3_600_000_000_000
START = 1_711_843_200_000_000_000  # 2024-03-31T00:00:00Z, the day on which Lisbon's clocks skip 01:00


def read(*tables: tuple[str, str, dict[str, str], list[tuple[int, str]]]) -> Answer:
    """Decode tables of a field: its name, its datatype, its tags, and hours and values."""
    text = ""
    for number, (field, kind, tags, rows) in enumerate(tables):
        text += f"#datatype,string,long,dateTime:RFC3339,{kind},string{',string' * len(tags)}\n"
        text += f"#group,false,false,false,false,true{',true' * len(tags)}\n"
        text += ",".join(["", "result", "table", "_time", "_value", "_field", *tags]) + "\n"
        for hour, value in rows:
            time = np.datetime64(START + hour * HOUR, "ns")
            text += ",".join(["", "", str(number), f"{time}Z", value, field, *tags.values()]) + "\n"
        text += "\n"
    return decode((text or "\n").encode())


def two_meters() -> Answer:
    """One with a field, and one with two."""
    return read(
        ("power", "double", {"meter": "b", "site": "s"}, [(0, "1.5"), (1, "2.5")]),
        ("power", "double", {"meter": "a", "site": "s"}, [(1, "3.5")]),
        ("state", "string", {"meter": "a", "site": "s"}, [(0, "on"), (1, "")]),
    )


def test_series_lead_and_times_are_sorted() -> None:
    """The tags that differ are levels before the time; a field without a value there is null."""
    found = pivot([two_meters()])

    assert ["meter", "time"] == found.index
    assert {
        "meter": ["a", "a", "b", "b"],
        "time": [START, START + HOUR, START, START + HOUR],
        "power": [None, 3.5, 1.5, 2.5],
        "state": ["on", None, None, None],
    } == found.to_pydict()


def test_in_pandas_levels_and_time_are_the_index() -> None:
    """With levels a MultiIndex of strings and times; without, a DatetimeIndex in nanoseconds and UTC."""
    many = pivot([two_meters()]).to_pandas()
    one = pivot([read(("power", "double", {"meter": "a"}, [(1, "2.5"), (0, "1.5")]))]).to_pandas()

    times = pd.DatetimeIndex([START, START + HOUR], tz="UTC", name="time")
    expected = pd.MultiIndex.from_product([pd.Index(["a", "b"], dtype="str", name="meter"), times])
    pd.testing.assert_index_equal(expected, many.index)
    pd.testing.assert_index_equal(times, one.index)
    assert many.index.is_monotonic_increasing
    assert 3.5 == many.loc[("a", pd.Timestamp(START + HOUR, tz="UTC")), "power"]
    assert ["power", "state"] == list(many.columns)


def test_a_range_of_times_can_be_taken_from_pandas() -> None:
    """The index is sorted in every level, as slices by label need it, whichever series has which times."""
    answer = read(
        ("p", "double", {"m": "b"}, [(0, "0.5"), (1, "1.5"), (3, "3.5")]),
        ("p", "double", {"m": "a"}, [(2, "2.5"), (4, "4.5")]),
    )
    first, last = (pd.Timestamp(START + hour * HOUR, tz="UTC") for hour in (1, 3))
    found = pivot([answer]).to_pandas()

    assert [2.5, 1.5, 3.5] == found.loc[(slice(None), slice(first, last)), "p"].tolist()
    assert [1.5, 3.5] == found.loc["b"].loc[first:last, "p"].tolist()


def test_in_polars_and_arrow_levels_and_time_are_columns() -> None:
    """The first ones, the time named `time`."""
    found = pivot([two_meters()])

    assert ["meter", "time", "power", "state"] == found.to_polars().columns == found.to_arrow().column_names
    assert pl.Datetime("ns", "UTC") == found.to_polars()["time"].dtype
    assert pa.timestamp("ns", "UTC") == found.to_arrow()["time"].type


def test_times_are_shown_in_the_zone_asked_for() -> None:
    """The instants stay; Lisbon's midnight is followed by two o'clock on the day its clocks change."""
    found = pivot([read(("p", "double", {}, [(0, "1"), (1, "2")]))], tz="Europe/Lisbon")

    assert ["00:00", "02:00"] == [time.strftime("%H:%M") for time in found.to_pandas().index]
    assert [START, START + HOUR] == found.to_pydict()["time"]
    assert pl.Datetime("ns", "Europe/Lisbon") == found.to_polars()["time"].dtype


def test_fields_are_those_asked_for_in_that_order() -> None:
    """A field without data is a column of nulls; one asked for twice stands twice; others are left out."""
    found = pivot([two_meters()], fields=["state", "nothing", "power"])
    twice = pivot([two_meters()], fields=["power", "power"]).to_pandas()

    assert ["meter", "time", "state", "nothing", "power"] == found.columns
    assert [None] * 4 == found.to_pydict()["nothing"]
    assert pa.float64() == found.to_arrow()["nothing"].type
    assert twice.iloc[:, 0].equals(twice.iloc[:, 1])


@pytest.mark.parametrize(("empty_text", "expected"), [(False, None), (True, "")])
def test_an_empty_text_is_what_the_query_makes_of_it(empty_text: bool, expected: str | None) -> None:  # noqa: FBT001 # a case
    """The server writes null and the empty string alike; only points as stored are never null."""
    found = pivot([two_meters()], fields=["state"], empty_text=empty_text).to_pydict()

    assert ["on", expected] == found["state"][:2]


def test_slices_of_a_read_are_joined() -> None:
    """Answers of neighbouring ranges give the frame that one answer of the whole range gives."""
    rows = [(hour, f"{hour}.5") for hour in range(6)]
    whole = pivot([read(("p", "double", {"m": "a"}, rows), ("p", "double", {"m": "b"}, rows))])
    slices = [
        read(
            ("p", "double", {"m": "b"}, rows[start : start + 2]),
            ("p", "double", {"m": "a"}, rows[start : start + 2]),
        )
        for start in (4, 0, 2)
    ]

    assert whole.to_pydict() == pivot(slices).to_pydict()


MEASURED = r"""
import re
from pathlib import Path
from db_core.annotated_csv import decode
from db_core.pivot import pivot

def resident(kind):
    return int(re.search(rf"{kind}:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

def measure(answers, **fields):
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    frame = pivot(answers, **fields)
    print(len(frame), resident("VmHWM") - before)
"""

JOIN = rf"""{MEASURED}
HEAD = (
    "#datatype,string,long,dateTime:RFC3339,double\n#group,false,false,false,false\n"
    "#default,_result,,,\n,result,table,_time,_value\n"
).encode()

def text(day):
    yield HEAD
    for hour in range(24):
        yield HOUR.replace("DAY", f"2026-01-0{{day}}T{{hour:02d}}").encode()
    yield b"\n"

HOUR = "".join(
    f",,0,DAY:{{second // 60:02d}}:{{second % 60:02d}}.{{part}}Z,1.5\n"
    for second in range(3600) for part in range(3)
)
measure([decode(text(day)) for day in range(1, 5)], fields=["v"])
"""

WIDE = rf"""{MEASURED}
HEAD = (
    "#datatype,string,long,dateTime:RFC3339,double,string,string\n#group,false,false,false,false,true,true\n"
    "#default,_result,,,,,\n,result,table,_time,_value,_field,meter\n"
).encode()

def text(day):
    yield HEAD
    for table in range(100):
        meter, field = divmod(table, 20)
        rows = ROWS.replace("DAY", f"2026-01-0{{day}}").replace("METER", f"m{{meter}}")
        yield rows.replace("TABLE", f"{{table}}").replace("FIELD", f"{{field}}").encode()
    yield b"\n"

ROWS = "".join(
    f",,TABLE,DAYT{{n // 3600:02d}}:{{n // 60 % 60:02d}}:{{n % 60:02d}}Z,FIELD.5,fFIELD,METER\n"
    for n in range(5_000)
)
measure([decode(text(day)) for day in range(1, 5)])
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells what is resident")
@pytest.mark.parametrize(
    ("program", "rows", "most"),
    [
        # Slices of one series follow one another, so nothing is kept for each of their rows.
        pytest.param(JOIN, 4 * 24 * 60 * 60 * 3, 0.75 * 16, id="one field"),
        # The times of each field, as many bytes as its values, go before the frame's columns come.
        pytest.param(WIDE, 4 * 5 * 5_000, 0.5 * 21 * 8, id="twenty fields of five series"),
    ],
)
def test_joining_slices_takes_little_more_memory(program: str, rows: int, most: float) -> None:
    """So many bytes a row, above the decoded slices."""
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    found, peak = map(int, run.stdout.split())

    assert rows == found
    assert most * rows > peak


def test_an_answer_is_used_up() -> None:
    """It can't be pivoted twice, or framed after that: its memory is the frame's."""
    answer = two_meters()
    pivot([answer])

    for again in (lambda: pivot([answer]), lambda: union(answer), lambda: split(answer), lambda: answer.rows):
        with pytest.raises(InvalidArgumentError, match="pivoted before, which uses it up"):
            again()


def test_other_tags_are_columns_if_wanted() -> None:
    """By name, after the fields."""
    found = pivot([two_meters()], tag_columns=True)

    assert ["meter", "time", "power", "state", "site"] == found.columns
    assert ["s"] * 4 == found.to_pydict()["site"]


def test_values_that_meet_in_one_cell_are_an_error() -> None:
    """It names the tags that would tell them apart."""
    for by in ([], ["site"]):
        with pytest.raises(AmbiguousSeriesError, match="differ in meter"):
            pivot([two_meters()], by=by)


def test_types_that_do_not_unify_are_an_error() -> None:
    """It names both series, and types as fields have them; integers beside floats are floats where exact."""
    double = ("v", "double", {"m": "a"}, [(0, "0.5")])
    exact = read(double, ("v", "long", {"m": "b"}, [(0, str(2**53))]))
    inexact = read(double, ("v", "long", {"m": "b"}, [(0, str(2**53 + 1))]))
    text = read(double, ("v", "string", {"m": "b"}, [(0, "x")]))

    assert [0.5, 2.0**53] == pivot([exact]).to_pydict()["v"]
    for answer in (inexact, text):
        with pytest.raises(
            SchemaConflictError, match=r"float in series \{m=a\} and (integer|string) in series \{m=b\}"
        ):
            pivot([answer])


def test_integers_keep_every_bit_beside_nulls() -> None:
    """A column with gaps is pandas' own nullable integer; influxdb-client makes it a lossy float64."""
    answer = read(
        ("i", "long", {}, [(0, str(2**53 + 1))]),
        ("u", "unsignedLong", {}, [(1, str(2**64 - 1))]),
        ("b", "boolean", {}, [(1, "true")]),
    )
    found = pivot([answer], fields=["i", "u", "b"]).to_pandas()

    assert ["Int64", "UInt64", "boolean"] == [str(dtype) for dtype in found.dtypes]
    assert [[2**53 + 1, pd.NA], [pd.NA, 2**64 - 1], [pd.NA, True]] == [found[name].tolist() for name in "iub"]


def test_nothing_found_keeps_the_shape() -> None:
    """The fields and named levels are there, without rows."""
    for answers in ([], [read()]):
        found = pivot(answers, fields=["a", "b"], by=["meter"])
        assert {"meter": [], "time": [], "a": [], "b": []} == found.to_pydict()
        assert ["meter", "time"] == list(found.to_pandas().index.names)


def test_a_field_may_have_a_tags_name() -> None:
    """Only pandas keeps both, one in the index; polars can't, and says so."""
    answer = read(
        ("meter", "double", {"meter": "a"}, [(0, "1.5")]), ("meter", "double", {"meter": "b"}, [(0, "2.5")])
    )
    found = pivot([answer])

    assert [1.5, 2.5] == found.to_pandas()["meter"].tolist()
    with pytest.raises(InvalidArgumentError, match="two columns would have the name 'meter'"):
        found.to_polars()


def test_a_released_pivot_is_what_a_copy_is() -> None:
    """Handing memory over gives the same frame."""
    copied, released = pivot([two_meters()]).to_pandas(), pivot([two_meters()]).release("pandas")

    pd.testing.assert_frame_equal(copied, released)


def test_a_level_may_be_absent_in_a_series() -> None:
    """A series without the tag comes first, its level null."""
    answer = read(("p", "double", {"m": "a"}, [(0, "1.5")]), ("p", "double", {}, [(0, "2.5")]))
    found = pivot([answer])
    columns: dict[str, Any] = found.to_pydict()

    assert ([None, "a"], [2.5, 1.5]) == (columns["m"], columns["p"])
    assert [True, False] == found.to_pandas().index.get_level_values("m").isna().tolist()
