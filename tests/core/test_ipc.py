"""Frames as pieces of Arrow IPC and back; pyarrow's own reader is the witness."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import zoneinfo
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db_core.errors import InvalidArgumentError, SerializationError
from db_core.frame import Frame
from db_core.ipc import FrameReader, write_pieces

LISBON = zoneinfo.ZoneInfo("Europe/Lisbon")
TIMES = pd.DatetimeIndex(["2025-03-30T00:30", None, "2025-10-26T01:30"])
TEXTS = ["größe", None, ""]


def read(pieces: list[bytes], into: Any = "pandas") -> Any:
    """Read pieces."""
    reader = FrameReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.finish(into)


def there_and_back(frame: Any, into: Any = "pandas", piece_bytes: int = 1 << 20) -> Any:
    """Write a frame and read it."""
    return read(list(write_pieces(frame, piece_bytes)), into)


# --- pandas -------------------------------------------------------------------


def column(values: Any, dtype: Any = None) -> pd.Series:
    """Give a column."""
    return pd.Series(values, dtype=dtype)


COLUMNS = {
    **{
        kind: column(np.array([0, 1, 2**7 - 1], dtype=kind))
        for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
    },
    **{kind: column(np.array([0.1, np.nan, -0.0], dtype=kind)) for kind in ("f2", "f4", "f8", ">f8")},
    "2**53+1": column([2**53 + 1, -(2**63), 2**63 - 1]),
    "bool": column([True, False, True]),
    "infinite": column([np.inf, -np.inf, np.nan]),
    **{f"M8[{unit}]": column(TIMES.as_unit(unit)) for unit in ("s", "ms", "us", "ns")},
    **{f"m8[{unit}]": column((TIMES - TIMES[0]).as_unit(unit)) for unit in ("s", "ms", "us", "ns")},
    "1ns": column(np.array([1, -1, 0], dtype="M8[ns]")),
    "UTC": column(TIMES.tz_localize("UTC")),
    "Lisbon": column(TIMES.tz_localize("UTC").tz_convert("Europe/Lisbon").as_unit("ms")),
    "ZoneInfo": column(TIMES.tz_localize("UTC").tz_convert(LISBON)),
    "+01:00": column(TIMES.tz_localize(dt.timezone(dt.timedelta(hours=1)))),
    "-09:30": column(TIMES.tz_localize(dt.timezone(-dt.timedelta(hours=9, minutes=30)))),
    **{
        kind: column([1, None, 0], kind)
        for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
    },
    "Int64 2**53+1": column([2**53 + 1, None, 1], "Int64"),
    "Float32": column([0.1, None, 1], "Float32"),
    "Float64": column([0.1, None, 1], "Float64"),
    "boolean": column([True, None, False], "boolean"),
    "str": column(TEXTS, "str"),
    "string[python]": column(TEXTS, "string[python]"),
    "string[pyarrow]": column(TEXTS, "string[pyarrow]"),
    "str python": column(TEXTS, pd.StringDtype("python", na_value=np.nan)),
    "category": column(["b", None, "a"], pd.CategoricalDtype(["c", "b", "a"])),
    "ordered": column(["b", None, "a"], pd.CategoricalDtype(["c", "b", "a"], ordered=True)),
    "category of int": column([3, None, 1], pd.CategoricalDtype([1, 3])),
    "category of times": column([TIMES[0], None, TIMES[2]], pd.CategoricalDtype(TIMES[[0, 2]])),
    "category of days": column(
        [None, "2025-01-02"], pd.CategoricalDtype(pd.date_range("2025", periods=3, freq="D"))
    ).reindex(range(3)),
    "category of 300": column(
        pd.Categorical.from_codes([299, -1, 0], categories=[f"c{n}" for n in range(300)])
    ),
    "period": column(pd.PeriodIndex(["2025-03", None, "2025-05"], freq="M")),
    "Arrow int": column([1, None, 3], pd.ArrowDtype(pa.int32())),
    "Arrow list": column([[1], None, [2, 3]], pd.ArrowDtype(pa.list_(pa.int64()))),
    "object str None": column(["a", None, "b"], object),
    "object str nan": column(["a", np.nan, "b"], object),
    "object str NA": column(["a", pd.NA, "b"], object),
    "object bytes": column([b"\xff", None, b""], object),
    "object int": column([1, None, -(2**63)], object),
    "object float": column([1.5, None, np.nan], object),
    "object bool": column([True, None, False], object),
    "object date": column([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)], object),
    "object Decimal": column([Decimal("1.10"), None, Decimal("1E+3")], object),
    "object None": column([None, None, None], object),
    "object nan": column([np.nan, np.nan, np.nan], object),
    "object NaT": column([pd.NaT, pd.NaT, pd.NaT], object),
}


def exactly(expected: pd.DataFrame, given: pd.DataFrame) -> None:
    """Compare more strictly than pandas does: missing objects must be the same, and -0.0 is not 0.0."""
    pd.testing.assert_frame_equal(
        expected, given, check_exact=True, check_index_type="exact", check_column_type="exact"
    )
    assert list(map(type, expected.columns)) == list(map(type, given.columns))
    for place in range(expected.shape[1]):
        ours, theirs = expected.iloc[:, place], given.iloc[:, place]
        assert ours.dtype == theirs.dtype
        assert type(ours.array) is type(theirs.array)
        if ours.dtype == object:
            assert [(type(value), repr(value)) for value in ours] == [
                (type(value), repr(value)) for value in theirs
            ]
        elif ours.dtype.kind == "f" and isinstance(ours.dtype, np.dtype):
            assert ours.to_numpy().tobytes() == theirs.to_numpy().tobytes()
        elif isinstance(ours.dtype, pd.CategoricalDtype):
            pd.testing.assert_index_equal(ours.cat.categories, theirs.cat.categories, exact=True)
            assert getattr(ours.cat.categories, "freq", None) == getattr(theirs.cat.categories, "freq", None)
        elif isinstance(ours.dtype, pd.StringDtype):
            assert ours.dtype.storage == theirs.dtype.storage


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [3, 0, 1])
def test_a_column_comes_back_as_it_was(name: str, rows: int) -> None:
    """Values, dtype, and what stands for what is missing; of one row and of none, too."""
    frame = COLUMNS[name].iloc[:rows].to_frame("c")

    exactly(frame, there_and_back(frame))


def test_all_columns_at_once_in_small_pieces() -> None:
    """However small the pieces, down to a single byte, the frame is the same."""
    frame = pd.DataFrame(dict(COLUMNS))
    for piece_bytes in (1 << 20, 1000, 7, 1):
        pieces = list(write_pieces(frame, piece_bytes))
        assert max(map(len, pieces)) <= piece_bytes
        exactly(frame, read(pieces))


INDEXES = {
    "default": pd.RangeIndex(3),
    "range": pd.RangeIndex(10, 4, -2, name="n"),
    "int": pd.Index([3, 1, 2], dtype="int16"),
    "str": pd.Index(["a", "b", "a"], name="meter"),
    "str with missing": pd.Index(["a", None, "a"]),
    "object": pd.Index(["a", None, "b"], dtype=object),
    "float": pd.Index([1.5, np.nan, -0.0], name="x"),
    "times": pd.DatetimeIndex(TIMES, name="time"),
    "hourly": pd.date_range("2025-03-29", periods=3, freq="h", tz="Europe/Lisbon", unit="s"),
    "monthly": pd.date_range("2025-01-31", periods=3, freq="ME"),
    "timedelta": pd.timedelta_range("1s", periods=3, freq="2s"),
    "period": pd.period_range("2025-01", periods=3, freq="Q"),
    "category": pd.CategoricalIndex(["a", None, "b"], categories=["b", "a"], ordered=True),
    "Int64": pd.Index([1, None, 3], dtype="Int64"),
    "levels": pd.MultiIndex.from_product(
        [["a"], pd.date_range("2025", periods=3, tz="UTC")], names=["m", None]
    ),
    "levels of int": pd.MultiIndex.from_arrays([[1, 2, 1], [1.5, np.nan, 2.5], ["x", "y", None]]),
    "unused words": pd.MultiIndex.from_product([["a", "b"], [1, 2, 3]], names=["a", "a"])[3:],
    "named by a number": pd.Index([1, 2, 3], name=7),
    "named by a tuple": pd.Index([1, 2, 3], name=("power", 1, None)),
    "levels named by tuples": pd.MultiIndex.from_product([["a"], [1, 2, 3]], names=[("a", ("b",)), None]),
    "range named by a tuple": pd.RangeIndex(3, name=("a", "b")),
}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_comes_back_as_it_was(name: str) -> None:
    """Its type, dtype, names and frequency."""
    index = INDEXES[name]
    for frame in (pd.DataFrame({"v": range(3)}, index=index), pd.DataFrame(index=index)):
        given = there_and_back(frame)
        exactly(frame, given)
        pd.testing.assert_index_equal(index, given.index, exact=True)
        assert getattr(index, "freq", None) == getattr(given.index, "freq", None)
        if isinstance(index, pd.MultiIndex):
            for ours, theirs in zip(index.levels, given.index.levels, strict=True):
                pd.testing.assert_index_equal(ours, theirs, exact=True)


LABELS = {
    "str": ["a", "b"],
    "twice": ["a", "a"],
    "int": [3, 1],
    "range": pd.RangeIndex(2),
    "mixed": pd.Index(["a", "b"], dtype=object),
    "times": pd.date_range("2025", periods=2, freq="D", tz="Europe/Lisbon"),
    "named": pd.Index(["a", "b"], name="field"),
    "levels": pd.MultiIndex.from_product([["power"], ["min", "max"]], names=["f", None]),
    "category": pd.CategoricalIndex(["b", "a"]),
    "named by a tuple": pd.MultiIndex.from_product([["power"], ["min", "max"]], names=[("f", "g"), 1]),
    "bool": pd.Index([True, False]),
    "float": pd.Index([1.5, np.nan]),
    "daily": pd.period_range("2025", periods=2, freq="D"),
    "none": [],
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_come_back_as_they_were(name: str) -> None:
    """Text or not, twice or not, with a name or levels."""
    labels = LABELS[name]
    frame = pd.DataFrame([[1] * len(labels)] * 2, columns=labels)
    given = there_and_back(frame)

    exactly(frame, given)
    pd.testing.assert_index_equal(frame.columns, given.columns, exact=True)


def test_attrs_come_back() -> None:
    """Where they are JSON; else it is an error."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"unit": "kWh", "scale": [1, None]}
    assert frame.attrs == there_and_back(frame).attrs

    frame.attrs = {"unit": {1}}
    with pytest.raises(SerializationError, match="attrs"):
        there_and_back(frame)


