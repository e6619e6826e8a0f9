"""`AsyncInfluxManager` against `InfluxManager`: signatures, docstrings, answers, errors and warnings."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from db_core.errors import DatabaseError, NotFoundError, OperationTimeoutError, WriteError
from db_influx import AsyncInfluxManager, InfluxManager
from tests.influx.answers import ANSWER, GZIPPED, chunked, http
from tests.influx.calls import ANSWERED, ANYWHERE, CALLS, CHANGE, FRAME, PART, SPAN, T0, WRITE
from tests.peer import reset, silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.conftest import Store
    from tests.peer import Peer, Turn

# Objects of influxdb-client, which are others for asyncio: the methods have words of their own.
OFFICIAL = {"get_buckets_api", "get_query_api", "get_write_api"}
SECOND = 1_000_000_000


async def gathered(given: Any) -> Any:
    """Await what a method gave, or go through its iterator."""
    return [frame async for frame in given] if hasattr(given, "__aiter__") else await given


def awaited(manager: AsyncInfluxManager, call: Callable[[Any], Any]) -> Any:
    """Make a call on a loop of its own, to its end."""

    async def main() -> Any:
        async with manager:
            return await gathered(call(manager))

    return asyncio.run(main())


def called(manager: InfluxManager, call: Callable[[Any], Any]) -> Any:
    """Make a call that blocks, to its end."""
    given = call(manager)
    return list(given) if inspect.isgenerator(given) else given


def failure(function: Callable[..., Any], *arguments: Any) -> tuple[type, str, dict[str, Any]]:
    """Return the error of a call: its kind, its words without ports, and its attributes."""
    with pytest.raises((DatabaseError, TypeError, ValueError)) as caught:
        function(*arguments)
    told = {name: value for name, value in vars(caught.value).items() if name not in ("frame", "__notes__")}
    return type(caught.value), re.sub(r":\d{4,5}\b", ":PORT", str(caught.value)), told


def same(one: Any, other: Any) -> bool:
    """Tell whether two answers are the same, frames included."""
    assert type(one) is type(other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
        return True
    if isinstance(one, pl.DataFrame | pa.Table):
        return bool(one.equals(other))
    return bool(one == other)


def public(kind: type) -> set[str]:
    """Return the names of a class that do not begin with an underscore."""
    return {name for name in dir(kind) if not name.startswith("_")}


# --- Signatures and docstrings ----------------------------------------------------


def test_both_managers_have_the_same_methods() -> None:
    """But for the name of closing."""
    assert public(InfluxManager) - {"close"} == public(AsyncInfluxManager) - {"aclose"}
    assert OFFICIAL < public(InfluxManager)


@pytest.mark.parametrize("name", ["__init__", *sorted(public(InfluxManager) - OFFICIAL - {"close"})])
def test_a_method_has_the_same_signature_and_docstring(name: str) -> None:
    """Names, order, kinds, defaults and annotations of its arguments; and every word about them."""
    one, other = getattr(InfluxManager, name), getattr(AsyncInfluxManager, name)
    assert inspect.signature(one) == inspect.signature(other)
    assert inspect.getdoc(one) == inspect.getdoc(other)
    assert inspect.getdoc(one)


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_a_method_that_hands_out_an_official_object_takes_the_same(name: str) -> None:
    """It is awaited; what it hands out is asyncio's where influxdb-client has that."""
    one, other = getattr(InfluxManager, name), getattr(AsyncInfluxManager, name)
    assert inspect.signature(one).parameters == inspect.signature(other).parameters
    assert inspect.iscoroutinefunction(other)
    assert inspect.getdoc(other)


# --- Answers ----------------------------------------------------------------------

DAYS = ("2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z")


@pytest.fixture(scope="module")
def stored(store: Store) -> str:
    """Store three days of two meters, a point each half hour, and one of today; give the measurement."""
    lines = [
        f"everything,meter={meter} v={number * 0.5},total={number % 50}i,on={number % 2 == 0},"
        f'text="t{number}" {T0 + number * 1_800 * SECOND}'
        for meter in "ab"
        for number in range(144)
    ]
    now = pd.Timestamp.now("UTC").value - 60 * SECOND
    store.write(*lines, f"recent v=1.5 {now}", f"recent v=2.5 {now + SECOND}")
    return store.name


