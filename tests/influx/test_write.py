"""Writes to a real InfluxDB, seen in the server's own answer and not through our reads."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from tests.influx.frames import BIG, INDEX, MOMENTS, SECOND, T0, objects, pandas_frame, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store


# --- Types ----------------------------------------------------------------------


COLUMNS: dict[str, tuple[Any, str, list[Any]]] = {
    "float64": (np.array([0.1, -1e300]), "double", [0.1, -1e300]),
    "float64 with NaN": (np.array([math.nan, 5e-324]), "double", [None, 5e-324]),
    "float32": (np.array([0.5, 0.1], "float32"), "double", [0.5, float(np.float32(0.1))]),
    "float16": (np.array([0.5, 65504], "float16"), "double", [0.5, 65504.0]),
    "Float64": (pd.array([None, 0.25], "Float64"), "double", [None, 0.25]),
    "int64": (np.array([-(2**63), 2**63 - 1]), "long", [-(2**63), 2**63 - 1]),
    "int8": (np.array([-128, 127], "int8"), "long", [-128, 127]),
    "Int64": (pd.array([BIG, None], "Int64"), "long", [BIG, None]),
    "Int16": (pd.array([None, -5], "Int16"), "long", [None, -5]),
    "uint64": (np.array([0, 2**64 - 1], "uint64"), "unsignedLong", [0, 2**64 - 1]),
    "uint8": (np.array([0, 255], "uint8"), "unsignedLong", [0, 255]),
    "UInt64": (pd.array([None, 2**64 - 1], "UInt64"), "unsignedLong", [None, 2**64 - 1]),
    "bool": (np.array([True, False]), "boolean", [True, False]),
    "boolean": (pd.array([None, False], "boolean"), "boolean", [None, False]),
    "str": (pd.array(["a,b", None], "str"), "string", ["a,b", None]),
    "string": (pd.array(['q"', "back\\slash\\"], "string"), "string", ['q"', "back\\slash\\"]),
    "categories": (pd.Categorical(["x y", None]), "string", ["x y", None]),
    "categories of integers": (pd.Categorical([BIG, 7]), "long", [BIG, 7]),
    "objects: text": (objects("", None), "string", ["", None]),
    "objects: integers": (objects(BIG, None), "long", [BIG, None]),
    "objects: great integers": (objects(2**64 - 1, None), "unsignedLong", [2**64 - 1, None]),
    "objects: floats": (objects(0.5, None), "double", [0.5, None]),
    "objects: booleans": (objects(None, *[True]), "boolean", [None, True]),
    "arrow integers": (pd.array([BIG, None], "int64[pyarrow]"), "long", [BIG, None]),
    "arrow text": (
        pd.Series(["é", None], dtype=pd.ArrowDtype(pa.string()), index=INDEX),
        "string",
        ["é", None],
    ),
    "arrow booleans": (pd.array([None, True], "bool[pyarrow]"), "boolean", [None, True]),
    "arrow floats": (pd.array([None, 0.5], "double[pyarrow]"), "double", [None, 0.5]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_pandas_type_is_written_as_it_is(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """Integers stay integers, unsigned ones unsigned; a null or NaN is left out and changes nothing else."""
    array, kind, expected = COLUMNS[name]
    frame = pd.DataFrame({"v": array, "other": [1.0, 2.0]}, index=INDEX)

    manager.synchronous_write(store.name, frame, msname)

    written = [(row, "v", kind, value) for row, value in enumerate(expected) if value is not None]
    assert written == [found for found in values(store, msname) if found[1] == "v"]
    assert [1.0, 2.0] == [found[3] for found in values(store, msname) if found[1] == "other"]


POLARS: dict[str, tuple[pl.DataType | type[pl.DataType], list[Any], str]] = {
    "Float64": (pl.Float64, [0.1, None], "double"),
    "Float32": (pl.Float32, [0.5, math.nan], "double"),
    "Int64": (pl.Int64, [BIG, None], "long"),
    "Int8": (pl.Int8, [None, -128], "long"),
    "UInt64": (pl.UInt64, [2**64 - 1, None], "unsignedLong"),
    "UInt16": (pl.UInt16, [0, 65535], "unsignedLong"),
    "Boolean": (pl.Boolean, [None, True], "boolean"),
    "String": (pl.String, ["a,b\nc", None], "string"),
    "Categorical": (pl.Categorical(), ["x", None], "string"),
    "Enum": (pl.Enum(["x", "y"]), ["y", "x"], "string"),
}


@pytest.mark.parametrize("library", ["polars", "arrow"])
@pytest.mark.parametrize("name", POLARS)
def test_every_polars_and_arrow_type_is_written_as_it_is(
    manager: InfluxManager, store: Store, msname: str, name: str, library: str
) -> None:
    """The same holds for frames with Arrow's protocol, whose time is a column."""
    kind, column, stored = POLARS[name]
    frame = pl.DataFrame({"at": MOMENTS, "v": pl.Series(column, dtype=kind), "other": [1, 2]})

    manager.synchronous_write(
        store.name, frame.to_arrow() if library == "arrow" else frame, msname, time_column="at"
    )

    written = [
        (row, "v", stored, value)
        for row, value in enumerate(column)
        if value is not None and value == value  # noqa: PLR0124 - NaN
    ]
    assert written == [found for found in values(store, msname) if found[1] == "v"]
    assert [1, 2] == [found[3] for found in values(store, msname) if found[1] == "other"]


