"""The native module under many threads that share its objects: each result is that of one thread.

Without a GIL (`python3 noxfile.py -s installed --force-python 3.14t`) the threads run at the same time.
These tests use nothing but the standard library and db_core, so that they run wherever db_core can be
installed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from array import array
from binascii import crc32
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from db_core import InvalidArgumentError, meter_differences
from db_core._native import (  # noqa: TID251 # shared between threads here
    Array,
    Encoder,
    PieceReader,
    PieceWriter,
    PointEncoder,
    Table,
    levels,
    split_lines,
)
from db_core.annotated_csv import Answer, Decoder, decode, union
from db_core.influxql import SeriesDecoder
from db_core.meter import Consumption
from db_core.pivot import latest, pivot
from db_core.tsm import Shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

GOLDEN = Path(__file__).parents[1] / "golden" / "every_field.msgpack"
THREADS = 8
ROUNDS = 20
ONCE = 200  # objects for which threads race
SERIES = 4
ROWS = 300
MINUTE = 60_000_000_000
START = 1_709_251_200_000_000_000  # 2024-03-01T00:00:00Z


def together(call: Callable[[int], T]) -> list[T]:
    """Call a function with the number of each thread, in all of them at once."""
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> T:
        barrier.wait(timeout=60)
        return call(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def once(make: Callable[[], Callable[[], T]]) -> list[list[T]]:
    """Have all threads call what was made, in the same order; return what each gave, for any thread."""
    calls = [make() for _ in range(ONCE)]

    def attempt(call: Callable[[], T]) -> list[T]:
        try:
            return [call()]
        except InvalidArgumentError:
            return []

    found = together(lambda _: [attempt(call) for call in calls])
    return [[result for results in given for result in results] for given in zip(*found, strict=True)]


def text(factor: float = 1.0) -> bytes:
    """Write an answer in which each minute of each series adds `factor` times its number to the total."""
    tables = ""
    for series in range(SERIES):
        tables += "#datatype,string,long,dateTime:RFC3339,double,string,string\n"
        tables += "#group,false,false,false,false,true,true\n"
        tables += ",result,table,_time,_value,_field,meter\n"
        for row in range(ROWS):
            clock = f"2024-03-01T{row // 60:02}:{row % 60:02}:00Z"
            tables += f",,{series},{clock},{row * (series + 1) * factor},kwh,m{series}\n"
        tables += "\n"
    return tables.encode()


def columns(factor: float = 1.0) -> dict[str, list[Any]]:
    """Return the meters, times and totals of `text`, as a pivot has them."""
    rows = [(series, row) for series in range(SERIES) for row in range(ROWS)]
    return {
        "meter": [f"m{series}" for series, _ in rows],
        "time": [START + row * MINUTE for _, row in rows],
        "kwh": [row * (series + 1) * factor for series, row in rows],
    }


def int64s(values: Iterable[int]) -> bytes:
    """Return the memory of a column of integers."""
    return array("q", values).tobytes()


def table(names: str = "ab", rows: int = ROWS, kind: str = "l") -> Table:
    """Return columns of integers, or times, that count up."""
    arrays = [Array(kind, int64s(range(rows))) for _ in names]
    return Table(list(names), arrays, rows)


def test_each_thread_decodes_its_own_answer() -> None:
    """Answers that are decoded at once, in small pieces, do not touch one another."""

    def work(number: int) -> dict[str, list[Any]]:
        decoder, answer = Decoder(), text(number + 1)
        for at in range(0, len(answer), 997):
            decoder.feed(answer[at : at + 997])
        return pivot([decoder.finish()]).to_pydict()

    assert [columns(number + 1) for number in range(THREADS)] == together(work)


def test_threads_share_an_answer() -> None:
    """All of them may join its tables, split it by schema and count its rows."""
    answer = decode(text())
    expected = columns()["kwh"]

    def work(_: int) -> tuple[list[float], int, int]:
        (batch,) = answer.split()
        return union(answer).to_pydict()["_value"], len(batch), answer.rows

    assert [(expected, SERIES * ROWS, SERIES * ROWS)] * THREADS == together(work)


def test_an_answer_is_pivoted_once() -> None:
    """Of the threads that pivot the same answer one gets the frame, and the others an error."""

    def make() -> Callable[[], int]:
        answer = decode(answers)
        return lambda: len(pivot([answer]))

    answers = text()

    assert [[SERIES * ROWS]] * ONCE == once(make)


def test_threads_read_a_decoder_that_is_being_fed() -> None:
    """What they see are rows that were decoded whole, and the answer is the same in the end."""
    decoder = Decoder()
    answer = text().splitlines(keepends=True)

    def work(number: int) -> list[int]:
        if number:
            return [decoder.rows for _ in range(ROWS)]
        for line in answer:
            decoder.feed(line)
        return []

    seen = together(work)

    assert all(sorted(rows) == rows for rows in seen)
    assert columns() == pivot([decoder.finish()]).to_pydict()


def test_threads_read_a_decoder_of_influxql_that_is_being_fed() -> None:
    """As of annotated CSV, byte by byte, with the server's messages beside it."""
    answer = GOLDEN.read_bytes()

    def frames(answer: Answer) -> list[list[bytes]]:
        return [pieces(batch, 1 << 20) for batch in answer.split()]

    alone = SeriesDecoder()
    alone.feed(answer)
    expected = frames(alone.finish())
    for _ in range(ROUNDS):
        shared = SeriesDecoder()

        def work(number: int, shared: SeriesDecoder = shared) -> bool:
            if number:
                return all(shared.rows >= 0 and shared.schemas >= 0 and not shared.messages() for _ in answer)
            for at in range(len(answer)):
                shared.feed(answer[at : at + 1])
            return True

        assert [True] * THREADS == together(work)
        assert expected == frames(shared.finish())


