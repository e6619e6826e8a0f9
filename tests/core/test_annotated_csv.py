"""Annotated CSV from every source, in one piece and in batches, and beside the official client's parser."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Lock
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.flux_csv_parser import FluxCsvParser, FluxSerializationMode

from db_core import (
    DatabaseError,
    Frame,
    IncompleteResultError,
    InvalidArgumentError,
    ParseError,
    SchemaConflictError,
    iter_annotated_csv,
    read_annotated_csv,
)
from db_core._native import Decoder  # noqa: TID251 # shared between threads here
from db_core.annotated_csv import decode, split
from tests.strategies import Column, answer, cut, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GOLDEN = Path(__file__).parents[1] / "golden"

ANSWER = answer(
    [Column("a", "long", (1, 2, None)), Column("b", "string", ("x", "y, z", "w\nv"))],
    [Column("b", "string", ("u",)), Column("c", "double", (0.5,))],
)
COLUMNS = {
    "result": ["_result"] * 4,
    "table": [0, 0, 0, 1],
    "a": [1, 2, None, None],
    "b": ["x", "y, z", "w\nv", "u"],
    "c": [None, None, None, 0.5],
}


class Stuttering(io.RawIOBase):
    """A file that gives three bytes a time."""

    def __init__(self, text: bytes) -> None:
        self._file = io.BytesIO(text)

    def read(self, size: int = -1) -> bytes:
        """Give three bytes of the `size` asked for."""
        assert size > 0, "a source of any size is read in pieces"
        return self._file.read(3)


SOURCES: dict[str, Callable[[bytes, Path], Any]] = {
    "bytes": lambda text, _: text,
    "bytearray": lambda text, _: bytearray(text),
    "memoryview": lambda text, _: memoryview(text),
    # An empty line more does no harm.
    "memoryview of words": lambda text, _: memoryview(text + b"\n" * (-len(text) % 4)).cast("I"),
    "path": lambda _, path: path,
    "path as text": lambda _, path: str(path),
    "binary file": lambda text, _: io.BytesIO(text),
    "file that gives little": lambda text, _: Stuttering(text),
    "list": lambda text, _: [text[:10], b"", text[10:]],
    "generator": lambda text, _: (text[at : at + 1] for at in range(len(text))),
    "views": lambda text, _: [memoryview(text)[:7], bytearray(text[7:])],
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_source_is_read_alike(source: Callable[[bytes, Path], Any], tmp_path: Path) -> None:
    """Bytes, a path, a binary file and an iterable of bytes give the same frame."""
    path = tmp_path / "answer.csv"
    path.write_bytes(ANSWER)

    assert COLUMNS == read_annotated_csv(source(ANSWER, path)).to_pydict()
    assert COLUMNS["b"] == [
        b for frame in iter_annotated_csv(source(ANSWER, path)) for b in frame.to_pydict()["b"]
    ]


@pytest.mark.parametrize("source", [io.StringIO("text"), ["text"], [b"", 1], 5, None])
def test_what_gives_no_bytes_is_refused(source: Any) -> None:
    """Text, numbers and what can't be iterated are no source."""
    with pytest.raises(InvalidArgumentError, match="`source`") as caught:
        read_annotated_csv(source)

    assert "source" == caught.value.argument


def test_a_path_that_is_not_there_says_so(tmp_path: Path) -> None:
    """The error is Python's own."""
    with pytest.raises(FileNotFoundError):
        read_annotated_csv(tmp_path / "absent.csv")


def test_an_error_of_the_source_passes_through() -> None:
    """What the iterable raises is what the caller sees."""

    def broken() -> Iterator[bytes]:
        yield ANSWER[:20]
        raise ConnectionResetError("peer")

    with pytest.raises(ConnectionResetError, match="peer"):
        read_annotated_csv(broken())


@given(st.lists(tables(), max_size=3), st.data())
def test_values_are_what_was_written_wherever_the_text_is_cut(
    blocks: list[list[Column]], data: st.DataObject
) -> None:
    """Python's own CSV writer wrote them; every table comes back, null for null."""
    frames = split(decode(data.draw(cut(answer(*blocks)))))

    found = [frame.to_pydict() for frame in frames]
    rows = [
        dict(zip(columns, row, strict=True))
        for columns in found
        for row in zip(*columns.values(), strict=True)
    ]
    expected = [
        {
            "result": "_result",
            "table": number,
            **dict(zip((column.name for column in columns), row, strict=True)),
        }
        for number, columns in enumerate(blocks)
        for row in zip(*(column.values for column in columns), strict=True)
    ]
    # Tables of one schema share a frame.
    assert sorted(expected, key=lambda row: row["table"]) == sorted(rows, key=lambda row: row["table"])