# --- Times ----------------------------------------------------------------------


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_and_zone_are_exact(
    manager: InfluxManager, store: Store, msname: str, unit: Any, zone: str | None
) -> None:
    """A point's instant is the index's, whatever unit it is kept in; without a zone it is UTC."""
    index = pd.DatetimeIndex(["2026-01-01T00:00:01", "1969-12-31T23:59:59", "2261-12-31"]).as_unit(unit)
    nanos = [T0 + SECOND, -SECOND, 9_214_560_000 * SECOND]
    if zone:
        index = index.tz_localize("UTC").tz_convert(zone)

    manager.synchronous_write(store.name, pd.DataFrame({"v": [1, 2, 3]}, index=index), msname)

    assert dict(enumerate(nanos, 1)) == {point.value: point.time for point in store.points(msname)}


@pytest.mark.parametrize("zone", [None, "Europe/Lisbon"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_in_a_column_are_exact(
    manager: InfluxManager, store: Store, msname: str, unit: Any, zone: str | None
) -> None:
    """The same for polars, Arrow, and a pandas frame whose times are a column."""
    times = pl.Series([T0, T0 + SECOND]).cast(pl.Datetime("ns")).dt.cast_time_unit(unit)
    if zone:
        times = times.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    frame = pl.DataFrame({"at": times, "v": [1, 2]})

    manager.synchronous_write(store.name, frame, msname, {"from": "polars"}, time_column="at")
    manager.synchronous_write(store.name, frame.to_arrow(), msname, {"from": "arrow"}, time_column="at")
    manager.synchronous_write(store.name, frame.to_pandas(), msname, {"from": "pandas"}, time_column="at")

    expected = [
        (library, value, T0 + row * SECOND)
        for library in ("arrow", "pandas", "polars")
        for row, value in enumerate((1, 2))
    ]
    assert expected == sorted((point.tags["from"], point.value, point.time) for point in store.points(msname))


def test_nanoseconds_are_written(manager: InfluxManager, store: Store, msname: str) -> None:
    """Two points a nanosecond apart are two points."""
    index = pd.DatetimeIndex(np.array([T0 + 1, T0 + 2], "M8[ns]"))

    manager.synchronous_write(store.name, pd.DataFrame({"v": [1, 2]}, index=index), msname)

    assert [T0 + 1, T0 + 2] == [point.time for point in store.points(msname)]


# --- Tags -----------------------------------------------------------------------


def test_tags_are_constants_and_columns(manager: InfluxManager, store: Store, msname: str) -> None:
    """Columns of text, integers and booleans may be tags; one that is null or empty is left out."""
    frame = pd.DataFrame(
        {
            "v": [1, 2],
            "meter": pd.Categorical(["m 1", "m,2"]),
            "room": [None, "a=b"],
            "floor": pd.array([None, 3], "Int64"),
            "on": [True, False],
            "empty": ["", "x"],
        },
        index=INDEX,
    )
    columns = ["meter", "room", "floor", "on", "empty"]

    manager.synchronous_write(store.name, frame, msname, {"site": "x y"}, tag_columns=columns)

    expected = [
        {"site": "x y", "meter": "m 1", "on": "true"},
        {"site": "x y", "meter": "m,2", "room": "a=b", "floor": "3", "on": "false", "empty": "x"},
    ]
    found = store.points(msname)
    assert expected == [point.tags for point in found]
    assert [("v", 1), ("v", 2)] == [(point.field, point.value) for point in found]


@pytest.mark.parametrize("into", ["polars", "arrow", "pandas"])
def test_what_a_read_gives_can_be_written_and_read_again(
    manager: InfluxManager, store: Store, msname: str, into: Any
) -> None:
    """A read's frame, written under another name, reads the same: levels are tags, nulls stay nulls."""
    store.write(
        f"{msname},house=h1,meter=a f=0.1,i={BIG}i {T0 + 1}",
        f'{msname},house=h1,meter=b u={2**64 - 1}u,s="x,y" {T0}',
        f'{msname},house=h2 b=true,s="" {T0 + 2}',
    )
    fields = ["f", "i", "u", "b", "s"]
    span = ("2026-01-01", "2026-01-02")
    first = manager.read(*span, msname, fields, store.name, interval=None)
    given = manager.read(*span, msname, fields, store.name, interval=None, into=into)

    options: dict[str, Any] = {} if into == "pandas" else {"time_column": "time"}
    if into != "pandas":
        options["tag_columns"] = ["house", "meter"]
    manager.synchronous_write(store.name, given, f"{msname}-again", **options)

    again = manager.read(*span, f"{msname}-again", fields, store.name, interval=None)
    assert_frame_equal(first, again)
    assert [(point.tags, *point[2:]) for point in store.points(msname)] == [
        (point.tags, *point[2:]) for point in store.points(f"{msname}-again")
    ]


# --- What the official client gets wrong ----------------------------------------


def test_a_null_among_integers_changes_no_integer(manager: InfluxManager, store: Store, msname: str) -> None:
    """influxdb-client writes the float 9007199254740992; here 2^53 + 1 stays an integer."""
    frame = pl.DataFrame({"at": MOMENTS, "v": [BIG, None], "o": [1, 2]})

    manager.synchronous_write(store.name, frame, msname, time_column="at")

    assert [(0, "o", "long", 1), (0, "v", "long", BIG), (1, "o", "long", 2)] == sorted(values(store, msname))


def test_no_microsecond_moves(manager: InfluxManager, store: Store, msname: str) -> None:
    """influxdb-client moves one microsecond timestamp of seventy; here none of 2,000 moves."""
    draw = random.Random(5)
    micros = sorted({T0 // 1000 + draw.randrange(10**12) for _ in range(2_000)})
    index = pd.DatetimeIndex(np.array(micros, "M8[us]"))

    manager.synchronous_write(store.name, pd.DataFrame({"v": range(len(micros))}, index=index), msname)

    assert [micro * 1_000 for micro in micros] == sorted(point.time for point in store.points(msname))


def test_a_null_in_a_tag_column_leaves_the_others_escaped(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """influxdb-client stops escaping the column; here spaces, commas and equals signs arrive."""
    frame = pd.DataFrame({"v": [1, 2], "tag": ["a b,c=d", None]}, index=INDEX)

    manager.synchronous_write(store.name, frame, msname, tag_columns=["tag"])

    assert [{"tag": "a b,c=d"}, {}] == [point.tags for point in store.points(msname)]


def test_a_null_in_the_first_field_costs_no_text_its_commas(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """influxdb-client cuts commas off text fields after a null; here the text is whole."""
    frame = pd.DataFrame({"a": [None, 1.0], "s": [",x,", ",,y"]}, index=INDEX)

    manager.synchronous_write(store.name, frame, msname)

    assert [",x,", ",,y"] == [value for _, field, _, value in sorted(values(store, msname)) if field == "s"]


def test_integers_beside_none_are_integers(manager: InfluxManager, store: Store, msname: str) -> None:
    """influxdb-client writes a column of objects as text; here as the integers they are."""
    frame = pd.DataFrame({"v": pd.Series([7, None], dtype=object, index=INDEX), "o": [1, 2]}, index=INDEX)

    manager.synchronous_write(store.name, frame, msname)

    assert (0, "v", "long", 7) in values(store, msname)


# --- Bodies ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame", [pandas_frame(v=[1, 2]).iloc[:0], pl.DataFrame({"time": MOMENTS, "v": [1, 2]}).clear()]
)
def test_no_rows_are_written_as_they_are(
    manager: InfluxManager, store: Store, msname: str, frame: Any
) -> None:
    """An empty frame is no error, and nothing is stored."""
    time_column = None if isinstance(frame, pd.DataFrame) else "time"

    manager.synchronous_write(store.name, frame, msname, time_column=time_column)

    assert [] == store.points(msname)


@pytest.mark.parametrize("gzip", [False, True])
def test_every_point_of_a_large_frame_is_stored(
    make_manager: Callable[..., InfluxManager],
    store: Store,
    msname: str,
    gzip: bool,  # noqa: FBT001
) -> None:
    """A frame of several bodies arrives whole, the points at the seams as well, compressed or not."""
    rows = 120_000  # of 90 bytes: 2.6 bodies of 4 MiB
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"n": np.arange(rows), "text": "x" * 30}, index=index)
    manager = make_manager(gzip=gzip)

    manager.synchronous_write(store.name, frame, msname)

    got = manager.read("2026-01-01", "2026-01-03", msname, ["n", "text"], store.name, interval=None)
    assert np.array_equal(np.arange(rows), got["n"])
    assert np.array_equal(index.as_unit("ns").asi8, got.index.asi8)
    assert {"x" * 30} == set(got["text"])


def test_writing_again_changes_nothing(manager: InfluxManager, store: Store, msname: str) -> None:
    """Every point carries its time, so a repeated write is the same points."""
    frame = pandas_frame(v=[1, 2])

    manager.synchronous_write(store.name, frame, msname)
    once = store.points(msname)
    manager.synchronous_write(store.name, frame, msname)

    assert once == store.points(msname)
    assert 2 == len(once)


# --- The official client --------------------------------------------------------


def test_the_official_write_api_writes_with_constant_tags(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """`get_write_api` is influxdb-client's own, writes at once, and adds the tags."""
    with manager.get_write_api({"site": "x y"}) as api:
        api.write(
            store.name, record={"measurement": msname, "fields": {"v": 5}, "tags": {"k": "a"}, "time": T0}
        )

    assert [(msname, {"site": "x y", "k": "a"}, "v", "long", 5, T0)] == store.points(msname)


def test_the_official_write_api_needs_no_tags(manager: InfluxManager, store: Store, msname: str) -> None:
    """Without tags it adds none."""
    with manager.get_write_api() as api:
        api.write(store.name, record=f"{msname} v=5i {T0}")

    assert [(msname, {}, "v", "long", 5, T0)] == store.points(msname)


def test_the_official_buckets_and_query_apis_ask_the_same_server(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """They find what is stored."""
    store.write(f"{msname} v=5i {T0}")

    assert store.name == manager.get_buckets_api().find_bucket_by_name(store.name).name
    [table] = manager.get_query_api().query(
        f'from(bucket: "{store.name}") |> range(start: 2026-01-01T00:00:00Z) '
        f'|> filter(fn: (r) => r._measurement == "{msname}")'
    )
    assert [5] == [record.get_value() for record in table.records]
