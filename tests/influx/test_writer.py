"""The buffered writer on a real InfluxDB: when batches are sent, what `flush` means, and how it ends."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from db_core.errors import (
    ConnectionFailedError,
    InvalidArgumentError,
    NotFoundError,
    OperationTimeoutError,
    WriteError,
)
from tests.influx.answers import NO_CONTENT, http
from tests.influx.frames import INDEX, SECOND, T0
from tests.influx.test_fork import ends_well, in_a_child
from tests.influx.writers import AWAY, LONG, NEVER, stored, until
from tests.peer import UNKNOWN_BUCKET, read_http, stall

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import AsyncInfluxManager, InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer
    from tools import servers


# --- Points and frames ------------------------------------------------------------


@dataclass
class Reading:
    """What a device reports."""

    meter: str
    power: float
    time: dt.datetime


POINTS: dict[str, Any] = {
    "parts": {"tags": {"meter": "a"}, "fields": {"power": 1.5}, "time": T0},
    "parts with a measurement": {
        "measurement": "MSNAME",
        "tags": {"meter": "a"},
        "fields": {"power": 1.5},
        "time": T0,
    },
    "row": {"meter": "a", "power": 1.5, "time": "2026-01-01T00:00:00Z"},
    "mapping": OrderedDict(meter="a", power=1.5, time=pd.Timestamp("2026-01-01", tz="UTC")),
    "datetime64": {"meter": "a", "power": 1.5, "time": np.datetime64("2026-01-01", "ns")},
    "int of numpy": {"meter": "a", "power": np.float64(1.5), "time": np.int64(T0)},
    "dataclass": Reading("a", 1.5, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    "text": f"MSNAME,meter=a power=1.5 {T0}",
    "lines": f"# comment\nMSNAME,meter=a power=1 {T0}\nMSNAME,meter=a power=1.5 {T0}\n",
    "pandas": pd.DataFrame({"meter": ["a"], "power": [1.5]}, index=INDEX[:1]),
    "pandas with a column of times": pd.DataFrame({"meter": ["a"], "power": [1.5], "time": INDEX[:1]}),
    "polars": pl.DataFrame(
        {"meter": ["a"], "power": [1.5], "time": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]}
    ),
}


@pytest.mark.parametrize("name", POINTS)
def test_every_form_of_a_point_is_stored_alike(either: Any, store: Store, msname: str, name: str) -> None:
    """Mappings of parts, rows, dataclasses, lines of text and frames."""
    data = POINTS[name]
    if isinstance(data, str):
        data = data.replace("MSNAME", msname)
    elif isinstance(data, dict) and "measurement" in data:
        data = data | {"measurement": msname}
    with either.writer(store.name, msname, tag_columns=["meter"], tags={"site": "x"}) as writer:
        writer.write(data)
    [point] = store.points(msname)
    tags = {"meter": "a"} if isinstance(data, str) else {"meter": "a", "site": "x"}
    assert (tags, "power", "double", 1.5, T0) == point[1:]


def test_a_point_without_a_time_has_that_of_the_call(either: Any, store: Store, msname: str) -> None:
    """And keeps it, however often it is sent."""
    begun = pd.Timestamp.now("UTC").value
    with either.writer(store.name, msname, **NEVER) as writer:
        writer.write({"v": 1})
        writer.write(f"{msname} w=1i")
        ended = pd.Timestamp.now("UTC").value
    one, other = store.points(msname)
    assert begun <= one.time <= other.time <= ended


def test_a_frame_goes_out_among_points_in_order(either: Any, store: Store, msname: str) -> None:
    """A frame of many pieces, larger than the buffer, overwrites what came before and is overwritten."""
    rows = 20_000
    index = pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC")
    limits = {"max_rows": 1_000, "max_buffer": 100_000}
    with either.writer(store.name, msname, **limits) as writer:
        writer.write({"v": -1, "time": T0})
        writer.write(pd.DataFrame({"v": np.arange(rows)}, index=index))
        writer.write({"v": -2, "time": T0 + SECOND})
    assert {**dict(enumerate(range(rows))), 1: -2} == stored(store, msname)


BAD: dict[str, Any] = {
    "a float that is infinite": {"v": float("inf"), "time": T0},
    "no time": {"v": 1, "time": "soon"},
    "a time before now": {"v": 1, "time": "-1h"},
    "a length of time": {"v": 1, "time": dt.timedelta(0)},
    "a bool as a time": {"v": 1, "time": True},
    "no date": {"v": 1, "time": pd.NaT},
    "a float as a time": {"v": 1, "time": 1.5},
    "a null of pandas as a time": {"v": 1, "time": pd.NA},
    "a list as a time": {"v": 1, "time": np.array([1, 2])},
    "text that is no Unicode": 'm v="\ud800"',
    "a Series": pd.Series({"v": 1}),
    "an open quote": 'm v="',
    "a list": [{"v": 1}],
    "nothing": None,
    "a class": Reading,
    "a frame with an infinite float": pd.DataFrame({"v": [1.0, float("inf")]}, index=INDEX),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_point_is_an_error_at_once_and_disturbs_no_other(
    either: Any, store: Store, msname: str, name: str
) -> None:
    """It names `data`; the points before and after it are stored, and nothing of it."""
    with either.writer(store.name, msname) as writer:
        writer.write({"v": 1, "time": T0})
        with pytest.raises(InvalidArgumentError, match=r"^`data`") as caught:
            writer.write(BAD[name])
        assert "data" == caught.value.argument
        writer.write({"v": 2, "time": T0 + SECOND})
    assert {0: 1, 1: 2} == stored(store, msname)


class NoOffset(dt.tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _: dt.datetime | None) -> None:
        """Return nothing."""


def test_a_bad_time_is_told_what_a_time_can_be(manager: InfluxManager) -> None:
    """Without what only the range of a read can be, such as "-30d"."""
    writer = manager.writer("b", "m", **NEVER)
    expected = (
        "`data`: its time must be a datetime, ISO 8601 text or an int of nanoseconds, from 1677-09-21 to "
        "2262-04-11, not "
    )
    nowhere = dt.datetime(2026, 1, 1, tzinfo=NoOffset())
    for time in ("soon", "-30d", pd.NaT, pd.Timestamp("1500-01-01"), nowhere):
        with pytest.raises(InvalidArgumentError) as caught:
            writer.write({"v": 1, "time": time})
        assert expected + repr(time) == str(caught.value)
    writer.close()


def test_a_frame_needs_the_writer_to_have_a_measurement(either: Any, store: Store) -> None:
    """As it has no place for one; so does a row."""
    with either.writer(store.name) as writer:
        with pytest.raises(InvalidArgumentError, match=r"^`measurement` must name"):
            writer.write(pd.DataFrame({"v": [1.0]}, index=INDEX[:1]))
        with pytest.raises(InvalidArgumentError, match="it has no measurement"):
            writer.write({"v": 1})


# --- When batches are sent --------------------------------------------------------


@pytest.mark.parametrize("limit", [{"max_rows": 3}, {"max_bytes": 150}, {"max_seconds": 0.05}], ids=str)
def test_a_batch_is_sent_by_whichever_limit_comes_first(
    either: Any, store: Store, msname: str, limit: dict[str, Any]
) -> None:
    """By points, bytes (a line has 59), or the time since its first point; nobody has to flush."""
    with either.writer(store.name, msname, **NEVER | limit) as writer:
        for second in range(3):
            writer.write({"v": second, "time": T0 + second * SECOND})
        until(store, msname, 3)


def test_nothing_is_sent_before_a_limit(either: Any, store: Store, msname: str) -> None:
    """Points stay in memory until there is a batch, or somebody flushes."""
    with either.writer(store.name, msname, **NEVER) as writer:
        writer.write({"v": 1, "time": T0})
        assert [] == store.points(msname)
        writer.flush()
        assert {0: 1} == stored(store, msname)
        writer.flush()


def test_batches_have_the_rows_that_were_asked_for(
    peer: Callable[..., Peer], make_either: Callable[..., Any]
) -> None:
    """Of 7 points with 3 to a batch, two batches are full and `close` sends the third."""
    one = peer(NO_CONTENT)
    with make_either(url=one.url).writer("b", "m", **NEVER | {"max_rows": 3}) as writer:
        for second in range(7):
            writer.write({"v": second, "time": second})
    bodies = [request.partition(b"\r\n\r\n")[2] for request in one.requests]
    lines = [f"m v={second}i {second}\n".encode() for second in range(7)]
    assert [b"".join(lines[:3]), b"".join(lines[3:6]), lines[6]] == bodies


def test_write_waits_while_the_buffer_is_full(
    peer: Callable[..., Peer], make_either: Callable[..., Any]
) -> None:
    """No more than `max_buffer` and a batch is in memory; `write` goes on when the server takes some."""
    released = threading.Event()
    one = peer((stall(released), NO_CONTENT), NO_CONTENT)
    with (
        make_either(url=one.url).writer("b", "m", **NEVER | {"max_rows": 1, "max_buffer": 27}) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(writer.write, {"v": 1, "time": 1})
        first.result(LONG)
        writer.write({"v": 2, "time": 2})
        writer.write({"v": 3, "time": 3})
        waiting = pool.submit(writer.write, {"v": 4, "time": 4})
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        released.set()
        waiting.result(LONG)
    assert 4 == len(one.requests)


def test_write_fails_when_the_buffer_is_full_for_too_long(make_either: Callable[..., Any]) -> None:
    """At the manager's deadline, with the last error. The point was not taken; those before it are here."""
    manager = make_either(url=AWAY, retries=0, deadline=0.2)
    writer = manager.writer("b", "m", **NEVER | {"max_rows": 1, "max_buffer": 1})
    writer.write({"v": 1, "time": 1})
    with pytest.raises(
        OperationTimeoutError, match=r"not sent within 0\.2 seconds\. The last attempt failed"
    ):
        writer.write({"v": 2, "time": 2})
    with pytest.raises(OperationTimeoutError, match="; 0 of 2 rows were taken"):
        writer.write(pd.DataFrame({"v": [1.0, 2.0]}, index=INDEX))
    with pytest.raises(WriteError) as caught:
        writer.close()
    assert ["m v=1i 1"] == [point.line for point in caught.value.points]


