"""The token goes to the server that was named, and nowhere else: no redirect, no proxy of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from influxdb_client.rest import ApiException

from db_core.errors import QueryError, WriteError
from db_influx import InfluxManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peer import Peer
    from tests.security.certificates import Pki

FRAME = pd.DataFrame({"v": [1.5]}, index=pd.DatetimeIndex(["2026-01-01"]))
STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\r\n"
CALLS: dict[str, Callable[[InfluxManager], Any]] = {
    "query": lambda manager: manager.query("buckets()"),
    "query_batches": lambda manager: list(manager.query_batches("buckets()")),
    "write": lambda manager: manager.synchronous_write("b", FRAME, "m"),
    "create_bucket": lambda manager: manager.create_bucket("b"),
    "get_query_api": lambda manager: manager.get_query_api().query("buckets()"),
    "get_write_api": lambda manager: manager.get_write_api().write("b", record="m v=1"),
    "get_buckets_api": lambda manager: manager.get_buckets_api().find_buckets(),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
each_status = pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])


def moved(status: int, place: str) -> bytes:
    """Give a redirect."""
    head = f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return head.encode()


@each_call
@each_status
def test_a_redirect_is_not_followed(
    peer: Callable[..., Peer], call: Callable[[InfluxManager], Any], status: int
) -> None:
    """To another port, another name of the host, or the same: one request is sent, and the error says so."""
    thief = peer(STOLEN)
    for place in (f"{thief.url}/x", thief.url.replace("127.0.0.1", "localhost"), "//localhost/x", "/x"):
        server = peer(moved(status, place))
        with (
            InfluxManager(server.url, "o", "t0ken", retries=3) as manager,
            pytest.raises((QueryError, WriteError, ApiException), match=str(status)),
        ):
            call(manager)
        assert 1 == len(server.requests)
    assert [] == thief.requests


@each_call
@each_status
def test_nor_from_tls_to_none(
    peer: Callable[..., Peer],
    pki: Pki,
    front: Callable[..., Peer],
    call: Callable[[InfluxManager], Any],
    status: int,
) -> None:
    """A redirect from https to http would send the token in the clear."""
    thief = peer(STOLEN)
    server = peer(moved(status, thief.url))
    before = front(server.port, pki.server)
    url = f"https://localhost:{before.port}"
    with (
        InfluxManager(url, "o", "t0ken", ca_cert=pki.ca_cert, retries=3) as manager,
        pytest.raises((QueryError, WriteError, ApiException), match=str(status)),
    ):
        call(manager)

    assert 1 == len(server.requests)
    assert [] == thief.requests


@each_call
def test_a_proxy_of_the_environment_is_not_used(
    peer: Callable[..., Peer], call: Callable[[InfluxManager], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`HTTP_PROXY` and its like send nothing elsewhere."""
    thief, server = peer(STOLEN), peer(moved(500, "/"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, thief.url)
        monkeypatch.setenv(name.upper(), thief.url)
    with (
        InfluxManager(server.url, "o", "t0ken", retries=0) as manager,
        pytest.raises((QueryError, WriteError, ApiException), match="500"),
    ):
        call(manager)

    assert 1 == len(server.requests)
    assert [] == thief.requests