def test_whether_labels_may_be_there_twice_comes_back() -> None:
    """The flag of pandas."""
    frame = pd.DataFrame({"a": [1]})
    assert there_and_back(frame).flags.allows_duplicate_labels
    assert not there_and_back(frame.set_flags(allows_duplicate_labels=False)).flags.allows_duplicate_labels


def test_an_order_of_categories_is_known_to_all() -> None:
    """It goes from pandas to Arrow and back; polars, which has none, reads the texts."""
    for ordered in (True, False):
        words = pd.CategoricalDtype(["c", "b", "a"], ordered=ordered)
        frame = pd.DataFrame({"c": column(["b", None, "a"], words)})
        table = there_and_back(frame, "arrow")
        assert ordered == table.schema.field("c").type.ordered
        assert pa.Table.from_pandas(frame)["c"].type.ordered == ordered  # as pyarrow has it
        exactly(frame, there_and_back(pa.table({"c": table["c"]})))
        assert ["b", None, "a"] == there_and_back(frame, "polars")["c"].to_list()


def test_a_frame_of_a_later_version_is_refused() -> None:
    """Rather than read as what it is not."""
    table = there_and_back(pd.DataFrame({"a": [1]}), "arrow")
    known = table.schema.metadata[b"db_core.pandas"]
    later = table.replace_schema_metadata({"db_core.pandas": known.replace(b'"version": 1', b'"version": 2')})
    exactly(pd.DataFrame({"a": [1]}), there_and_back(table))
    with pytest.raises(SerializationError, match="expected a frame of format version 1, got version 2"):
        there_and_back(later)


