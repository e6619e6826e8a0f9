"""Writes to a real InfluxDB, seen in the server's own answer and not through our reads."""

from __future__ import annotations

import math
import random
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import AuthenticationError, InvalidArgumentError, NotFoundError, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Peer, Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000_000
INDEX = pd.DatetimeIndex(["2026-01-01T00:00:00", "2026-01-01T00:00:01"], tz="UTC", name="time")
MOMENTS = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)]
BIG = 2**53 + 1


def values(store: Store, msname: str) -> list[tuple[int, str, str, object]]:
    """Give what is stored without tags: second, field, type and value."""
    return [((point.time - T0) // SECOND, *point[2:5]) for point in store.points(msname)]


# --- Types --------------------------------------------------------------------


def objects(*values: object) -> pd.Series[Any]:
    """Give a column of Python objects."""
    return pd.Series(values, dtype=object, index=INDEX)


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


# --- Times --------------------------------------------------------------------


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


# --- Tags ---------------------------------------------------------------------


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


# --- What the official client gets wrong ---------------------------------------


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


# --- Refused before anything is sent --------------------------------------------

NAIVE = pd.DatetimeIndex(["2026-01-01", "NaT"])


def pandas_frame(**columns: Any) -> pd.DataFrame:
    """Give two rows with these columns."""
    return pd.DataFrame(columns, index=INDEX)


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "infinity": (pandas_frame(v=[1.0, math.inf]), {}, '"v", row 1'),
    "minus infinity": (pandas_frame(v=[-math.inf, 1.0]), {}, '"v", row 0'),
    "timedelta": (pandas_frame(v=[timedelta(1)] * 2), {}, "'v' holds `numpy.timedelta64` values"),
    "time as a field": (
        pandas_frame(v=INDEX),
        {},
        "UTC\")) can't be stored; convert them to text or integers",
    ),
    "period": (
        pandas_frame(v=pd.PeriodIndex(["2026-01", "2026-02"], freq="M")),
        {},
        "`pandas.Period` values",
    ),
    "complex": (pandas_frame(v=[1j, 2j]), {}, "'v' holds `numpy.complex128` values"),
    "lists": (pandas_frame(v=objects([1], [2])), {}, "'v' holds `list` values"),
    "bytes": (pandas_frame(v=[b"a", b"b"]), {}, "'v' holds `bytes` values. Convert them to text first"),
    "decimal": (
        pandas_frame(v=[Decimal(1), Decimal(2)]),
        {},
        "Convert them to floats, integers or text first",
    ),
    "dates": (
        pandas_frame(v=[date(2026, 1, 1)] * 2),
        {},
        "Column 'v' holds `datetime.date` values. Convert them to text or to a timestamp column first.",
    ),
    "mixed objects": (pandas_frame(v=[1, "a"]), {}, "'v' holds `int` and `str` values"),
    "integers and booleans": (pandas_frame(v=objects(1, *[True])), {}, "'v' holds `bool` and `int` values"),
    "integer beyond 64 bits": (pandas_frame(v=objects(2**64, 1)), {}, "v"),
    "lone surrogate": (pandas_frame(v=objects("\ud800", "b")), {}, "v"),
    "row without a field": (pandas_frame(v=[1.0, math.nan]), {}, "row 1"),
    "no fields": (pandas_frame(), {}, "row 0"),
    "only tags": (pandas_frame(t=["a", "b"]), {"tag_columns": ["t"]}, "row 0"),
    "NaT": (pd.DataFrame({"v": [1, 2]}, index=NAIVE), {}, "row 1"),
    "RangeIndex": (pd.DataFrame({"v": [1, 2]}), {}, "RangeIndex"),
    "index of text": (pd.DataFrame({"v": [1]}, index=["2026-01-01"]), {}, "DatetimeIndex"),
    "index of dates": (pd.DataFrame({"v": [1]}, index=[date(2026, 1, 1)]), {}, "DatetimeIndex"),
    "time beyond nanoseconds": (
        pd.DataFrame({"v": [1]}, index=pd.DatetimeIndex(["2500-01-01"]).as_unit("s")),
        {},
        "1677-09-21 to 2262-04-11",
    ),
    "level without a name": (
        pd.DataFrame(
            {"v": [1, 2]}, index=pd.MultiIndex.from_arrays([["a", "b"], INDEX], names=[None, "time"])
        ),
        {},
        "name",
    ),
    "time not last": (
        pd.DataFrame(
            {"v": [1, 2]}, index=pd.MultiIndex.from_arrays([INDEX, ["a", "b"]], names=["time", "m"])
        ),
        {},
        "DatetimeIndex",
    ),
    "column name no text": (pd.DataFrame({5: [1, 2]}, index=INDEX), {}, "5"),
    "column twice": (pd.DataFrame([[1, 2], [3, 4]], index=INDEX, columns=["v", "v"]), {}, "v"),
    "field as the time": (pandas_frame(time=[1, 2]), {}, "time"),
    "field named time": (pandas_frame(time=[1, 2]).rename_axis("at"), {}, "time"),
    "times of a column beside those of the index": (
        pandas_frame(at=INDEX, v=[1, 2]).rename_axis(None),
        {"time_column": "at"},
        "`time_column` names 'at', and index level 0 of `data` holds times too. Leave out `time_column`",
    ),
    "field and constant tag of one name": (
        pandas_frame(v=[1, 2], site=[3, 4]),
        {"tags": {"site": "north"}},
        '"site": a field and a constant tag have this name',
    ),
    "time column as a tag": (
        pl.DataFrame({"at": MOMENTS, "v": [1, 2]}),
        {"time_column": "at", "tag_columns": ["at"]},
        '"at": the time column can\'t be a tag',
    ),
    "duplicates": (pandas_frame(v=[1, 2]), {"duplicates": "first"}, "`duplicates` must be 'error' or 'last'"),
    "field without a name": (pandas_frame(**{"": [1, 2]}), {}, "field key"),
    "tag column of floats": (pandas_frame(v=[1, 2], t=[0.5, 1.5]), {"tag_columns": ["t"]}, "t"),
    "tag column missing": (pandas_frame(v=[1, 2]), {"tag_columns": ["t"]}, "t"),
    "tag twice": (pandas_frame(v=[1, 2], t=["a", "b"]), {"tag_columns": ["t"], "tags": {"t": "x"}}, "t"),
    "tag named time": (pandas_frame(v=[1, 2]), {"tags": {"time": "x"}}, "time"),
    "tag named _field": (pandas_frame(v=[1, 2]), {"tags": {"_field": "x"}}, "_field"),
    "tag no text": (pandas_frame(v=[1, 2]), {"tags": {"t": 5}}, "tags"),
    "tags no mapping": (pandas_frame(v=[1, 2]), {"tags": ["t"]}, "tags"),
    "polars without time_column": (pl.DataFrame({"time": MOMENTS, "v": [1, 2]}), {}, "time_column"),
    "time column missing": (pl.DataFrame({"v": [1, 2]}), {"time_column": "at"}, "at"),
    "time column of integers": (
        pl.DataFrame({"at": [1, 2], "v": [1, 2]}),
        {"time_column": "at"},
        '"at": the time column must hold timestamps, not Int64; convert it to timestamps first',
    ),
    "time column of dates": (
        pl.DataFrame({"at": [date(2026, 1, 1)] * 2, "v": [1, 2]}),
        {"time_column": "at"},
        "at",
    ),
    "time column with a null": (
        pl.DataFrame({"at": [MOMENTS[0], None], "v": [1, 2]}),
        {"time_column": "at"},
        '"at", row 1',
    ),
    **{
        f"polars {name}": (
            pl.DataFrame({"at": MOMENTS, "v": pl.Series([value] * 2, dtype=kind)}),
            {"time_column": "at"},
            words,
        )
        for name, value, kind, words in [
            (
                "duration",
                timedelta(1),
                None,
                '"v": durations (Duration(µs)) can\'t be stored; convert them to a',
            ),
            (
                "list",
                [1],
                None,
                '"v": nested values (LargeList(Int64)) can\'t be stored; convert them to text',
            ),
            ("struct", {"a": 1}, None, '"v": nested values'),
            (
                "decimal",
                Decimal("1.5"),
                None,
                "can't be stored; convert them to floats, integers or text first",
            ),
            (
                "date",
                date(2026, 1, 1),
                None,
                '"v": dates (Date32) can\'t be stored; convert them to text first',
            ),
            ("time", time(12), None, '"v": times of day'),
            ("datetime", MOMENTS[0], None, '"v": timestamps other than the point\'s own'),
            ("bytes", b"a", None, '"v": bytes (BinaryView)'),
            ("UUID", uuid.UUID(int=1), pl.Object, '"v": bytes or objects'),
        ]
    },
    "polars infinity": (
        pl.DataFrame({"at": MOMENTS, "v": [1.0, math.inf]}),
        {"time_column": "at"},
        '"v", row 1',
    ),
    "a series": (pd.Series([1, 2], index=INDEX), {}, "data"),
    "a list": ([1, 2], {"time_column": "at"}, "data"),
    "nothing": (None, {"time_column": "at"}, "data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_refused_before_anything_is_sent(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """The error names the column and the row, or the argument; no point of the frame is stored."""
    frame, options, named = REFUSED[name]

    with pytest.raises(InvalidArgumentError) as caught:
        manager.synchronous_write(store.name, frame, msname, **options)

    assert named in str(caught.value)
    assert caught.value.argument is not None
    assert [] == store.points(msname)


@pytest.mark.parametrize(
    ("argument", "bucket", "measurement"),
    [("bucket", "", "m"), ("bucket", None, "m"), ("data_frame_measurement_name", "b", "")],
)
def test_the_bucket_and_the_measurement_need_names(
    manager: InfluxManager, argument: str, bucket: Any, measurement: str
) -> None:
    """An empty name, or none, is an error that names its argument."""
    with pytest.raises(InvalidArgumentError) as caught:
        manager.synchronous_write(bucket, pandas_frame(v=[1, 2]), measurement)

    assert argument == caught.value.argument


def test_a_wrong_row_at_the_end_stops_the_first_body(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """All rows are checked before the first body leaves, also where there are several bodies."""
    rows = 200_000
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"v": np.arange(rows, dtype=float), "text": "x" * 40}, index=index)
    frame.iloc[-1, 0] = math.inf

    with pytest.raises(InvalidArgumentError, match="row 199999"):
        manager.synchronous_write(store.name, frame, msname)

    assert [] == store.points(msname)


def test_an_index_of_numbers_beside_a_time_column_is_no_field(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Rows picked from a frame keep their numbers as an index without a name, which is not data."""
    frame = pd.DataFrame({"at": [*INDEX, *INDEX], "v": [1, 2, 3, 4]}).iloc[[0, 3]]

    manager.synchronous_write(store.name, frame, msname, time_column="at")

    assert [(0, "v", "long", 1), (1, "v", "long", 4)] == values(store, msname)


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


# --- Bodies -------------------------------------------------------------------


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


# --- What the server refuses ----------------------------------------------------


def test_a_partial_write_says_how_many_points_were_accepted(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A field that is an integer in the store takes no float: the error counts, and names the field."""
    store.write(f"{msname},k=c v=1i {T0}")
    frame = pd.DataFrame({"v": [1.5, math.nan], "o": [1.0, 2.0], "k": ["a", "b"]}, index=INDEX)

    with pytest.raises(WriteError, match="field type conflict") as caught:
        manager.synchronous_write(store.name, frame, msname, tag_columns=["k"])

    assert 1 == caught.value.accepted
    assert 422 == caught.value.status
    [rejection] = caught.value.rejected
    assert (0, 1, 1) == (rejection.start, rejection.stop, rejection.points)
    assert '"v"' in rejection.reason
    assert "dropped" not in rejection.reason
    pd.testing.assert_frame_equal(frame.iloc[:1], caught.value.frame)
    stored = [(point.tags["k"], point.field, point.value) for point in store.points(msname)]
    assert [("c", "v", 1), ("b", "o", 2.0)] == stored


def test_the_accepted_count_is_not_read_from_a_name(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A measurement that is called `dropped=99` does not change the count."""
    measurement = f"{msname}dropped=99"
    store.write(f"{msname}dropped=99 v=1i {T0}")

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(store.name, pandas_frame(v=[1.5, 2.5]), measurement)

    assert 0 == caught.value.accepted


def test_line_breaks_in_text_do_not_change_the_accepted_count(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Points are counted, not lines."""
    store.write(f"{msname} v=1i {T0}")
    frame = pandas_frame(v=[1.5, None], text=["a\nb\nc", "d\ne"])

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(store.name, frame, msname)

    assert 1 == caught.value.accepted


def test_a_partial_write_counts_the_bodies_before_it(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """The third body holds the wrong point: those of the first two are accepted, too."""
    rows = 120_000  # of 90 bytes: 2.6 bodies of 4 MiB
    store.write(f"{msname} last=1i {T0}")
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"n": np.arange(rows), "text": "x" * 30, "last": math.nan}, index=index)
    frame.iloc[-1, 2] = 0.5

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(store.name, frame, msname)

    assert rows - 1 == caught.value.accepted


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_every_refused_row_is_named_and_all_others_are_stored(
    manager: InfluxManager, store: Store, msname: str, kind: str
) -> None:
    """Over several bodies, whatever lies between; the error holds the frame of the refused rows."""
    rows = 120_000  # of 90 bytes: 2.6 bodies of 4 MiB
    wrong = [0, 7, 8, 9, 40_000, 46_602, 99_999, 119_999]
    store.write(f"{msname} last=1i {T0 - 1}")
    index = pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC", name="time")
    frame = pd.DataFrame({"n": np.arange(rows), "text": "x" * 30, "last": math.nan}, index=index)
    frame.iloc[wrong, 2] = 0.5
    columns = {"pandas": frame, "polars": pl.from_pandas(frame.reset_index())}
    data = columns["polars"].to_arrow() if kind == "pyarrow" else columns[kind]

    with pytest.raises(WriteError, match=r"8 of 120000 points were refused: row 0: .*; and 3 more") as caught:
        manager.synchronous_write(store.name, data, msname, time_column=None if kind == "pandas" else "time")

    assert rows - len(wrong) == caught.value.accepted
    assert wrong == [row for one in caught.value.rejected for row in range(one.start, one.stop)]
    assert {1, 3} == {one.points for one in caught.value.rejected}
    assert (
        wrong == [int(row) for row in caught.value.frame["n"].to_pylist()]
        if kind == "pyarrow"
        else (wrong == caught.value.frame["n"].to_list())
    )
    stored = manager.read("2026-01-01", "2026-01-03", msname, "n", store.name, interval=None)
    assert sorted(set(range(rows)) - set(wrong)) == stored["n"].tolist()


def test_the_search_for_refused_rows_is_bounded(manager: InfluxManager, store: Store, msname: str) -> None:
    """Where every second row is refused, most are told by the stretch; none is said to be accepted."""
    rows = 4_000
    store.write(f"{msname} v=1i {T0 - 1}")
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"n": 1, "v": [0.5, math.nan] * (rows // 2)}, index=index)

    with pytest.raises(WriteError, match=f"at least {rows // 2} of {rows} points were refused") as caught:
        manager.synchronous_write(store.name, frame, msname)

    assert 0 < caught.value.accepted <= rows // 2
    assert rows - caught.value.accepted == sum(one.stop - one.start for one in caught.value.rejected)
    assert rows // 2 == sum(one.points for one in caught.value.rejected)
    refused = {row for one in caught.value.rejected for row in range(one.start, one.stop)}
    assert set(range(0, rows, 2)) <= refused
    assert (
        rows // 2 == manager.read("2026-01-01", "2026-01-03", msname, "n", store.name, interval=None).n.sum()
    )


def test_rows_that_are_refused_in_several_shards_are_all_told(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """The server tells of one shard's failure only; the frame spans four that refuse and four that do not."""
    weeks = pd.date_range("2026-01-01", periods=4, freq="28D", tz="UTC")
    manager.synchronous_write(store.name, pd.DataFrame({"v": [1, 2, 3, 4]}, index=weeks), msname)
    between = weeks + pd.Timedelta(days=14)
    frame = pd.DataFrame({"v": np.arange(8) + 0.5}, index=(weeks + pd.Timedelta(hours=1)).append(between))

    with pytest.raises(WriteError, match="4 of 8 points were refused") as caught:
        manager.synchronous_write(store.name, frame, msname)

    rejected = [row for one in caught.value.rejected for row in range(one.start, one.stop)]
    assert (4, [0, 1, 2, 3]) == (caught.value.accepted, rejected)
    assert_frame_equal(frame.iloc[:4], caught.value.frame)
    landed = [
        manager.read(time, time + pd.Timedelta("1s"), msname, "v", store.name, interval=None)["v"].tolist()
        for time in frame.index
    ]
    assert [[], [], [], [], [4.5], [5.5], [6.5], [7.5]] == landed


def test_rows_too_old_and_rows_of_a_wrong_type_are_told_together(
    manager: InfluxManager, own_store: Store, msname: str
) -> None:
    """One refusal hides the other in the server's answer."""
    api = own_store.client.buckets_api()
    bucket = api.find_bucket_by_name(own_store.name)
    bucket.retention_rules[0].every_seconds = 30 * 86_400
    bucket.retention_rules[0].shard_group_duration_seconds = 86_400
    api.update_bucket(bucket)
    now = pd.Timestamp.now("UTC").floor("s")
    manager.synchronous_write(own_store.name, pd.DataFrame({"v": [1]}, index=[now]), msname)
    ages = pd.to_timedelta([400, 399, 3, 0], "D")
    frame = pd.DataFrame({"v": 0.5}, index=now - ages)

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(own_store.name, frame, msname)

    assert 1 == caught.value.accepted
    assert [(0, 2), (3, 4)] == [(one.start, one.stop) for one in caught.value.rejected]


def test_the_search_leaves_the_last_of_rows_with_one_time(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """What is written again in the search does not take the place of a later row."""
    store.write(f"{msname} w=1i {T0 - 1}")
    times = pd.DatetimeIndex([T0 + 3, T0 + 1, T0 + 2, T0 + 1])
    frame = pd.DataFrame({"v": [0, 1, 5, 2], "w": [0.5, math.nan, math.nan, math.nan]}, index=times)

    with pytest.raises(WriteError, match="1 of 4"):
        manager.synchronous_write(store.name, frame, msname, duplicates="last")

    stored = manager.read("2026-01-01", "2026-01-02", msname, "v", store.name, interval=None)
    assert [2, 5] == stored["v"].tolist()


@pytest.mark.parametrize("role", ["text", "tag", "time"])
def test_what_is_as_long_as_influxdb_keeps_is_written_and_no_more(
    manager: InfluxManager, store: Store, msname: str, role: str
) -> None:
    """The limits are the server's own: it takes the last one, and refuses the next one from everybody."""
    spare = 65_531 - len(f"{msname},t=field")
    fits, too_much = {
        "text": (f'field="{"x" * (1 << 20)}" {T0}', f'field="{"x" * (1 << 20)}y" {T0}'),
        "tag": (f",t={'x' * spare} field=1 {T0}", f",t={'x' * spare}y field=1 {T0}"),
        "time": (f"field=1 {-(2**63) + 2}", f"field=1 {-(2**63) + 1}"),
    }[role]
    lines = [f"{msname}{'' if line.startswith(',') else ' '}{line}" for line in (fits, too_much)]
    with pytest.raises(Exception, match=r"too long|max key length|outside range"):
        store.write(lines[1])
    of_all_time = f'from(bucket: "{store.name}") |> range(start: 1677-09-21T00:12:43.145224194Z)'
    count = f'{of_all_time} |> filter(fn: (r) => r._measurement == "{msname}") |> count()'
    assert 0 == len(manager.query(count))

    def frame(line: str) -> pd.DataFrame:
        tag = line.partition(",t=")[2].partition(" ")[0]
        value = line.partition("field=")[2].rpartition(" ")[0].strip('"')
        times = np.array([int(line.rpartition(" ")[2])]).view("M8[ns]")
        return pd.DataFrame({"t": [tag], "field": [value]}, index=pd.DatetimeIndex(times))

    with pytest.raises(InvalidArgumentError, match="InfluxDB"):
        manager.synchronous_write(store.name, frame(lines[1]), msname, tag_columns=["t"])
    manager.synchronous_write(store.name, frame(lines[0]), msname, tag_columns=["t"])
    assert [1] == manager.query(count)["_value"].tolist()


@pytest.mark.parametrize("rest", [b"", b"\r", b"\r\nX-Infl", b"\r\nno header\r\n\r\n", b"\r\nX: y"])
def test_a_write_has_landed_once_its_status_says_so(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], rest: bytes
) -> None:
    """Whatever becomes of the headers behind 204: it is not sent again."""
    server = peer(b"HTTP/1.1 204 No Content" + rest)

    call_peer(server, retries=3).synchronous_write("b", pandas_frame(v=[1, 2]), "m")

    assert 1 == len(server.requests)


def test_points_older_than_the_retention_are_an_error(
    manager: InfluxManager, own_store: Store, msname: str
) -> None:
    """What the bucket does not keep is not taken for written."""
    api = own_store.client.buckets_api()
    bucket = api.find_bucket_by_name(own_store.name)
    bucket.retention_rules[0].every_seconds = 3600
    bucket.retention_rules[0].shard_group_duration_seconds = 3600
    api.update_bucket(bucket)

    with pytest.raises(WriteError, match=r"(?i)retention") as caught:
        manager.synchronous_write(
            own_store.name, pd.DataFrame({"v": [1, 2]}, index=INDEX - pd.Timedelta(days=5000)), msname
        )

    assert 0 == caught.value.accepted


def test_no_such_bucket_is_not_found(manager: InfluxManager) -> None:
    """The error names the bucket, as the server does."""
    with pytest.raises(NotFoundError, match="nowhere"):
        manager.synchronous_write("nowhere", pandas_frame(v=[1, 2]), "m")


def test_no_such_organization_is_not_found(make_manager: Callable[..., InfluxManager], store: Store) -> None:
    """The organization is named."""
    with pytest.raises(NotFoundError, match="nobody"):
        make_manager(org="nobody").synchronous_write(store.name, pandas_frame(v=[1, 2]), "m")


def test_a_token_without_permission_is_an_authentication_error(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str
) -> None:
    """The server does not know the token: nothing is stored."""
    with pytest.raises(AuthenticationError):
        make_manager(token="not-the-token").synchronous_write(store.name, pandas_frame(v=[1, 2]), msname)

    assert [] == store.points(msname)


def test_a_failure_after_the_first_body_says_what_is_stored(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """The connection breaks at the second of two bodies: a WriteError that counts the points of the first."""
    rows = 80_000
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"n": np.arange(rows), "text": "x" * 60}, index=index)
    server = peer(b"HTTP/1.1 204 No Content\r\n\r\n", b"")

    with pytest.raises(WriteError, match="points were written") as caught:
        call_peer(server).synchronous_write("b", frame, "m")

    first = server.requests[0].partition(b"\r\n\r\n")[2]
    assert first.count(b"\n") == caught.value.accepted
    assert 0 < first.count(b"\n") < rows


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
