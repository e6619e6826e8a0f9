"""What a read's frame looks like, on a real InfluxDB: its columns, its index, and the types of its values."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import AmbiguousSeriesError, InvalidArgumentError, SchemaConflictError
from tests.influx.expected import DAY, SECOND, START, STOP, T0, levels, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store


# --- Shape ----------------------------------------------------------------------


def test_columns_are_the_fields_asked_in_the_order_asked(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A field that was never written is a column of nulls; one that was not asked for is none."""
    store.write(f"{msname} a=1i,b=2i,c=3i {T0}")

    fields = ["c", "never", "a"]
    got = manager.read(START, STOP, msname, fields, store.name, interval=None, missing="ignore")

    expected = pd.DataFrame({"c": [3], "never": [math.nan], "a": [1]}, index=times(T0))
    assert_frame_equal(expected, got)


def test_rows_are_the_union_of_the_fields_times(manager: InfluxManager, store: Store, msname: str) -> None:
    """Where a field has no point at a time its cell is null, in a type that keeps the others exact."""
    big = 2**53 + 1
    store.write(f"{msname} a={big}i {T0}", f"{msname} b={big}u {T0 + 1}", f"{msname} a={-big}i {T0 + 2}")

    got = manager.read(START, STOP, msname, ["a", "b"], store.name, interval=None)

    expected = pd.DataFrame(
        {"a": pd.array([big, None, -big], "Int64"), "b": pd.array([None, big, None], "UInt64")},
        index=times(T0, T0 + 1, T0 + 2),
    )
    assert_frame_equal(expected, got)


@pytest.mark.parametrize("interval", [None, "1h"])
def test_nothing_found_is_the_same_shape_without_rows(
    manager: InfluxManager, store: Store, msname: str, interval: str | None
) -> None:
    """An empty read has the columns, the index and the types of a full one, in each library."""
    span = (START, STOP, msname, ["a", "b"], store.name)

    got = manager.read(*span, interval=interval, missing="ignore")
    frame = manager.read(*span, interval=interval, into="polars", missing="ignore")
    table = manager.read(*span, interval=interval, into="arrow", missing="ignore")

    assert_frame_equal(pd.DataFrame({"a": [], "b": []}, index=times(), dtype="float64"), got)
    schema = {"time": pl.Datetime("ns", "UTC"), "a": pl.Float64, "b": pl.Float64}
    assert schema == dict(frame.schema)
    assert 0 == frame.height
    assert pa.timestamp("ns", "UTC") == table.schema.field("time").type
    assert (0, ["time", "a", "b"]) == (table.num_rows, table.column_names)


def test_the_tags_that_differ_are_index_levels(manager: InfluxManager, store: Store, msname: str) -> None:
    """Of three tags one is the same everywhere and no level; rows are sorted by tags, then time."""
    store.write(
        f"{msname},house=h2,meter=m1,site=x v=3 {T0}",
        f"{msname},house=h1,meter=m2,site=x v=2 {T0 + 1}",
        f"{msname},house=h1,meter=m2,site=x v=1 {T0}",
        f"{msname},house=h1,meter=m10,site=x v=0 {T0}",
    )

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)

    index = levels(
        ("h1", "m10", T0),
        ("h1", "m2", T0),
        ("h1", "m2", T0 + 1),
        ("h2", "m1", T0),
        names=["house", "meter"],
    )
    assert_frame_equal(pd.DataFrame({"v": [0.0, 1.0, 2.0, 3.0]}, index=index), got)


def test_one_series_has_a_plain_index_of_times(manager: InfluxManager, store: Store, msname: str) -> None:
    """A tag that all rows share tells nothing apart: the index is a DatetimeIndex, sorted."""
    store.write(f"{msname},meter=m1 v=2 {T0 + 1}", f"{msname},meter=m1 v=1 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)

    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=times(T0, T0 + 1)), got)


