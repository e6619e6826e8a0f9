"""Where a span is the current one: in the threads, tasks and functions of its call, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode

from db_core.errors import ConnectionFailedError, IncompleteResultError, QueryError
from tests.influx.answers import ONE_ROW, http
from tests.influx.writers import NEVER
from tests.peer import PATIENCE, silence
from tests.traces import current_span

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from db_influx import AsyncInfluxManager, InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer
    from tests.traces import Traces

T0, DAY = 1_767_225_600_000_000_000, 86_400_000_000_000
WEEK = ("2026-01-01", "2026-01-09")
FLUX = "from(bucket: params.bucket) |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-09T00:00:00Z)"
ROW = b",,0,2026-01-01T00:00:00Z,1.5\r\n"
SAYS = http(ONE_ROW)


@pytest.fixture
def filled(own_store: Store) -> Store:
    """Return a bucket with a point for each of eight days."""
    own_store.write(*(f"m v={day} {T0 + day * DAY}" for day in range(8)))
    return own_store


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See that OpenTelemetry logs no error, as it does about a span that is left in another context."""
    yield
    assert [] == [one.getMessage() for one in caplog.records if one.name.startswith("opentelemetry")]


def ids(span: ReadableSpan) -> tuple[int, int | None]:
    """Return the ID of a span, and that of its parent."""
    assert span.context is not None
    return span.context.span_id, span.parent.span_id if span.parent else None


def test_a_call_is_a_part_of_the_span_around_it(either: Any, filled: Store, traces: Traces) -> None:
    """And the span around it is the current one again at the end."""
    with traces.tracer.start_as_current_span("job"):
        outer = current_span()
        either.count(filled.name, "m")
        assert outer == current_span()

    [call] = traces.calls
    assert outer == ids(call)[1]


def test_slices_are_parts_of_their_call(
    either: Any, filled: Store, traces: Traces, caplog: pytest.LogCaptureFixture
) -> None:
    """Each query has a span; the log lines of its thread or task belong to the call's."""
    seen: set[int] = set()

    def note(record: logging.LogRecord) -> bool:
        seen.add(current_span())
        return bool(record)

    logger = logging.getLogger("db_influx")
    caplog.set_level(logging.DEBUG, "db_influx")
    logger.addFilter(note)
    try:
        either.read(*WEEK, "m", "v", filled.name, interval=None, max_parallel=4)
    finally:
        logger.removeFilter(note)

    [call] = traces.calls
    assert 4 <= len(traces.parts("query"))
    assert {ids(call)[0]} == {ids(part)[1] for part in traces.parts("query")} == seen


def test_a_query_alone_is_no_part(either: Any, filled: Store, traces: Traces) -> None:
    """The span of the call says all of it."""
    either.read("2026-01-01", "2026-01-02", "m", "v", filled.name, interval=None)
    assert 1 == len(traces.all)


@pytest.mark.usefixtures("at_once")
def test_a_retry_is_a_part_of_its_call(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], traces: Traces
) -> None:
    """It tells the reason; the call has succeeded."""
    call_peer(peer(b"", SAYS), retries=1).query("any")

    [call], [retry] = traces.calls, traces.parts("retry")
    assert ids(call)[0] == ids(retry)[1]
    assert {
        "db_core.retry.attempt": 1,
        "db_core.retry.seconds": 0.0,
        "db_core.retry.reason": "db_core.errors.ConnectionFailedError",
    } == dict(retry.attributes or {})
    assert StatusCode.UNSET == call.status.status_code == retry.status.status_code


def test_an_iterator_has_one_span(either: Any, filled: Store, traces: Traces) -> None:
    """It begins with the first frame and ends with the last, and is the current one in between only."""
    frames = either.query_batches(FLUX, {"bucket": filled.name}, batch_rows=2)
    assert [] == traces.all
    with traces.tracer.start_as_current_span("job"):
        outer = current_span()
        for _ in frames:
            assert outer == current_span()
            assert [] == traces.calls
        assert outer == current_span()

    [call] = traces.calls
    assert (outer, StatusCode.UNSET) == (ids(call)[1], call.status.status_code)


def test_an_iterator_that_is_left_ends_its_span(either: Any, filled: Store, traces: Traces) -> None:
    """Without an error, as nothing failed. One that was never begun has none."""
    frames = either.query_batches(FLUX, {"bucket": filled.name}, batch_rows=2)
    next(iter(frames))
    frames.close()
    either.query_batches(FLUX, {"bucket": filled.name}).close()

    [call] = traces.calls
    assert StatusCode.UNSET == call.status.status_code
    assert 0 == current_span()


def test_an_iterator_that_fails_ends_its_span(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], traces: Traces
) -> None:
    """With the error that it raises."""
    cut = ONE_ROW[:-2] + ROW * 30_000
    manager = call_peer(peer(http(cut[:-9], length=len(cut))))
    with pytest.raises(IncompleteResultError):
        list(manager.query_batches("any", batch_rows=1_000))

    [call] = traces.calls
    assert "db_core.errors.IncompleteResultError" == (call.attributes or {})["error.type"]


def test_an_iterator_may_go_from_thread_to_thread(
    manager: InfluxManager, filled: Store, traces: Traces
) -> None:
    """Each frame may be asked for by another one, and another one may close it."""
    frames: Any = manager.query_batches(FLUX, {"bucket": filled.name}, batch_rows=2)
    spans: list[int] = []

    def step() -> None:
        next(frames)
        spans.append(current_span())

    for target in (step, step, frames.close):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    assert [0, 0] == spans
    assert 1 == len(traces.calls)


