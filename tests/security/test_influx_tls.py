"""TLS to InfluxDB: verified unless told otherwise, by our methods and by the official objects alike."""

from __future__ import annotations

import pickle
import shutil
import socket
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from cryptography.hazmat.primitives import serialization
from influxdb_client.rest import ApiException
from pandas.testing import assert_frame_equal

from db_core.errors import ConnectionFailedError, InvalidArgumentError, OperationTimeoutError, WriteError
from db_influx import InfluxManager
from tests.peer import read_nothing, silence, stall
from tests.security import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peer import Peer
    from tests.security.certificates import Pki
    from tools import servers

FRAME = pd.DataFrame(
    {"v": [1.5]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC", name="time").as_unit("ns")
)
BUCKET = "default"
OURS: dict[str, Callable[[InfluxManager], Any]] = {
    "read": lambda manager: manager.read("2026-01-01", "2026-01-02", "m", "v", BUCKET, interval=None),
    "query_batches": lambda manager: list(manager.query_batches("buckets()")),
    "write": lambda manager: manager.synchronous_write(BUCKET, FRAME, "m"),
}
OFFICIAL: dict[str, Callable[[InfluxManager], Any]] = {
    "get_query_api": lambda manager: manager.get_query_api().query("buckets()"),
    "get_write_api": lambda manager: manager.get_write_api().write(BUCKET, record="m v=1.5"),
    "get_buckets_api": lambda manager: manager.get_buckets_api().find_buckets(),
}
CALLS = OURS | OFFICIAL
each_call = pytest.mark.parametrize("call", CALLS)
KINDS = ("another host", "expired", "self-signed", "unknown authority")


def port_of(server: servers.InfluxDB) -> int:
    """Give the port of a server's address."""
    return int(server.url.rpartition(":")[2])


def refuse(manager: InfluxManager, call: str, reason: str) -> None:
    """Expect that a call fails for this reason, as our error or the official client's."""
    kind = ConnectionFailedError if call in OURS else ApiException
    with pytest.raises(kind, match=reason) as caught:
        CALLS[call](manager)
    token = manager._settings.token.get_secret_value()
    assert [] == [text for text in shown.of_error(caught.value) if token in text]


def test_the_real_server_is_trusted_by_its_authority(influx_tls: servers.InfluxDB, pki: Pki) -> None:
    """With `ca_cert` everything works, also after pickling; without it nothing does."""
    settings = (influx_tls.url, influx_tls.org, influx_tls.token)
    with InfluxManager(*settings, ca_cert=pki.ca_cert) as manager:
        manager.synchronous_write(BUCKET, FRAME, "m")
        assert_frame_equal(FRAME, OURS["read"](manager))
        for call in CALLS.values():
            call(manager)
        with pickle.loads(pickle.dumps(manager)) as copy:
            assert_frame_equal(FRAME, OURS["read"](copy))
    with InfluxManager(*settings) as distrusting:
        for name in CALLS:
            refuse(distrusting, name, "certificate verify failed: unable to get local issuer certificate")


@each_call
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_certificate_is_refused_and_not_tried_again(
    server: servers.InfluxDB, pki: Pki, front: Callable[..., Peer], kind: str, call: str
) -> None:
    """The error says what is wrong with it; another attempt would change nothing."""
    certificate, reason = pki.wrong[kind]
    before = front(port_of(server), certificate)
    url = f"https://localhost:{before.port}"
    with InfluxManager(url, server.org, server.token, ca_cert=pki.ca_cert, retries=3) as manager:
        refuse(manager, call, f"certificate verify failed: .*{reason}")

    assert 1 == before.connections


@each_call
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")  # of influxdb-client's
def test_verify_can_be_turned_off_and_is_warned_of(
    server: servers.InfluxDB, pki: Pki, front: Callable[..., Peer], kind: str, call: str
) -> None:
    """`verify=False` takes any certificate; a warning says so where the manager is made."""
    before = front(port_of(server), pki.wrong[kind][0])
    url = f"https://localhost:{before.port}"
    with pytest.warns(UserWarning, match="verify=False") as caught:
        manager = InfluxManager(url, server.org, server.token, verify=False, retries=0, missing="ignore")
    assert [__file__] == [one.filename for one in caught]
    with manager:
        CALLS[call](manager)


@each_call
def test_a_client_certificate_is_shown_where_it_is_demanded(
    server: servers.InfluxDB, pki: Pki, front: Callable[..., Peer], call: str
) -> None:
    """As one file, or as a pair; without it, or with one of another authority, nothing goes through."""
    before = front(port_of(server), pki.server, pki.ca_cert)
    settings = (f"https://localhost:{before.port}", server.org, server.token)
    for given in (pki.client.both, (pki.client.certificate, pki.client.key)):
        with InfluxManager(*settings, ca_cert=pki.ca_cert, client_cert=given, missing="ignore") as manager:
            CALLS[call](manager)
    for refused in (None, pki.strange_client.both):
        with (
            InfluxManager(*settings, ca_cert=pki.ca_cert, client_cert=refused, retries=0) as manager,
            pytest.raises(Exception, match=r"(?i)alert|reset|broken pipe|closed|eof") as caught,
        ):
            CALLS[call](manager)
        assert call in OFFICIAL or isinstance(caught.value, ConnectionFailedError)


def test_files_that_are_replaced_are_taken_up(
    server: servers.InfluxDB, pki: Pki, front: Callable[..., Peer], tmp_path: Path
) -> None:
    """A certificate is renewed before it expires: new connections use the new one."""
    before = front(port_of(server), pki.server, pki.ca_cert)
    renewed = tmp_path / "client.pem"
    shutil.copy(pki.strange_client.both, renewed)
    options = {"ca_cert": pki.ca_cert, "client_cert": str(renewed), "retries": 0}
    with InfluxManager(f"https://localhost:{before.port}", server.org, server.token, **options) as manager:  # type: ignore[arg-type]
        with pytest.raises(ConnectionFailedError):
            OURS["query_batches"](manager)
        shutil.copy(pki.client.both, renewed)
        OURS["query_batches"](manager)


@pytest.mark.parametrize("call", OURS)
def test_what_speaks_no_tls_is_refused(server: servers.InfluxDB, call: str) -> None:
    """Https to a plain port: nothing was sent to it, and the error says what it met."""
    with (
        InfluxManager(f"https://127.0.0.1:{port_of(server)}", server.org, server.token) as manager,
        pytest.raises(ConnectionFailedError, match=r"(?i)wrong.version.number"),
    ):
        OURS[call](manager)


LARGE = pd.DataFrame(
    {"v": ["x" * 100_000] * 40}, index=pd.date_range("2026-01-01", periods=40, freq="s", tz="UTC")
)


@pytest.fixture
def tls_peer(peer: Callable[..., Peer], pki: Pki) -> Callable[..., Peer]:
    """Give a function that starts a peer that speaks TLS, and reads no more of a request than its start."""
    return partial(peer, read=lambda connection: connection.recv(1_000), context=pki.server.context())


def test_an_upload_that_breaks_off_is_sent_again(tls_peer: Callable[..., Peer], pki: Pki) -> None:
    """As without TLS, which has its own words for it."""

    def takes_all(connection: socket.socket) -> None:
        while not connection.recv(1 << 16).endswith(b"000000000\n"):
            pass
        connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    server = tls_peer(socket.socket.close, takes_all)
    with InfluxManager(server.url, "o", "t", ca_cert=pki.ca_cert, retries=1) as manager:
        manager.synchronous_write(BUCKET, LARGE, "m")
    assert 2 == len(server.requests)


def test_an_answer_before_the_upload_has_ended_is_heard(tls_peer: Callable[..., Peer], pki: Pki) -> None:
    """A server that refuses a body need not read it."""

    def refuses(connection: socket.socket) -> None:
        said = b'{"code":"request too large","message":"too large indeed"}'
        connection.sendall(b"HTTP/1.1 413 Large\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
        # As Go's server does: a close alone resets the connection, as the body is unread, and drops what has
        # not left yet, which the answer has not before TLS's tickets are acknowledged.
        connection.shutdown(socket.SHUT_WR)
        connection.close()

    server = tls_peer(refuses)
    with (
        InfluxManager(server.url, "o", "t", ca_cert=pki.ca_cert, retries=1) as manager,
        pytest.raises(WriteError, match="too large indeed"),
    ):
        manager.synchronous_write(BUCKET, LARGE, "m")
    assert 1 == len(server.requests)


def test_a_deadline_in_an_upload_is_one(tls_peer: Callable[..., Peer], pki: Pki) -> None:
    """What TLS says of the connection that was shut down for it does not hide it."""
    ended = threading.Event()
    server = tls_peer(stall(ended))
    with (
        InfluxManager(server.url, "o", "t", ca_cert=pki.ca_cert, deadline=0.5) as manager,
        pytest.raises(OperationTimeoutError, match=r"within its deadline of 0\.5 seconds$"),
    ):
        manager.synchronous_write(BUCKET, LARGE, "m")
    ended.set()


def test_a_silent_handshake_is_no_connection(peer: Callable[..., Peer]) -> None:
    """It takes no longer than a connection may."""
    url = f"https://127.0.0.1:{peer(silence, read=read_nothing).port}"
    with (
        InfluxManager(url, "o", "t", connect_timeout=0.2, retries=0) as manager,
        pytest.raises(OperationTimeoutError, match=r"no connection within 0\.2 seconds"),
    ):
        OURS["read"](manager)


def test_files_that_hold_no_certificate_are_refused(pki: Pki, tmp_path: Path) -> None:
    """When the manager is made; a key with a password too, which would be asked for on the terminal."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    locked = tmp_path / "locked.pem"
    key = serialization.load_pem_private_key(Path(pki.client.key).read_bytes(), None)
    locked.write_bytes(
        Path(pki.client.certificate).read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"ca_cert": str(garbage)}, "ca_cert", "certificates in PEM"),
        ({"ca_cert": pki.client.key}, "ca_cert", "certificates in PEM"),
        ({"client_cert": str(garbage)}, "client_cert", "in PEM"),
        ({"client_cert": pki.client.certificate}, "client_cert", "in PEM"),
        ({"client_cert": (pki.client.certificate, pki.strange_client.key)}, "client_cert", "in PEM"),
        ({"client_cert": str(locked)}, "client_cert", "without a password"),
        ({"client_cert": (pki.client.certificate, str(locked))}, "client_cert", "without a password"),
    ]
    for options, argument, reason in cases:
        with pytest.raises(InvalidArgumentError, match=f"`{argument}` .*{reason}") as caught:
            InfluxManager("https://localhost:1", "o", "t", **options)
        assert argument == caught.value.argument


@each_call
@pytest.mark.filterwarnings("ignore:verify=False")
def test_old_tls_is_refused(
    server: servers.InfluxDB, pki: Pki, front: Callable[..., Peer], call: str
) -> None:
    """A server that knows no TLS after 1.1 is none to talk to, be its certificate right or not looked at."""
    before = front(port_of(server), pki.server, old=True)
    settings = (f"https://localhost:{before.port}", server.org, server.token)
    for options in ({"ca_cert": pki.ca_cert}, {"verify": False}):
        with InfluxManager(*settings, retries=0, **options) as manager:
            refuse(manager, call, "(?i)protocol.version")
