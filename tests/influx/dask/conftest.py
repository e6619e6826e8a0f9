"""Meters over days with a change of the clock, how frames compare, and a relay that sees what is sent."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit

import pandas as pd
import pytest

from tests.peer import PATIENCE, Peer, read_http, read_nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.influx.conftest import Store
    from tools import servers

ZONE = "Europe/Lisbon"
START, STOP = "2026-03-27", "2026-03-31"  # in between, on the 29th, an hour is missing
FIELDS = ["power", "n", "on", "note", "total"]
_STEP = pd.Timedelta("20min")


@dataclass(frozen=True)
class Meters:
    """A measurement of meters, and the frame that it was made from.

    Attributes:
        bucket: Its bucket.
        name: The measurement.
        frame: A row for each point, in order of time and meter.
    """

    bucket: str
    name: str
    frame: pd.DataFrame

    @property
    def range(self) -> dict[str, Any]:
        """Arguments of a read of all of it."""
        start, stop = (pd.Timestamp(day, tz=ZONE) for day in (START, STOP))
        return {"start": start, "stop": stop, "msname": self.name, "bucket": self.bucket, "tz": ZONE}


@pytest.fixture(scope="module")
def meters(store: Store) -> Meters:
    """Write four meters: one begins late, and no field is in all rows; `n` is in none of the first day."""
    times = pd.date_range(START, STOP, freq=_STEP, tz=ZONE, inclusive="left", unit="ns", name="time")
    rows, lines = [], []
    for place, time in enumerate(times):
        for meter in "ABCD":
            if meter == "D" and time < pd.Timestamp("2026-03-30", tz=ZONE):
                continue
            known = {
                "power": place * 0.5 + ord(meter) if place % 7 else None,
                "n": place * 3 - 100 if place >= 72 and meter != "B" else None,
                "on": place % 2 == 0,
                "note": f"ä {place}" if place % 3 == 0 else None,
                "total": float(place % 100 * 2 + (0 if meter == "A" else 7)),
            }
            rows.append({"time": time, "meter": meter, **known})
            texts = [_field(name, value) for name, value in known.items() if value is not None]
            lines.append(f"energy,meter={meter} {','.join(texts)} {time.value}")
    store.write(*lines)
    frame = pd.DataFrame(rows).set_index("time")
    kinds = {"meter": "category", "power": "float64", "n": "Int64", "on": "boolean", "note": "string"}
    return Meters(store.name, "energy", frame.astype(kinds))


def _field(name: str, value: object) -> str:
    match value:
        case bool():
            return f"{name}={str(value).lower()}"
        case int():
            return f"{name}={value}i"
        case str():
            return f'{name}="{value}"'
    return f"{name}={value}"


def in_order_of_time(frame: pd.DataFrame, **kinds: str) -> pd.DataFrame:
    """Return the frame of one read, whose index has tags, as partitions have it: tags are categories."""
    tags: list[Any] = list(frame.index.names[:-1])
    flat = frame.reset_index(tags).sort_values(tags, kind="stable").sort_index(kind="stable")
    made: pd.DataFrame = flat.astype(dict.fromkeys(tags, "category") | kinds)
    return made


def assert_same(expected: pd.DataFrame, found: pd.DataFrame) -> None:
    """See that two frames are equal, in values, types and order; the categories may have another order."""
    pd.testing.assert_frame_equal(expected, found, check_freq=False, check_categorical=False)
    for name in expected.columns[expected.dtypes == "category"]:
        assert sorted(expected[name].cat.categories) == sorted(found[name].cat.categories)


class Relay:
    """A server that passes requests on to the real one, and keeps them; it can hold them back.

    Attributes:
        url: Its address.
        open: Requests are passed on while this is set.
        held: Counts the requests that were held back.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._server = address.hostname, address.port
        self._lock = threading.Lock()
        self._requests: list[bytes] = []
        self.open = threading.Event()
        self.open.set()
        self.held = threading.Semaphore(0)
        self._peer = Peer(self._pass_on, read=read_nothing)
        self.url = self._peer.url

    def queries(self) -> list[str]:
        """Return the queries since the last call, without those for names and types."""
        with self._lock:
            requests, self._requests = self._requests, []
        bodies = [unquote_plus(request.partition(b"\r\n\r\n")[2].decode()) for request in requests]
        return [body.replace('\\"', '"') for body in bodies if body and "SHOW FIELD KEYS" not in body]

    def close(self) -> None:
        """Hang up on everybody."""
        self.open.set()
        self._peer.close()

    def _pass_on(self, connection: socket.socket) -> None:
        if not (request := read_http(connection)):
            return
        with self._lock:
            self._requests.append(request)
        if not self.open.is_set():
            self.held.release()
            self.open.wait(PATIENCE)
        head, end, body = request.partition(b"\r\n\r\n")
        with socket.create_connection(self._server, PATIENCE) as server:
            server.sendall(head + b"\r\nConnection: close" + end + body)
            while piece := server.recv(1 << 16):
                connection.sendall(piece)


@pytest.fixture
def relay(server: servers.InfluxDB) -> Iterator[Relay]:
    """Start a relay before the real server."""
    made = Relay(server.url)
    yield made
    made.close()


@pytest.fixture
def relayed(make_manager: Callable[..., Any], relay: Relay) -> Any:
    """Return a manager whose requests go through the relay."""
    return make_manager(url=relay.url)
