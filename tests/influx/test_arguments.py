"""Unusable arguments: an error that names them, before anything is sent; usable ones of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

SPAN = ("2026-01-01", "2026-01-02")
INJECTION = "false) |> map(fn: (r) => ({r with _value: 666.0})) //"
FRAME = pd.DataFrame({"v": [1.5]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))
T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z

CALLS: dict[str, tuple[str, Callable[[InfluxManager, str], Any]]] = {
    "a flag that is a query": (
        "create_empty",
        lambda m, b: m.read(*SPAN, "m", "v", b, create_empty=INJECTION),  # type: ignore[arg-type]
    ),
    "a flag that is None": (
        "create_empty",
        lambda m, b: m.read(*SPAN, "m", "v", b, create_empty=None),  # type: ignore[arg-type]
    ),
    "no fields to read": ("fields", lambda m, b: m.read(*SPAN, "m", None, b)),  # type: ignore[arg-type]
    "no fields of batches": (
        "fields",
        lambda m, b: next(m.read_batches(*SPAN, "m", None, b)),  # type: ignore[arg-type]
    ),
    "no fields of the last point": (
        "fields",
        lambda m, b: m.read_last_data_point(b, "m", None),  # type: ignore[arg-type]
    ),
    "no fields of the last points": (
        "fields",
        lambda m, b: m.read_last_data_points(b, "m", None),  # type: ignore[arg-type]
    ),
    "a part of no length": ("every", lambda m, b: m.partitions(*SPAN, "m", "v", b, every=0)),
    "no partition": ("partition", lambda m, _: m.read_partition(b"")),  # type: ignore[call-overload]
    "levels of the last points in a mapping": (
        "by",
        lambda m, b: m.read_last_data_points(b, "m", "v", by={}),
    ),
    "a function that is a number": (
        "agg_func",
        lambda m, b: m.read(*SPAN, "m", "v", b, agg_func=0.95),  # type: ignore[arg-type]
    ),
    "a flag for missing names": (
        "missing",
        lambda m, b: m.read_last_data_points(b, "m", "v", missing=True),  # type: ignore[arg-type]
    ),
    "a protocol that is none": (
        "protocol",
        lambda m, b: m.read(*SPAN, "m", "v", b, interval=None, protocol="csv"),  # type: ignore[call-overload]
    ),
    "a parameter of InfluxQL that is nothing": (
        "params",
        lambda m, b: m.query_influxql("SELECT v FROM m WHERE v = $x", {"x": None}, bucket=b),
    ),
    "a measurement that is a number": ("msname", lambda m, b: m.read(*SPAN, 5, "v", b)),  # type: ignore[arg-type]
    "levels in a mapping": ("by", lambda m, b: m.read(*SPAN, "m", "v", b, by={})),  # type: ignore[arg-type]
    "a level without a name": ("by", lambda m, b: m.read(*SPAN, "m", "v", b, by="")),
    "an endless window": ("interval", lambda m, b: m.read(*SPAN, "m", "v", b, interval="9" * 18 + "h")),
    "a tag without values": ("tags", lambda m, b: m.read(*SPAN, "m", "v", b, tags={"k": []})),
    "a timeout of a write": (
        "timeout",
        lambda m, b: m.synchronous_write(b, FRAME, "m", timeout="x"),  # type: ignore[arg-type]
    ),
    "a column that is a number": (
        "time_column",
        lambda m, b: m.synchronous_write(b, FRAME, "m", time_column=5),  # type: ignore[arg-type]
    ),
    "a thread for each day of a century": (
        "max_parallel",
        lambda m, b: m.read("1970-01-01", "2070-01-01", "m", "v", b, interval=None, max_parallel=36_525),
    ),
    "tags in a list": ("tags", lambda m, _: m.get_write_api(["a"])),  # type: ignore[arg-type]
    "a constant tag of a write beside a tag column": (
        "tags",
        lambda m, b: m.synchronous_write(b, FRAME.assign(t="x"), "m", {"k\n": "x"}, tag_columns=["t"]),
    ),
    "a tag column that is not there": (
        "tag_columns",
        lambda m, b: m.synchronous_write(b, FRAME, "m", tag_columns=["nowhere"]),
    ),
    "a measurement of a write that is a comment": (
        "data_frame_measurement_name",
        lambda m, b: m.synchronous_write(b, FRAME, "#m"),
    ),
    "a value to write that is no number": (
        "data",
        lambda m, b: m.synchronous_write(b, FRAME * float("inf"), "m"),
    ),
    "a tag that is a column of InfluxDB": ("tag", lambda m, b: m.get_tag_values(b, "m", "_time")),
    "times of a count in the wrong order": (
        "start",
        lambda m, b: m.count(b, "m", "2026-01-02", "2026-01-01"),
    ),
    "tags of a range of times in a list": ("tags", lambda m, b: m.time_range(b, "m", ["k"])),  # type: ignore[arg-type]
    "a bucket without a name": ("name", lambda m, _: m.create_bucket("")),
    "a bucket to delete that is a number": ("name", lambda m, _: m.delete_bucket(5)),  # type: ignore[arg-type]
    "a retention that is a number": ("retention", lambda m, _: m.create_bucket("never", retention=3_600)),
    "a deletion without a start": ("start", lambda m, b: m.delete(b, None, None)),  # type: ignore[arg-type]
    "several measurements to delete": ("measurement", lambda m, b: m.delete(b, *SPAN, ["m"])),  # type: ignore[arg-type]
    "no tag to delete by": ("tags", lambda m, b: m.delete(b, *SPAN, tags={"k": None})),
    "no fields to copy": (
        "fields",
        lambda m, b: m.copy(b, "other", start=SPAN[0], stop=SPAN[1], fields=[]),
    ),
    "a copy to an address": (
        "to",
        lambda m, b: m.copy(b, "other", start=SPAN[0], stop=SPAN[1], to="http://localhost"),  # type: ignore[arg-type]
    ),
    "a series to write": ("data", lambda m, b: m.synchronous_write(b, pl.Series([1]), "m", time_column="t")),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_unusable_argument_is_named(manager: InfluxManager, store: Store, name: str) -> None:
    """The error's text and attribute name the argument of the call, and nothing is stored."""
    argument, call = CALLS[name]

    with pytest.raises(InvalidArgumentError) as caught:
        call(manager, store.name)
    assert argument == caught.value.argument
    assert argument in str(caught.value)
    assert [] == manager.get_measurements_on_bucket(store.name)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("gzip", "x"),
        ("verify", "no"),
        ("max_parallel", "x"),
        ("max_parallel", 10**9),
        ("protocol", "csv"),
        ("retries", -1),
        ("ca_cert", "/nowhere/ca.pem"),
        ("client_cert", ("/nowhere/cert.pem",)),
    ],
)
def test_an_unusable_option_is_named(
    make_manager: Callable[..., InfluxManager], argument: str, value: object
) -> None:
    """The manager is not made, and the error names the option."""
    with pytest.raises(InvalidArgumentError) as caught:
        make_manager(**{argument: value})
    assert argument == caught.value.argument


