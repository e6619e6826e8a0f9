"""Frames to and from pandas, polars and Arrow: types, values, memory and errors."""

from __future__ import annotations

import datetime as dt
import gc
import math
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_core import Frame, InvalidArgumentError, MissingLibraryError, SerializationError, read_annotated_csv
from db_core.frame import check_into
from db_core.ipc import write_pieces
from tests.strategies import Column, answer, tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core.frame import Into

BIG = 2**53 + 1  # no double holds it
TOP = 2**64 - 1
TIME = 1_709_164_800_000_000_001  # 2024-02-29T00:00:00.000000001Z

KINDS: dict[str, tuple[Any, ...]] = {
    "string": ("a", "b, c"),
    "long": (BIG, -(2**63)),
    "unsignedLong": (TOP, 0),
    "double": (0.5, 5e-324),
    "boolean": (True, False),
    "dateTime:RFC3339": (TIME, -1),
    "duration": (1, -(2**62)),
    "base64Binary": (b"\x00\xff", b"b"),
}
PANDAS = {
    "string": ("str", "str"),
    "long": ("int64", "Int64"),
    "unsignedLong": ("uint64", "UInt64"),
    "double": ("float64", "float64"),
    "boolean": ("bool", "boolean"),
    "dateTime:RFC3339": ("datetime64[ns, UTC]", "datetime64[ns, UTC]"),
    "duration": ("timedelta64[ns]", "timedelta64[ns]"),
    "base64Binary": ("object", "object"),
}
POLARS = {
    "string": pl.String(),
    "long": pl.Int64(),
    "unsignedLong": pl.UInt64(),
    "double": pl.Float64(),
    "boolean": pl.Boolean(),
    "dateTime:RFC3339": pl.Datetime("ns", "UTC"),
    "duration": pl.Duration("ns"),
    "base64Binary": pl.Binary(),
}
ARROW = {
    "string": pa.large_string(),
    "long": pa.int64(),
    "unsignedLong": pa.uint64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "dateTime:RFC3339": pa.timestamp("ns", "UTC"),
    "duration": pa.duration("ns"),
    "base64Binary": pa.large_binary(),
}


def frame(*columns: Column) -> Frame:
    """Make a frame of these columns, and of `result` and `table`."""
    return read_annotated_csv(answer(columns))


def pandas_values(series: pd.Series[Any]) -> list[Any]:
    """Give a pandas column as plain values: times and durations in nanoseconds, None where null."""
    is_time = series.dtype.kind in "mM"
    numbers = series.astype("int64") if is_time else series
    return [
        None if null else number if not is_time else int(number)
        for number, null in zip(numbers.tolist(), series.isna(), strict=True)
    ]


def arrow_values(column: pa.ChunkedArray) -> list[Any]:
    """Give an Arrow column as plain values: times and durations in nanoseconds."""
    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def polars_values(series: pl.Series) -> list[Any]:
    """Give a polars column as plain values: times and durations in nanoseconds."""
    return (series.to_physical() if series.dtype.is_temporal() else series).to_list()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("null", [False, True])
def test_each_datatype_has_its_type_in_each_library(kind: str, null: bool) -> None:  # noqa: FBT001 # a case, not a flag
    """A null changes no type but to pandas' own nullable one, and no value."""
    values = (*KINDS[kind], *((None,) if null else ()))
    made = frame(Column("v", kind, values))

    in_pandas, in_polars, in_arrow = made.to_pandas()["v"], made.to_polars()["v"], made.to_arrow()["v"]

    assert PANDAS[kind][null] == str(in_pandas.dtype)
    assert POLARS[kind] == in_polars.dtype
    assert ARROW[kind] == in_arrow.type
    assert list(values) == pandas_values(in_pandas)
    assert list(values) == polars_values(in_polars)
    assert list(values) == arrow_values(in_arrow)
    assert list(values) == made.to_pydict()["v"]


@given(tables())
def test_every_value_arrives_in_every_library(columns: list[Column]) -> None:
    """What was written is in pandas, polars and Arrow, null for null and bit for bit."""
    made = frame(*columns)
    in_pandas, in_polars, in_arrow = made.to_pandas(), made.to_polars(), made.to_arrow()

    for column in columns:
        expected = list(column.values)
        assert expected == made.to_pydict()[column.name]
        assert expected == pandas_values(in_pandas[column.name])
        assert expected == polars_values(in_polars[column.name])
        assert expected == arrow_values(in_arrow[column.name])