@given(st.lists(tables(), max_size=3), st.integers(1, 7), st.data())
def test_batches_join_to_the_whole(blocks: list[list[Column]], batch_rows: int, data: st.DataObject) -> None:
    """No batch is too large or empty, none mixes schemas, and all rows are there in order."""
    text = answer(*blocks)
    batches = list(iter_annotated_csv(data.draw(cut(text)), batch_rows=batch_rows))

    assert all(1 <= len(batch) <= batch_rows for batch in batches)
    found: dict[tuple[Any, ...], list[Any]] = {}
    for batch in batches:
        columns = batch.to_pydict()
        rows = zip(*columns.values(), strict=True)
        found.setdefault((*columns, *map(str, _types(batch))), []).extend(rows)
    expected = {
        (*frame.columns, *map(str, _types(frame))): list(zip(*frame.to_pydict().values(), strict=True))
        for frame in split(decode(text))
        if len(frame)
    }
    assert expected == found


def _types(frame: Frame) -> list[object]:
    return list(frame.to_arrow().schema.types)


def test_batches_come_before_the_text_ends() -> None:
    """A batch is given as soon as it is full, though the source has not ended."""

    def endless() -> Iterator[bytes]:
        yield b"#datatype,long\n,a\n"
        number = 0
        while True:
            yield f",{number}\n".encode()
            number += 1

    batches = iter_annotated_csv(endless(), batch_rows=3)

    assert [[0, 1, 2], [3, 4, 5]] == [next(batches).to_pydict()["a"] for _ in range(2)]


def test_a_batch_is_one_row_or_more() -> None:
    """The mistake shows at the call, not at the first batch."""
    with pytest.raises(InvalidArgumentError, match="batch_rows"):
        iter_annotated_csv(ANSWER, batch_rows=0)


@pytest.mark.parametrize("end", range(len(ANSWER)))
def test_an_answer_cut_anywhere_is_an_error(end: int) -> None:
    """But for a cut behind the empty line between tables, which only HTTP can tell from the end."""
    between = ANSWER.index(b"\r\n\r\n") + 4
    if end == between:
        assert 3 == len(read_annotated_csv(ANSWER[:end]))
        return
    with pytest.raises(IncompleteResultError):
        read_annotated_csv(ANSWER[:end])
    with pytest.raises(IncompleteResultError):
        list(iter_annotated_csv([ANSWER[:end]], batch_rows=1))


def test_text_from_elsewhere_may_end_anywhere() -> None:
    """With `require_end=False` neither the end mark nor the last line end is needed."""
    text = ANSWER.removesuffix(b"\r\n\r\n")

    assert COLUMNS == read_annotated_csv(text, require_end=False).to_pydict()
    assert 2 == len(list(iter_annotated_csv(text, require_end=False)))


def test_an_error_says_where() -> None:
    """Byte, table and row are attributes, and stand in the text."""
    start = ANSWER.index(b"0.5") - len(",,1,u,")
    text = ANSWER.replace(b"0.5", b"0,5").replace(b"0,5", b"half")

    with pytest.raises(ParseError, match=r'column "c": "half" is not a double') as caught:
        read_annotated_csv(text)

    assert (start, 1, 0) == (caught.value.offset, caught.value.table, caught.value.row)
    assert f"(byte {start}, table 1, row 0)" in str(caught.value)


@pytest.mark.parametrize("text", [b"hello\n", b"{}", b"<html>\n</html>\n", b"\xff\xfe\n"])
def test_what_is_not_annotated_csv_is_an_error(text: bytes) -> None:
    """Neither JSON nor HTML nor anything else reads as an empty frame."""
    with pytest.raises((ParseError, IncompleteResultError)):
        read_annotated_csv(text)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_an_error(text: bytes) -> None:
    """Whatever comes, it is a frame or one of our errors."""
    with suppress(DatabaseError):
        assert isinstance(read_annotated_csv(text, require_end=False), Frame)


def test_an_integer_beside_a_float_is_exact_or_an_error() -> None:
    """One column of both is float64; 2^53+1, which no double holds, is an error that names both tables."""
    exact = answer([Column("v", "long", (2**53,))], [Column("v", "double", (0.5,))])
    inexact = answer([Column("v", "double", (0.5,))], [Column("v", "long", (2**53 + 1,))])

    assert [9007199254740992.0, 0.5] == read_annotated_csv(exact).to_pydict()["v"]
    with pytest.raises(
        SchemaConflictError, match=r"double in table 0 and long in table 1 .*9007199254740993"
    ):
        read_annotated_csv(inexact)


def official(text: bytes) -> list[list[dict[str, Any]]]:
    """Read an answer with influxdb-client's own parser: rows by table."""
    parser = FluxCsvParser(io.BytesIO(text), FluxSerializationMode.tables)
    list(parser.generator())
    return [[record.values for record in table.records] for table in parser.tables if table.records]


def ours(text: bytes) -> list[list[dict[str, Any]]]:
    """Read an answer the same way, with times as the official parser has them."""
    by_table: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for frame in split(decode(text)):
        columns = {name: _like_official(frame, name) for name in frame.columns}
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            by_table.setdefault((row["result"], row["table"]), []).append(row)
    return list(by_table.values())


