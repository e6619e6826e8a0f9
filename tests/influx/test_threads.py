"""What several threads do with one manager, and what a call leaves behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from db_core.errors import ConnectionFailedError, IncompleteResultError, NotFoundError
from tests.influx.answers import ANSWER, http
from tests.influx.calls import SPAN, T0
from tests.peer import PATIENCE

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer


def test_threads_share_a_manager(manager: InfluxManager, store: Store, msname: str) -> None:
    """Eight threads write and read their own series at once; each finds exactly what it wrote."""
    together = threading.Barrier(8)

    def work(thread: int) -> list[list[float]]:
        together.wait(10)
        found = []
        for turn in range(10):
            index = pd.DatetimeIndex([pd.Timestamp(T0 + turn, tz="UTC")])
            value = float(100 * thread + turn)
            tags = {"thread": str(thread)}
            manager.synchronous_write(store.name, pd.DataFrame({"v": [value]}, index=index), msname, tags)
            frame = manager.read(*SPAN, msname, "v", store.name, tags, interval=None)
            found.append(frame["v"].tolist())
            last = manager.read_last_data_point(store.name, msname, "v", tags)
            found.append([last["v"]])
            assert msname in manager.get_measurements_on_bucket(store.name)
        return found

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))

    for thread, found in enumerate(results):
        values = [float(100 * thread + turn) for turn in range(10)]
        assert [part for turn in range(10) for part in (values[: turn + 1], [values[turn]])] == found


def test_an_error_in_one_thread_is_not_anothers(manager: InfluxManager, store: Store, msname: str) -> None:
    """Half of the calls fail, and only they."""
    store.write(f"{msname} v=1 {T0}")

    def ask(turn: int) -> object:
        try:
            bucket = store.name if turn % 2 else "nowhere"
            return manager.read(*SPAN, msname, "v", bucket, interval=None)["v"].tolist()
        except NotFoundError:
            return "not found"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(80)))

    assert ["not found", [1.0]] * 40 == results


def test_a_closed_manager_opens_again(manager: InfluxManager) -> None:
    """`close` gives back what is idle; a later call opens what it needs."""
    first = manager.query("buckets()")
    manager.close()
    manager.close()

    assert len(first) == len(manager.query("buckets()"))


def test_a_failed_request_leaves_the_callers_own_error_whole(
    call_peer: Callable[..., InfluxManager], peer: Callable[..., Peer]
) -> None:
    """An error that is being handled keeps its local variables, for debuggers and error trackers."""

    def fail() -> None:
        local = 7
        raise ValueError(local)

    try:
        fail()
    except ValueError as error:
        with pytest.raises(ConnectionFailedError):
            call_peer(peer(b"")).query("any")
        assert error.__traceback__ is not None
        inner = error.__traceback__.tb_next
        assert inner is not None
        assert 7 == inner.tb_frame.f_locals["local"]


def test_errors_of_slices_are_not_kept(
    call_peer: Callable[..., InfluxManager],
    peer: Callable[..., Peer],
    kept_errors: Callable[[], list[object]],
) -> None:
    """Neither that of the call, once it was handled, nor the others, with all that was received."""
    together = threading.Barrier(4)
    manager = call_peer(peer((lambda _: together.wait(PATIENCE), http(ANSWER, length=len(ANSWER) + 5))))
    try:
        manager.read("2026-01-01", "2026-01-05", "m", "v", "b", interval=None)
    except IncompleteResultError:
        assert kept_errors()
    for thread in threading.enumerate():
        if thread.name.startswith("db-influx"):
            thread.join(PATIENCE)

    assert [] == kept_errors()


# --- The end of a program -----------------------------------------------------------

LATE = """
import sys, threading
import pandas  # can't be imported any more once the main thread has ended
from db_influx import InfluxManager

def work():
    threading.main_thread().join()
    with InfluxManager(sys.argv[1], "o", "t") as manager:
        print(len(manager.read("2026-01-01", "2026-01-05", "m", "v", "b", interval=None)))

threading.Thread(target=work).start()
"""


def test_a_thread_reads_slices_when_the_main_thread_has_ended(peer: Callable[..., Peer]) -> None:
    """Python then starts no more work of `concurrent.futures`."""
    server = peer(http(ANSWER), http(b"\r\n"))
    command = [sys.executable, "-c", LATE, server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert ("3\n", "", 0) == (done.stdout, done.stderr, done.returncode)
    assert 4 == len(server.requests)


def test_the_end_of_a_program_waits_for_slices(
    call_peer: Callable[..., InfluxManager], peer: Callable[..., Peer]
) -> None:
    """Their threads are none that Python ends wherever they are, in native code too."""
    are_daemons: set[bool] = set()

    def notes(connection: socket.socket) -> None:
        are_daemons.update(
            thread.daemon for thread in threading.enumerate() if thread.name.startswith("db-influx")
        )
        connection.sendall(http(b"\r\n"))

    call_peer(peer(notes)).read("2026-01-01", "2026-01-05", "m", "v", "b", interval=None)

    assert {False} == are_daemons