@given(tables())
def test_a_round_trip_through_arrow_changes_nothing(columns: list[Column]) -> None:
    """A frame that goes to pyarrow and comes back is the frame it was."""
    made = frame(*columns)
    there = pa.table(made)

    back = Frame.of(there)

    assert made.to_pydict() == back.to_pydict()
    assert there.equals(pa.table(back))


@given(tables())
def test_a_round_trip_through_polars_changes_nothing(columns: list[Column]) -> None:
    """A frame that goes to polars and comes back is the frame it was."""
    there = pl.DataFrame(frame(*columns))

    assert there.equals(pl.DataFrame(Frame.of(there)), null_equal=True)


@given(tables(kinds=["string", "long", "unsignedLong", "double", "boolean", "dateTime:RFC3339"]))
def test_a_round_trip_through_pandas_changes_nothing(columns: list[Column]) -> None:
    """A frame that goes to pandas and comes back is the frame it was."""
    made = frame(*columns)

    assert made.to_pydict() == Frame.of(made.to_pandas()).to_pydict()


def test_strings_of_the_group_key_are_categories() -> None:
    """Repeated tags are stored once: a category in pandas and polars, a dictionary in Arrow."""
    text = b"#datatype,string,long\n#group,true,false\n,meter,v\n,b,1\n,b,2\n,a,3\n,,4\n\n"
    made = read_annotated_csv(text)
    expected = ["b", "b", "a", None]

    assert expected == made.to_pydict()["meter"]
    assert pd.CategoricalDtype(pd.Index(["b", "a"], dtype="str")) == made.to_pandas()["meter"].dtype
    assert expected == [None if pd.isna(value) else value for value in made.to_pandas()["meter"]]
    assert pa.dictionary(pa.int32(), pa.large_string()) == made.to_arrow()["meter"].type
    assert expected == made.to_arrow()["meter"].to_pylist()
    assert pl.Categorical == made.to_polars()["meter"].dtype
    assert expected == made.to_polars()["meter"].to_list()


def test_a_frame_without_columns_or_rows_is_a_frame() -> None:
    """Nothing found is an empty frame of each library."""
    nothing = read_annotated_csv(b"\r\n")
    no_rows = read_annotated_csv(b"#datatype,long\n,a\n\n")

    assert (0, []) == (len(nothing), nothing.columns)
    assert (0, 0) == nothing.to_pandas().shape == nothing.to_polars().shape == nothing.to_arrow().shape
    assert (0, ["a"]) == (len(no_rows), no_rows.columns)
    assert {"a": np.dtype("int64")} == no_rows.to_pandas().dtypes.to_dict()
    assert {"a": pl.Int64()} == dict(no_rows.to_polars().schema)


@pytest.mark.parametrize("made", [lambda made: made.to_pandas(), lambda made: made.release("pandas")])
def test_a_pandas_frame_is_the_users_own(made: Callable[[Frame], pd.DataFrame]) -> None:
    """It can be written to in place, and nothing else changes with it."""
    source = frame(
        Column("i", "long", (1, 2)),
        Column("f", "double", (0.5, 1.5)),
        Column("t", "dateTime:RFC3339", (1, 2)),
    )
    arrow = source.to_arrow()

    pandas = made(source)
    pandas.loc[0, "i"] = 7
    pandas["f"].array[:] = 7.0
    pandas.loc[0, "t"] = pd.Timestamp(7, tz="UTC")
    pandas["new"] = 1

    assert [[7, 2], [7.0, 7.0], [7, 2]] == [pandas_values(pandas[name]) for name in "ift"]
    assert [[1, 2], [0.5, 1.5], [1, 2]] == [arrow_values(arrow[name]) for name in "ift"]


def test_a_frame_may_be_used_again() -> None:
    """Frames of other libraries can be made many times, and of one another's memory nothing is seen."""
    made = frame(Column("f", "double", (0.5, None)))

    first, second = made.to_pandas(), made.to_pandas()
    first["f"].array[:] = 7.0

    assert (
        [0.5, None] == pandas_values(second["f"]) == made.to_polars()["f"].to_list() == made.to_pydict()["f"]
    )


