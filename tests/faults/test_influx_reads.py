"""Reads over a bad connection: all of the data, or the right error, in time; and nothing is left behind."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import (
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    OperationTimeoutError,
)
from tests.faults import meters
from tests.faults.conftest import ROUNDS, forget_peak, outcome, resident

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.conftest import Bucket, Managers
    from tools.servers import InfluxDB, Proxy

CUT = (IncompleteResultError, ConnectionFailedError)
FAR = 100_000_000  # bytes, more than any answer has

each_kind = pytest.mark.parametrize("kind", meters.READS)


@pytest.fixture(scope="module", autouse=True)
def _stored(bucket: Bucket) -> None:
    bucket.write(meters.lines())


@pytest.fixture
def read(managers: Managers, influx: InfluxDB, before_influx: Proxy) -> Callable[..., str]:
    """Give a function that reads over the proxy with a manager of its own, and says what came."""

    def read(kind: str, *errors: type[DatabaseError], **options: Any) -> str:
        call, expected = meters.READS[kind]
        url = f"http://127.0.0.1:{before_influx.port}"
        options = {"retries": 0, "timeout": 30.0, "deadline": 50.0} | options
        with managers(url, influx.org, influx.token, **options) as manager:
            return outcome(lambda: call(manager), expected, *errors)

    return read


SLOW: dict[str, dict[str, Any]] = {
    "latency": {"latency": 20, "jitter": 15},
    "bandwidth": {"rate": 4_000},
    "slicer": {"average_size": 300, "size_variation": 200, "delay": 1},
    "slow_close": {"delay": 200},
}


@each_kind
@pytest.mark.parametrize("fault", SLOW)
def test_a_slow_connection_changes_nothing(
    read: Callable[..., str], before_influx: Proxy, tally: Callable[..., str], fault: str, kind: str
) -> None:
    """Late, narrow, in crumbs, or closed late: everything comes."""
    for stream in ("downstream", "upstream"):
        for _ in range(ROUNDS):
            with before_influx.fault(fault, stream=stream, **SLOW[fault]):
                assert "whole" == tally(f"{fault}, {stream}", kind, read(kind))


def test_a_deadline_is_of_all_questions_together(
    managers: Managers, influx: InfluxDB, before_influx: Proxy, bucket: Bucket, msname: str
) -> None:
    """Totals that fall, so that the points are asked for too: either question has time, but not both."""
    totals = {0: 5, 3_600: 9, 3_660: 2}
    bucket.write([f"{msname} total={total}i {meters.T0 + after}000000000" for after, total in totals.items()])
    url = f"http://127.0.0.1:{before_influx.port}"
    with (
        managers(url, influx.org, influx.token, deadline=1.5, max_parallel=8) as manager,
        before_influx.fault("latency", latency=1_000),
        pytest.raises(OperationTimeoutError, match=r"deadline of 1\.5 seconds$"),
    ):
        manager.read_accumulated_value(
            meters.START,
            meters.SECOND_DAY,
            msname,
            "total",
            bucket.name,
            "1h",
            on_reset="restart",
            max_rate=1,
        )


@each_kind
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_an_answer_cut_at_any_byte_is_whole_or_an_error(
    read: Callable[..., str], before_influx: Proxy, tally: Callable[..., str], kind: str, *, reset: bool
) -> None:
    """Never a part of it; before the first thousand bytes and after all of them it is known which."""
    fault = "reset in the answer" if reset else "closed in the answer"
    chosen = random.Random(f"{kind}{reset}")
    early = [0, 1, 16, chosen.randrange(1_000)]
    for after in early + [1 << chosen.randrange(10, 20) for _ in range(3 * ROUNDS)] + [FAR]:
        with before_influx.cut(after, reset=reset):
            came = tally(fault, kind, read(kind, *CUT))
        assert after not in early or came != "whole", after
        assert after != FAR or came == "whole"


@each_kind
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_request_cut_at_any_byte_is_an_error(
    read: Callable[..., str], before_influx: Proxy, tally: Callable[..., str], kind: str, *, reset: bool
) -> None:
    """A server that has half a question answers nothing, or that it can't."""
    fault = "reset in the request" if reset else "closed in the request"
    for after in (0, 1, 100, 300):
        for _ in range(ROUNDS):
            with before_influx.cut(after, stream="upstream", reset=reset):
                assert "whole" != tally(fault, kind, read(kind, ConnectionFailedError))


@each_kind
def test_what_breaks_half_of_the_time_is_read_again(
    read: Callable[..., str], before_influx: Proxy, tally: Callable[..., str], kind: str
) -> None:
    """With retries: whole, unless luck runs out, and no row comes twice."""
    for number in range(2 * ROUNDS):
        after = (0, 500, 5_000, 50_000)[number % 4]
        with before_influx.fault("limit_data", bytes=after, toxicity=0.5):
            tally("half of the connections closed, 4 retries", kind, read(kind, *CUT, retries=4))


@each_kind
@pytest.mark.parametrize("stream", ["downstream", "upstream"])
def test_a_half_open_connection_is_a_timeout(
    read: Callable[..., str], before_influx: Proxy, tally: Callable[..., str], kind: str, stream: Any
) -> None:
    """Nothing comes, and the connection stays: after `timeout`, or at the deadline where that is sooner."""
    for _ in range(ROUNDS):
        with before_influx.fault("timeout", stream=stream, timeout=0):
            came = read(kind, OperationTimeoutError, timeout=0.3)
            assert "OperationTimeoutError" == tally(f"half-open {stream}, timeout", kind, came)
            if kind != "query_batches":  # which has none, as the caller's time counts too
                came = read(kind, OperationTimeoutError, deadline=0.3)
                assert "OperationTimeoutError" == tally(f"half-open {stream}, deadline", kind, came)


@pytest.mark.parametrize("kind", ["read_batches", "query_batches"])
def test_an_answer_that_stops_midway_is_a_timeout(
    managers: Managers, influx: InfluxDB, before_influx: Proxy, tally: Callable[..., str], kind: str
) -> None:
    """After the first frame nothing more comes, and the connection stays."""
    url = f"http://127.0.0.1:{before_influx.port}"
    with (
        managers(url, influx.org, influx.token, retries=0, timeout=0.5) as manager,
        before_influx.fault("bandwidth", rate=300),
    ):
        if kind == "read_batches":
            span = (meters.START, meters.STOP, meters.NAME, meters.FIELDS, "default")
            frames = manager.read_batches(*span, batch_rows=100)
        else:
            frames = manager.query_batches(meters.FLUX, batch_rows=100)
        next(frames)
        with before_influx.fault("timeout", timeout=0):
            came = outcome(lambda: list(frames), None, OperationTimeoutError)
        assert "OperationTimeoutError" == tally("half-open in the middle", kind, came)


@pytest.mark.usefixtures("without_collector")
@each_kind
def test_faults_leave_no_memory_behind(read: Callable[..., str], before_influx: Proxy, kind: str) -> None:
    """An answer is a megabyte; twenty times cut near its end would be seen."""
    with before_influx.cut(200_000, reset=False):
        for _ in range(5):
            read(kind, *CUT)
        before = resident()
        forget_peak()
        for _ in range(20 * ROUNDS):
            read(kind, *CUT)
    assert resident() - before < 16 << 20
    assert resident("VmHWM") - before < 128 << 20
