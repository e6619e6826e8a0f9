"""The password of a Redis client is shown nowhere: in no repr, log, error or warning, nor by MONITOR."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import pickle
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import redis

from db_core.errors import AuthenticationError, ConfigurationError, DatabaseError
from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import Awaited
from tests.peer import read_some, silence
from tests.security import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tests.peer import Peer, Turn
    from tools import servers

SECRET = "hunter2-hunter2"
USER = "hunter2-user"
KINDS = {"sync": RedisClient, "asyncio": AsyncRedisClient}
CALLS: dict[str, Callable[[Any], Any]] = {
    "safe_read_from_redis": lambda client: client.safe_read_from_redis("k"),
    "save_many": lambda client: client.save_many({"k": 1}),
    "get_or_compute": lambda client: client.get_or_compute("k", lambda: 1, ttl=60),
    "scan": lambda client: list(client.scan()),
}
ECHO = f"with args beginning with: `3`, `AUTH`, `default`, `{SECRET}`".encode()
ANSWERS: dict[str, Turn] = {
    "refused": b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    "an echo": b"-ERR unknown command `HELLO`, " + ECHO + b"\r\n",
    "an echo of a refusal": b"-WRONGPASS " + ECHO + b"\r\n",
    "an echo without a code": b"-" + SECRET.encode() + b"\r\n",
    "no Redis": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no Redis, an echo": SECRET.encode() + b"\r\n",
    "nothing": b"",
    "silence": silence,
}


@pytest.fixture(autouse=True)
def _nothing_is_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Have everything talk as much as it can, and look for the password in it after the test."""
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())
    assert [] == [warning for warning in warned if SECRET in str(warning.message)]


@pytest.fixture(scope="module")
def guarded(servers: ModuleType) -> Iterator[servers.Redis]:
    """Give a Redis that asks for the password."""
    with servers.redis(password=SECRET) as server:
        yield server


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Give a function that makes either client: of arguments, or of a URL."""
    with asyncio.Runner(debug=True) as runner, ExitStack() as at_end:

        def make(*arguments: Any, **options: Any) -> Any:
            made = request.param.from_url if arguments else request.param
            client = made(*arguments, **options)
            if isinstance(client, RedisClient):
                return at_end.enter_context(client)
            at_end.callback(lambda: runner.run(client.aclose()))
            return Awaited(client, runner)

        yield make


def assert_hidden(texts: list[str]) -> None:
    """No text holds the password."""
    assert [] == [text for text in texts if SECRET in text]


def of_client(client: Any) -> list[str]:
    """Give the texts of the client itself, whichever it is."""
    return shown.of_object(client.client if isinstance(client, Awaited) else client)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_error_does_not_show_it(
    make: Callable[..., Any],
    peer: Callable[..., Peer],
    call: Callable[[Any], Any],
    answer: Turn,
) -> None:
    """Whatever the peer answers, quotes included; with arguments, and with a URL."""
    port = peer(answer, read=read_some).port
    url = f"redis://{USER}:{SECRET}@127.0.0.1:{port}"
    timeout = 0.05 if answer is silence else 10.0
    for client in (
        make(host="127.0.0.1", port=port, username=USER, password=SECRET, socket_timeout=timeout),
        make(url, socket_timeout=timeout),
    ):
        with pytest.raises(DatabaseError) as caught:
            call(client)
        assert_hidden(shown.of_error(caught.value))
        assert_hidden(of_client(client))


# Redis quotes 128 bytes of an argument.
LONG = "".join(f"hunter2 & <{number:03d}> 'é' " for number in range(20))
SPELLINGS = {
    "cut off": LONG.encode()[:128].decode(),
    "JSON": json.dumps(LONG),
    "Python": repr(LONG),
    "Python, of bytes": repr(LONG.encode()),
    "a URL": quote(LONG),
    "a page": html.escape(LONG),
}


@pytest.mark.parametrize("answer", SPELLINGS.values(), ids=SPELLINGS)
def test_no_spelling_of_it_is_shown(make: Callable[..., Any], peer: Callable[..., Peer], answer: str) -> None:
    """Nor any part of it that begins as it does."""
    said = f"-ERR unknown command, with args beginning with: `AUTH`, `{answer}`\r\n".encode()
    for password in (LONG, LONG.encode()):
        with pytest.raises(DatabaseError, match="unknown command") as caught:
            make(
                host="127.0.0.1", port=peer(said, read=read_some).port, password=password
            ).safe_read_from_redis("k")
        assert [] == [text for text in shown.of_error(caught.value) if "hunter2" in text]


def test_a_wrong_password_is_not_shown(servers: ModuleType, make: Callable[..., Any]) -> None:
    """The real server's refusal, and of no server at all."""
    with servers.redis(password="another") as server:
        for port in (server.port, 9):
            for call in CALLS.values():
                client = make(host=server.host, port=port, password=SECRET)
                with pytest.raises(DatabaseError) as caught:
                    call(client)
                assert_hidden(shown.of_error(caught.value))


