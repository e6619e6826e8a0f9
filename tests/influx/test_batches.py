"""Reads and queries in batches: the same rows as in one frame, in frames of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import (
    AmbiguousSeriesError,
    DatabaseError,
    IncompleteResultError,
    InvalidArgumentError,
    NotFoundError,
    QueryError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
MINUTE = 60 * 1_000_000_000
SPAN = ("2026-01-01", "2026-01-11")
ROWS = 3_000

ANSWER = (
    b"#datatype,string,long,string,long\r\n#group,false,false,true,false\r\n#default,_result,,,\r\n"
    b",result,table,k,v\r\n" + b"".join(b",,0,a,%d\r\n" % n for n in range(5)) + b"\r\n"
)


FAILURE = b"#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,boom,\r\n"


@pytest.fixture(scope="module")
def series(store: Store) -> str:
    """Give a measurement of three series, of which one begins late, over ten days, by no even steps."""
    name = "series"
    store.write(
        *(f"{name},site=x,meter=a i={n}i,f={n / 8} {T0 + n * n * 1_000 * 96 + n}" for n in range(ROWS)),
        *(f"{name},site=x,meter=b i={n}i {T0 + n * 4 * MINUTE}" for n in range(ROWS)),
        *(f"{name},site=y,meter=b f={n} {T0 + (12_000 + n) * MINUTE}" for n in range(ROWS // 3)),
    )
    return name


@pytest.mark.parametrize("batch_rows", [1_000, 1_001, 65_536])
def test_the_batches_are_the_whole_read(
    manager: InfluxManager, store: Store, series: str, batch_rows: int
) -> None:
    """Put together they are what `read` gives, no row twice and none missing, and none is too long."""
    whole = manager.read(*SPAN, series, ["f", "i"], store.name, interval=None)

    batches = list(manager.read_batches(*SPAN, series, ["f", "i"], store.name, batch_rows=batch_rows))

    assert 2 * ROWS + ROWS // 3 == len(whole)
    assert all(0 < len(batch) <= batch_rows for batch in batches)
    assert {("meter", "site", "time")} == {tuple(batch.index.names) for batch in batches}
    rows = pd.concat([batch.reset_index().astype({"i": "Int64", "f": "float64"}) for batch in batches])
    together = rows.set_index(["meter", "site", "time"]).sort_index()
    assert_frame_equal(whole.astype({"i": "Int64"}), together, check_exact=True)


def test_a_few_rows_a_batch(manager: InfluxManager, store: Store, msname: str) -> None:
    """Batches of one row are possible, and the time goes on from slice to slice."""
    store.write(*(f"{msname} v={n}i {T0 + n * MINUTE}" for n in range(10)))

    batches = list(manager.read_batches(*SPAN, msname, "v", store.name, batch_rows=1))

    assert [[n] for n in range(10)] == [batch["v"].tolist() for batch in batches]


def test_more_rows_at_one_time_than_a_batch_holds(manager: InfluxManager, store: Store, msname: str) -> None:
    """No slice of time is narrow enough; the batches are, all the same."""
    store.write(*(f"{msname},k={n:03d} v={n}i {T0}" for n in range(100)))

    batches = list(manager.read_batches(*SPAN, msname, "v", store.name, batch_rows=7))

    assert list(range(100)) == [value for batch in batches for value in batch["v"]]
    assert 7 == max(map(len, batches))


def test_batches_of_long_texts_have_fewer_rows(manager: InfluxManager, store: Store, msname: str) -> None:
    """A slice whose texts fill the memory is given up too, however few rows it has."""
    size, rows = 60_000, 800
    for first in range(0, rows, 100):
        store.write(*(f'{msname} v="{n:03d}{"x" * size}" {T0 + n}' for n in range(first, first + 100)))

    batches = list(manager.read_batches(*SPAN, msname, "v", store.name, into="arrow"))

    assert [f"{n:03d}" for n in range(rows)] == [
        text[:3] for batch in batches for text in batch["v"].to_pylist()
    ]
    assert 32 << 20 > max(len(batch) for batch in batches) * size


def test_nothing_found_is_no_batch(manager: InfluxManager, store: Store, msname: str) -> None:
    """There is nothing to go through."""
    assert [] == list(manager.read_batches(*SPAN, msname, "v", store.name, missing="ignore"))


def test_batches_come_as_asked(manager: InfluxManager, store: Store, msname: str) -> None:
    """Library, zone, tags and levels are those of `read`."""
    store.write(f"{msname},k=a,site=x v=1 {T0}", f"{msname},k=b,site=x v=2 {T0}")

    [frame] = manager.read_batches(
        *SPAN, msname, "v", store.name, {"k": "b"}, by=["site"], into="polars", tz="Asia/Tokyo"
    )

    assert ["site", "time", "v"] == frame.columns
    assert pl.Datetime("ns", "Asia/Tokyo") == frame.schema["time"]
    assert [("x", 2.0)] == frame.select("site", "v").rows()
    with pytest.raises(AmbiguousSeriesError):
        list(manager.read_batches(*SPAN, msname, "v", store.name, by=[]))


@pytest.mark.parametrize("tag", ["result", "table"])
def test_levels_may_have_the_name_of_a_column_of_the_answer(
    manager: InfluxManager, store: Store, msname: str, tag: str
) -> None:
    """Series that differ in such a tag stay apart."""
    store.write(f"{msname},{tag}=a v=1 {T0}", f"{msname},{tag}=b v=2 {T0}")

    [batch] = manager.read_batches(*SPAN, msname, "v", store.name)

    assert_frame_equal(manager.read(*SPAN, msname, "v", store.name, interval=None), batch)


def test_the_batches_of_a_query_are_its_rows(manager: InfluxManager, store: Store, series: str) -> None:
    """In the order of the answer, of one schema each."""
    flux = (
        "from(bucket: params.bucket) |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-11T00:00:00Z) "
        '|> filter(fn: (r) => r._measurement == params.name and r._field == "i")'
    )
    params = {"bucket": store.name, "name": series}

    whole = manager.query(flux, params, into="polars")
    batches = list(manager.query_batches(flux, params, batch_rows=700, into="polars"))

    assert 2 * ROWS == whole.height == sum(batch.height for batch in batches)
    assert 700 >= max(batch.height for batch in batches)
    columns = ["meter", "_time", "_value"]
    assert (
        whole.select(columns)
        .cast({"meter": pl.String})
        .equals(pl.concat([batch.select(columns).cast({"meter": pl.String}) for batch in batches]))
    )


def test_schemas_stay_apart_in_batches(manager: InfluxManager) -> None:
    """What can't be one frame can be batches."""
    flux = (
        'import "array"\narray.from(rows: [{v: "x"}]) |> yield(name: "a")\n'
        'array.from(rows: [{v: 1}]) |> yield(name: "b")'
    )

    batches = list(manager.query_batches(flux, into="polars"))

    assert {("x",), (1,)} == {tuple(batch["v"]) for batch in batches}