# Each takes a manager and a bucket.
ANSWERS: dict[str, Callable[[Any, str], Any]] = {
    "raw": lambda m, b: m.read(*DAYS, "everything", ["v", "total", "text", "on"], b, interval=None),
    "raw, one slice": lambda m, b: m.read(*DAYS, "everything", "v", b, interval=None, max_parallel=1),
    "polars": lambda m, b: m.read(*DAYS, "everything", "v", b, interval=None, into="polars"),
    "arrow": lambda m, b: m.read(*DAYS, "everything", "v", b, interval=None, into="arrow"),
    "tags": lambda m, b: m.read(*DAYS, "everything", "v", b, {"meter": "a"}, interval=None),
    "by": lambda m, b: m.read(*DAYS, "everything", "v", b, {"meter": "a"}, interval=None, by=["meter"]),
    "windows": lambda m, b: m.read(*DAYS, "everything", "v", b, interval="1h"),
    "functions": lambda m, b: m.read(
        *DAYS, "everything", ["v", "total"], b, interval="1d", agg_func=["median", "max", "spread", "sum"]
    ),
    "empty windows": lambda m, b: m.read(
        *DAYS, "everything", "v", b, interval="10m", create_empty=True, label="start", tz="Europe/Berlin"
    ),
    "nothing found": lambda m, b: m.read("2020-01-01", "2020-01-02", "everything", "v", b),
    "all fields": lambda m, b: m.read_all_fields(*DAYS, "everything", b),
    "consumption": lambda m, b: m.read_accumulated_value(*DAYS, "everything", "total", b, 120),
    "consumption with resets": lambda m, b: m.read_accumulated_value(
        *DAYS, "everything", "total", b, "1d", on_reset="restart", max_rate=1, quality=True
    ),
    "consumption in seconds": lambda m, b: m.read_accumulated_value_in_seconds(
        *DAYS, "everything", "total", b, 7_200, gaps="spread"
    ),
    "partitions": lambda m, b: m.partitions(*DAYS, "everything", ["v", "total"], b, rows=60),
    "average": lambda m, b: m.read_average_value_in_seconds(b, "recent", "v", 86_400),
    "last point": lambda m, b: m.read_last_data_point(b, "everything", ["total", "text"], with_time=True),
    "last points": lambda m, b: m.read_last_data_points(b, "everything", ["v", "on"]),
    "batches": lambda m, b: m.read_batches(*DAYS, "everything", ["v", "text"], b, batch_rows=50),
    "query": lambda m, b: m.query(
        "from(bucket: params.b) |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-04T00:00:00Z) "
        '|> filter(fn: (r) => r._measurement == "everything" and r._field == "v" and r.meter == "a")',
        {"b": b},
    ),
    "query, split": lambda m, b: m.query(
        "from(bucket: params.b) |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-04T00:00:00Z) "
        '|> filter(fn: (r) => r._measurement == "everything" and r.meter == "a")',
        {"b": b},
        split=True,
    ),
    "query in batches": lambda m, b: m.query_batches(
        "from(bucket: params.b) |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-04T00:00:00Z) "
        '|> filter(fn: (r) => r._measurement == "everything" and r._field == "v" and r.meter == "a")',
        {"b": b},
        batch_rows=50,
    ),
    "influxql": lambda m, b: m.query_influxql("SELECT v, text FROM everything GROUP BY *", bucket=b),
    "influxql, split": lambda m, b: m.query_influxql(
        "SELECT v FROM everything WHERE meter = $meter; SHOW FIELD KEYS", {"meter": "a"}, bucket=b, split=True
    ),
    "influxql in batches": lambda m, b: m.query_influxql_batches(
        "SELECT v, text FROM everything", bucket=b, batch_rows=50
    ),
    "measurements": lambda m, b: m.get_measurements_on_bucket(b),
    "fields": lambda m, b: m.get_fields(b, "everything"),
    "version": lambda m, _: m.server_version(),
    "tag keys": lambda m, b: m.get_tags(b, "everything"),
    "tag values": lambda m, b: m.get_tag_values(b, "everything", "meter"),
    "count": lambda m, b: m.count(b, "everything", *DAYS, {"meter": "a"}),
    "time range": lambda m, b: m.time_range(b, "everything"),
    "copy of nothing": lambda m, b: m.copy(b, "nowhere", start="2020-01-01", stop="2020-01-02"),
    "check": lambda m, b: m.check_write(b, FRAME, "everything"),
    "check of a conflict": lambda m, b: m.check_write(b, FRAME.astype({"v": str}), "everything"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_the_same(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager], stored: str, answer: str
) -> None:
    """On the same data of the real server, whatever is asked."""

    def call(one: Any) -> Any:
        return ANSWERS[answer](one, stored)

    expected, found = called(manager, call), awaited(make_async(), call)
    if answer == "influxql in batches":  # as below
        expected, found = (pd.concat(frames, ignore_index=True) for frames in (expected, found))
    if answer == "query in batches":  # whose frames end where what has arrived does
        expected, found = (
            pd.concat(frames, ignore_index=True).astype({"meter": str}) for frames in (expected, found)
        )
    if answer == "query, split":  # one for each type, in the order of the server's tables
        expected, found = (
            sorted(frames, key=lambda one: str(one["_value"].dtype)) for frames in (expected, found)
        )
    assert same(expected, found)
    assert len(expected) > 0 or answer in ("nothing found", "copy of nothing", "check")


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("rows", [1, 30_000])
def test_what_is_written_is_the_same(
    manager: InfluxManager,
    make_async: Callable[..., AsyncInfluxManager],
    store: Store,
    msname: str,
    rows: int,
    *,
    gzip: bool,
) -> None:
    """Every point is stored with its tags, type and time when the call has been awaited."""
    index = pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC")
    data = pd.DataFrame({"v": np.arange(rows) * 3, "x": np.arange(rows) / 7, "k": ["a"] * rows}, index=index)

    def write(one: Any, name: str) -> Any:
        return one.synchronous_write(store.name, data, name, {"from": "here"}, tag_columns=["k"])

    assert None is write(manager, msname)
    assert None is awaited(make_async(gzip=gzip), lambda one: write(one, f"{msname}-async"))

    found = store.points(f"{msname}-async")
    assert [point[1:] for point in store.points(msname)] == [point[1:] for point in found]
    assert 2 * rows == len(found)


def test_what_is_managed_is_the_same(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager], own_store: Store
) -> None:
    """A bucket is made, copied to, emptied in part and deleted again."""
    own_store.write(*(f"m,k={key} v={n} {T0 + n * SECOND}" for key in "ab" for n in range(3)))

    def managed(call: Callable[[Callable[[Any], Any]], Any], name: str) -> list[Any]:
        start, stop = pd.Timestamp(T0), pd.Timestamp(T0 + 2 * SECOND)
        steps: list[Callable[[Any], Any]] = [
            lambda m: m.create_bucket(name, retention="10000d"),
            lambda m: m.copy(own_store.name, name, start=SPAN[0], stop=SPAN[1]),
            lambda m: m.delete(name, start, stop, "m", {"k": "a"}),
            lambda m: m.count(name, "m"),
            lambda m: m.list_buckets(),
            lambda m: m.delete_bucket(name),
        ]
        made, copied, deleted, counted, buckets, gone = map(call, steps)
        assert made in buckets
        return [made[1:3], copied, deleted, counted, gone]

    expected = managed(lambda step: called(manager, step), own_store.name + "-sync")
    assert [["m"], None, {"v": 4}] == expected[1:4]
    assert expected == managed(lambda step: awaited(make_async(), step), own_store.name + "-async")