# --- When the server is away ------------------------------------------------------


def test_what_could_not_be_sent_is_sent_by_the_next_flush(
    peer: Callable[..., Peer], make_either: Callable[..., Any]
) -> None:
    """`flush` raises what the attempt failed with, and `error` has it until an attempt succeeds."""
    one = peer(http(b"", status="503 Service Unavailable"), NO_CONTENT)
    with make_either(url=one.url, retries=0).writer("b", "m", **NEVER) as writer:
        writer.write({"v": 1, "time": 1})
        assert writer.error is None
        with pytest.raises(WriteError, match="503"):
            writer.flush()
        assert 503 == writer.error.status
        writer.write({"v": 2, "time": 2})
        writer.flush()
        assert writer.error is None
    assert [b"m v=1i 1\n", b"m v=1i 1\n", b"m v=2i 2\n"] == [
        request.partition(b"\r\n\r\n")[2] for request in one.requests
    ]


def test_closing_names_all_points_that_could_not_be_sent(make_either: Callable[..., Any]) -> None:
    """Their lines are in the error, and can be written again; it says why, and chains the cause."""
    writer = make_either(url=AWAY, retries=0).writer("b", "m", **NEVER | {"max_rows": 2})
    for number in range(3):
        writer.write({"v": f"{number}\n", "time": number})
    with pytest.raises(WriteError, match=r"^3 points were not written: not known to be written: ") as caught:
        writer.close()
    assert [f'm v="{number}\n" {number}' for number in range(3)] == [one.line for one in caught.value.points]
    assert isinstance(caught.value.__cause__, ConnectionFailedError)
    assert caught.value.points == pickle.loads(pickle.dumps(caught.value)).points
    writer.close()