def test_a_frame_that_is_read_is_ones_own() -> None:
    """Its memory can be written, and no other frame changes."""
    pieces = list(write_pieces(pd.DataFrame({"a": [1.5], "b": [1]}), 1000))
    first, second = read(pieces), read(pieces)
    first.loc[0, ["a", "b"]] = 7
    first["a"].to_numpy(copy=False)

    exactly(pd.DataFrame({"a": [1.5], "b": [1]}), second)
    exactly(second, read(pieces))


def test_texts_that_repeat_are_read_as_one_object() -> None:
    """Where pandas holds Python's strings: as many as there are texts, not rows."""
    texts = [f"text {row % 3}" for row in range(1_000)]
    written = pd.DataFrame({"a": pd.array(texts, pd.StringDtype("python"))})

    found = there_and_back(written)

    exactly(written, found)
    assert 3 == len({id(text) for text in found["a"].to_numpy(dtype=object)})


def test_views_of_others_memory_are_kept() -> None:
    """Slices, steps and transposed blocks."""
    whole = pd.DataFrame(np.arange(60.0).reshape(20, 3), columns=list("abc"))
    for frame in (whole[5:9], whole[::3], whole[::-1], whole.T):
        exactly(frame, there_and_back(frame))


class Own(pd.DataFrame):
    """A DataFrame by another name."""


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (pd.DataFrame({"ok": [1], "bad": [1j]}), "column 'bad'.*complex128"),
        (pd.DataFrame({"bad": pd.arrays.SparseArray([1, 0])}), "column 'bad'.*Sparse"),
        (pd.DataFrame({"bad": pd.arrays.IntervalArray.from_breaks([0, 1])}), "column 'bad'.*interval"),
        (pd.DataFrame({"bad": ["a", 1]}, dtype=object), "column 'bad'.*several types: int, str"),
        (pd.DataFrame({"bad": [1, True]}, dtype=object), "column 'bad'.*several types: bool, int"),
        (pd.DataFrame({"bad": [{}]}), "column 'bad'.*type dict"),
        (pd.DataFrame({"bad": ["a", None, np.nan]}, dtype=object), "column 'bad'.*both None and nan"),
        (pd.DataFrame({"bad": [2**70]}, dtype=object), "column 'bad'"),
        (pd.DataFrame({"bad": ["\ud800"]}, dtype=object), "column 'bad'.*UTF-8"),
        (pd.DataFrame({7: [1j]}), "column 7"),
        (pd.DataFrame({"a": [1]}, index=pd.IntervalIndex.from_breaks([0, 1])), "the index.*interval"),
        (
            pd.DataFrame({"a": [1]}, index=pd.Index([1], name=("a", pd.Timestamp(0)))),
            "the index.*not text, a number or a tuple",
        ),
        (pd.DataFrame([[1]], columns=pd.IntervalIndex.from_breaks([0, 1])), "the column labels.*interval"),
        (Own({"a": [1]}), "a Own can't be kept"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_what_can_not_be_kept_exactly_is_an_error(frame: pd.DataFrame, reason: str) -> None:
    """It names the column, before anything is written."""
    with pytest.raises(SerializationError, match=reason):
        write_pieces(frame, 1000)


@pytest.mark.parametrize(
    "value", [1, None, "frame", [1], {"a": [1]}, pd.Series([1]), pl.Series([1])], ids=repr
)
def test_what_is_no_frame_is_refused(value: object) -> None:
    """At once, and the argument is named."""
    with pytest.raises(InvalidArgumentError, match="`frame`") as caught:
        write_pieces(value, 1000)
    assert "frame" == caught.value.argument


# --- polars and Arrow ---------------------------------------------------------

POLARS = pl.DataFrame(
    {
        "i8": pl.Series([1, None], dtype=pl.Int8),
        "u64": pl.Series([2**64 - 1, None], dtype=pl.UInt64),
        "f32": pl.Series([0.1, None], dtype=pl.Float32),
        "nan": pl.Series([float("nan"), None]),
        "bool": [True, None],
        "str": ["größe", None],
        "long": ["x" * 100, "y"],
        "bytes": [b"\xff", None],
        "cat": pl.Series(["a", None], dtype=pl.Categorical),
        "enum": pl.Series(["a", None], dtype=pl.Enum(["b", "a"])),
        "date": [dt.date(2025, 3, 30), None],
        "time": [dt.time(1, 2, 3, 4), None],
        "ms": pl.Series([1, None]).cast(pl.Datetime("ms")),
        "ns": pl.Series([1, None]).cast(pl.Datetime("ns", "Europe/Lisbon")),
        "duration": pl.Series([1, None]).cast(pl.Duration("us")),
        "decimal": pl.Series([Decimal("1.10"), None], dtype=pl.Decimal(20, 2)),
        "list": [["a", None], None],
        "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int16, 2)),
        "struct": [{"a": 1, "b": "x"}, None],
    }
)


@pytest.mark.parametrize("name", POLARS.columns)
@pytest.mark.parametrize("rows", [2, 1, 0])
def test_a_polars_column_comes_back_as_it_was(name: str, rows: int) -> None:
    """Every dtype, nested ones too."""
    frame = POLARS.select(name).head(rows)

    polars.testing.assert_frame_equal(
        frame, there_and_back(frame, "polars"), check_exact=True, categorical_as_str=False
    )


def test_a_polars_frame_of_several_chunks_comes_back() -> None:
    """Each chunk may bring its own categories; pieces as small as can be."""
    frame = pl.concat(
        [POLARS, POLARS.with_columns(pl.lit("new").cast(pl.Categorical).alias("cat"))], rechunk=False
    )
    for piece_bytes in (1 << 20, 100):
        polars.testing.assert_frame_equal(frame, there_and_back(frame, "polars", piece_bytes))


def test_an_arrow_table_comes_back_as_it_was() -> None:
    """Types, nullability, and metadata of schema and fields."""
    words = pa.array(["a", None, "b"]).dictionary_encode()
    table = pa.table(
        {
            "words": words,
            "maps": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int8())),
            "n": [1, 2, 3],
        },
        metadata={"source": "meter"},
    )
    table = table.cast(
        table.schema.set(2, pa.field("n", pa.int64(), nullable=False, metadata={"unit": "kWh"}))
    )
    for frame in (table, pa.concat_tables([table, table])):
        given = there_and_back(frame, "arrow")
        assert frame.equals(given, check_metadata=True)
        assert frame.schema.equals(given.schema, check_metadata=True)