def test_release_hands_memory_over_without_a_copy() -> None:
    """The frame of pandas is the very memory that was decoded into; ours can't be used again, and says so."""
    made = frame(Column("f", "double", (0.5, 1.5)))
    address = made.to_arrow()["f"].chunk(0).buffers()[1].address

    released = made.release("pandas")

    assert [0.5, 1.5] == released["f"].tolist()
    assert address == released["f"].to_numpy().__array_interface__["data"][0]
    for use in (
        made.to_pandas,
        made.to_polars,
        made.to_arrow,
        made.to_pydict,
        made.__len__,
        lambda: made.columns,
    ):
        with pytest.raises(InvalidArgumentError, match="handed over"):
            use()
    with pytest.raises(InvalidArgumentError, match="handed over"):
        made.release("pandas")


def test_arrow_shares_memory() -> None:
    """Both pyarrow and polars read the memory that was decoded into, and it lives as long as they do."""
    made = frame(Column("f", "double", (0.5, 1.5)))

    one, two = made.to_arrow()["f"].chunk(0), made.to_arrow()["f"].chunk(0)
    del made
    gc.collect()

    assert one.buffers()[1].address == two.buffers()[1].address
    assert [0.5, 1.5] == one.to_pylist()


@pytest.mark.parametrize("made", [Frame.to_pandas, lambda found: found.release("pandas")])
def test_pandas_takes_strings_from_arrow_without_a_copy(made: Callable[[Frame], pd.DataFrame]) -> None:
    """Where pyarrow is installed, the text stays where it is; null is NaN."""
    found = frame(Column("v", "string", ("a", None, "b, c", "a")))
    where = pa.table(found)["v"].chunk(0).buffers()[2].address

    strings = made(found)["v"]

    assert "str" == strings.dtype
    assert ["a", None, "b, c", "a"] == pandas_values(strings)
    [chunk] = pa.table({"v": strings})["v"].chunks
    assert where == chunk.buffers()[2].address


def test_texts_that_repeat_are_one_object_without_pyarrow() -> None:
    """There pandas holds Python's strings: as many as there are texts, not rows."""
    texts = [f"text {row % 3}" if row % 7 else None for row in range(1_000)]
    found = frame(Column("v", "string", tuple(texts)))

    with pd.option_context("mode.string_storage", "python"):
        strings = found.to_pandas()["v"]

    assert texts == pandas_values(strings)
    objects = strings.to_numpy(dtype=object, na_value=None)
    assert 4 == len({id(text) for text in objects})


