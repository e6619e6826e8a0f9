"""Ctrl-C in the middle of a read: every transfer ends, and so does the program."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.peer import PATIENCE, endless

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peer import Peer

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 1000000000000\r\n\r\n"
    b"#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n"
    b"#default,_result,,,\r\n,result,table,_time,_value\r\n"
)
ROWS = b",,0,2026-01-01T00:00:00Z,1.5\r\n" * 1_000
PROGRAM = """
import sys
from db_influx import InfluxManager
with InfluxManager(sys.argv[1], "o", "t") as manager:
    {call}
"""
CALLS = {
    "slices": 'manager.read("2026-01-01", "2026-01-09", "m", "v", "b", interval=None, max_parallel=4)',
    "one query": 'manager.query("any")',
    "batches": 'list(manager.query_batches("any", batch_rows=1_000_000))',
    "slices in batches": 'list(manager.read_batches("2026-01-01", "2026-01-09", "m", "v", "b"))',
}


@pytest.mark.parametrize(
    ("call", "transfers"), [("slices", 4), ("one query", 1), ("batches", 1), ("slices in batches", 1)]
)
def test_an_interrupt_ends_every_transfer(peer: Callable[..., Peer], call: str, transfers: int) -> None:
    """KeyboardInterrupt comes out of the call, and the peer sees every connection close."""
    under_way = threading.Semaphore(0)

    # A megabyte is sent before, so the child is in the middle of it.
    server = peer((HEAD + ROWS * 40, lambda _: under_way.release(), endless(b"", ROWS)))
    program = PROGRAM.format(call=CALLS[call])

    with subprocess.Popen([sys.executable, "-c", program, server.url], stderr=subprocess.PIPE) as child:
        try:
            for _ in range(transfers):
                assert under_way.acquire(timeout=PATIENCE)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=PATIENCE)
        finally:
            child.kill()

    # Python may tell of an object behind it that was being made just then.
    assert any(line.startswith(b"KeyboardInterrupt") for line in errors.splitlines())
    for _ in range(transfers):
        assert server.closed.acquire(timeout=PATIENCE)
