"""Ctrl-C in the middle of a read: every transfer ends, and so does the program."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from tests.scripted import UNKNOWN_BUCKET

PATIENCE = 60  # seconds; an endless answer would go on until then
ENOUGH = 1 << 20  # bytes sent: the child is in the middle of it
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


class EndlessPeer:
    """Answers every query with rows that never end, which no InfluxDB does; of buckets it knows none."""

    def __init__(self, transfers: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.under_way = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(transfers)]
        for thread in self.threads:
            thread.start()

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        while connection.recv(65_536).startswith(b"GET "):
            connection.sendall(UNKNOWN_BUCKET)
            connection.close()
            connection, _ = self.listener.accept()
        with connection, suppress(OSError):
            connection.sendall(HEAD)
            sent = 0
            while True:
                connection.sendall(ROWS)
                sent += len(ROWS)
                if sent > ENOUGH >= sent - len(ROWS):
                    self.under_way.release()
        self.ended.release()


@pytest.mark.parametrize(
    ("call", "transfers"), [("slices", 4), ("one query", 1), ("batches", 1), ("slices in batches", 1)]
)
def test_an_interrupt_ends_every_transfer(call: str, transfers: int) -> None:
    """KeyboardInterrupt comes out of the call, and the peer sees every connection close."""
    peer = EndlessPeer(transfers)
    address = f"http://127.0.0.1:{peer.listener.getsockname()[1]}"
    program = PROGRAM.format(call=CALLS[call])

    with subprocess.Popen([sys.executable, "-c", program, address], stderr=subprocess.PIPE) as child:
        try:
            for _ in range(transfers):
                assert peer.under_way.acquire(timeout=PATIENCE)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=PATIENCE)
        finally:
            child.kill()
            peer.listener.close()

    # Python may tell of an object behind it that was being made just then.
    assert any(line.startswith(b"KeyboardInterrupt") for line in errors.splitlines())
    for _ in range(transfers):
        assert peer.ended.acquire(timeout=PATIENCE)