def test_an_error_in_the_block_is_told_beside_that_of_the_end(make_either: Callable[..., Any]) -> None:
    """Neither hides the other."""
    writer = make_either(url=AWAY, retries=0).writer("b", "m")
    writer.write({"v": 1, "time": 1})

    def block() -> None:
        with writer:
            raise KeyError("the caller's own")

    with pytest.raises(WriteError) as caught:
        block()
    told: BaseException | None = caught.value
    while told is not None and not isinstance(told, KeyError):
        told = told.__context__
    assert isinstance(told, KeyError)


def test_a_bucket_that_is_not_there_is_told_by_flush(either: Any, store: Store, msname: str) -> None:
    """Points stay, and the error comes again as long as it is not there."""
    writer = either.writer(f"{store.name}-nowhere", msname)
    writer.write({"v": 1, "time": T0})
    for _ in range(2):
        with pytest.raises(NotFoundError, match="nowhere"):
            writer.flush()
    with pytest.raises(WriteError) as caught:
        writer.close()
    assert 1 == len(caught.value.points)


# --- How it ends ------------------------------------------------------------------


def test_a_closed_writer_takes_nothing(either: Any, store: Store, msname: str) -> None:
    """The error says so; closing again does nothing."""
    writer = either.writer(store.name, msname)
    writer.close()
    writer.close()
    for use in (lambda: writer.write({"v": 1}), writer.flush):
        with pytest.raises(InvalidArgumentError, match="the writer is closed; make another one"):
            use()