def test_types_that_no_answer_has_are_read_into_pandas() -> None:
    """Those of any Arrow table that pandas has a dtype for, with their nulls."""
    columns = {
        "small": pa.array([-1, None], pa.int8()),
        "half": pa.array([0.5, None], pa.float32()),
        "milliseconds": pa.array([1_500, None], pa.timestamp("ms")),
        "day": pa.array([dt.date(2024, 2, 29), None]),
        "word": pa.array(["a", None]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
    }
    found = Frame.of(pa.table(columns)).to_pandas()

    expected = ["Int8", "float32", "datetime64[ms]", "object", "category"]
    assert expected == [str(dtype) for dtype in found.dtypes]
    assert [-1, 0.5, pd.Timestamp(1.5, unit="s"), dt.date(2024, 2, 29), "a"] == found.iloc[0].tolist()
    assert found.iloc[1].isna().all()


def test_memory_is_given_back() -> None:
    """A frame keeps nothing alive that it was made of."""
    source = pd.DataFrame({"a": [1, 2]})
    made = Frame.of(source)
    gone = weakref.ref(source)

    del source
    gc.collect()

    assert gone() is None
    assert [1, 2] == made.to_pydict()["a"]


def series(values: Any, dtype: Any = None) -> pd.Series[Any]:
    """Make a pandas column."""
    column: pd.Series[Any] = pd.Series(values, dtype=dtype)
    return column


ARROW_NANO = pd.ArrowDtype(pa.timestamp("ns", "UTC"))
FROM_PANDAS: dict[str, tuple[pd.Series[Any], list[Any], Any]] = {
    "int8": (series([1, -2], "int8"), [1, -2], pa.int64()),
    "uint32": (series([1, 2**32 - 1], "uint32"), [1, 2**32 - 1], pa.uint64()),
    "float32": (series([1.5, np.nan], "float32"), [1.5, None], pa.float64()),
    "bool": (series([True, False]), [True, False], pa.bool_()),
    "nullable integer": (series([BIG, None], "Int64"), [BIG, None], pa.int64()),
    "nullable small integer": (series([-1, None], "Int8"), [-1, None], pa.int64()),
    "nullable unsigned": (series([TOP, None], "UInt64"), [TOP, None], pa.uint64()),
    "nullable float": (series([0.5, None], "Float64"), [0.5, None], pa.float64()),
    "nullable boolean": (series([True, None], "boolean"), [True, None], pa.bool_()),
    "str": (series(["a", None], "str"), ["a", None], pa.large_string()),
    "string in Python": (series(["é", None], "string[python]"), ["é", None], pa.large_string()),
    "string in Arrow": (series(["é", None], "string[pyarrow]"), ["é", None], pa.large_string()),
    "objects: integers": (series([BIG, None], object), [BIG, None], pa.int64()),
    "objects: large integers": (series([TOP, None], object), [TOP, None], pa.uint64()),
    "objects: integers and NaN": (series([BIG, np.nan], object), [BIG, None], pa.int64()),
    "objects: floats": (series([0.5, None], object), [0.5, None], pa.float64()),
    "objects: booleans": (series([True, None], object), [True, None], pa.bool_()),
    "objects: texts": (series(["a", None], object), ["a", None], pa.large_string()),
    "objects: nothing": (series([None, None], object), [None, None], pa.float64()),
    "categories": (
        series(pd.Categorical(["b", None, "a"])),
        ["b", None, "a"],
        pa.dictionary(pa.int32(), pa.large_string()),
    ),
    "categories, one unused": (
        series(pd.Categorical(["b"], categories=["a", "b"])),
        ["b"],
        pa.dictionary(pa.int32(), pa.large_string()),
    ),
    "categories of integers": (
        series(pd.Categorical.from_codes([0, -1], pd.Index([BIG]))),
        [BIG, None],
        pa.int64(),
    ),
    "categories of booleans": (series(pd.Categorical([True, None])), [True, None], pa.bool_()),
    "categories of floats": (series(pd.Categorical([0.5, None])), [0.5, None], pa.float64()),
    "times": (series(np.array([TIME, "NaT"], "M8[ns]")), [TIME, None], pa.timestamp("ns", "UTC")),
    "times in seconds": (series(np.array([7, "NaT"], "M8[s]")), [7 * 10**9, None], pa.timestamp("ns", "UTC")),
    "times in milliseconds": (series(np.array([7], "M8[ms]")), [7 * 10**6], pa.timestamp("ns", "UTC")),
    "times with a zone": (
        series([pd.Timestamp(TIME, tz="UTC").tz_convert("Asia/Tokyo"), None]),
        [TIME, None],
        pa.timestamp("ns", "UTC"),
    ),
    "Arrow: integer": (series([BIG, None], "int64[pyarrow]"), [BIG, None], pa.int64()),
    "Arrow: unsigned": (series([TOP, None], "uint64[pyarrow]"), [TOP, None], pa.uint64()),
    "Arrow: float": (series([0.5, None], "double[pyarrow]"), [0.5, None], pa.float64()),
    "Arrow: boolean": (series([True, None], "bool[pyarrow]"), [True, None], pa.bool_()),
    "Arrow: time": (
        series([pd.Timestamp(TIME, tz="UTC"), None], ARROW_NANO),
        [TIME, None],
        pa.timestamp("ns", "UTC"),
    ),
}


@pytest.mark.parametrize(("column", "expected", "kind"), FROM_PANDAS.values(), ids=FROM_PANDAS)
def test_every_kind_of_pandas_column_is_taken_as_it_is(
    column: pd.Series[Any], expected: list[Any], kind: Any
) -> None:
    """Whatever the dtype, values keep their type, nulls are nulls and 2^53+1 stays 2^53+1."""
    made = Frame.of(pd.DataFrame({"v": column}))

    assert expected == made.to_pydict()["v"]
    assert kind == made.to_arrow()["v"].type


@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option is deprecated")
def test_texts_are_texts_whatever_pandas_infers() -> None:
    """With `future.infer_string` off, pandas' own cast would make the text "None" of a null."""
    with pd.option_context("future.infer_string", False):  # noqa: FBT003 - an option's value
        data = pd.DataFrame({"v": ["a", None]})
        made = Frame.of(data)
        given = made.to_pandas()["v"]

    assert object == data["v"].dtype
    assert ["a", None] == made.to_pydict()["v"]
    assert pd.StringDtype(na_value=math.nan) == given.dtype


@pytest.mark.parametrize(
    "dtype", ["string[pyarrow]", pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.large_string())]
)
def test_strings_that_pyarrow_holds_are_taken_as_they_are(dtype: Any) -> None:
    """They need not become Python's on the way."""
    made = Frame.of(pd.DataFrame({"v": series(["a", None, "é"], dtype)}).iloc[1:].reset_index(drop=True))

    assert [None, "é"] == made.to_arrow()["v"].to_pylist()


