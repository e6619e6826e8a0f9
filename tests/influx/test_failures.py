"""What goes wrong between the manager and InfluxDB: always the right error, and when to ask again.

The server is real wherever it can be made to fail so; a peer gives the answers that no InfluxDB gives.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import pickle
import signal
import traceback
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from db_core.annotated_csv import Decoder
from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    NotFoundError,
    OperationTimeoutError,
    QueryError,
    WriteError,
)
from tests.influx.answers import ANSWER, NO_CONTENT, http
from tests.influx.calls import (
    BUCKET,
    FRAME,
    SPAN,
    T0,
    each_call,
    each_call_of_a_bucket,
    each_call_of_a_peer,
)
from tests.peer import silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from db_influx import InfluxManager
    from tests.peer import Peer
    from tools import servers
DAY = 86_400_000_000_000


# --- What the server says -------------------------------------------------------


@each_call_of_a_bucket
def test_a_bucket_that_is_not_there_is_not_found(
    manager: InfluxManager, call: Callable[[InfluxManager], Any], request: pytest.FixtureRequest
) -> None:
    """Each method that names a bucket says that it is not there: no empty frame, no empty list."""
    if request.node.callspec.id in ("query", "split"):
        call = lambda manager: manager.query(f'from(bucket: "{BUCKET}") |> range(start: 0)')  # noqa: E731
    if request.node.callspec.id == "query_influxql":
        call = lambda manager: manager.query_influxql("SELECT v FROM m", bucket=BUCKET)  # noqa: E731

    told = f"^bucket [\"']{BUCKET}[\"'](?: of .*)? not found"
    if request.node.callspec.id == "query_influxql":  # which does not ask whether there is such a bucket
        told = f"mapped to bucket [\"']{BUCKET}[\"']"
    with pytest.raises(NotFoundError, match=told):
        call(manager)


@each_call
def test_an_organization_that_is_not_there_is_not_found(
    make_manager: Callable[..., InfluxManager],
    call: Callable[[InfluxManager], Any],
    request: pytest.FixtureRequest,
) -> None:
    """The organization is named in the error. InfluxQL without a bucket is run in that of the token."""
    if request.node.callspec.id == "query_influxql":
        assert len(call(make_manager(org="nobody"))) > 0
        return
    with pytest.raises(NotFoundError, match=r"organization [\"']nobody[\"'] not found"):
        call(make_manager(org="nobody"))


@each_call
def test_a_wrong_token_is_an_authentication_error_without_the_token(
    make_manager: Callable[..., InfluxManager],
    call: Callable[[InfluxManager], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The error is a PermissionError, too; the token is in no message, cause, traceback or log."""
    caplog.set_level(logging.DEBUG)
    manager = make_manager(token="very-secret-token")

    with pytest.raises(AuthenticationError, match="InfluxDB does not know the token") as caught:
        call(manager)

    assert isinstance(caught.value, PermissionError)
    said = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(manager)
    assert "very-secret-token" not in said
    assert "very-secret-token" not in repr(pickle.loads(pickle.dumps(caught.value)))


# --- No server ------------------------------------------------------------------


@each_call
def test_a_refused_connection_is_a_failed_connection(
    nowhere: InfluxManager, call: Callable[[InfluxManager], Any]
) -> None:
    """Nothing listens: the error names the address and is a ConnectionError, too."""
    with pytest.raises(ConnectionFailedError, match=r"http://127\.0\.0\.1:9 .*[Rr]efused") as caught:
        call(nowhere)

    assert isinstance(caught.value, ConnectionError)
    assert caught.value.__cause__ is not None


def test_an_unknown_host_is_a_failed_connection(call_peer: Callable[..., InfluxManager]) -> None:
    """A name that does not resolve is no timeout."""
    with pytest.raises(ConnectionFailedError, match=r"nowhere\.invalid"):
        call_peer(None, url="http://nowhere.invalid:8086").query("buckets()")