def test_chunks_of_nulls_alone_come_back_too() -> None:
    """They have no bytes, so nothing but its own head tells of one."""
    chunks = [pa.nulls(rows) for rows in (3, 0, 2, 1)]
    table = pa.table({"v": pa.chunked_array(chunks)})

    assert 6 == there_and_back(table, "arrow").num_rows
    assert [None] * 6 == there_and_back(table)["v"].tolist()


def test_pieces_are_one_arrow_stream() -> None:
    """pyarrow, which knows nothing of us, reads them."""
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", None]}, index=pd.Index(["m", "n"], name="meter"))
    stream = b"".join(write_pieces(frame, 100))

    with pa.ipc.open_stream(stream) as reader:
        assert {"meter": ["m", "n"], "a": [1.5, 2.5], "b": ["x", None]} == reader.read_all().to_pydict()


def test_one_library_reads_what_another_wrote() -> None:
    """The index of pandas leads; what pandas lacks it takes by its nearest dtype."""
    frame = pd.DataFrame({"v": [1, None]}, index=pd.Index(["m", "n"], name="meter"), dtype="Int64")
    assert {"meter": ["m", "n"], "v": [1, None]} == there_and_back(frame, "polars").to_dict(as_series=False)
    assert {"meter": ["m", "n"], "v": [1, None]} == there_and_back(frame, "arrow").to_pydict()

    given = there_and_back(
        POLARS.select("i8", "u64", "f32", "bool", "str", "bytes", "cat", "date", "ms", "ns", "duration")
    )
    expected = pd.DataFrame(
        {
            "i8": column([1, None], "Int8"),
            "u64": column([2**64 - 1, None], "UInt64"),
            "f32": column([0.1, None], "float32"),
            "bool": column([True, None], "boolean"),
            "str": column(["größe", None], "str"),
            "bytes": column([b"\xff", None], object),
            "cat": column(["a", None], "category"),
            "date": column([dt.date(2025, 3, 30), None], object),
            "ms": column(np.array([1, "NaT"], "M8[ms]")),
            "ns": column(
                pd.DatetimeIndex(np.array([1, "NaT"], "M8[ns]"), tz="UTC").tz_convert("Europe/Lisbon")
            ),
            "duration": column(np.array([1, "NaT"], "m8[us]")),
        }
    )
    exactly(expected, given)
    exactly(pd.DataFrame({"n": [1, 2]}), there_and_back(Frame.of(pa.table({"n": [1, 2]}))))