INDEXES: dict[str, tuple[pd.Index[Any], dict[str, list[Any]]]] = {
    "range": (pd.RangeIndex(1), {}),
    "named range": (pd.RangeIndex(1, name="row"), {"row": [0]}),
    "times": (pd.DatetimeIndex([TIME]), {"time": [TIME]}),
    "named times": (pd.DatetimeIndex([TIME], name="at"), {"at": [TIME]}),
    "texts": (pd.Index(["a"]), {"level_0": ["a"]}),
    "levels": (
        pd.MultiIndex.from_tuples([("a", pd.Timestamp(TIME))], names=["meter", None]),
        {"meter": ["a"], "time": [TIME]},
    ),
}


@pytest.mark.parametrize(("index", "expected"), INDEXES.values(), ids=INDEXES)
def test_the_index_leads(index: pd.Index[Any], expected: dict[str, list[Any]]) -> None:
    """Each level of a pandas index is a column before the others, but for a range without a name."""
    assert {**expected, "v": [1]} == Frame.of(pd.DataFrame({"v": [1]}, index=index)).to_pydict()


def test_a_subclass_of_a_pandas_frame_is_a_pandas_frame() -> None:
    """Its index counts, wherever the class was made."""

    class Meters(pd.DataFrame):
        """A frame of someone's own."""

    made = Frame.of(Meters({"v": [1]}, index=pd.DatetimeIndex([TIME])))

    assert {"time": [TIME], "v": [1]} == made.to_pydict()


def test_a_name_must_be_text() -> None:
    """Numbers and tuples are no names of columns."""
    for columns in ([1], pd.MultiIndex.from_tuples([("a", "b")])):
        with pytest.raises(InvalidArgumentError, match="name must be text"):
            Frame.of(pd.DataFrame([[1]], columns=columns))


@pytest.mark.parametrize(
    "source", [None, 5, "text", [1], {"v": [1]}, pa.chunked_array([[1]]), pd.Series([1])]
)
def test_what_is_no_frame_is_refused(source: object) -> None:
    """Lists, dicts and single columns are not frames."""
    with pytest.raises(InvalidArgumentError, match="frame"):
        Frame.of(source)


def test_a_frame_is_itself() -> None:
    """Making a frame of a frame makes none."""
    made = frame(Column("v", "long", (1,)))

    assert made is Frame.of(made)