# --- Errors -----------------------------------------------------------------------

WRONG: dict[str, Callable[[Any], Any]] = {
    "start": lambda m: m.read("no time", None, "m", "v", "b"),
    "fields": lambda m: m.read(*SPAN, "m", [], "b"),
    "interval": lambda m: m.read(*SPAN, "m", "v", "b", interval="1x"),
    "agg_func": lambda m: m.read(*SPAN, "m", "v", "b", agg_func="average"),
    "into": lambda m: m.read_all_fields(*SPAN, "m", "b", into="numpy"),
    "keyword": lambda m: m.read_all_fields(*SPAN, "m", "b", intoo="pandas"),
    "timestep": lambda m: m.read_accumulated_value(*SPAN, "m", "v", "b", 0),
    "on_reset": lambda m: m.read_accumulated_value_in_seconds(*SPAN, "m", "v", "b", 60, on_reset="x"),
    "duration": lambda m: m.read_average_value_in_seconds("b", "m", "v", -1),
    "tags": lambda m: m.read_last_data_point("b", "m", "v", tags="k=v"),
    "bucket": lambda m: m.read_last_data_points("", "m", "v"),
    "every": lambda m: m.partitions(*SPAN, "m", "v", "b"),
    "rows": lambda m: m.partitions(*SPAN, "m", "v", "b", rows=0),
    "partition": lambda m: m.read_partition(7),
    "columns": lambda m: m.read_partition(PART, "w"),
    "batch_rows": lambda m: m.read_batches(*SPAN, "m", "v", "b", batch_rows=0),
    "flux": lambda m: m.query(""),
    "params": lambda m: m.query_batches("any", {"a": {1, 2}}),
    "influxql": lambda m: m.query_influxql(" "),
    "params of influxql": lambda m: m.query_influxql("any", {"a": None}),
    "bucket of influxql": lambda m: m.query_influxql_batches("any", bucket=""),
    "protocol": lambda m: m.read_all_fields(*SPAN, "m", "b", protocol="csv"),
    "data": lambda m: m.synchronous_write("b", 7, "m"),
    "infinite": lambda m: m.synchronous_write("b", FRAME * np.inf, "m"),
    "check": lambda m: m.check_write("b", 7, "m"),
    "measurements": lambda m: m.get_measurements_on_bucket(7),
    "get_fields": lambda m: m.get_fields("b", ""),
    "get_tags": lambda m: m.get_tags("b", None),
    "get_tag_values": lambda m: m.get_tag_values("b", "m", "_value"),
    "count": lambda m: m.count("b", "m", "2026-01-02", "2026-01-01"),
    "time_range": lambda m: m.time_range("b", "m", missing="never"),
    "create_bucket": lambda m: m.create_bucket("b", retention="1s"),
    "delete_bucket": lambda m: m.delete_bucket(""),
    "delete": lambda m: m.delete("b", *SPAN, tags={"k": ""}),
    "copy": lambda m: m.copy("b", "b", start=SPAN[0], stop=SPAN[1]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_argument_is_the_same_error(peer: Callable[..., Peer], wrong: str) -> None:
    """Word for word, and nothing is sent."""
    server = peer(b"")
    with InfluxManager(server.url, "o", "t") as manager:
        expected = failure(called, manager, WRONG[wrong])
    assert expected == failure(awaited, AsyncInfluxManager(server.url, "o", "t"), WRONG[wrong])
    assert 0 == server.connections


EACH = CALLS | WRITE | CHANGE | ANYWHERE
NO_BUCKET = ("query", "split", "query_influxql", *ANYWHERE)
each_call = pytest.mark.parametrize("call", EACH)


@pytest.mark.parametrize("call", [name for name in EACH if name not in NO_BUCKET])
def test_an_unknown_bucket_is_the_same_error(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager], call: str
) -> None:
    """NotFoundError, in the server's words."""
    expected = failure(called, manager, EACH[call])
    assert NotFoundError is expected[0]
    assert expected == failure(awaited, make_async(), EACH[call])


@each_call
def test_a_refused_token_is_the_same_error(
    make_manager: Callable[..., InfluxManager], make_async: Callable[..., AsyncInfluxManager], call: str
) -> None:
    """AuthenticationError, which does not show it."""
    expected = failure(called, make_manager(token="a-wrong-token"), EACH[call])
    assert expected == failure(awaited, make_async(token="a-wrong-token"), EACH[call])
    assert "a-wrong-token" not in expected[1]


@each_call
def test_a_dead_server_is_the_same_error(peer: Callable[..., Peer], call: str) -> None:
    """ConnectionFailedError, with the system's number."""
    server = peer(b"")
    server.close()
    kind, text, _ = failure(called, InfluxManager(server.url, "o", "t", retries=0), EACH[call])
    found = failure(awaited, AsyncInfluxManager(server.url, "o", "t", retries=0), EACH[call])
    assert kind is found[0]
    start = text[: text.index("]") + 1]
    assert start.endswith("can't be reached: [Errno 111]")
    assert found[1].startswith(start)


@pytest.mark.parametrize("limit", ["timeout", "deadline"])
def test_a_silent_server_is_the_same_error(peer: Callable[..., Peer], limit: str) -> None:
    """OperationTimeoutError, which names the limit."""
    options: dict[str, Any] = {"retries": 0, limit: 0.5}
    url = peer(silence).url

    def blocking(call: str) -> Any:
        with InfluxManager(url, "o", "t", **options) as manager:
            return failure(called, manager, EACH[call])

    def asynchronous(call: str) -> Any:
        return failure(awaited, AsyncInfluxManager(url, "o", "t", **options), EACH[call])

    asked = [call for call in EACH if call not in ANSWERED]
    with ThreadPoolExecutor(2 * len(asked)) as pool:
        expected, found = pool.map(blocking, asked), pool.map(asynchronous, asked)
        for one, other in zip(expected, found, strict=True):
            assert OperationTimeoutError is one[0]
            assert one == other


BROKEN: dict[str, Turn] = {
    "nothing": b"",
    "reset": reset,
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "half an answer": http(ANSWER, length=len(ANSWER) + 5),
    "half a row": http(ANSWER[:-12]),
    "reset in the answer": (http(ANSWER, length=len(ANSWER) + 5), reset),
    "no end mark": http(ANSWER[:-2]),
    "a broken chunk": chunked(ANSWER[:100], end=b"xyz\r\n"),
    "chunks without end": chunked(ANSWER, end=b""),
    "no length": b"HTTP/1.1 200 OK\r\n\r\n" + ANSWER,
    "broken gzip": b"HTTP/1.1 200 OK" + GZIPPED + b"Content-Length: 5\r\n\r\nabcde",
    "HTML": http(b"<html>", "Content-Type: text/html"),
    "other JSON": http(b'{"buckets": 7}'),
    "refused": http(b'{"code":"invalid","message":"no"}', status="400 Bad Request"),
    "a page": http(b"<html>gateway</html>", status="502 Bad Gateway"),
    "moved": http(b"", "Location: http://elsewhere.invalid/", status="302 Found"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_is_the_same_error(peer: Callable[..., Peer], broken: str) -> None:
    """Kind, words and attributes, of every call."""
    url = peer(BROKEN[broken]).url
    with InfluxManager(url, "o", "t", retries=0) as manager, asyncio.Runner() as runner:
        other = AsyncInfluxManager(url, "o", "t", retries=0)
        for name, call in EACH.items():
            kind, text, told = failure(called, manager, call)
            found = failure(lambda made: runner.run(gathered(made(other))), call)
            assert (name, kind, told) == (name, found[0], found[2])
            # By which of the system's errors a reset is met, is chance.
            assert broken == "reset" or (name, text) == (name, found[1])


def test_a_partial_write_is_the_same_error(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """Which rows the server refused, why, and how many it took."""
    data = pd.DataFrame(
        {"v": [1.5, 2.5, 3.5], "k": ["a", "b", "a"]}, index=pd.date_range("2026-01-01", periods=3, tz="UTC")
    )
    store.write(f"{msname},k=b v=1i {T0}")

    def write(one: Any) -> Any:
        return one.synchronous_write(store.name, data, msname, tag_columns=["k"])

    # Whole first, so that both find the same.
    failure(called, manager, write)
    expected = failure(called, manager, write)
    found = failure(awaited, make_async(), write)
    assert WriteError is expected[0]
    assert expected == found
    assert expected[2]["rejected"]


# --- Warnings ---------------------------------------------------------------------


def test_a_warning_points_to_the_line_that_awaits(
    make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """Or that iterates."""
    store.write(f"{msname} v=1 {T0}")
    manager = make_async()

    async def main() -> None:
        await manager.read(*SPAN, msname, "w", store.name)  # read
        await manager.read_all_fields(*SPAN, f"{msname}x", store.name)  # all fields
        await manager.read_last_data_point(store.name, msname, "w")  # last point
        async for _ in manager.read_batches(*SPAN, msname, "w", store.name):  # batches
            pass

    with pytest.warns(UserWarning, match="^no (field|measurement)") as caught:
        asyncio.run(main())

    assert [__file__] * 4 == [one.filename for one in caught]
    assert ["read", "all fields", "last point", "batches"] == [
        linecache.getline(one.filename, one.lineno).partition("  # ")[2].strip() for one in caught
    ]


def test_an_unchecked_certificate_is_warned_of_where_the_manager_is_made() -> None:
    """As by the other manager."""
    with pytest.warns(UserWarning, match="verify=False") as caught:
        AsyncInfluxManager("https://localhost", "o", "t", verify=False)
    assert [__file__] == [one.filename for one in caught]