@pytest.mark.parametrize("name", ["list", "array", "struct", "decimal", "time"])
def test_what_pandas_has_no_dtype_for_is_an_error(name: str) -> None:
    """It names the column, and the libraries that can."""
    with pytest.raises(SerializationError, match=rf"column '{name}'.*polars or Arrow"):
        there_and_back(POLARS.select(name))


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("bad", [2**100], dtype=pl.Int128),
        pl.Series("bad", [object()], dtype=pl.Object),
        pl.Series("bad", [None]),
    ],
)
def test_what_arrow_has_no_type_for_is_an_error(column: pl.Series) -> None:
    """It names the column."""
    with pytest.raises(SerializationError, match="column 'bad'"):
        write_pieces(pl.DataFrame([pl.Series("ok", [1]), column]), 1000)


def test_two_columns_of_one_name_have_no_place_in_polars() -> None:
    """The error names them."""
    pieces = list(write_pieces(pd.DataFrame([[1, 2]], columns=["a", "a"]), 1000))

    with pytest.raises(SerializationError, match="two columns have the name 'a'"):
        read(pieces, "polars")


# --- Pieces -------------------------------------------------------------------


@settings(deadline=None)
@given(
    texts=st.lists(st.text(max_size=300), max_size=40),
    piece_bytes=st.integers(1, 3000),
    data=st.data(),
)
def test_any_cut_of_the_stream_gives_the_frame(
    texts: list[str], piece_bytes: int, data: st.DataObject
) -> None:
    """Pieces keep their bound, and a reader takes the stream in any pieces."""
    frame = pl.DataFrame(
        {"t": pl.Series(texts, dtype=pl.String), "n": pl.Series(range(len(texts)), dtype=pl.Int64)}
    )
    pieces = list(write_pieces(frame, piece_bytes))
    assert all(0 < len(piece) <= piece_bytes for piece in pieces)

    stream = b"".join(pieces)
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    cut = [stream[start:stop] for start, stop in zip([0, *places], [*places, len(stream)], strict=True)]
    polars.testing.assert_frame_equal(frame, read(cut, "polars"))