def _like_official(frame: Frame, name: str) -> list[Any]:
    column = frame.to_arrow().column(name)
    if pa.types.is_timestamp(column.type):
        return [value and EPOCH + timedelta(microseconds=value // 1000) for value in frame.to_pydict()[name]]
    return frame.to_pydict()[name]


def in_order(tables: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Give tables by their number, as ours come by schema."""
    return sorted(tables, key=lambda rows: (str(rows[0]["result"]), int(rows[0]["table"])))


# The official parser keeps microseconds of a time, and CRLF where a line feed was stored.
RIGHT = ("string", "long", "unsignedLong", "double", "boolean", "duration", "base64Binary")


@given(st.lists(tables(kinds=RIGHT), max_size=3))
def test_the_official_parser_reads_the_same(blocks: list[list[Column]]) -> None:
    """influxdb-client's own parser agrees wherever it is right: on all but nanoseconds and line breaks."""
    text = answer(*blocks)
    if b"\r\n" not in b"".join(cell for cell in text.split(b'"')[1::2]):
        assert in_order(official(text)) == in_order(ours(text))


@pytest.mark.parametrize("name", sorted({path.stem for path in GOLDEN.glob("*.csv")} - {"error_after_rows"}))
def test_the_official_parser_reads_the_same_of_a_real_answer(name: str) -> None:
    """And on what a real server sent, but for the line breaks; as text, since NaN is no equal of itself."""
    text = (GOLDEN / f"{name}.csv").read_bytes()

    assert repr(in_order(official(text))).replace("\\r\\n", "\\n") == repr(in_order(ours(text)))


def test_threads_decode_side_by_side() -> None:
    """Answers decoded at once in several threads are those decoded one by one."""
    blocks = [[Column("a", "long", tuple(range(number, number + 500)))] for number in range(8)]
    texts = [answer(columns) for columns in blocks]
    barrier = Barrier(len(texts))

    def read(text: bytes) -> list[Any]:
        barrier.wait(timeout=10)
        return read_annotated_csv(text[at : at + 7] for at in range(0, len(text), 7)).to_pydict()["a"]

    with ThreadPoolExecutor(len(texts)) as pool:
        found = list(pool.map(read, texts))

    assert [list(columns[0].values) for columns in blocks] == found


def test_one_decoder_may_be_fed_from_several_threads() -> None:
    """Each chunk is decoded whole before the next one: no row is lost, doubled or torn."""
    decoder = Decoder()
    decoder.feed(b"#datatype,long,long\n,a,b\n")
    rows = [b",%d,%d\n" % (number, -number) for number in range(400)]
    barrier = Barrier(4)

    def feed(part: int) -> None:
        barrier.wait(timeout=10)
        for row in rows[part::4]:
            decoder.feed(row)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(feed, range(4)))
    decoder.feed(b"\n")

    (batch,) = decoder.finish().split()
    columns = Frame(batch).to_pydict()
    assert list(range(400)) == sorted(columns["a"])
    assert [-number for number in columns["a"]] == columns["b"]


def test_decoding_lets_other_threads_run() -> None:
    """The GIL is released: a thread that waits for it runs while another one decodes."""
    gate = Lock()
    ran: list[bool] = []

    def run() -> None:
        with gate:
            ran.append(True)

    decoder = Decoder()
    decoder.feed(b"#datatype,double\n,a\n")
    interval = sys.getswitchinterval()
    with ThreadPoolExecutor(1) as pool:
        gate.acquire()
        running = pool.submit(run)
        sys.setswitchinterval(1000)  # so that no thread is made to give way
        try:
            gate.release()
            for _ in range(1000):
                decoder.feed(b",1.25\n" * 20_000)
                if ran:
                    break
            ran_meanwhile = bool(ran)
        finally:
            sys.setswitchinterval(interval)
        running.result()

    assert ran_meanwhile


def test_a_finished_decoder_says_so() -> None:
    """An answer is finished once; what comes later needs a decoder of its own."""
    decoder = Decoder()
    decoder.feed(b"\n")
    decoder.finish()

    for call in (lambda: decoder.feed(b""), decoder.take, decoder.finish, lambda: decoder.rows):
        with pytest.raises(ParseError, match="needs a new decoder"):
            call()


def test_a_source_is_not_held_in_memory() -> None:
    """A path and a file are read in pieces, so an iterable may be longer than memory."""
    seen: list[int] = []

    def pieces() -> Iterable[bytes]:
        yield b"#datatype,long\n,a\n"
        for number in range(5):
            seen.append(number)
            yield b",%d\n" % number
        yield b"\n"

    for batch in iter_annotated_csv(pieces(), batch_rows=1):
        assert [seen[-1]] == batch.to_pydict()["a"]
