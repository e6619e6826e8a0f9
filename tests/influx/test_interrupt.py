"""Ctrl-C in the middle of a read: every transfer ends, and so does the program."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

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
    for call in [{calls}]:
        try:
            call()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
"""
# Each with the transfers that it has at once.
CALLS = {
    'manager.read("2026-01-01", "2026-01-09", "m", "v", "b", interval=None, max_parallel=4)': 4,
    'manager.query("any")': 1,
    'list(manager.query_batches("any", batch_rows=1_000_000))': 1,
    'list(manager.read_batches("2026-01-01", "2026-01-09", "m", "v", "b"))': 1,
}


def test_an_interrupt_ends_every_transfer(peer: Callable[..., Peer]) -> None:
    """KeyboardInterrupt comes out of each call, and the peer sees every connection close."""
    under_way = threading.Semaphore(0)
    # A megabyte is sent before, so the child is in the middle of it.
    server = peer((HEAD + ROWS * 40, lambda _: under_way.release(), endless(b"", ROWS)))

    program = PROGRAM.format(calls=", ".join(f"lambda: {call}" for call in CALLS))

    with subprocess.Popen(
        [sys.executable, "-c", program, server.url], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            for transfers in CALLS.values():
                for _ in range(transfers):
                    assert under_way.acquire(timeout=PATIENCE)
                child.send_signal(signal.SIGINT)
                assert "interrupted\n" == child.stdout.readline()
                for _ in range(transfers):
                    assert server.closed.acquire(timeout=PATIENCE)
            assert 0 == child.wait(PATIENCE)
        finally:
            child.kill()