def test_two_iterators_at_once_do_not_mix(manager: InfluxManager, filled: Store, traces: Traces) -> None:
    """Neither is a part of the other."""
    first, second = (manager.query_batches(FLUX, {"bucket": filled.name}, batch_rows=3) for _ in range(2))
    pairs = list(zip(first, second, strict=True))

    assert 3 == len(pairs)
    assert [None, None] == [ids(call)[1] for call in traces.calls]


def test_functions_of_the_caller_run_in_the_span(either: Any, filled: Store, traces: Traces) -> None:
    """`progress` is called inside of the call."""
    seen: set[int] = set()
    either.read(*WEEK, "m", "v", filled.name, interval=None, progress=lambda _: seen.add(current_span()))
    assert {ids(traces.calls[-1])[0]} == seen


def test_an_error_of_such_a_function_is_that_of_the_span(either: Any, filled: Store, traces: Traces) -> None:
    """It ends the call, and the span with it; its own context stays."""

    def fails(_: object) -> None:
        try:
            raise KeyError("first")  # noqa: TRY301 - as a function of the caller may
        except KeyError:
            raise ValueError("second")  # noqa: B904 - its context is looked at

    with pytest.raises(ValueError, match="second") as caught:
        either.read(*WEEK, "m", "v", filled.name, interval=None, progress=fails)

    [call] = traces.calls
    assert "ValueError" == (call.attributes or {})["error.type"]
    assert isinstance(caught.value.__context__, KeyError)
    assert 0 == current_span()


@pytest.mark.usefixtures("at_once")
def test_the_hook_for_retries_runs_in_the_span(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], traces: Traces
) -> None:
    """So what it records belongs to the call."""
    seen: set[int] = set()
    manager = call_peer(peer(b"", SAYS), retries=1, on_retry=lambda _: seen.add(current_span()))
    manager.query("any")
    assert {ids(traces.calls[-1])[0]} == seen


def test_a_delivery_of_a_writer_is_a_span_of_its_own(either: Any, own_store: Store, traces: Traces) -> None:
    """It is no part of the span in which its points were written, as it has points of many."""
    refused: list[int] = []
    writing = either.writer(own_store.name, on_refused=lambda _: refused.append(current_span()), **NEVER)
    with traces.tracer.start_as_current_span("request"), writing as writer:
        writer.write("m v=1 1")
        writer.write("m v=true 2")

    [delivery] = traces.calls
    span, parent = ids(delivery)
    assert (f"writer {own_store.name}", None) == (delivery.name, parent)
    assert [span] == refused
    assert {span} == {ids(part)[1] for part in traces.parts("write")}


def test_a_writer_that_keeps_points_asks_no_server(
    make_either: Callable[..., Any], traces: Traces, tmp_path: Any
) -> None:
    """Only what is sent has a span: here the first attempt, after which the points go into the spool."""
    manager = make_either(url="http://127.0.0.1:9", retries=0)
    with manager.writer("b", spool=tmp_path / "spool") as writer:
        writer.write("m v=1 1")
        writer.flush()

    kinds = {(call.attributes or {})["error.type"] for call in traces.calls}
    assert {"db_core.errors.ConnectionFailedError"} == kinds


def test_a_cancelled_call_ends_its_span(
    peer: Callable[..., Peer], make_async: Callable[..., AsyncInfluxManager], traces: Traces
) -> None:
    """With the cancellation as its error."""
    asked = threading.Event()
    server = peer(lambda connection: (asked.set(), connection.recv(1)))
    manager = make_async(url=server.url, retries=0)

    async def cancelled() -> None:
        async with manager:
            task = asyncio.create_task(manager.query("any"))
            await asyncio.to_thread(asked.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())
    [call] = traces.calls
    assert "asyncio.exceptions.CancelledError" == (call.attributes or {})["error.type"]


def test_the_spans_of_failed_slices_end(nowhere: InfluxManager, traces: Traces) -> None:
    """Whichever of them failed first."""
    with pytest.raises(ConnectionFailedError):
        nowhere.read(*WEEK, "m", "v", "b", interval=None, max_parallel=4)
    assert all(span.end_time is not None for span in traces.all)


def test_slices_that_another_one_ends_have_not_failed(
    peer: Callable[..., Peer],
    call_peer: Callable[..., InfluxManager],
    traces: Traces,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody is told of a retry of theirs; their spans have no error, and end before that of the call."""
    under_way, told = threading.Semaphore(0), list[object]()

    def refuses(connection: socket.socket) -> None:
        for _ in range(3):
            assert under_way.acquire(timeout=PATIENCE)
        said = b'{"code":"invalid","message":"bad"}'
        connection.sendall(
            b"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(said) + said
        )

    begins = (http(ONE_ROW[:-2], length=100_000), lambda _: under_way.release(), silence)
    manager = call_peer(peer(begins, begins, begins, refuses), retries=3, on_retry=told.append)
    with pytest.raises(QueryError, match="bad"):
        manager.read(*WEEK, "m", "v", "b", interval=None, max_parallel=4, protocol="flux", missing="ignore")
    for thread in threading.enumerate():
        if thread.name.startswith("db-influx_"):
            thread.join(PATIENCE)

    [call], parts = traces.calls, traces.parts("query")
    assert ([], []) == (told, [one for one in caplog.records if one.name == "db_influx"])
    errors = [(part.attributes or {}).get("error.type") for part in parts]
    assert {None: 3, "db_core.errors.QueryError": 1} == Counter(errors)
    assert 5 == len(traces.all)
    assert all((part.end_time or 0) <= (call.end_time or 0) for part in parts)
