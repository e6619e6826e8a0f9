"""Whatever comes, at the surface: a frame or an error of ours, whole or in pieces, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_core import (
    DatabaseError,
    Frame,
    InvalidArgumentError,
    ParseError,
    SchemaConflictError,
    SerializationError,
    iter_annotated_csv,
    read_annotated_csv,
    to_line_protocol,
)
from db_core.annotated_csv import decode, split
from db_core.ipc import FrameReader, write_pieces
from db_core.line_protocol import problems
from db_core.pivot import pivot
from tests.strategies import Column, answer, cut, damaged, tables, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_core.frame import Into

LIBRARIES: tuple[Into, ...] = ("pandas", "polars", "arrow")


def outcome(read: Callable[[], Any]) -> Any:
    """Give what a call gives, or its error with all that it says."""
    try:
        return read()
    except DatabaseError as error:
        return type(error), str(error), vars(error)


@given(st.lists(tables(), min_size=1, max_size=3), st.data())
def test_a_damaged_answer_is_a_frame_or_an_error_in_any_pieces(
    blocks: list[list[Column]], data: st.DataObject
) -> None:
    """The same error, with its place, or the same values, which every library takes."""
    text = data.draw(damaged(answer(*blocks)))
    pieces = data.draw(cut(text))

    def read(source: Any) -> list[str]:
        return [repr(frame.to_pydict()) for frame in split(decode(source, require_end=False))]

    assert outcome(lambda: read(text)) == outcome(lambda: read(pieces))
    made = outcome(lambda: read_annotated_csv(pieces, require_end=False))
    if isinstance(made, Frame):
        assert len(made) == len(made.to_pandas()) == len(made.to_polars()) == len(made.to_arrow())


@given(st.lists(tables(), min_size=1, max_size=3), st.integers(1, 5), st.data())
def test_batches_of_a_damaged_answer_end_in_the_error_of_the_whole(
    blocks: list[list[Column]], batch_rows: int, data: st.DataObject
) -> None:
    """What comes before it is what stands before it."""
    text = data.draw(damaged(answer(*blocks)))
    pieces = data.draw(cut(text))
    rows = 0

    def read() -> int:
        nonlocal rows
        for frame in iter_annotated_csv(pieces, batch_rows=batch_rows):
            rows += len(frame)
        return rows

    expected = outcome(lambda: sum(map(len, split(decode(text)))))
    if isinstance(expected, int):
        assert expected == read()
        return
    found = outcome(read)
    # A table that stands twice in a schema is told when its rows are framed.
    if expected[0] is not SchemaConflictError:
        assert expected == found or found[0] is SchemaConflictError


NAMES = st.sampled_from(["a", "b c", "größe", "_field", "#", "time", "", "x,y", "\\"]) | texts
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "Int64": st.none() | st.integers(-(2**63), 2**63 - 1),
    "Float64": st.none() | st.floats(allow_nan=False),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | texts,
}


@st.composite
def points(draw: st.DrawFn) -> tuple[pd.DataFrame, list[str]]:
    """Draw a frame to be written, and which of its columns are tags."""
    rows = draw(st.integers(0, 4))
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    columns = {}
    for name in names:
        dtype = draw(st.sampled_from(sorted(CELLS)))
        columns[name] = pd.array(draw(st.lists(CELLS[dtype], min_size=rows, max_size=rows)), dtype=dtype)
    tags = draw(st.lists(st.sampled_from(names), unique=True) if names else st.just([]))
    nanos = np.array(draw(st.lists(st.integers(0, 2**62), min_size=rows, max_size=rows)), "M8[ns]")
    return pd.DataFrame(columns, index=pd.DatetimeIndex(nanos, name="moment")), tags


@given(points(), NAMES, st.dictionaries(NAMES, texts, max_size=2))
def test_what_is_refused_to_be_written_is_what_the_check_tells_of(
    drawn: tuple[pd.DataFrame, list[str]], measurement: str, constant: dict[str, str]
) -> None:
    """Either the check finds nothing and each row is a line, or the error is of what it finds."""
    frame, tags = drawn
    options: dict[str, Any] = {"tag_columns": tags, "tags": constant, "time_column": "moment"}
    found = problems(frame, measurement, **options)

    if found:
        with pytest.raises(InvalidArgumentError) as caught:
            to_line_protocol(frame, measurement, **options)
        assert any(reason in str(caught.value) for _, _, reason in found)
        return
    lines = to_line_protocol(frame, measurement, **options)
    feeds = sum(str(cell).count("\n") for name in frame for cell in frame[name] if isinstance(cell, str))
    assert len(frame) + feeds == lines.count(b"\n")


SERIES = st.dictionaries(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["power", "total"])),
    st.dictionaries(st.integers(0, 5), st.integers(-9, 9), min_size=1, max_size=5),
    min_size=1,
    max_size=4,
)


@given(SERIES)
def test_a_pivot_has_each_value_in_its_cell(series: dict[tuple[str, str], dict[int, int]]) -> None:
    """As a dict of them has, by meter, time and field."""
    text = ""
    for number, ((meter, field), values) in enumerate(series.items()):
        text += "#datatype,string,long,dateTime:RFC3339,long,string,string\n"
        text += "#group,false,false,false,false,true,true\n,result,table,_time,_value,_field,meter\n"
        for second, value in values.items():
            text += f",,{number},1970-01-01T00:00:0{second}Z,{value},{field},{meter}\n"
        text += "\n"
    found = pivot([decode(text.encode())], by=["meter"]).to_pydict()

    fields = sorted({field for _, field in series})
    rows = sorted({(meter, second) for (meter, _), values in series.items() for second in values})
    assert ["meter", "time", *fields] == list(found)
    assert rows == [(meter, time // 10**9) for meter, time in zip(found["meter"], found["time"], strict=True)]
    for field in fields:
        assert [series.get((meter, field), {}).get(second) for meter, second in rows] == found[field]


STREAMS = [
    b"".join(write_pieces(frame, 1 << 20))
    for frame in (
        pd.DataFrame({"a": [1.5, None], "b": ["x", None], "c": pd.Categorical(["u", "v"])}),
        pd.DataFrame({"t": pd.date_range("2024", periods=3, freq="h", tz="Europe/Lisbon"), "n": [None] * 3}),
        pd.DataFrame({"n": np.arange(2000) // 100}),  # compressed
        pl.DataFrame({"s": ["a text longer than twelve bytes", "b"], "l": [[1, 2], [3]]}),
        pl.DataFrame({"r": [{"x": 1, "y": "z"}], "d": pl.Series([1], dtype=pl.Duration)}),
    )
]


@given(st.sampled_from(STREAMS).flatmap(damaged), st.sampled_from(LIBRARIES), st.data())
def test_a_damaged_stream_is_a_frame_or_an_error(stream: bytes, into: Into, data: st.DataObject) -> None:
    """Nothing of Arrow's, of pandas' or of polars' own comes out, and no panic."""
    reader = FrameReader()
    try:
        for piece in data.draw(cut(stream)):
            reader.feed(piece)
        reader.finish(into)
    except SerializationError:
        return