def test_a_writer_can_not_be_pickled(manager: InfluxManager, make_async: Any, store: Store) -> None:
    """It has points, which are of one process."""
    with manager.writer(store.name) as writer, pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(writer)
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(make_async().writer(store.name))


def test_threads_share_a_writer(manager: InfluxManager, store: Store, msname: str) -> None:
    """Each point is written once, whoever flushes meanwhile."""
    threads, points = 8, 500
    with manager.writer(store.name, msname, max_rows=100) as writer, ThreadPoolExecutor(threads) as pool:

        def work(thread: int) -> None:
            for number in range(points):
                second = thread * points + number
                writer.write({"v": second, "time": T0 + second * SECOND})
            writer.flush()

        list(pool.map(work, range(threads)))
        assert dict(enumerate(range(threads * points))) == stored(store, msname)


def test_tasks_share_a_writer_and_may_be_cancelled(
    make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """A task that is cancelled in `flush` takes nothing back."""

    async def main() -> None:
        async with make_async() as manager, manager.writer(store.name, msname, **NEVER) as writer:

            async def work(task: int) -> None:
                for number in range(500):
                    second = task * 500 + number
                    await writer.write({"v": second, "time": T0 + second * SECOND})
                flushing = asyncio.create_task(writer.flush())
                await asyncio.sleep(0)
                flushing.cancel()

            await asyncio.gather(*map(work, range(8)))

    asyncio.run(main())
    assert dict(enumerate(range(4_000))) == stored(store, msname)


def test_a_loop_that_ends_tells_of_the_points_that_are_left(
    make_async: Callable[..., AsyncInfluxManager],
) -> None:
    """Nobody closed the writer: the loop's handler of exceptions gets the points."""
    told: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        writer = make_async(url=AWAY, retries=0).writer("b", "m", **NEVER)
        await writer.write({"v": 1, "time": 1})
        await asyncio.sleep(0)

    asyncio.run(main())
    [context] = told
    assert ["m v=1i 1"] == [one.line for one in context["exception"].points]


def test_a_loop_that_ends_tells_of_refused_points(
    make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """Nobody flushed after the server refused them: the loop's handler of exceptions gets them."""
    told: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        writer = make_async().writer(store.name, msname, max_rows=1)
        await writer.write({"v": 1, "time": T0})
        await writer.write({"v": "x", "time": T0 + SECOND})
        await writer.write({"v": 2, "time": T0 + 2 * SECOND})
        await asyncio.to_thread(until, store, msname, 2)

    asyncio.run(main())
    [context] = told
    assert f'{msname} v="x" {T0 + SECOND}' in [one.line for one in context["exception"].points]


def test_a_block_in_a_task_ends_well_with_its_loop(
    make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """`asyncio.run` cancels all tasks at its end, also the writer's; the block's end still sends points."""

    async def work(has_written: asyncio.Event) -> None:
        async with (
            make_async(deadline=LONG) as manager,
            manager.writer(store.name, msname, **NEVER) as writer,
        ):
            await writer.write({"v": 1, "time": T0})
            has_written.set()
            await asyncio.Event().wait()

    async def main() -> asyncio.Task[None]:
        has_written = asyncio.Event()
        task = asyncio.create_task(work(has_written))
        await has_written.wait()
        return task

    assert asyncio.run(main()).cancelled()
    assert {0: 1} == stored(store, msname)


def test_a_block_goes_on_when_all_other_tasks_were_cancelled(
    make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """As a program does that shuts down; the writer's own task is one of them."""

    async def main() -> None:
        async with (
            make_async(deadline=LONG) as manager,
            manager.writer(store.name, msname, **NEVER) as writer,
        ):
            await writer.write({"v": 1, "time": T0})
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
            await writer.flush()
            await writer.write({"v": 2, "time": T0 + SECOND})

    asyncio.run(main())
    assert {0: 1, 1: 2} == stored(store, msname)


def test_another_loop_can_not_use_a_writer(
    make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """It says so, instead of a wait that would not end; the loop of the writer goes on."""

    async def main() -> None:
        async with make_async() as manager, manager.writer(store.name, msname, **NEVER) as writer:
            await writer.write({"v": 1, "time": T0})
            with pytest.raises(InvalidArgumentError, match="in another event loop; make a writer in it"):
                await asyncio.to_thread(lambda: asyncio.run(writer.write({"v": 9, "time": T0})))

    asyncio.run(main())
    assert {0: 1} == stored(store, msname)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_no_writer(manager: InfluxManager, store: Store, msname: str) -> None:
    """It says so, and takes no point of the parent's; the parent goes on."""
    with manager.writer(store.name, msname, **NEVER) as writer:
        writer.write({"v": 1, "time": T0})

        def job() -> None:
            for use in (lambda: writer.write({"v": 9, "time": T0}), writer.flush):
                with pytest.raises(InvalidArgumentError, match="by a forked process; make a writer in it"):
                    use()
            writer.close()

        assert ends_well(in_a_child(job))
        assert [] == store.points(msname)
        writer.write({"v": 2, "time": T0 + SECOND})
    assert {0: 1, 1: 2} == stored(store, msname)


def test_an_interpreter_that_ends_sends_what_is_left(
    server: servers.InfluxDB, store: Store, msname: str
) -> None:
    """A writer that nobody closed is closed at the end, with a warning, also where that is an error."""
    for number, action in enumerate(["always", "error"]):
        script = f"""
            from db_influx import InfluxManager
            manager = InfluxManager({server.url!r}, {server.org!r}, {server.token!r})
            writer = manager.writer({store.name!r}, {msname!r}, max_seconds=1e6)
            writer.write({{"v": {number}, "time": {T0 + number * SECOND}}})
        """
        command = [sys.executable, "-W", f"{action}::ResourceWarning", "-c", textwrap.dedent(script)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "ResourceWarning: <PointWriter> was not closed" in run.stderr
    assert {0: 0, 1: 1} == stored(store, msname)


def test_ctrl_c_ends_the_wait_of_a_flush(peer: Callable[..., Peer], make_manager: Callable[..., Any]) -> None:
    """The points are still here, and the end of the block sends them."""
    released = threading.Event()

    def interrupt(connection: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        released.wait(LONG)
        connection.sendall(NO_CONTENT)

    one = peer(interrupt, read=read_http)
    with make_manager(url=one.url).writer("b", "m", **NEVER) as writer:
        writer.write({"v": 1, "time": 1})
        with pytest.raises(KeyboardInterrupt):
            writer.flush()
        released.set()
    assert 1 == len(one.requests)


def test_an_error_of_a_signal_loses_no_other_point(manager: InfluxManager, store: Store, msname: str) -> None:
    """Wherever it interrupts `write` while that makes a batch, `flush` stores the points before it."""

    class Interrupted(Exception):  # noqa: N818 - as KeyboardInterrupt
        """What a signal raises."""

    steps = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_code.co_filename.endswith("_outbox.py"):
            steps -= 1
            if steps == 0:
                raise Interrupted
        return trace

    with manager.writer(store.name, msname, **{**NEVER, "max_rows": 2}) as writer:
        for second in range(1_000):
            writer.write({"v": second, "time": T0 + second * SECOND})
            steps = second + 1
            before = sys.gettrace()
            sys.settrace(trace)
            try:
                writer.write(f"{msname}_ v=1")
            except Interrupted:
                pass
            else:
                break
            finally:
                sys.settrace(before)
            writer.flush()
    assert 50 < second
    assert {n: n for n in range(second + 1)} == stored(store, msname)


def test_unknown_buckets_are_an_error_of_a_peer_too(
    peer: Callable[..., Peer], make_either: Callable[..., Any]
) -> None:
    """A 404 keeps the points."""
    one = peer(UNKNOWN_BUCKET, NO_CONTENT)
    with make_either(url=one.url, retries=0).writer("b", "m", **NEVER) as writer:
        writer.write({"v": 1, "time": 1})
        with pytest.raises(NotFoundError):
            writer.flush()
    assert 2 == len(one.requests)