def test_pieces_are_made_when_they_are_asked_for() -> None:
    """So no more than one is in memory beside the frame: the first is there before the last."""
    frame = pd.DataFrame({"a": np.random.default_rng(1).random(100_000)})
    pieces = write_pieces(frame, 80_000)
    first = next(pieces)

    assert len(first) <= 80_000
    assert 10 <= len(list(pieces)) <= 13  # 800,000 bytes, nine tenths of a piece filled


def test_what_gets_smaller_is_compressed() -> None:
    """Repetitive columns are; random floats, which don't, are left as they are."""
    repetitive = pd.DataFrame({"n": np.arange(100_000) // 100})
    random = pd.DataFrame({"a": np.random.default_rng(1).random(100_000)})

    assert sum(map(len, write_pieces(repetitive, 1 << 20))) < 800_000 / 10
    assert 800_000 < sum(map(len, write_pieces(random, 1 << 20))) < 810_000
    exactly(repetitive, there_and_back(repetitive))


@pytest.mark.parametrize("stream", [b"", b"hunter2", b"\xff\xff\xff\xff", b"\x80\x04pickle" * 10])
def test_what_is_no_arrow_is_an_error(stream: bytes) -> None:
    """Nothing is made of it."""
    with pytest.raises(SerializationError):
        read([stream])


def test_a_stream_that_is_cut_off_or_broken_is_an_error() -> None:
    """Wherever the cut."""
    frame = pd.DataFrame({"a": np.random.default_rng(1).random(1000), "b": ["x"] * 1000})
    pieces = list(write_pieces(frame, 2000))
    stream = b"".join(pieces)
    for end in (5, 100, len(stream) // 2, len(stream) - 9, len(stream) - 8, len(stream) - 1):
        with pytest.raises(SerializationError):
            read([stream[:end]])


def test_neither_library_is_needed_for_the_other() -> None:
    """A frame goes there and back without the other library being imported."""
    code = (
        "import sys\n"
        "from db_core.ipc import write_pieces, FrameReader\n"
        "import {library}\n"
        "reader = FrameReader()\n"
        "for piece in write_pieces({library}.DataFrame({{'a': [1]}}), 100): reader.feed(piece)\n"
        "reader.finish('{library}')\n"
        "print(*{{'pandas', 'polars'}} & set(sys.modules))\n"
    )
    for library in ("pandas", "polars"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(library=library)], check=True, capture_output=True, text=True
        )
        assert f"{library}\n" == done.stdout


@pytest.mark.parametrize(
    "freq",
    [
        pd.DateOffset(months=1),
        pd.offsets.Easter(),
        pd.offsets.CustomBusinessDay(holidays=["2025-01-01"]),
        pd.offsets.MonthEnd(normalize=True),
    ],
    ids=repr,
)
def test_a_frequency_whose_text_does_not_say_it_all_is_refused(freq: Any) -> None:
    """Rather than read as another one, or not at all."""
    frame = pd.DataFrame({"v": [1, 2, 3]}, index=pd.date_range("2025-01-01", periods=3, freq=freq))
    with pytest.raises(SerializationError, match="the index can't be kept exactly: its frequency") as caught:
        there_and_back(frame)
    assert repr(freq) in str(caught.value)


@pytest.mark.parametrize("into", ["pandas", "polars"])
def test_a_zone_that_nobody_knows_is_an_error(into: Any) -> None:
    """It names the column."""
    table = pa.table({"ok": [1], "bad": pa.array([1], pa.timestamp("us", "Nowhere/Land"))})
    with pytest.raises(SerializationError, match=f"column 'bad' can't be read into {into}: .*Nowhere/Land"):
        there_and_back(table, into)


def test_a_panic_of_polars_is_an_error() -> None:
    """Though Python has it as no `Exception`; it names the column."""
    table = pa.table({"ok": [1], "bad": pa.array([1], pa.decimal256(60, 2))})
    with pytest.raises(SerializationError, match="column 'bad' can't be read into polars"):
        there_and_back(table, "polars")
