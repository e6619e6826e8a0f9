"""Copies over a bad connection: what an error says to be whole is there, and the rest can be copied again."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import ConnectionFailedError, CopyError, IncompleteResultError, WriteError
from db_influx import InfluxManager
from tests.faults.conftest import ROUNDS, forget_peak, resident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.conftest import Bucket, Managers
    from tools.servers import InfluxDB, Proxy

T0 = pd.Timestamp("2026-01-01", tz="UTC")
ROWS = 200_000
SPAN = {"start": T0, "stop": "2026-02-01"}
STEP = 10_000_000_000  # nanoseconds
CUT = (ConnectionFailedError, IncompleteResultError, WriteError)


@pytest.fixture(scope="module")
def stored(influx: InfluxDB, bucket: Bucket) -> str:
    """Make a bucket with points at ten seconds from each other, and one point of another measurement."""
    source = replace(bucket, name="copied")
    with InfluxManager(influx.url, influx.org, influx.token) as manager:
        manager.create_bucket(source.name)
    for first in range(0, ROWS, 50_000):
        source.write([f"long v={n} {T0.value + n * STEP}" for n in range(first, first + 50_000)])
    source.write([f"early v=1 {T0.value}"])
    return source.name


@pytest.fixture
def made(managers: Managers, influx: InfluxDB) -> Iterator[Callable[[str], Any]]:
    """Give a function that makes a manager on an address, and one of the server itself."""

    def make(url: str) -> Any:
        return managers(url, influx.org, influx.token, retries=0, timeout=30.0)

    return make


@pytest.mark.parametrize("side", ["the read", "the write"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_copy_that_breaks_says_what_is_whole(
    made: Callable[[str], Any],
    influx: InfluxDB,
    before_influx: Proxy,
    bucket: Bucket,
    stored: str,
    msname: str,
    tally: Callable[..., str],
    side: str,
    *,
    reset: bool,
) -> None:
    """Wherever its connection breaks, to either server; from there it goes on, and has every point once."""
    proxy = f"http://127.0.0.1:{before_influx.port}"
    chosen = random.Random(f"{side}{reset}")
    # The answers have some 4 MB, and so do the lines.
    cuts = [0, *(chosen.randrange(100_000, 1_500_000) for _ in range(2 * ROUNDS)), 1_000_000]
    furthest = T0
    for number, after in enumerate(cuts):
        name = f"{msname}-{number}"
        with made(influx.url) as good, made(proxy) as bad:
            source, target = (bad, good) if side == "the read" else (good, bad)
            to = getattr(target, "manager", target)
            good.create_bucket(name)
            copy = replace(bucket, name=name)
            stream: Any = "downstream" if side == "the read" else "upstream"
            copied: tuple[str, ...] = ()
            until = T0
            with before_influx.cut(after, stream=stream, reset=reset):
                try:
                    source.copy(stored, name, **SPAN, to=to)
                except CopyError as error:
                    assert isinstance(error.__cause__, CUT)
                    copied, until = error.copied, pd.Timestamp(error.until)
                    came = "CopyError"
                except CUT as error:
                    came = type(error).__name__
                else:
                    pytest.fail("a cut copy is whole")
            whole = (until.value - T0.value + STEP - 1) // STEP if copied else 0
            there = copy.values("long")
            assert 0 == sum(n * STEP + T0.value not in there for n in range(min(whole, ROWS)))
            assert ("early" in copied) <= (1 == copy.count("early"))
            tally(f"{'reset' if reset else 'closed'} in {side}", "copy", came)

            furthest = max(furthest, until)
            good.copy(stored, name, **SPAN)
            assert {T0.value + n * STEP: float(n) for n in range(ROWS)} == copy.values("long")
            assert 1 == copy.count("early")
            good.delete_bucket(name)
    assert furthest > T0


def test_memory_follows_neither_the_range_nor_the_fields(
    made: Callable[[str], Any], influx: InfluxDB, bucket: Bucket, msname: str
) -> None:
    """Of 250 fields with times of their own, a table of all points would have 50,000,000 cells: 400 MB."""
    with made(influx.url) as manager:
        manager.create_bucket(f"{msname}-from")
        manager.create_bucket(f"{msname}-to")
        source = replace(bucket, name=f"{msname}-from")
        for first in range(0, ROWS, 50_000):
            numbers = range(first, first + 50_000)
            source.write([f"m f{n % 250}={n} {T0.value + n * 1_000}" for n in numbers])

        before = resident()
        forget_peak()
        manager.copy(f"{msname}-from", f"{msname}-to", **SPAN)
        assert resident("VmHWM") - before < 200 << 20
        assert ROWS == sum(manager.count(f"{msname}-to", "m").values())
        for end in ("from", "to"):
            manager.delete_bucket(f"{msname}-{end}")