CALLS: dict[str, Callable[..., Iterator[Any]]] = {
    "read_batches": lambda manager, **options: manager.read_batches(*SPAN, "m", "v", "b", **options),
    "query_batches": lambda manager, **options: manager.query_batches("any", **options),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("argument", "value"),
    [("batch_rows", 0), ("batch_rows", 1.5), ("batch_rows", True), ("timeout", 0), ("into", "excel")],
)
def test_arguments_are_checked_when_the_call_is_made(
    manager: InfluxManager, call: Callable[..., Iterator[Any]], argument: str, value: Any
) -> None:
    """Not when the first batch is asked for."""
    with pytest.raises(InvalidArgumentError) as caught:
        call(manager, **{argument: value})

    assert argument == caught.value.argument


def test_no_such_bucket_is_not_found_in_batches_either(manager: InfluxManager) -> None:
    """It is an error, not an iterator of nothing."""
    with pytest.raises(NotFoundError, match="nobody-made-this"):
        list(manager.read_batches(*SPAN, "m", "v", "nobody-made-this-bucket"))
    with pytest.raises(NotFoundError, match="nobody-made-this"):
        list(manager.query_batches('from(bucket: "nobody-made-this-bucket") |> range(start: 0)'))


def http(body: bytes) -> bytes:
    """Give an HTTP answer that ends well."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (ANSWER[:-2], IncompleteResultError),
        (ANSWER[:-5], IncompleteResultError),
        (ANSWER + b"\r\n" + FAILURE, QueryError),
    ],
)
def test_a_query_in_batches_ends_in_an_error_where_the_answer_does(
    peer: Callable[..., Peer],
    call_peer: Callable[..., InfluxManager],
    end: bytes,
    error: type[DatabaseError],
) -> None:
    """Batches that are whole have been given by then; the iterator does not just stop."""
    batches = call_peer(peer(http(end))).query_batches("any", batch_rows=1)

    with pytest.raises(error):
        list(batches)


def test_a_read_in_batches_gives_no_part_of_a_cut_slice(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """A slice is whole before its first row is given."""
    answer = ANSWER.replace(b",k,v", b",k,_value")
    batches = call_peer(peer(http(answer[:-2]))).read_batches(*SPAN, "m", "v", "b", by=[])

    with pytest.raises(IncompleteResultError):
        next(batches)


def test_a_closed_iterator_stops_the_transfer(
    make_manager: Callable[..., InfluxManager],
) -> None:
    """The rest of a long answer is not fetched; the manager goes on working."""
    manager = make_manager()
    batches = manager.query_batches(
        'import "generate"\ngenerate.from(count: 300000, fn: (n) => n, '
        "start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z)",
        batch_rows=10,
    )

    assert 10 == len(next(batches))
    batches.close()  # type: ignore[attr-defined]

    assert [] == list(batches)
    assert len(manager.query("buckets()")) > 0
