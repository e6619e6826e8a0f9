"""TLS to Redis: verified unless told otherwise, by both clients."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import ConnectionFailedError, OperationTimeoutError
from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import Awaited
from tests.security.certificates import speak_old_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peer import Peer
    from tests.security.certificates import Pki
    from tools import servers

KINDS = {"sync": RedisClient, "asyncio": AsyncRedisClient}
WRONG = ("another host", "expired", "self-signed", "unknown authority")


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Give a function that makes either client, of a URL or of arguments."""
    with asyncio.Runner() as runner, ExitStack() as at_end:

        def make(*url: str, **options: Any) -> Any:
            client = request.param.from_url(*url, **options) if url else request.param(**options)
            if isinstance(client, RedisClient):
                return at_end.enter_context(client)
            at_end.callback(lambda: runner.run(client.aclose()))
            return Awaited(client, runner)

        yield make


def test_our_authority_is_trusted(
    make: Callable[..., Any],
    redis_server: servers.Redis,
    pki: Pki,
    front: Callable[..., Peer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the URL's option, or where the system's certificates are said to be."""
    before = front(redis_server.port, pki.server)
    by_url = make(f"rediss://localhost:{before.port}?ssl_ca_certs={pki.ca_cert}")
    by_url.save_in_redis("k", 1)
    monkeypatch.setenv("SSL_CERT_FILE", pki.ca_cert)
    assert 1 == make(host="localhost", port=before.port, ssl=True).safe_read_from_redis("k")


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_certificate_is_refused_and_not_tried_again(
    make: Callable[..., Any], redis_server: servers.Redis, pki: Pki, front: Callable[..., Peer], kind: str
) -> None:
    """The error says what is wrong with it; another attempt would change nothing."""
    certificate, reason = pki.wrong[kind]
    before = front(redis_server.port, certificate)
    client = make(f"rediss://:s3cret@localhost:{before.port}?ssl_ca_certs={pki.ca_cert}")
    for number, call in enumerate(
        (
            lambda: client.safe_read_from_redis("k"),
            lambda: client.save_many({"k": 1}),
            lambda: client.get_or_compute("k", lambda: 1, ttl=60),
            lambda: list(client.scan()),
        ),
        1,
    ):
        with pytest.raises(ConnectionFailedError, match=f"certificate verify failed: .*{reason}"):
            call()
        assert number == before.connections


def test_nor_where_the_caller_handles_an_error_of_its_own(
    make: Callable[..., Any], redis_server: servers.Redis, pki: Pki, front: Callable[..., Peer]
) -> None:
    """What a failure comes from is not lost behind the caller's."""
    certificate, reason = pki.wrong["expired"]
    before = front(redis_server.port, certificate)
    client = make(f"rediss://:s3cret@localhost:{before.port}?ssl_ca_certs={pki.ca_cert}")
    own = KeyError("own")
    try:
        raise own
    except KeyError:
        with pytest.raises(ConnectionFailedError, match=f"certificate verify failed: .*{reason}"):
            client.safe_read_from_redis("k")
    assert 1 == before.connections
    assert own.__context__ is None


@pytest.mark.parametrize("kind", WRONG)
def test_verifying_is_turned_off_by_the_url_only(
    make: Callable[..., Any], redis_server: servers.Redis, pki: Pki, front: Callable[..., Peer], kind: str
) -> None:
    """`ssl_cert_reqs=none` takes any certificate; `ssl=True` never does."""
    before = front(redis_server.port, pki.wrong[kind][0])
    url = f"rediss://localhost:{before.port}?ssl_cert_reqs=none&ssl_check_hostname=false"
    make(url).save_in_redis("k", 1)
    with pytest.raises(ConnectionFailedError, match="certificate verify failed"):
        make(host="localhost", port=before.port, ssl=True).safe_read_from_redis("k")


def test_a_client_certificate_is_shown_where_it_is_demanded(
    make: Callable[..., Any], redis_server: servers.Redis, pki: Pki, front: Callable[..., Peer]
) -> None:
    """Without it, or with one of another authority, nothing goes through."""
    before = front(redis_server.port, pki.server, pki.ca_cert)
    url = f"rediss://localhost:{before.port}?ssl_ca_certs={pki.ca_cert}"

    def shows(files: Any) -> str:
        return f"{url}&ssl_certfile={files.certificate}&ssl_keyfile={files.key}"

    make(shows(pki.client)).save_in_redis("k", 1)
    for refused in (url, shows(pki.strange_client)):
        with pytest.raises(ConnectionFailedError):
            make(refused).safe_read_from_redis("k")


def test_a_plain_connection_does_not_become_one(
    make: Callable[..., Any], redis_server: servers.Redis
) -> None:
    """TLS to a port that speaks none is an error: to Redis its greeting is no command, and it waits."""
    url = f"rediss://localhost:{redis_server.port}"
    with pytest.raises((ConnectionFailedError, OperationTimeoutError)):
        make(url, socket_timeout=0.2, socket_connect_timeout=0.2).safe_read_from_redis("k")


def test_old_tls_is_refused(
    make: Callable[..., Any], redis_server: servers.Redis, pki: Pki, front: Callable[..., Peer]
) -> None:
    """A server that knows no TLS after 1.1 is none to talk to, be its certificate right."""
    before = front(redis_server.port, pki.server, old=True)
    willing = ssl.create_default_context(cafile=pki.ca_cert)
    speak_old_tls(willing)
    with (
        socket.create_connection(("localhost", before.port), timeout=10) as plain,
        willing.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert "TLSv1.1" == connection.version()

    for verified in (f"ssl_ca_certs={pki.ca_cert}", "ssl_cert_reqs=none&ssl_check_hostname=false"):
        with pytest.raises(ConnectionFailedError, match="protocol version"):
            make(f"rediss://localhost:{before.port}?{verified}").safe_read_from_redis("k")
