"""Peers that are no Redis: garbage, replies that are cut, and such that promise what never comes."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from db_core.errors import (
    ConnectionFailedError,
    DatabaseError,
    OperationTimeoutError,
    QueryError,
    SerializationError,
)
from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import Awaited
from tests.faults.conftest import LONG, forget_peak, outcome, resident
from tests.peer import echo, read_nothing, silence

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.peer import Peer, Turn

MOST_MEMORY = 200 << 20
SHORT = 0.1  # seconds that are waited for what does not come

pytestmark = pytest.mark.usefixtures("at_once")

_GREETINGS = {
    b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n",
    b"SETINFO": b"+OK\r\n",
    b"MAINT_NOTIFICATIONS": b"-ERR unknown subcommand\r\n",
}


def let_in(connection: socket.socket) -> bytes:
    """Answer what a client says on connecting; give what it says then."""
    while got := connection.recv(65_536):
        if re.search(rb"\r\n[GS]ET\r\n", got):
            return got
        greetings = re.findall(b"|".join(_GREETINGS), got)
        connection.sendall(b"".join(_GREETINGS[greeting] for greeting in greetings))
    return b""


@pytest.fixture(params=[RedisClient, AsyncRedisClient], ids=["sync", "asyncio"])
def ask(
    request: pytest.FixtureRequest, peer: Callable[..., Peer], tally: Callable[..., str]
) -> Iterator[Callable[..., str]]:
    """Give a function that reads or saves a value on a peer, and says what came."""
    with asyncio.Runner() as runner:

        def ask(
            fault: str,
            call: str,
            turn: Turn,
            *errors: type[DatabaseError],
            read: Callable[[socket.socket], bytes] = let_in,
            password: str | None = None,
            arguments: tuple[object, ...] = ("key",),
            timeout: float = LONG / 4,
            **options: object,
        ) -> str:
            port = peer(turn, read=read).port
            made = request.param("127.0.0.1", port, password, socket_timeout=timeout)
            client = made if isinstance(made, RedisClient) else Awaited(made, runner)
            if call == "save_in_redis":
                arguments = ("key", 1)
            try:
                came = outcome(lambda: getattr(client, call)(*arguments, **options), None, *errors)
            finally:
                client.close()
            return tally(f"redis: {fault}", f"{call}, {request.node.callspec.id.rpartition('-')[0]}", came)

        yield ask


FAULTS: dict[str, tuple[Turn, type[DatabaseError]]] = {
    "HTML from a proxy": (
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html></html>",
        ConnectionFailedError,
    ),
    "bytes": (b"\x00\xff\xfe" * 100, ConnectionFailedError),
    "nothing": (b"", ConnectionFailedError),
    "a reply cut in its length": (b"$10", ConnectionFailedError),
    "a reply cut in its text": (b'$100\r\n{"name": ', ConnectionFailedError),
    "a reply without its line end": (b"$2\r\n{}", ConnectionFailedError),
    "a length that is no number": (b"$ten\r\n", ConnectionFailedError),
    "a length below none": (b"$-5\r\n", ConnectionFailedError),
    "arrays in arrays": (b"*1\r\n" * 10_000, ConnectionFailedError),
    "an error": ((b"-ODD something is odd\r\n", silence), QueryError),
    "10 GB that never come": ((b"$10737418240\r\n" + b"x" * 100_000, silence), OperationTimeoutError),
    "a line that never ends": ((b"+" + b"x" * 1_000_000, silence), OperationTimeoutError),
    "silence": (silence, OperationTimeoutError),
}


@pytest.mark.parametrize("call", ["safe_read_from_redis", "save_in_redis"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_reply_is_an_error(ask: Callable[..., str], fault: str, call: str) -> None:
    """Never None, as for a missing key, and never a value; a save is not acknowledged."""
    turn, error = FAULTS[fault]
    before = resident()
    forget_peak()
    timeout = SHORT if error is OperationTimeoutError else LONG / 4
    assert error.__name__ == ask(fault, call, turn, error, timeout=timeout)
    assert resident("VmHWM") - before < MOST_MEMORY


@pytest.mark.parametrize(
    "answer",
    [b":5\r\n", b"*1\r\n$2\r\n{}\r\n", b"%1\r\n$1\r\na\r\n$1\r\nb\r\n", b",1.5\r\n", b"#t\r\n", b"~0\r\n"],
    ids=["integer", "array", "map", "double", "boolean", "set"],
)
def test_a_reply_of_another_type_is_an_error(ask: Callable[..., str], answer: bytes) -> None:
    """GET has a text or nothing; what is neither is no value."""
    came = ask(
        "a reply of another type",
        "safe_read_from_redis",
        (answer, silence),
        QueryError,
        SerializationError,
        ConnectionFailedError,
    )
    assert "whole" != came


def let_ask(connection: socket.socket) -> bytes:
    """Answer what a client says on connecting, one by one; give what it says of another kind."""
    while got := connection.recv(65_536):
        greetings = re.findall(b"|".join(_GREETINGS), got)
        if not greetings:
            return got
        connection.sendall(b"".join(_GREETINGS[greeting] for greeting in greetings))
    return b""


FRAME = pd.DataFrame({"v": [1.0]})
_QUEUED = b"+OK\r\n" + 2 * b"+QUEUED\r\n"  # MULTI and two commands; the reply to EXEC comes next


@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        ("save_frame", ("key", FRAME), _QUEUED + b"*2\r\n:5\r\n:6\r\n"),
        ("save_frame", ("key", FRAME), _QUEUED + b"*2\r\n+abc\r\n+def\r\n"),
        ("save_frame", ("key", FRAME), _QUEUED + b"*2\r\n%0\r\n%0\r\n"),
        ("save_frame", ("key", FRAME), _QUEUED + b":5\r\n"),
        ("read_many", (["a", "b"],), b"$1\r\n5\r\n"),
        ("read_many", (["a", "b"],), b"*1\r\n$1\r\n5\r\n"),
        ("read_many", (["a", "b"],), b":5\r\n"),
        ("read_many", (["a", "b"],), b"_\r\n"),
        ("delete_many", (["a", "b"],), b"$1\r\n5\r\n"),
        ("delete_many", (["a", "b"],), b"*0\r\n"),
        ("delete_many", (["a", "b"],), b",1.5\r\n"),
        ("ttl", ("key",), b"%1\r\n+a\r\n:1\r\n"),
        ("ttl", ("key",), b",nan\r\n"),
        ("read_frame", ("key",), b"_\r\n"),
        ("read_frame", ("key",), b"*1\r\n$1\r\n5\r\n"),
        ("get_or_compute", ("key", lambda: 7), b"$1\r\n5\r\n*0\r\n"),
        ("safe_read_from_redis", ("key",), b"-ASK x y z\r\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ",
)
def test_a_reply_of_another_shape_is_an_error(
    ask: Callable[..., str], call: str, arguments: tuple[object, ...], answer: bytes
) -> None:
    """A save is not acknowledged by it, and nothing is read of it; what comes is one of our errors."""
    came = ask(
        "a reply of another shape",
        call,
        (answer, silence),
        QueryError,
        ConnectionFailedError,
        read=let_ask,
        arguments=arguments,
        **({"ttl": 60, "stale": 60} if call == "get_or_compute" else {}),
    )
    assert came in ("QueryError", "ConnectionFailedError")


def agree(connection: socket.socket) -> None:
    """Say OK to every command."""
    while got := connection.recv(65_536):
        connection.sendall(b"+OK\r\n" * len(re.findall(rb"\*[0-9]+\r\n", got)))


@pytest.mark.parametrize("password", [None, "a secret word"])
@pytest.mark.parametrize(
    ("turn", "call"),
    [(echo, "safe_read_from_redis"), (echo, "save_in_redis"), (agree, "safe_read_from_redis")],
)
def test_what_does_not_greet_as_redis_is_an_error(
    ask: Callable[..., str], turn: Turn, call: str, password: str | None
) -> None:
    """Though what it says is well-formed."""
    errors = (ConnectionFailedError, OperationTimeoutError, QueryError, SerializationError)
    came = ask(
        "a greeting of another kind", call, turn, *errors, read=read_nothing, password=password, timeout=SHORT
    )
    assert "whole" != came