def test_numbers_and_lists_of_numpy_and_pandas_are_taken(manager: InfluxManager, own_store: Store) -> None:
    """A numpy integer counts as an int, and an Index or an array as a list."""
    own_store.write(*(f"m,k=a v={n}i {T0 + n * 60_000_000_000}" for n in range(4)))

    frame = manager.read_accumulated_value(*SPAN, "m", pd.Index(["v"]), own_store.name, np.int64(2))
    assert [2, 1] == frame.v.tolist()
    assert 4 == len(manager.read(*SPAN, "m", "v", own_store.name, {"k": np.array(["a"])}, interval=None))
    [row] = manager.query('import "array" array.from(rows: [{n: params.n}])', {"n": np.int64(7)}).n
    assert 7 == row


def test_a_polars_column_without_a_type_is_left_out(manager: InfluxManager, own_store: Store) -> None:
    """A column of nulls only is as absent from polars as from pandas."""
    frame = pl.DataFrame({"t": [pd.Timestamp("2026-01-01", tz="UTC")], "v": [1.5], "n": [None]})

    manager.synchronous_write(own_store.name, frame, "m", time_column="t")
    assert ["v"] == manager.get_fields(own_store.name, "m")


def test_all_batches_have_one_schema(manager: InfluxManager, own_store: Store) -> None:
    """A field that is absent from a batch has the type it has elsewhere, and every bit survives."""
    hour = 3_600_000_000_000
    own_store.write(*(f"m a={n}i {T0 + n * hour}" for n in range(200)))
    own_store.write(*(f"m b={2**53 + 1}i {T0 + n * hour}" for n in range(100, 200)))

    span = ("2026-01-01", "2026-01-20", "m", ["a", "b"], own_store.name)
    whole = pl.concat(manager.read_batches(*span, batch_rows=40, into="polars"))
    assert [None] * 100 + [2**53 + 1] * 100 == whole["b"].to_list()
    pandas = pd.concat(manager.read_batches(*span, batch_rows=40))
    assert 2**53 + 1 == pandas.b.iloc[-1]