def test_threads_share_a_table() -> None:
    """Each reads a slice, all rows in order of time, and one batch of them."""
    shared = Table.from_arrow(table(kind="tsn:UTC"))

    def work(number: int) -> list[list[int]]:
        parts = [shared.slice(number, 10), shared.by_time(0), shared.joined()]
        return [memoryview(part.columns()[0].values()).cast("q").tolist() for part in parts]

    assert [
        [list(range(n, n + 10)), list(range(ROWS)), list(range(ROWS))] for n in range(THREADS)
    ] == together(work)


def test_a_table_is_handed_over_once() -> None:
    """Of the threads that release the same table one gets the columns, and the others an error."""

    def make() -> Callable[[], int]:
        shared = table()
        return lambda: len(shared.release())

    assert [[2]] * ONCE == once(make)


@pytest.mark.parametrize("kind", ["memory", "dictionary"])
def test_the_values_of_a_column_are_taken_once(kind: str) -> None:
    """One thread gets them, also while others look at the words of the dictionary; then they are gone."""
    made: list[Array] = []

    def make() -> Callable[[], list[int]]:
        words = Array("U", ["a", "b"]) if kind == "dictionary" else None
        shared = Array("i", array("i", [0, 1]).tobytes(), None, words)
        made.append(shared)

        def take() -> list[int]:
            shared.dictionary()
            return memoryview(shared.values()).cast("i").tolist()

        return take

    assert [[[0, 1]]] * ONCE == once(make)
    for shared in made:
        with pytest.raises(InvalidArgumentError, match="were taken before"):
            shared.values()


class OneCapsule:
    """A frame that hands out the same stream to all who ask."""

    def __init__(self) -> None:
        self.capsule = table().__arrow_c_stream__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.capsule


def test_one_stream_is_read_once() -> None:
    """Of the threads to which an object hands the same stream one gets the rows, and the others an error."""

    def make() -> Callable[[], int]:
        shared = OneCapsule()
        return lambda: len(Table.from_arrow(shared))

    assert [[ROWS]] * ONCE == once(make)


def pieces(source: Table, limit: int) -> list[bytes]:
    """Write a table as pieces."""
    writer = PieceWriter(source, limit)
    return list(iter(writer.piece, None))


