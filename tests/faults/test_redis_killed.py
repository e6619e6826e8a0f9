"""Redis ended by SIGKILL and started again, with each save on the disk before it is acknowledged."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_core.errors import ConnectionFailedError, IncompleteResultError
from tests.faults.conftest import LONG, ROUNDS, outcome
from tests.faults.values import CALLS, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.values import Clients
    from tools.servers import Redis

READS = ("safe_read_from_redis", "read_many", "read_frame")


@pytest.fixture(autouse=True)
def _running(redis_server: Redis) -> Iterator[None]:
    """Start the server again where a test has not: it fails alone."""
    yield
    if not redis_server.runs:
        redis_server.restart()


class Worker(threading.Thread):
    """Works step after step until it is stopped; a step says whether it did what it should."""

    def __init__(self, step: Callable[[int], bool]) -> None:
        super().__init__()
        self._step = step
        self._progress = threading.Semaphore(0)
        self._stop_it = threading.Event()
        self._broken: BaseException | None = None

    def run(self) -> None:
        """Work."""
        try:
            for number in range(10_000_000):
                if self._stop_it.is_set():
                    return
                if self._step(number):
                    self._progress.release()
        except BaseException as error:  # noqa: BLE001 - told by `finish`
            self._broken = error
            self._progress.release(1_000_000)

    def wait(self, steps: int) -> None:
        """Wait until so many more steps have succeeded."""
        for _ in range(steps):
            assert self._progress.acquire(timeout=LONG)

    def finish(self) -> None:
        """Stop, and raise what broke it."""
        self._stop_it.set()
        self.join(LONG)
        if self._broken:
            raise self._broken


def work_while_killed(server: Redis, step: Callable[[int], bool]) -> None:
    """Kill and restart the server three times while a worker works."""
    worker = Worker(step)
    worker.start()
    try:
        for _ in range(3 * ROUNDS):
            worker.wait(50)
            server.kill()
            server.restart()
        worker.wait(50)
    finally:
        worker.finish()


def test_what_was_acknowledged_survives(
    make: Clients, redis_server: Redis, tally: Callable[..., str]
) -> None:
    """Killed in a stream of saves: all that returned is there."""
    saved: list[int] = []
    fault, tried = "redis: killed in saves", f"save_in_redis, {make}"
    with make(redis_server.port) as client:

        def save(number: int) -> bool:
            came = outcome(
                lambda: client.save_in_redis(f"key-{number}", [number]), None, ConnectionFailedError
            )
            if came == "whole":
                saved.append(number)
            tally(fault, tried, came)
            return came == "whole"

        work_while_killed(redis_server, save)

    with redis.Redis(redis_server.host, redis_server.port) as plain:
        stored: list[Any] = plain.mget([f"{make.namespace}:key-{number}" for number in saved])
    lost = sum(text != b"[%d]" % number for number, text in zip(saved, stored, strict=True))
    tally(fault, tried, "counted afterwards", lost)


def test_reads_are_whole_or_an_error(make: Clients, redis_server: Redis, tally: Callable[..., str]) -> None:
    """Never None, as for a missing key, and never a part."""
    with make(redis_server.port) as client:
        fill(client)

        def read(number: int) -> bool:
            call = READS[number % len(READS)]
            do, expected = CALLS[call]
            came = outcome(lambda: do(client), expected, ConnectionFailedError, IncompleteResultError)
            tally("redis: killed in reads", f"{call}, {make}", came)
            return came == "whole"

        work_while_killed(redis_server, read)