def test_a_client_does_not_show_it(make: Callable[..., Any], guarded: servers.Redis) -> None:
    """Its repr, what it holds, and what its copy shows, before and after it is used."""
    for client in (
        make(host=guarded.host, port=guarded.port, password=SECRET),
        make(f"redis://:{SECRET}@{guarded.host}:{guarded.port}"),
    ):
        assert_hidden(of_client(client))
        for call in CALLS.values():
            call(client)
        assert_hidden(of_client(client))


def test_a_given_client_does_not_show_it(guarded: servers.Redis) -> None:
    """And its errors hide what the server quotes of the password it has."""
    with redis.Redis(guarded.host, guarded.port, password=SECRET) as given:
        client = RedisClient(client=given)
        for call in CALLS.values():
            call(client)
        assert_hidden(shown.of_object(client))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "url",
    [
        f"http://:{SECRET}@localhost",
        f"redis://:{SECRET}@localhost:{SECRET}",
        f"redis://localhost:{SECRET}",
        f"redis://localhost/{SECRET}",
        f"redis://:{SECRET}@localhost#{SECRET}",
        f"redis://:{SECRET}@localhost?db={SECRET}",
        f"redis://:{SECRET}@localhost?socket_timeout={SECRET}",
        f"redis://:{SECRET}@localhost?unknown={SECRET}",
        f"redis://:{SECRET}@[::1",
        f"redis://:{SECRET}@local host",
        f"{SECRET}@localhost",
    ],
)
def test_a_malformed_url_is_not_quoted(kind: Any, url: str) -> None:
    """Nor is it in anything that the error is chained to."""
    with pytest.raises(ConfigurationError) as caught:
        kind.from_url(url)

    assert_hidden(shown.of_error(caught.value))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "settings",
    [
        {"host": f"redis://:{SECRET}@localhost"},
        {"host": f"{SECRET} {SECRET}"},
        {"port": SECRET},
        {"password": [SECRET]},
        {"username": f"{SECRET}\ud800"},
        {"password": f"{SECRET}\ud800"},
        {"db": SECRET},
        {"nan": "none"},
        {"client": SECRET},
    ],
    ids=str,
)
def test_a_refused_setting_is_not_quoted(kind: Any, settings: dict[str, Any]) -> None:
    """Nor any of the others beside it."""
    with pytest.raises(ConfigurationError) as caught:
        kind(**{"password": SECRET} | settings)

    assert_hidden(shown.of_error(caught.value))


def test_monitor_does_not_show_it(guarded: servers.Redis) -> None:
    """Redis tells whoever watches all commands but the password."""
    with (
        redis.Redis(guarded.host, guarded.port, password=SECRET, protocol=2) as admin,
        admin.monitor() as monitor,
        RedisClient(guarded.host, guarded.port, SECRET) as client,
    ):
        client.save_in_redis("monitored", 1)
        seen = []
        while "monitored" not in str(seen[-1:]):
            seen.append(monitor.next_command())
    assert_hidden([str(command) for command in seen])


def test_a_pickle_needs_it(guarded: servers.Redis) -> None:
    """The limit that SECURITY.md tells: a pickled client holds its password, as its copy gets in."""
    with RedisClient(guarded.host, guarded.port, SECRET) as client:
        assert SECRET.encode() in pickle.dumps(client)


def test_a_refused_password_is_not_tried_again(servers: ModuleType, make: Callable[..., Any]) -> None:
    """Redis counts refusals: one call is one, as a second attempt would only help who locks users out."""
    with servers.redis(password="another") as server:
        for call in CALLS.values():
            client = make(host=server.host, port=server.port, password=SECRET)
            with pytest.raises(AuthenticationError):
                call(client)
        with redis.Redis(server.host, server.port, password="another") as admin:
            assert len(CALLS) == sum(entry["count"] for entry in admin.acl_log())