def test_threads_share_a_writer_and_the_pieces() -> None:
    """Each piece goes to one thread, and all threads may read the table from the same pieces."""
    expected = pieces(table(), 500)
    for _ in range(ROUNDS):
        writer = PieceWriter(table(), 500)
        written = together(lambda _, writer=writer: list(iter(writer.piece, None)))
        assert sorted(expected) == sorted(piece for found in written for piece in found)

    def read(_: int) -> list[list[int]]:
        reader = PieceReader()
        for piece in expected:
            reader.feed(piece)
        return [memoryview(column.values()).cast("q").tolist() for column in reader.finish().columns()]

    assert [[list(range(ROWS))] * 2] * THREADS == together(read)


def test_a_reader_gives_its_table_once() -> None:
    """Of the threads that finish the same reader one gets the table, and the others an error."""
    written = pieces(table(), 1 << 20)

    def make() -> Callable[[], int]:
        reader = PieceReader()
        for piece in written:
            reader.feed(piece)
        return lambda: len(reader.finish())

    assert [[ROWS]] * ONCE == once(make)


def test_threads_share_an_encoder() -> None:
    """Each line is in the body of one thread, and any thread may have the lines of any rows."""
    times = Array("tsn:UTC", int64s(range(ROWS)))
    frame = Table(["time", "a"], [times, Array("l", int64s(range(ROWS)))], ROWS)
    expected = [f"m a={row}i {row}\n".encode() for row in range(ROWS)]
    layout: dict[str, Any] = {"tag_columns": [], "time_column": "time", "tags": []}
    for _ in range(ROUNDS):
        encoder = Encoder(frame, "m", **layout, precision="ns", duplicates="error")

        def work(number: int, encoder: Encoder = encoder) -> list[tuple[bytes, int]]:
            assert b"".join(expected[number : number + 9]) == encoder.rows(number, number + 9)
            return list(iter(lambda: encoder.body(100), None))  # type: ignore[arg-type]

        bodies = [body for bodies in together(work) for body in bodies]
        assert sorted(expected) == sorted(line for body, _ in bodies for line in split_lines(body))
        assert ROWS == sum(rows for _, rows in bodies)


def point_encoder(instant: Callable[[object], int]) -> PointEncoder:
    """Return an encoder of points without limits."""
    layout: dict[str, Any] = {"tag_columns": [], "time_column": "time", "tags": []}
    return PointEncoder("m", **layout, instant=instant, most_rows=1 << 30, most_bytes=1 << 30)


def test_threads_share_an_encoder_of_points() -> None:
    """Points, lines of text and lines of another encoder are added whole, and taken once."""
    encoder = point_encoder(lambda time: int(str(time)))
    taken: list[list[bytes]] = [[] for _ in range(THREADS)]

    def work(number: int) -> None:
        for row in range(ROWS):
            encoder.add({"a": number, "time": f"{row}"}, 0)
            encoder.add_text(f"m b={number}i {row}", 0)
            encoder.add_lines(b"m c=%di %d\n" % (number, row), 1)
            if row % 50 == 0:
                taken[number] += split_lines(encoder.take()[0])

    together(work)

    assert len(split_lines(rest := encoder.take()[0])) + sum(map(len, taken)) == 3 * THREADS * ROWS
    assert sorted(
        b"m %c=%di %d\n" % (field, number, row)
        for field in b"abc"
        for number in range(THREADS)
        for row in range(ROWS)
    ) == sorted(split_lines(rest) + [line for lines in taken for line in lines])
    assert 0 == len(encoder)


WAITING = """
import sys, threading
from tests.core.test_threads import point_encoder

sys.setswitchinterval(1000)  # so that the second thread keeps the GIL until it waits for the encoder
entered, adds = threading.Event(), threading.Event()

def instant(_):
    entered.set()
    adds.wait()
    return 1

encoder = point_encoder(instant)

def second():
    entered.wait()
    adds.set()
    encoder.add({"a": 2}, 2)

first = threading.Thread(target=encoder.add, args=({"a": 1, "time": object()}, 0))
threads = [first, threading.Thread(target=second)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.stdout.write(encoder.take()[0].decode())
"""