def test_a_compressed_buffer_holds_no_more_than_it_can() -> None:
    """A length that it claims is not reserved before it is believed: 2^60 bytes would end the process."""
    stream = STREAMS[2]
    claimed = (2000 * 8).to_bytes(8, "little")
    assert 1 == stream.count(claimed + b"\x04\x22\x4d\x18")  # LZ4's mark

    reader = FrameReader()
    with pytest.raises(SerializationError, match="compressed bytes"):
        reader.feed(stream.replace(claimed, (2**60).to_bytes(8, "little")))


def test_tables_that_share_nothing_are_no_frame() -> None:
    """A million columns of a million rows would be terabytes, of a text of 30 MB; apart they are frames."""
    text = b"".join(b"#datatype,long\n,c%d\n,%d\n\n" % (number, number) for number in range(20_000))

    with pytest.raises(SchemaConflictError, match="20000 rows of 20000 columns"):
        read_annotated_csv(text)
    assert list(range(20_000)) == [
        value for frame in iter_annotated_csv(text) for [value] in frame.to_pydict().values()
    ]


def test_tables_without_rows_do_not_gather() -> None:
    """A batch is given once it has met many schemas, though it has few rows: each schema takes memory."""
    met = 0

    def pieces() -> Iterator[bytes]:
        nonlocal met
        yield b"#datatype,long\n,a\n,1\n\n"
        for met in range(5_000):
            yield b"#datatype,long\n,c%d\n\n" % met

    assert [1] == next(iter_annotated_csv(pieces())).to_pydict()["a"]
    assert met < 1_500


def test_a_default_that_every_row_would_repeat_is_short() -> None:
    """An empty cell is a byte; a default of a megabyte for each of a million rows would be a terabyte."""
    text = b"#datatype,string\n#default,%s\n,v\n,\n\n"

    assert ["x" * 512] == read_annotated_csv(text % (b"x" * 512)).to_pydict()["v"]
    with pytest.raises(ParseError, match="513 bytes"):
        read_annotated_csv(text % (b"x" * 513))
