"""When a request is repeated: rules without a wait, with a clock that is given."""

from __future__ import annotations

import time

import pytest

from db_core.errors import ConnectionFailedError, InvalidArgumentError, OperationTimeoutError
from db_influx import InfluxManager
from db_influx._attempts import pause_before, retry_after, too_late
from db_influx._io import CallLimits

SAMPLES = 200


def call(*, retries: int = 3, left: float | None = None) -> CallLimits:
    """Return the limits of a call that ends in so many seconds, or never."""
    end = None if left is None else time.monotonic() + left
    return CallLimits(silence=60.0, deadline=left, end=end, retries=retries)


@pytest.mark.parametrize(
    ("done", "most"), [(0, 0.25), (1, 0.5), (2, 1.0), (5, 8.0), (7, 30.0), (20, 30.0), (1_000, 30.0)]
)
def test_pauses_are_random_up_to_a_limit_that_doubles(done: int, most: float) -> None:
    """A quarter of a second at most before the first retry, twice that before each next, never above 30."""
    pauses = [pause_before(done, call(retries=10_000), None) for _ in range(SAMPLES)]
    assert all(pause is not None and 0 <= pause <= most for pause in pauses)
    assert most / 2 < max(pause for pause in pauses if pause is not None)
    assert SAMPLES / 2 < len(set(pauses))


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_there_are_as_many_attempts_as_retries_and_one(retries: int) -> None:
    """The last one is followed by none, whatever the server asks."""
    limits = call(retries=retries)
    assert [True] * retries + [False] == [
        pause_before(done, limits, None) is not None for done in range(retries + 1)
    ]
    assert None is pause_before(retries, limits, 0.0)


def test_the_servers_own_pause_is_kept_to() -> None:
    """To the second, unless the call ends before, or it asks for more than an hour of an endless call."""
    assert 7.0 == pause_before(0, call(), 7.0)
    assert 7.0 == pause_before(0, call(left=100), 7.0)
    assert None is pause_before(0, call(left=5), 7.0)
    assert 3_599.0 == pause_before(0, call(), 3_599.0)
    assert None is pause_before(0, call(), 3_600.0)
    assert 4_000.0 == pause_before(0, call(left=5_000), 4_000.0)


def test_a_call_that_is_over_is_not_repeated() -> None:
    """No time is left for a pause of any length."""
    assert 0.0 == call(left=-1).left
    assert None is pause_before(0, call(left=-1), None)


def test_a_wait_is_as_long_as_the_silence_or_what_is_left() -> None:
    """Whichever is shorter."""
    assert 60.0 == call().wait
    assert 60.0 == call(left=1_000).wait
    assert 0 < call(left=5).wait <= 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 17 ", 17.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    """A date that is over is no pause; what is neither is left to us."""
    assert seconds == retry_after(header)


def test_retry_after_counts_to_a_date() -> None:
    """A minute ahead, less what passes meanwhile."""
    stamp = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    found = retry_after(stamp)
    assert found is not None
    assert 30 < found <= 60


def test_the_deadlines_error_tells_what_the_last_attempt_met() -> None:
    """Unless that was a timeout, whose words are of no use."""
    limits = call(left=5)
    start = "the call did not end within its deadline of 5 seconds"
    assert start == str(too_late(limits))
    assert start == str(too_late(limits, OperationTimeoutError("late")))
    assert f"{start}: gone" == str(too_late(limits, ConnectionFailedError("gone")))


@pytest.mark.parametrize("seconds", [1e10, 10**400, float("inf"), float("nan"), 0])
def test_seconds_that_no_system_can_wait_are_refused(seconds: float) -> None:
    """When the manager is made, by an error that names the argument."""
    with pytest.raises(InvalidArgumentError, match="number of seconds above 0, up to 1e") as caught:
        InfluxManager("http://host.invalid", "o", "t", timeout=seconds)
    assert "timeout" == caught.value.argument