def test_a_series_without_the_tag_has_a_null_in_its_level(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """An absent tag is null and comes first; it is not mixed up with another series."""
    store.write(f"{msname},meter=m1 v=1 {T0}", f"{msname} v=2 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)
    frame = manager.read(START, STOP, msname, "v", store.name, interval=None, into="polars")

    assert [2.0, 1.0] == got["v"].tolist()
    assert [True, False] == got.index.get_level_values("meter").isna().tolist()
    assert [None, "m1"] == frame["meter"].to_list()


def test_by_names_the_levels(manager: InfluxManager, store: Store, msname: str) -> None:
    """`by` takes tags that do not differ, too, in its own order."""
    store.write(f"{msname},house=h,meter=m2 v=2 {T0}", f"{msname},house=h,meter=m1 v=1 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None, by=["meter", "house"])

    index = levels(("m1", "h", T0), ("m2", "h", T0), names=["meter", "house"])
    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=index), got)


def test_by_takes_one_name_as_it_is(manager: InfluxManager, store: Store, msname: str) -> None:
    """A text is one tag, not a list of letters."""
    store.write(f"{msname},meter=m2 v=2 {T0}", f"{msname},meter=m1 v=1 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None, by="meter")

    assert ["meter", "time"] == list(got.index.names)


def test_by_that_lets_values_meet_is_an_error(manager: InfluxManager, store: Store, msname: str) -> None:
    """Two meters in one house at one time: `by=["house"]` has no cell for both, and says which tag would."""
    store.write(f"{msname},house=h,meter=m2 v=2 {T0}", f"{msname},house=h,meter=m1 v=1 {T0}")

    with pytest.raises(AmbiguousSeriesError, match="meter"):
        manager.read(START, STOP, msname, "v", store.name, interval=None, by=["house"])


def test_an_empty_by_insists_on_one_series(manager: InfluxManager, store: Store, msname: str) -> None:
    """`by=[]` fails where two series answer, even at different times, and is a plain index for one."""
    store.write(f"{msname},meter=m2 v=2 {T0}", f"{msname},meter=m1 v=1 {T0 + 1}")

    with pytest.raises(AmbiguousSeriesError, match="meter"):
        manager.read(START, STOP, msname, "v", store.name, interval=None, by=[])

    got = manager.read(START, STOP, msname, "v", store.name, {"meter": "m1"}, interval=None, by=[])
    assert_frame_equal(pd.DataFrame({"v": [1.0]}, index=times(T0 + 1)), got)


def test_polars_and_arrow_lead_with_the_tags_and_the_time(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """What is an index in pandas are the first columns elsewhere; nulls are nulls and integers integers."""
    store.write(f"{msname},meter=b n=1i {T0}", f'{msname},meter=a n=2i,s="x" {T0}')

    frame = manager.read(START, STOP, msname, ["n", "s"], store.name, interval=None, into="polars")
    table = manager.read(START, STOP, msname, ["n", "s"], store.name, interval=None, into="arrow")

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    expected = {"meter": ["a", "b"], "time": [moment, moment], "n": [2, 1], "s": ["x", None]}
    assert expected == frame.to_dict(as_series=False)
    assert isinstance(frame, pl.DataFrame)
    assert pl.Int64 == frame.schema["n"]
    assert isinstance(table, pa.Table)
    assert ["meter", "time", "n", "s"] == table.column_names
    assert [2, 1] == table["n"].to_pylist()
    assert ["x", None] == table["s"].to_pylist()


def test_a_manager_keeps_its_kind_of_frame(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str
) -> None:
    """`into` of the manager holds for each read that has none of its own."""
    store.write(f"{msname} v=1 {T0}")
    manager = make_manager(into="polars")
    span = (START, STOP, msname, "v", store.name)

    assert isinstance(manager.read(*span), pl.DataFrame)
    assert isinstance(manager.read(*span, into="pandas"), pd.DataFrame)
    assert isinstance(manager.read_all_fields(START, STOP, msname, store.name), pl.DataFrame)
    assert isinstance(manager.read_accumulated_value(*span, 10), pl.DataFrame)
    assert isinstance(manager.query("buckets()"), pl.DataFrame)


def test_a_field_with_a_tags_name_is_kept_apart(manager: InfluxManager, store: Store, msname: str) -> None:
    """Both fit into pandas; polars and Arrow can't, and say so instead of dropping one."""
    store.write(f"{msname},v=a v=1 {T0}", f"{msname},v=b v=2 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)

    expected = pd.DataFrame({"v": [1.0, 2.0]}, index=levels(("a", T0), ("b", T0), names=["v"]))
    assert_frame_equal(expected, got)
    with pytest.raises(InvalidArgumentError, match="two columns would have the name 'v'"):
        manager.read(START, STOP, msname, "v", store.name, interval=None, into="polars")


@pytest.mark.parametrize("field", ["_value", "_time", "_field", "_measurement", "_start", "result", "table"])
def test_a_field_may_have_the_name_of_a_column_of_the_answer(
    manager: InfluxManager, store: Store, msname: str, field: str
) -> None:
    """Fields named like Flux's own columns are read as any other."""
    store.write(f"{msname},k=a {field}=1.5 {T0}", f"{msname},k=b {field}=2.5 {T0}")

    got = manager.read(START, STOP, msname, field, store.name, interval=None)

    index = levels(("a", T0), ("b", T0), names=["k"])
    assert_frame_equal(pd.DataFrame({field: [1.5, 2.5]}, index=index), got)
    assert {field: 1.5} == manager.read_last_data_point(store.name, msname, field, {"k": "a"})


@pytest.mark.parametrize("tag", ["result", "table", "error", "reference", "_x"])
def test_a_tag_may_have_the_name_of_a_column_of_the_answer(
    manager: InfluxManager, store: Store, msname: str, tag: str
) -> None:
    """Each method keeps such a tag apart from the answer's own columns."""
    store.write(f"{msname},{tag}=a v=1 {T0}", f"{msname},{tag}=b v=2 {T0}")
    index = levels(("a", T0), ("b", T0), names=[tag])
    span = (START, STOP, msname, "v", store.name)

    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=index), manager.read(*span, interval=None))
    assert_frame_equal(
        pd.DataFrame({"v": [2.0]}, index=times(T0)), manager.read(*span, {tag: "b"}, interval=None)
    )
    assert_frame_equal(
        pd.DataFrame({"v": [1.0, 2.0]}, index=index),
        manager.read_all_fields(START, STOP, msname, store.name),
    )
    assert {"v": 2.0} == manager.read_last_data_point(store.name, msname, "v", {tag: "b"})


# --- Types ----------------------------------------------------------------------


def test_values_keep_their_types(manager: InfluxManager, store: Store, msname: str) -> None:
    """The edges of each type survive, bit by bit, as do nanoseconds, commas, quotes and line breaks."""
    store.write(
        f'{msname} f=1e-308,i=9223372036854775807i,u=18446744073709551615u,b=true,s="a,\\"b\\"\nc" {T0 + 1}',
        f'{msname} f=-0.1,i=-9223372036854775808i,u=0u,b=false,s="" {T0 + 999_999_999}',
        f'{msname} f=1.7976931348623157e308,i=9007199254740993i,u=9007199254740993u,b=true,s="é" '
        f"{T0 + 2 * SECOND}",
    )

    got = manager.read(START, STOP, msname, ["f", "i", "u", "b", "s"], store.name, interval=None)

    expected = pd.DataFrame(
        {
            "f": [1e-308, -0.1, 1.7976931348623157e308],
            "i": np.array([2**63 - 1, -(2**63), 2**53 + 1], "int64"),
            "u": np.array([2**64 - 1, 0, 2**53 + 1], "uint64"),
            "b": [True, False, True],
            "s": pd.array(['a,"b"\nc', "", "é"], "str"),
        },
        index=times(T0 + 1, T0 + 999_999_999, T0 + 2 * SECOND),
    )
    assert_frame_equal(expected, got, check_exact=True)


# A field may have another type in each shard, of a week. A query that spans both gets the series of one type
# only, so such a read is cut where shards begin.
LATER = T0 + 8 * DAY


@pytest.mark.parametrize("max_parallel", [1, 4])
def test_an_integer_field_that_is_a_float_elsewhere_becomes_one_where_exact(
    manager: InfluxManager, store: Store, msname: str, max_parallel: int
) -> None:
    """2^53 is a float64 exactly, so both series meet in one column."""
    store.write(f"{msname},k=a v={2**53}i {T0}")
    store.write(f"{msname},k=b v=0.5 {LATER}")
    span = (START, START + pd.Timedelta(days=9), msname, "v", store.name)

    got = manager.read(*span, interval=None, max_parallel=max_parallel)

    index = levels(("a", T0), ("b", LATER), names=["k"])
    assert_frame_equal(pd.DataFrame({"v": [2.0**53, 0.5]}, index=index), got)


@pytest.mark.parametrize("max_parallel", [1, 4])
def test_an_integer_that_no_float_holds_is_a_conflict_with_both_named(
    manager: InfluxManager, store: Store, msname: str, max_parallel: int
) -> None:
    """2^53 + 1 would change as a float64: an error that names the field and both series."""
    store.write(f"{msname},k=a v={2**53 + 1}i {T0}")
    store.write(f"{msname},k=b v=0.5 {LATER}")
    span = (START, START + pd.Timedelta(days=9), msname, "v", store.name)

    with pytest.raises(SchemaConflictError) as caught:
        manager.read(*span, interval=None, max_parallel=max_parallel)

    text = str(caught.value)
    assert all(part in text for part in ('"v"', "k=a", "k=b", "9007199254740993")), text


@pytest.mark.parametrize("max_parallel", [1, 4])
def test_text_and_number_in_one_field_are_a_conflict(
    manager: InfluxManager, store: Store, msname: str, max_parallel: int
) -> None:
    """There is no type for both; neither is dropped."""
    store.write(f'{msname},k=a v="x" {T0}')
    store.write(f"{msname},k=b v=0.5 {LATER}")
    span = (START, START + pd.Timedelta(days=9), msname, "v", store.name)

    with pytest.raises(SchemaConflictError, match=r"(?s)k=a.*k=b|k=b.*k=a"):
        manager.read(*span, interval=None, max_parallel=max_parallel)


# --- All fields -----------------------------------------------------------------


def test_all_fields_are_columns_and_so_are_the_tags(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Fields by name, then tags that are no index level, as categories; points as stored."""
    store.write(
        f"{msname},meter=m1,site=x b=1i,a=1.5 {T0 + 1}",
        f'{msname},meter=m2,site=x c="t" {T0}',
        f"{msname},meter=m2,site=x a=9 {T0 + DAY}",
    )

    got = manager.read_all_fields(START, STOP, msname, store.name)

    expected = pd.DataFrame(
        {
            "a": [1.5, math.nan],
            "b": pd.array([1, None], "Int64"),
            "c": pd.array([None, "t"], "str"),
            "site": pd.Categorical(["x", "x"], categories=pd.Index(["x"], dtype="str")),
        },
        index=levels(("m1", T0 + 1), ("m2", T0), names=["meter"]),
    )
    assert_frame_equal(expected, got)


def test_all_fields_of_chosen_series(manager: InfluxManager, store: Store, msname: str) -> None:
    """`tags` narrows the series, and one series has all its tags as columns."""
    store.write(f"{msname},meter=m1,site=x a=1 {T0}", f"{msname},meter=m2,site=x b=2 {T0}")

    got = manager.read_all_fields(START, STOP, msname, store.name, {"meter": "m2"})
    frame = manager.read_all_fields(START, STOP, msname, store.name, {"meter": "m2"}, into="polars")

    assert ["b", "meter", "site"] == list(got.columns)
    assert [2.0, "m2", "x"] == got.iloc[0].tolist()
    assert ["time", "b", "meter", "site"] == frame.columns


def test_no_fields_found_is_an_empty_frame(manager: InfluxManager, store: Store, msname: str) -> None:
    """A measurement without points has no columns, and still an index of times."""
    got = manager.read_all_fields(START, STOP, msname, store.name, missing="ignore")

    assert (0, 0) == got.shape
    assert times().equals(got.index)