@pytest.fixture(scope="module")
def mortal(servers: ModuleType) -> Iterator[servers.InfluxDB]:
    """Give an InfluxDB of our own, which may be stopped and killed."""
    with servers.influxdb(own=True) as server:
        yield server


def test_a_killed_server_is_a_failed_connection_until_it_is_back(
    mortal: servers.InfluxDB, make_manager: Callable[..., InfluxManager]
) -> None:
    """After a kill both reads and writes fail; what was accepted is there when the server is back."""
    manager = make_manager(url=mortal.url, org=mortal.org, token=mortal.token, retries=0)
    manager.synchronous_write("default", FRAME, "m")

    mortal.kill()
    try:
        with pytest.raises(ConnectionFailedError):
            manager.read(*SPAN, "m", "v", "default", interval=None)
        with pytest.raises(ConnectionFailedError):
            manager.synchronous_write("default", FRAME, "m")
    finally:
        mortal.restart()

    assert [1.0] == manager.read(*SPAN, "m", "v", "default", interval=None)["v"].tolist()


def test_a_server_killed_in_the_middle_of_its_answer_gives_no_data(
    mortal: servers.InfluxDB, make_manager: Callable[..., InfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows have arrived when the server dies: an error, and none of them is returned."""
    manager = make_manager(url=mortal.url, org=mortal.org, token=mortal.token, retries=0)
    arrived: list[int] = []

    class KillsTheServer:
        """A decoder that kills the server when the first piece has come."""

        def __init__(self) -> None:
            self._decoder = Decoder()
            self.finish = self._decoder.finish

        def feed(self, piece: bytes) -> None:
            if not arrived:
                mortal.kill()
            arrived.append(len(piece))
            self._decoder.feed(piece)

    monkeypatch.setattr("db_influx._flux.Query.decoder", lambda _: KillsTheServer())
    try:
        with pytest.raises((IncompleteResultError, ConnectionFailedError)):
            manager.query(
                'import "generate"\ngenerate.from(count: 300000, fn: (n) => n, '
                "start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z)"
            )
    finally:
        mortal.restart()

    assert arrived


def test_a_stopped_server_is_a_timeout(
    mortal: servers.InfluxDB, make_manager: Callable[..., InfluxManager]
) -> None:
    """A server that does not move is waited for as long as was said; then it is a TimeoutError."""
    manager = make_manager(url=mortal.url, org=mortal.org, token=mortal.token, retries=0)
    manager.query("buckets()")

    os.kill(mortal.pid, signal.SIGSTOP)
    try:
        with pytest.raises(OperationTimeoutError, match=r"it sent nothing for 0\.2 seconds") as caught:
            # Its threads stop one after the other, and may answer until then.
            [manager.query("buckets()", timeout=0.2) for _ in range(1_000)]
    finally:
        os.kill(mortal.pid, signal.SIGCONT)

    assert isinstance(caught.value, TimeoutError)
    assert len(manager.query("buckets()")) > 0


# --- Silence --------------------------------------------------------------------


@each_call_of_a_peer
def test_a_silent_server_is_a_timeout(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any]
) -> None:
    """The connection stands and nothing comes: the manager's timeout ends it."""
    with pytest.raises(OperationTimeoutError):
        call(call_peer(peer(silence), timeout=0.05))


def test_a_calls_timeout_wins_over_the_managers(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """`timeout` of a call ends it long before that of the manager would; a timedelta it is not."""
    manager = call_peer(peer(silence), timeout=60)

    with pytest.raises(OperationTimeoutError):
        manager.read(*SPAN, "m", "v", BUCKET, timeout=0.05)
    with pytest.raises(OperationTimeoutError):
        manager.synchronous_write(BUCKET, FRAME, "m", timeout=0.05)
    with pytest.raises(OperationTimeoutError):
        manager.get_fields(BUCKET, "m", timeout=0.05)


def test_silence_in_the_middle_of_an_answer_is_a_timeout(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Most of the answer is there and then nothing: an error, not the part."""
    server = peer((http(ANSWER, length=len(ANSWER) + 100), silence))

    with pytest.raises(OperationTimeoutError):
        call_peer(server, timeout=0.1).read(*SPAN, "m", "v", BUCKET)


# --- Redirects ------------------------------------------------------------------


@each_call_of_a_peer
@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_an_error_and_carries_the_token_nowhere(
    peer: Callable[..., Peer],
    call_peer: Callable[..., InfluxManager],
    call: Callable[[InfluxManager], Any],
    status: str,
) -> None:
    """The other host gets no request at all; the error says where the server pointed to, or its status."""
    thief = peer(http(ANSWER))
    server = peer(http(b"", f"Location: {thief.url}/api/v2/query", status=status))

    with pytest.raises((QueryError, WriteError), match=status[:3]):
        call(call_peer(server))

    assert server.requests
    assert [] == thief.requests


# --- Requests -------------------------------------------------------------------


def test_the_token_travels_in_its_header_only(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Neither the request line nor the body holds it."""
    server = peer(http(b"\r\n"), NO_CONTENT)
    manager = call_peer(server)

    manager.query("buckets()")
    manager.synchronous_write(BUCKET, FRAME, "m")

    for request in server.requests:
        [line] = [line for line in request.split(b"\r\n") if b"peer-token" in line]
        assert b"Authorization: Token peer-token" == line


def test_gzip_compresses_both_ways(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """A manager with `gzip` sends gzip and says that it reads it; one without does neither."""
    answers = [http(gzip.compress(ANSWER), "Content-Encoding: gzip"), NO_CONTENT]
    packed, plain = peer(*answers), peer(http(ANSWER), answers[1])

    for server, options in ((packed, {"gzip": True}), (plain, {})):
        manager = call_peer(server, **options)
        assert 3 == len(manager.read(*SPAN, "m", "v", BUCKET, interval=None))
        manager.synchronous_write(BUCKET, FRAME, "m")

    heads, bodies = zip(*(r.split(b"\r\n\r\n", 1) for r in (*packed.requests, *plain.requests)), strict=True)
    line = f"m v=1.0 {T0}\n".encode()
    assert line == zlib.decompress(bodies[1], wbits=31)
    assert line == bodies[3]
    assert b"Accept-Encoding: gzip" in heads[0]
    assert b"Content-Encoding: gzip" in heads[1]
    assert b"Accept-Encoding: identity" in heads[2]
    assert b"Content-Encoding" not in heads[3]


# --- Retries --------------------------------------------------------------------


@pytest.mark.parametrize("status", ["429 Too Many", "502 Bad Gateway", "503 Unavailable", "504 Timeout"])
def test_a_busy_server_is_asked_again(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], status: str
) -> None:
    """What the server did not take is sent once more, the same; then it is done."""
    busy = http(b"busy", "Retry-After: 0", status=status)
    reading = peer(busy, http(ANSWER))
    writing = peer(busy, NO_CONTENT)

    got = call_peer(reading, retries=1).read(*SPAN, "m", "v", BUCKET, interval=None)
    call_peer(writing, retries=1).synchronous_write(BUCKET, FRAME, "m")

    assert 3 == len(got)
    assert reading.requests[0] == reading.requests[1]
    assert writing.requests[0] == writing.requests[1]


def test_a_server_that_stays_busy_is_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """After the last retry the server's own words are raised."""
    said = json.dumps({"code": "unavailable", "message": "come back later"}).encode()
    server = peer(http(said, "Retry-After: 0", status="503 Unavailable"))

    with pytest.raises(QueryError, match="come back later") as caught:
        call_peer(server, retries=2).query("buckets()")

    assert ("unavailable", 503) == (caught.value.code, caught.value.status)
    assert 3 == len(server.requests)


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "403 No", "404 None", "422 Bad", "500 Oops"])
def test_a_refusal_is_not_repeated(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], status: str
) -> None:
    """What the server has understood and refused would be refused again."""
    server = peer(http(b"no", status=status))

    with pytest.raises(DatabaseError):
        call_peer(server, retries=3).query("buckets()")

    assert 1 == len(server.requests)
