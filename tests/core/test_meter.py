"""Consumption from running totals, at the surface; the native crate's tests have a twin of the kernel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_core import Frame, InvalidArgumentError, meter_differences, read_annotated_csv
from db_core.annotated_csv import decode
from db_core.pivot import pivot

BIG = 2**53 + 1


def test_each_total_less_the_one_before() -> None:
    """The first has none before it; the types stay, unsigned totals become signed differences."""
    totals = pd.DataFrame(
        {
            "f": [1.5, 4.0, 3.0],
            "i": [BIG, BIG + 1, BIG],
            "u": np.array([2**64 - 1, 2**64 - 2, 2**64 - 1], "uint64"),
        }
    )

    found = meter_differences(totals)

    assert {"f": [None, 2.5, -1.0], "i": [None, 1, -1], "u": [None, -1, 1]} == found.to_pydict()
    assert [pa.float64(), pa.int64(), pa.int64()] == found.to_arrow().schema.types


@given(st.lists(st.none() | st.integers(-(2**62), 2**62 - 1)))
def test_a_gap_is_bridged(totals: list[int | None]) -> None:
    """A row without a total has no difference; the next counts from the last total known."""
    found = meter_differences(pd.DataFrame({"v": pd.array(totals, "Int64")})).to_pydict()["v"]

    known = [(row, total) for row, total in enumerate(totals) if total is not None]
    expected: list[int | None] = [None] * len(totals)
    for (_, before), (row, total) in pairwise(known):
        expected[row] = total - before
    assert expected == found


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        pl.DataFrame,
        pa.table,
        lambda columns: pd.DataFrame({**columns, "meter": pd.Categorical(columns["meter"])}),
        lambda columns: pl.DataFrame(columns, schema_overrides={"meter": pl.Categorical}),
        lambda columns: pa.table({**columns, "meter": pa.array(columns["meter"]).dictionary_encode()}),
    ],
    ids=["pandas", "polars", "arrow", "pandas categories", "polars categories", "arrow dictionary"],
)
def test_keys_tell_series_apart(make: Any) -> None:
    """In a frame of any library, no difference reaches over to another series; keys are carried along."""
    frame = make(
        {"meter": ["a", "a", "b", "b", None, None], "row": [1, 2, 3, 4, 5, 6], "v": [1, 3, 10, 16, 100, 200]}
    )

    found = meter_differences(frame, keys=["meter", "row"])

    assert [1, 2, 3, 4, 5, 6] == found.to_arrow()["row"].to_pylist()
    assert ["a", "a", "b", "b", None, None] == found.to_arrow()["meter"].to_pylist()
    assert [None, 2, None, 6, None, 100] == found.to_arrow()["v"].to_pylist()


def test_the_index_of_a_frame_is_its_keys() -> None:
    """What a read gives needs no keys: its leading tags and its time."""
    text = (
        b"#datatype,string,long,dateTime:RFC3339,double,string,string\n#group,false,false,false,false,true,true\n"
        b",result,table,_time,_value,_field,meter\n"
        b",,0,2024-01-01T00:00:00Z,1,kwh,a\n,,0,2024-01-01T01:00:00Z,3,kwh,a\n"
        b",,1,2024-01-01T00:00:00Z,10,kwh,b\n,,1,2024-01-01T01:00:00Z,16,kwh,b\n\n"
    )

    found = meter_differences(pivot([decode(text)]))

    assert ["meter", "time"] == found.index
    assert [None, 2.0, None, 6.0] == found.to_pydict()["kwh"]
    assert ["a", "a", "b", "b"] == found.to_pydict()["meter"]
    assert ["meter", "time"] == list(found.to_pandas().index.names)


def test_what_is_no_total_is_refused() -> None:
    """Text has no difference, and a difference has to fit."""
    with pytest.raises(InvalidArgumentError, match='"v": consumption needs a float64, int64 or uint64 total'):
        meter_differences(pd.DataFrame({"v": ["a"]}))
    with pytest.raises(InvalidArgumentError, match='"v", row 1: the difference does not fit'):
        meter_differences(pd.DataFrame({"v": [-(2**63), 1]}))
    with pytest.raises(
        InvalidArgumentError, match=r"`keys` must name columns of the frame \(v\), not 'meter'"
    ) as caught:
        meter_differences(pd.DataFrame({"v": [1]}), keys=["meter"])
    assert "keys" == caught.value.argument


def test_no_rows_have_no_differences() -> None:
    """An empty frame keeps its columns."""
    empty = read_annotated_csv(b"#datatype,double\n,v\n\n")

    assert isinstance(meter_differences(empty), Frame)
    assert {"v": []} == meter_differences(empty).to_pydict()


def test_differences_of_a_polars_frame_pass_to_pandas() -> None:
    """The keys, strings as polars keeps them, come along into pandas."""
    totals = pl.DataFrame({"meter": ["a", "a", None], "kwh": [1.0, 3.5, 2.0]})

    frame = meter_differences(totals, keys=["meter"]).to_pandas()
    assert ["a", "a"] == frame.meter.dropna().tolist()
    assert [2.5] == frame.kwh.dropna().tolist()