def test_a_thread_that_waits_for_an_encoder_lets_the_other_finish() -> None:
    """The one that adds a point may run code of Python's, for which it needs the GIL."""
    done = subprocess.run(
        [sys.executable, "-c", WAITING], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("m a=1i 1\nm a=2i 2\n", "") == (done.stdout, done.stderr)


def test_threads_share_a_consumption() -> None:
    """All may ask what is unsettled, and for the frame."""
    amounts = [(series + 1.0) for series in range(SERIES) for _ in range(ROWS - 1)]
    totals = [decode(text())]
    shared = Consumption(totals, fields=["kwh"], on_reset="restart")

    def work(_: int) -> tuple[list[float], list[Any]]:
        found = shared.frame().to_pydict()["kwh"]
        return [value for value in found if value is not None], shared.unsettled().doubts

    assert [(amounts, [])] * THREADS == together(work)


def test_threads_call_the_kernels_on_one_frame() -> None:
    """Differences, newest values and places of times are the same in each thread."""
    shared = pivot([decode(text())])
    times = array("q", [3, 1, 2, 3])
    differences = [value for series in range(SERIES) for value in [None, *[series + 1.0] * (ROWS - 1)]]
    newest = [(ROWS - 1) * (series + 1.0) for series in range(SERIES)]

    def work(_: int) -> tuple[list[Any], list[Any], list[int], list[int]]:
        places, distinct = levels(times)
        return (
            meter_differences(shared).to_pydict()["kwh"],
            latest(shared).to_pydict()["kwh"],
            memoryview(places).cast("i").tolist(),
            memoryview(distinct).cast("q").tolist(),
        )

    assert [(differences, newest, [2, 0, 1, 2], [1, 2, 3])] * THREADS == together(work)


def tsm_file(series: int) -> bytes:
    """Write a file of a shard with one block of each series: integers and times, uncompressed."""
    file, index = b"\x16\xd1\x16\xd1\x01", b""
    for number in range(series):
        times = b"\0" + START.to_bytes(8) + MINUTE.to_bytes(8) * 99
        values = b"\0" + b"".join((2 * step).to_bytes(8) for step in [number] + [1] * 99)  # zigzag
        data = b"\x01" + bytes([len(times) & 127 | 128, len(times) >> 7]) + times + values
        block = crc32(data).to_bytes(4) + data
        key = b"m,t=%d#!~#f" % number
        index += len(key).to_bytes(2) + key + b"\x01\x00\x01"
        index += START.to_bytes(8) + (START + 99 * MINUTE).to_bytes(8)
        index += len(file).to_bytes(8) + len(block).to_bytes(4)
        file += block
    return file + index + len(file).to_bytes(8)


def test_threads_share_the_files_of_a_shard(tmp_path: Path) -> None:
    """Each reads what it asks for, with threads of its own, while others ask for something else."""
    path = tmp_path / "000000001-000000001.tsm"
    path.write_bytes(tsm_file(SERIES))
    shards = Shards([[(path.name, str(path), 0, None)]])
    stop = START + 100 * MINUTE

    def work(number: int) -> list[int]:
        wanted = f"{number % SERIES}"
        query: dict[str, Any] = {"fields": None, "tags": [("t", [wanted])], "start": START, "stop": stop}
        assert (["m"], [("f", ["int64"])], ["t"]) == (
            shards.measurements(),
            shards.fields("m"),
            shards.tag_keys("m"),
        )
        assert (1, 1_000) >= shards.series("m", **query) > (0, 0)
        answer = shards.read("m", **query, first=0, count=1, threads=2)
        return pivot([answer], fields=["f"]).to_pydict()["f"]

    for _ in range(ROUNDS):
        expected = [list(range(number % SERIES, number % SERIES + 100)) for number in range(THREADS)]
        assert expected == together(work)


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="this Python always has a GIL")
def test_the_module_asks_for_no_gil() -> None:
    """A Python without a GIL stays without it when the module is imported."""
    probe = (
        "import sys; was = sys._is_gil_enabled(); import db_core._native; print(was, sys._is_gil_enabled())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", probe], capture_output=True, text=True, check=False
    )

    assert "" == done.stderr
    was, is_now = done.stdout.split()
    assert was == is_now
