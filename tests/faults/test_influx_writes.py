"""Writes over a bad connection: what is acknowledged is there, all else is an error, nothing is invented."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from db_core.errors import (
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    OperationTimeoutError,
    WriteError,
)
from tests.faults.conftest import ROUNDS, outcome, resident

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.conftest import Bucket, Managers
    from tools.servers import InfluxDB, Proxy

ROWS = 2_000
T0 = pd.Timestamp("2026-01-01", tz="UTC")
BODY = 4 << 20  # bytes after which a long write goes on in another request
FAR = 100_000_000  # bytes, more than any request has


def frame(rows: int = ROWS) -> pd.DataFrame:
    """Give half numbers, second by second."""
    index = pd.date_range(T0, periods=rows, freq="s", name="time")
    return pd.DataFrame({"v": np.arange(rows) / 2}, index=index)


EXPECTED = {T0.value + row * 1_000_000_000: row / 2 for row in range(ROWS)}


@pytest.fixture
def manage(managers: Managers, influx: InfluxDB, before_influx: Proxy) -> Callable[..., Any]:
    """Give a function that makes a manager behind the proxy."""

    def make(**options: Any) -> Any:
        url = f"http://127.0.0.1:{before_influx.port}"
        options = {"retries": 0, "timeout": 30.0, "deadline": 50.0} | options
        return managers(url, influx.org, influx.token, **options)

    return make


@pytest.fixture
def write(
    manage: Callable[..., Any], bucket: Bucket, msname: str, tally: Callable[..., str]
) -> Callable[..., str]:
    """Give a function that writes over the proxy, looks at what is there past it, and says what came."""
    number = 0

    def write(fault: str, *errors: type[DatabaseError], **options: Any) -> str:
        nonlocal number
        number += 1
        name = f"{msname}-{number}"
        with manage(**options) as manager:
            came = outcome(lambda: manager.synchronous_write("default", frame(), name), None, *errors)
        stored = bucket.values(name)
        # Nothing invented, whatever came; and nothing lost, if it was acknowledged.
        assert stored.items() <= EXPECTED.items()
        return tally(fault, "synchronous_write", came, ROWS - len(stored) if came == "whole" else 0)

    return write


SLOW: dict[str, dict[str, Any]] = {
    "latency": {"latency": 20, "jitter": 15},
    "bandwidth": {"rate": 1_000},
    "slicer": {"average_size": 300, "size_variation": 200, "delay": 1},
    "slow_close": {"delay": 200},
}


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("fault", SLOW)
def test_a_slow_connection_changes_nothing(
    write: Callable[..., str], before_influx: Proxy, fault: str, *, gzip: bool
) -> None:
    """Late, narrow, in crumbs, or closed late: everything is there."""
    for stream in ("upstream", "downstream"):
        for _ in range(ROUNDS):
            with before_influx.fault(fault, stream=stream, **SLOW[fault]):
                assert "whole" == write(f"{fault}, {stream}", gzip=gzip)


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_write_cut_at_any_byte_is_an_error(
    write: Callable[..., str], before_influx: Proxy, *, reset: bool, gzip: bool
) -> None:
    """The server has the start of it, or none: it is not said to be written. One that is not cut is."""
    fault = "reset in the write" if reset else "closed in the write"
    chosen = random.Random(f"{gzip}{reset}")
    cuts = [
        0,
        1,
        100,
        350,
        *(chosen.randrange(6_000) for _ in range(4 * ROUNDS)),
    ]  # of 6 KB with gzip, else 60
    for after in cuts:
        with before_influx.cut(after, stream="upstream", reset=reset):
            assert "whole" != write(fault, ConnectionFailedError, WriteError, gzip=gzip), after
    with before_influx.cut(FAR, stream="upstream", reset=reset):
        assert "whole" == write(fault, gzip=gzip)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_lost_reply_is_an_error(write: Callable[..., str], before_influx: Proxy, *, reset: bool) -> None:
    """The points are there, and nobody said so, unless the reply has come as far as its 204."""
    fault = "reset in the reply" if reset else "closed in the reply"
    for after in (0, 1, 11, 40, 80):
        for _ in range(ROUNDS):
            with before_influx.cut(after, reset=reset):
                came = write(fault, ConnectionFailedError)
        assert after > 11 or came != "whole"


def test_a_write_is_made_again_until_it_is_acknowledged(
    write: Callable[..., str], before_influx: Proxy
) -> None:
    """Of points written twice there is one each."""
    for number in range(4 * ROUNDS):
        stream = ("upstream", "downstream")[number % 2]
        after = (0, 20, 500, 5_000)[number // 2 % 4]
        with before_influx.fault("limit_data", stream=stream, bytes=after, toxicity=0.5):
            write("half of the connections closed, 4 retries", ConnectionFailedError, retries=4)


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_half_open_connection_is_a_timeout(
    write: Callable[..., str], before_influx: Proxy, stream: Any
) -> None:
    """Nothing comes back, and the connection stays."""
    for _ in range(ROUNDS):
        with before_influx.fault("timeout", stream=stream, timeout=0):
            for limit in ("timeout", "deadline"):
                came = write(f"half-open {stream}, {limit}", OperationTimeoutError, **{limit: 0.3})
                assert "OperationTimeoutError" == came


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_long_write_that_breaks_says_how_much_is_there(
    manage: Callable[..., Any],
    before_influx: Proxy,
    bucket: Bucket,
    msname: str,
    tally: Callable[..., str],
    *,
    reset: bool,
) -> None:
    """Of three bodies the second is cut: the first is accepted, and there."""
    rows = 160_000
    data = frame(rows)
    line = len(f"{msname} v=10000.5 {T0.value}\n")
    assert 2 * BODY < rows * line < 3 * BODY
    with (
        manage() as manager,
        before_influx.cut(BODY + BODY // 2, stream="upstream", reset=reset),
        pytest.raises(WriteError) as caught,
    ):
        manager.synchronous_write("default", data, msname)

    accepted, there = caught.value.accepted, bucket.count(msname)
    assert accepted is not None
    assert 0 < accepted < rows
    tally(
        "reset between bodies" if reset else "closed between bodies",
        "synchronous_write",
        "WriteError",
        max(0, accepted - there),
    )
    assert isinstance(caught.value.__cause__, ConnectionFailedError)

    # And again, without a fault: all of them, each once.
    with manage() as manager:
        manager.synchronous_write("default", data, msname)
    assert rows == bucket.count(msname)


@pytest.mark.usefixtures("without_collector")
def test_faults_leave_no_memory_behind(manage: Callable[..., Any], before_influx: Proxy) -> None:
    """A write is some megabytes; twenty that break would be seen."""
    data = frame(100_000)
    errors = (ConnectionFailedError, WriteError, IncompleteResultError)
    with before_influx.cut(2_000_000, stream="upstream", reset=False):

        def write() -> str:
            with manage() as manager:
                return outcome(lambda: manager.synchronous_write("default", data, "memory"), None, *errors)

        for _ in range(5):
            write()
        before = resident()
        assert {"ConnectionFailedError"} == {write() for _ in range(20 * ROUNDS)}
    assert resident() - before < 24 << 20
