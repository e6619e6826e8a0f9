"""Queries in Flux of the caller's own, and the names in a bucket, on a real InfluxDB."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import QueryError, SchemaConflictError
from tests.influx.expected import T0

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store


# --- Metadata -------------------------------------------------------------------


def test_measurements_and_fields_are_those_of_all_time(manager: InfluxManager, own_store: Store) -> None:
    """What was written in 1990 or for 2100 is listed with the rest, once, sorted."""
    own_store.write(
        "old z=1 631152000000000000",
        "new b=1 4102444800000000000",
        f"now,k=1 a=1,c=2 {time.time_ns()}",
        f"now,k=2 a=1 {time.time_ns()}",
        "now old=1i 631152000000000000",
    )

    assert ["new", "now", "old"] == manager.get_measurements_on_bucket(own_store.name)
    assert ["a", "c", "old"] == manager.get_fields(own_store.name, "now")
    assert ["z"] == manager.get_fields(own_store.name, "old")
    assert [] == manager.get_fields(own_store.name, "never")


def test_an_empty_bucket_has_no_measurements(manager: InfluxManager, own_store: Store) -> None:
    """A bucket that exists and is empty is an empty list, not an error."""
    assert [] == manager.get_measurements_on_bucket(own_store.name)


# --- Free queries ---------------------------------------------------------------


def test_a_query_gives_the_union_of_its_tables(manager: InfluxManager) -> None:
    """Rows of all results, whose order is the server's whim; absent cells null, integers integers."""
    got = manager.query(
        'import "array"\n'
        'array.from(rows: [{a: 1, b: "x"}]) |> yield(name: "one")\n'
        'array.from(rows: [{b: "y", c: 2.5}]) |> yield(name: "two")'
    )

    assert ["result", "table"] == list(got.columns[:2])
    expected = pd.DataFrame(
        {
            "a": pd.array([1, None], "Int64"),
            "b": pd.array(["x", "y"], "str"),
            "c": [math.nan, 2.5],
        },
        index=pd.Index(["one", "two"], dtype="str", name="result"),
    )
    found = got.astype({"result": "str"}).set_index("result").sort_index()[["a", "b", "c"]]
    assert_frame_equal(expected, found)


def test_a_query_without_rows_is_an_empty_frame(manager: InfluxManager, store: Store, msname: str) -> None:
    """Nothing found is a frame of no rows in each library."""
    flux = (
        "from(bucket: params.bucket) |> range(start: 2026-01-01T00:00:00Z) "
        "|> filter(fn: (r) => r._measurement == params.name)"
    )
    params = {"bucket": store.name, "name": msname}

    assert 0 == len(manager.query(flux, params))
    assert 0 == manager.query(flux, params, into="polars").height
    assert 0 == manager.query(flux, params, into="arrow").num_rows
    assert [] == manager.query(flux, params, split=True)


CONFLICT = (
    'import "array"\n'
    'array.from(rows: [{v: "text"}]) |> yield(name: "one")\n'
    'array.from(rows: [{v: 2.5}]) |> yield(name: "two")'
)


def test_a_column_with_two_types_is_a_conflict_with_both_tables_named(manager: InfluxManager) -> None:
    """Text and float have no common type: the error names the column, both types and both tables."""
    with pytest.raises(SchemaConflictError) as caught:
        manager.query(CONFLICT)

    text = str(caught.value)
    assert all(part in text for part in ('"v"', "string", "double", "table 0", "table 1")), text


def test_split_gives_one_frame_per_schema(manager: InfluxManager) -> None:
    """What does not unify comes apart; what has one schema stays together."""
    got = manager.query(
        CONFLICT + '\narray.from(rows: [{v: 3.5}]) |> yield(name: "vier")', split=True, into="polars"
    )

    assert [["text"], [2.5, 3.5]] == sorted((sorted(frame["v"].to_list()) for frame in got), key=len)


def test_integers_and_floats_of_a_query_unify_where_exact(manager: InfluxManager) -> None:
    """1 and 2.5 are float64; 2^53 + 1 and 2.5 are a conflict."""
    flux = (
        'import "array"\narray.from(rows: [{v: params.n}]) |> yield(name: "one")\n'
        'array.from(rows: [{v: 2.5}]) |> yield(name: "two")'
    )

    assert [1.0, 2.5] == sorted(manager.query(flux, {"n": 1})["v"])
    with pytest.raises(SchemaConflictError, match="9007199254740993"):
        manager.query(flux, {"n": 2**53 + 1})


def test_a_query_keeps_types(manager: InfluxManager) -> None:
    """Times with nanoseconds and unsigned integers come as what they are."""
    got = manager.query(
        'import "array"\narray.from(rows: [{t: 2026-01-01T00:00:00.000000001Z, u: uint(v: '
        '"18446744073709551615"), b: true, f: 1.5, i: -1, s: "é"}])'
    ).iloc[0]

    assert T0 + 1 == got["t"].value
    assert 2**64 - 1 == got["u"]
    assert (True, 1.5, -1, "é") == (got["b"], got["f"], got["i"], got["s"])


def test_an_error_after_rows_is_an_error(manager: InfluxManager) -> None:
    """The server has sent a whole result with HTTP 200 when the second fails: nothing is returned."""
    flux = (
        'import "array"\n'
        'array.from(rows: [{v: 1}]) |> yield(name: "good")\n'
        'array.from(rows: [{v: 1}]) |> map(fn: (r) => ({v: die(msg: "boom, \\"quoted\\"")})) '
        '|> yield(name: "bad")'
    )

    statuses = set()
    for _ in range(100):  # in one answer of five the bad result comes first
        with pytest.raises(QueryError, match='boom, "quoted"') as caught:
            manager.query(flux)
        statuses.add(caught.value.status)
        if 200 in statuses:
            break

    assert 200 in statuses


@pytest.mark.parametrize(
    ("flux", "message"),
    [
        ("this is |> not flux", "compilation failed"),
        ('import "array"\narray.from(rows: [{v: int(v: "x")}])', "cannot convert"),
        ('from(bucket: "b")', "unbounded"),
    ],
)
def test_a_refused_query_has_the_servers_message_and_code(
    manager: InfluxManager, store: Store, flux: str, message: str
) -> None:
    """An error before the first row has the server's own words, its code and the HTTP status."""
    with pytest.raises(QueryError, match=message) as caught:
        manager.query(flux.replace('"b"', f'"{store.name}"'))

    assert ("invalid", 400) == (caught.value.code, caught.value.status)
