"""Forked processes: they work with the parent's manager, and share no connection with it."""

from __future__ import annotations

import os
import signal
import socket
import traceback
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from db_influx import InfluxManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.conftest import Store

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

CHILDREN = 4
READS = 25
ROWS = 500_000  # more than sockets hold
PATIENCE = 60  # seconds
OPEN = Path("/proc/self/fd")
START, STOP = "2026-01-01", "2026-01-02"
FIRST = 1_767_225_600_000_000_000  # START


def in_a_child(job: Callable[[], None]) -> int:
    """Run a job in a forked process; what it raises is printed and ends it with 1."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.alarm(PATIENCE)
        job()
        status = 0
    except BaseException:  # noqa: BLE001 - a copy of the test runner must not go on
        traceback.print_exc()
    finally:
        os._exit(status)


def ends_well(child: int) -> bool:
    """Wait for a child; give whether its job raised nothing."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def connections() -> set[int]:
    """Give the inodes of this process's open TCP connections: a shared one has the same in both."""
    found = set()
    for name in OPEN.iterdir():
        number = int(name.name)
        try:
            with socket.socket(fileno=os.dup(number)) as opened:
                if opened.family in (socket.AF_INET, socket.AF_INET6) and opened.getpeername():
                    found.add(os.fstat(number).st_ino)
        except OSError:  # no socket, or closed since
            continue
    return found


def series(store: Store, msname: str, count: int) -> dict[str, list[int]]:
    """Store points of several meters; gives each meter's values."""
    values = {f"m{number}": list(range(number * 1_000, number * 1_000 + 500)) for number in range(count)}
    store.write(
        *(
            f"{msname},meter={meter} v={value}i {1_767_225_600_000_000_000 + second * 1_000_000_000}"
            for meter, own in values.items()
            for second, value in enumerate(own)
        )
    )
    return values


def test_forked_processes_read_at_once_with_one_manager(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Parent and children ask for series of their own, by turns and at once: no answer is another's."""
    values = series(store, msname, CHILDREN + 1)

    def read(meter: str) -> None:
        for _ in range(READS):
            frame = manager.read(START, STOP, msname, "v", store.name, {"meter": meter}, interval=None)
            assert frame["v"].tolist() == values[meter]

    read(f"m{CHILDREN}")  # leaves a connection open, which every child inherits
    children = [in_a_child(lambda meter=f"m{number}": read(meter)) for number in range(CHILDREN)]
    read(f"m{CHILDREN}")

    assert [ends_well(child) for child in children] == [True] * CHILDREN


@pytest.mark.skipif(not OPEN.is_dir(), reason="there is no /proc here")
def test_a_forked_process_keeps_no_connection_of_its_parent(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """The child's call opens a connection; those of the parent are closed there, and go on here."""
    series(store, msname, 1)
    before = connections()
    manager.read(START, STOP, msname, "v", store.name, interval=None)
    assert manager.get_query_api().query_raw("buckets()").status == 200
    inherited = connections() - before
    assert inherited

    def child() -> None:
        assert not connections() & inherited
        manager.read(START, STOP, msname, "v", store.name, interval=None)
        assert manager.get_query_api().query_raw("buckets()").status == 200
        assert connections() - before

    assert ends_well(in_a_child(child))
    assert inherited <= connections()


def test_a_child_that_drops_a_read_leaves_its_parents_alone(manager: InfluxManager) -> None:
    """An iterator that is closed in the child goes on in the parent, to the last row."""
    query = f"""import "generate"
    generate.from(count: {ROWS}, fn: (n) => n, start: {START}T00:00:00Z, stop: {STOP}T00:00:00Z)"""
    with closing(manager.query_batches(query, batch_rows=1_000)) as batches:
        first = next(batches)

        assert ends_well(in_a_child(batches.close))

        assert len(first) + sum(len(batch) for batch in batches) == ROWS


class WithAnother(InfluxManager):
    """A manager that makes another one whenever it is opened."""

    def _open(self) -> None:
        self.other = InfluxManager("http://localhost:1", "o", "t")
        super()._open()


def test_managers_that_are_made_while_a_process_forks_keep_no_other_from_a_new_start() -> None:
    """Each of the child's managers has a wire of its own, not its parent's."""
    managers = [WithAnother("http://localhost:1", "o", "t") for _ in range(3)]
    wires = [manager._wire for manager in managers]

    def child() -> None:
        assert not any(manager._wire is wire for manager, wire in zip(managers, wires, strict=True))

    assert ends_well(in_a_child(child))


def test_a_child_leaves_the_files_of_a_snapshot(
    manager: InfluxManager, own_store: Store, tmp_path: Path
) -> None:
    """It reads them too, and neither closes them for its parent nor when it lets go of them."""
    own_store.write(*(f"m v={number} {FIRST + number}" for number in range(9)))
    snapshot = manager.snapshot(own_store.name, START, STOP, folder=tmp_path)
    held = [snapshot]

    def job() -> None:
        assert len(held[0].read(None, None, "m", "v")) == 9
        held.pop().close()

    with snapshot:
        assert ends_well(in_a_child(job))
        assert 9 == len(snapshot.read(None, None, "m", "v"))
    assert [] == list(tmp_path.iterdir())