SOURCES: dict[str, Callable[[], Any]] = {
    "table": lambda: pa.table({"v": [1, 2, 3]}),
    "chunks": lambda: pa.table({"v": pa.chunked_array([[1], [], [2, 3]])}),
    "sliced": lambda: pa.table({"v": [0, 1, 2, 3, 4]}).slice(1, 3),
    "stream": lambda: pa.table({"v": [1, 2, 3]}).to_reader(max_chunksize=1),
    "polars": lambda: pl.DataFrame({"v": [1, 2, 3]}),
    "polars of chunks": lambda: pl.concat(
        [pl.DataFrame({"v": [1]}), pl.DataFrame({"v": [2, 3]})], rechunk=False
    ),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_arrow_stream_is_read_whole(source: Callable[[], Any]) -> None:
    """Tables, slices, chunks and one-shot streams of any library are frames."""
    assert [1, 2, 3] == Frame.of(source()).to_pydict()["v"]


def test_dictionaries_of_chunks_are_joined() -> None:
    """Each chunk has its own words; where they are too many for the keys, that is an error and no panic."""
    chunks = [[f"{chunk}-{word}" for word in range(100)] for chunk in "ab"]

    def table(keys: pa.DataType) -> pa.Table:
        arrays = [
            pa.array(words).dictionary_encode().cast(pa.dictionary(keys, pa.string())) for words in chunks
        ]
        return pa.table({"v": pa.chunked_array(arrays)})

    assert [*chunks[0], *chunks[1]] == Frame.of(table(pa.int32())).to_arrow()["v"].to_pylist()
    with pytest.raises(InvalidArgumentError, match=r'"v".*joined'):
        Frame.of(table(pa.int8()))


def test_two_columns_of_one_name() -> None:
    """Only pandas holds them; polars, Arrow and a dict would lose one, so they refuse."""
    made = Frame.of(pd.DataFrame([[1, 2]], columns=["v", "v"]))

    assert [["v", "v"], [[1, 2]]] == [list(made.to_pandas().columns), made.to_pandas().to_numpy().tolist()]
    for convert in (made.to_polars, made.to_arrow, made.to_pydict):
        with pytest.raises(InvalidArgumentError, match="two columns would have the name 'v'"):
            convert()


@given(st.lists(st.integers(), max_size=5), st.integers(0, 6), st.integers(0, 6))
def test_a_slice_is_those_rows(values: list[int], start: int, rows: int) -> None:
    """A slice beyond the end is shorter, as Python's are."""
    values = [value % 100 for value in values]
    made = Frame.of(pd.DataFrame({"v": np.array(values, "int64")}))

    part = made.slice(start, rows)

    assert values[start : start + rows] == part.to_pydict()["v"] == part.to_pandas()["v"].tolist()
    assert values[start : start + rows] == part.release("pandas")["v"].tolist()
    assert values == made.to_pydict()["v"]


def test_a_frame_shows_its_shape() -> None:
    """The repr tells rows and columns, and no values."""
    assert "<Frame: 2 rows x ['result', 'table', 'v']>" == repr(
        frame(Column("v", "string", ("secret", None)))
    )


@pytest.mark.parametrize(
    ("into", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)]
)
def test_release_makes_what_is_asked_for(into: Into, kind: type) -> None:
    """Each library has its name."""
    assert into == check_into(into)
    assert isinstance(frame(Column("v", "long", (1,))).release(into), kind)


@pytest.mark.parametrize("into", ["csv", None, "Pandas", 5])
def test_a_library_that_is_not_known_is_refused(into: object) -> None:
    """The error names those that are."""
    with pytest.raises(InvalidArgumentError, match="'pandas', 'polars', 'arrow'"):
        check_into(into)


def test_a_library_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read, the error says what to install."""
    monkeypatch.setattr("db_core.frame.find_spec", lambda _: None)

    with pytest.raises(
        MissingLibraryError, match="needs pyarrow, which is not installed: pip install pyarrow"
    ):
        check_into("arrow")


NUL = [
    pl.DataFrame({"a\0b": [1]}),
    pl.DataFrame({"v": [{"x": [{"y\0": 1}]}]}),
    pl.DataFrame({"v": pl.Series([[{"y\0": 1}]], dtype=pl.Array(pl.Struct({"y\0": pl.Int64}), 1))}),
]


@pytest.mark.parametrize("frame", NUL, ids=["column", "struct", "array"])
def test_a_polars_frame_with_a_nul_in_a_name_is_refused(frame: pl.DataFrame) -> None:
    """Handed over, it would end the process."""
    with pytest.raises(InvalidArgumentError, match="which has a NUL"):
        Frame.of(frame)
    with pytest.raises(SerializationError, match="NUL"):
        b"".join(write_pieces(frame, 1 << 20))


def test_a_nul_in_a_name_is_read_into_pandas_only() -> None:
    """InfluxDB stores it; polars and Arrow have no such names."""
    text = b"#datatype,long\n,a\0b\n,1\n\n"

    assert ["a\0b"] == list(read_annotated_csv(text).to_pandas().columns)
    others: tuple[Into, ...] = ("polars", "arrow")
    for into in others:
        with pytest.raises(InvalidArgumentError, match="Read into pandas") as caught:
            read_annotated_csv(text).release(into)
        assert "into" == caught.value.argument
