"""Redis over a bad connection: what was acknowledged is there, all else is the right error."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import ConnectionFailedError, DatabaseError, IncompleteResultError, OperationTimeoutError
from tests.faults.conftest import ROUNDS, outcome, resident
from tests.faults.values import CALLS, fill, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.values import Clients
    from tools.servers import Proxy, Redis

each_call = pytest.mark.parametrize("call", CALLS)


@pytest.fixture
def ask(
    make: Clients, before_redis: Proxy, redis_server: Redis, tally: Callable[..., str]
) -> Callable[..., str]:
    """Give a function that makes one call over the proxy with a client of its own, and says what came."""
    with make(redis_server.port) as client:
        fill(client)

    def ask(fault: str, call: str, *errors: type[DatabaseError], **options: Any) -> str:
        do, expected = CALLS[call]
        with make(before_redis.port, **options) as client:
            came = outcome(lambda: do(client), expected, *errors)
        # What is there is what was there, or what was saved, which is the same; nothing is half.
        with make(redis_server.port) as direct:
            lost = 0 if is_whole(direct) else 1
        return tally(fault, f"{call}, {make}", came, lost)

    return ask


SLOW: dict[str, dict[str, Any]] = {
    "latency": {"latency": 10, "jitter": 5},
    "bandwidth": {"rate": 2_000},
    "slicer": {"average_size": 500, "size_variation": 300, "delay": 1},
    "slow_close": {"delay": 100},
}


@each_call
@pytest.mark.parametrize("fault", SLOW)
def test_a_slow_connection_changes_nothing(
    ask: Callable[..., str], before_redis: Proxy, fault: str, call: str
) -> None:
    """Late, narrow, in crumbs, or closed late: everything comes."""
    for stream in ("upstream", "downstream"):
        for _ in range(ROUNDS):
            with before_redis.fault(fault, stream=stream, **SLOW[fault]):
                assert "whole" == ask(f"redis: {fault}, {stream}", call)


@each_call
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_connection_cut_at_any_byte_is_whole_or_an_error(
    ask: Callable[..., str], before_redis: Proxy, call: str, stream: Any, *, reset: bool
) -> None:
    """Of a request or a reply; what is saved is never half of it."""
    fault = f"redis: {'reset' if reset else 'closed'} {stream}"
    chosen = random.Random(f"{call}{stream}{reset}")
    for after in [chosen.choice((0, 1)), *(1 << chosen.randrange(2, 17) for _ in range(ROUNDS))]:
        with before_redis.cut(after, stream=stream, reset=reset):
            came = ask(fault, call, ConnectionFailedError, IncompleteResultError)
        assert after > 1 or came != "whole"


@each_call
@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_half_open_connection_is_a_timeout(
    ask: Callable[..., str], before_redis: Proxy, call: str, stream: Any
) -> None:
    """Nothing comes, and the connection stays."""
    for _ in range(ROUNDS):
        with before_redis.fault("timeout", stream=stream, timeout=0):
            came = ask(f"redis: half-open {stream}", call, OperationTimeoutError, socket_timeout=0.2)
            assert "OperationTimeoutError" == came


@each_call
def test_what_breaks_half_of_the_time_is_tried_again(
    ask: Callable[..., str], before_redis: Proxy, call: str
) -> None:
    """Whole, unless luck runs out."""
    for after in (0, 100) * ROUNDS:
        with before_redis.fault("limit_data", bytes=after, toxicity=0.5):
            ask("redis: half of the connections closed", call, ConnectionFailedError, IncompleteResultError)


def test_faults_leave_no_memory_behind(make: Clients, redis_server: Redis, before_redis: Proxy) -> None:
    """A value is two megabytes; twenty that break would be seen."""
    big = "x" * 2_000_000
    with make(redis_server.port) as client:
        client.save_in_redis("big", big)

    def read() -> None:
        with make(before_redis.port) as client:
            outcome(lambda: client.safe_read_from_redis("big"), big, ConnectionFailedError)

    with before_redis.cut(1_500_000, reset=False):
        for _ in range(5):
            read()
        before = resident()
        for _ in range(5 * ROUNDS):  # four attempts each
            read()
    assert resident() - before < 16 << 20
