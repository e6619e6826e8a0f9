"""Frames in Redis: kept whole, replaced whole, and gone whole; with both clients, against a real Redis."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest
import redis

from db_core.errors import (
    ConnectionFailedError,
    IncompleteResultError,
    InvalidArgumentError,
    QueryError,
    SerializationError,
)
from db_redis import RedisClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tools import servers

TIMES = pd.date_range("2025-03-29", periods=1000, freq="h", tz="Europe/Lisbon", name="time")
FRAME = pd.DataFrame(
    {"power": np.random.default_rng(1).random(1000), "n": pd.array([1, None] * 500, dtype="Int64")},
    index=TIMES,
)


@pytest.mark.parametrize("piece_bytes", [1 << 20, 2000])
def test_a_frame_is_read_as_it_was_saved(store: Any, piece_bytes: int) -> None:
    """Of pandas, polars and Arrow, in one piece or in many."""
    store.save_frame("pandas", FRAME, piece_bytes=piece_bytes)
    pd.testing.assert_frame_equal(FRAME, store.read_frame("pandas"))

    polars_frame = pl.DataFrame({"a": [[1], None], "c": pl.Series(["x", None], dtype=pl.Categorical)})
    store.save_frame("polars", polars_frame, piece_bytes=piece_bytes)
    polars.testing.assert_frame_equal(polars_frame, store.read_frame("polars", "polars"))

    table = pa.table({"a": [1, None]}, metadata={"k": "v"})
    store.save_frame("arrow", table, piece_bytes=piece_bytes)
    assert table.equals(store.read_frame("arrow", into="arrow"), check_metadata=True)


def test_a_frame_is_one_key(store: Any, plain: redis.Redis, namespace: str) -> None:
    """A hash of a manifest and pieces, each within its bound, that together are an Arrow stream."""
    store.save_frame("k", FRAME, piece_bytes=2000)

    assert [f"{namespace}:k".encode()] == plain.keys(f"*{namespace}*")
    stored: dict[bytes, bytes] = plain.hgetall(f"{namespace}:k")
    manifest = json.loads(stored.pop(b"manifest"))
    pieces = [stored.pop(b"0")]
    pieces += [
        stored.pop(f"{manifest['version']}:{place}".encode()) for place in range(1, manifest["pieces"])
    ]
    assert {} == stored
    assert 5 < len(pieces)
    assert max(map(len, pieces)) <= 2000
    with pa.ipc.open_stream(b"".join(pieces)) as reader:
        assert FRAME["power"].to_list() == reader.read_all()["power"].to_pylist()


@pytest.mark.parametrize("piece_bytes", [1 << 20, 2000])
def test_a_frame_lives_as_long_as_asked(
    make: Callable[..., Any], plain: redis.Redis, namespace: str, piece_bytes: int
) -> None:
    """All of it; and what goes for keys goes for frames."""
    store = make()
    store.save_frame("k", FRAME, 1000, piece_bytes=piece_bytes)
    assert 990 < store.ttl("k") <= 1000
    assert store.touch("k", 2000)
    assert 1990 < store.ttl("k") <= 2000

    store.save_frame("k", FRAME, piece_bytes=piece_bytes)
    assert -1 == plain.ttl(f"{namespace}:k")
    default = make(default_ttl=100)
    default.save_frame("k", FRAME, piece_bytes=piece_bytes)
    assert 90 < store.ttl("k") <= 100

    assert ["k"] == list(store.scan())
    assert 1 == store.delete_many(["k"])
    assert [] == plain.keys(f"*{namespace}*")
    assert "gone" == store.read_frame("k", default="gone")
    assert store.read_frame("k") is None


@pytest.mark.parametrize("piece_bytes", [1 << 20, 2000])
def test_a_frame_takes_the_place_of_what_was_there(
    store: Any, plain: redis.Redis, namespace: str, piece_bytes: int
) -> None:
    """A value, a longer frame, a list; and a value takes a frame's."""
    other = FRAME[:7]
    for before in (
        lambda: store.save_in_redis("k", 1),
        lambda: store.save_frame("k", FRAME, 60, piece_bytes=500),
        lambda: plain.rpush(f"{namespace}:k", 1),
    ):
        plain.delete(f"{namespace}:k")
        before()
        store.save_frame("k", other, piece_bytes=piece_bytes)
        pd.testing.assert_frame_equal(other, store.read_frame("k"), check_freq=False)
        assert -1 == plain.ttl(f"{namespace}:k")
        assert [f"{namespace}:k".encode()] == plain.keys(f"*{namespace}*")
    store.save_in_redis("k", 1)
    assert 1 == store.safe_read_from_redis("k")


def test_readers_see_one_frame_or_the_other(
    server: servers.Redis, namespace: str, make: Callable[..., Any]
) -> None:
    """While one writer replaces a frame of many pieces all the time, nobody reads a mixture, or none."""
    store = make()
    frames = [pd.DataFrame({"v": np.full(3000, float(number))}) for number in range(2)]
    store.save_frame("k", frames[0], piece_bytes=5000)
    stop = threading.Event()

    def write() -> None:
        with RedisClient(server.host, server.port, server.password, namespace=namespace) as writer:
            number = 0
            while not stop.is_set():
                number += 1
                writer.save_frame("k", frames[number % 2], piece_bytes=5000)

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    try:
        for _ in range(200):
            values = store.read_frame("k")["v"].unique()
            assert 1 == len(values)
            seen.add(values[0])
    finally:
        stop.set()
        thread.join()

    assert {0.0, 1.0} == seen


@pytest.mark.parametrize("piece_bytes", [1 << 20, 2000])
def test_a_frame_replaced_at_every_moment_is_read(
    make: Callable[..., Any], client: RedisClient, piece_bytes: int
) -> None:
    """Of one piece or of many, though another one comes before each command."""
    client.save_frame("k", FRAME, piece_bytes=piece_bytes)
    store = make()
    theirs = getattr(store, "client", store)._client
    ours = theirs.execute_command

    def replaces(*args: Any, **options: Any) -> Any:
        client.save_frame("k", FRAME, piece_bytes=piece_bytes)
        return ours(*args, **options)

    theirs.execute_command = replaces
    pd.testing.assert_frame_equal(FRAME, store.read_frame("k"))


def test_what_can_not_be_kept_changes_nothing(store: Any) -> None:
    """The error names the column, and what was there stays."""
    store.save_frame("k", FRAME)
    with pytest.raises(SerializationError, match="column 'bad'"):
        store.save_frame("k", pd.DataFrame({"bad": [1j]}))

    pd.testing.assert_frame_equal(FRAME, store.read_frame("k"))


def test_a_failure_in_the_middle_changes_nothing(servers: ModuleType, make: Callable[..., Any]) -> None:
    """Redis runs full while the pieces are sent: what was there stays, and nothing else does."""
    with servers.redis(own=True) as small, redis.Redis(small.host, small.port) as admin:
        store = make(host=small.host, port=small.port, password=None, namespace=None)
        store.save_frame("k", FRAME)
        admin.config_set("maxmemory", admin.info("memory")["used_memory"] + 5_000_000)
        with pytest.raises(QueryError, match=r"'k'.*OOM"):
            store.save_frame(
                "k", pd.DataFrame({"v": np.random.default_rng(1).random(2_000_000)}), piece_bytes=1 << 20
            )
        admin.config_set("maxmemory", 0)

        assert [b"k"] == admin.keys()
        pd.testing.assert_frame_equal(FRAME, store.read_frame("k"))


def test_a_server_that_dies_changes_nothing(servers: ModuleType, make: Callable[..., Any]) -> None:
    """What was there is there when it is back."""
    with servers.redis(own=True) as mortal:
        store = make(host=mortal.host, port=mortal.port, password=None, namespace="n")
        store.save_frame("k", FRAME)
        mortal.kill()
        with pytest.raises(ConnectionFailedError, match="'k'"):
            store.save_frame("k", FRAME[:7], piece_bytes=500)
        with pytest.raises(ConnectionFailedError, match="'k'"):
            store.read_frame("k", default=1)
        mortal.restart()

        pd.testing.assert_frame_equal(FRAME, store.read_frame("k"))


def test_a_draft_that_is_lost_at_any_moment_is_never_a_frame(
    make: Callable[..., Any], plain: redis.Redis, namespace: str
) -> None:
    """By a flush, an eviction, a restart of a cache: what was there stays, and the save is no success."""
    old, new = FRAME[:7], FRAME[:500]
    store = make()
    theirs = getattr(store, "client", store)._client
    asked = 0

    def loses(ask: Callable[..., Any], moment: int) -> Callable[..., Any]:
        """Delete the draft before the command or pipeline of that number, counted from 0."""

        def loses_then_asks(*args: Any, **options: Any) -> Any:
            nonlocal asked
            if asked == moment:
                for key in plain.keys(f"{namespace}:*draft*"):
                    plain.delete(key)
            asked += 1
            return ask(*args, **options)

        return loses_then_asks

    def save(moment: int) -> bool:
        nonlocal asked
        asked = 0
        store.save_frame("k", old)
        with pytest.MonkeyPatch.context() as patch:
            for name in ("execute_command", "pipeline"):
                patch.setattr(theirs, name, loses(getattr(theirs, name), moment))
            try:
                store.save_frame("k", new, piece_bytes=2000)
            except QueryError as error:
                assert "lost some of its pieces" in str(error)
                return False
            return True

    assert save(-1)
    calls = asked
    assert 10 < calls
    for moment in range(calls):
        # Before the first piece nothing is lost: a piece begins a draft as well as what comes before it.
        assert save(moment) == (moment < 2), moment
        pd.testing.assert_frame_equal(new if moment < 2 else old, store.read_frame("k"), check_freq=False)
        assert [f"{namespace}:k".encode()] == plain.keys(f"*{namespace}*")


def test_a_piece_that_is_lost_while_it_is_published_is_told(
    make: Callable[..., Any], plain: redis.Redis, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a failover to a replica that has not all pieces yet: the save is no success."""
    store = make()
    theirs = getattr(store, "client", store)._client
    whole = theirs.pipeline

    def loses_a_piece(*, transaction: bool) -> Any:
        if transaction:
            [draft] = plain.keys(f"{namespace}:*draft*")
            assert 1 == plain.hdel(draft, "0")
        return whole(transaction=transaction)

    monkeypatch.setattr(theirs, "pipeline", loses_a_piece)

    with pytest.raises(QueryError, match="lost some of its pieces"):
        store.save_frame("k", FRAME, piece_bytes=2000)


def test_a_draft_expires(store: Any, plain: redis.Redis) -> None:
    """From before its first piece on, in case its writer dies."""
    with plain.monitor() as monitor:
        store.save_frame("k", FRAME, piece_bytes=5000)
        plain.echo("the end")
        sent = []
        for entry in monitor.listen():
            if "the end" in entry["command"]:
                break
            if "draft" in entry["command"]:
                sent.append(entry["command"].split(" "))

    assert ["HSET", "PEXPIRE", "HSET"] == [words[0] for words in sent[:3]]
    assert "600000" == sent[1][2]
    assert {sent[0][1]} == {words[1] for words in sent}
    assert ["PERSIST", "RENAME"] == [words[0] for words in sent[-2:]]


def test_a_missing_piece_is_an_error(store: Any, plain: redis.Redis, namespace: str) -> None:
    """Never a part of a frame, nor the default."""
    store.save_frame("k", FRAME, piece_bytes=2000)
    version = json.loads(plain.hget(f"{namespace}:k", "manifest") or b"")["version"]
    plain.hdel(f"{namespace}:k", f"{version}:3")

    with pytest.raises(IncompleteResultError, match=r"'k'.*missing"):
        store.read_frame("k", default=1)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (b"hunter2", "manifest is malformed"),
        (b"[1]", "manifest is malformed"),
        (b'{"format":1}', "manifest is malformed"),
        *(
            (b'{"format":1,"version":"v","pieces":%b}' % pieces, "manifest is malformed")
            for pieces in (b'"hunter2"', b"1.5", b"null", b"true", b"-1", b"0", b"[1]")
        ),
        (b'{"format":"hunter2","version":"v","pieces":1}', "manifest is malformed"),
        (b'{"format":2,"version":"v","pieces":1}', "has format 2"),
        (b'{"format":1,"version":"v","pieces":1}', "can't be read"),
        (None, "not a frame"),
    ],
)
def test_what_is_no_frame_is_an_error(
    store: Any, plain: redis.Redis, namespace: str, manifest: bytes | None, reason: str
) -> None:
    """It names the key, and quotes nothing."""
    plain.hset(f"{namespace}:k", "0", b"hunter2" * 9)
    if manifest is not None:
        plain.hset(f"{namespace}:k", "manifest", manifest)

    with pytest.raises(SerializationError, match=f"'k'.*{reason}") as caught:
        store.read_frame("k", default=1)
    assert "hunter2" not in str(caught.value)


def test_values_and_frames_are_not_mistaken_for_each_other(store: Any) -> None:
    """Each read of the wrong kind is an error."""
    store.save_in_redis("value", 1)
    store.save_frame("frame", FRAME)

    for call in (
        lambda: store.read_frame("value", default=1),
        lambda: store.safe_read_from_redis("frame", default=1),
        lambda: store.read_many(["value", "frame"]),
    ):
        with pytest.raises(QueryError, match="WRONGTYPE") as caught:
            call()
        assert "WRONGTYPE" == caught.value.code


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda store: store.save_frame("", FRAME), "key"),
        (lambda store: store.save_frame("k", [1]), "frame"),
        (lambda store: store.save_frame("k", FRAME, -1), "expiration_in_seconds"),
        (lambda store: store.save_frame("k", FRAME, piece_bytes=0), "piece_bytes"),
        (lambda store: store.save_frame("k", FRAME, piece_bytes=1 << 30), "piece_bytes"),
        (lambda store: store.read_frame(1), "key"),
        (lambda store: store.read_frame("k", "csv"), "into"),
    ],
)
def test_an_unusable_argument_is_named(store: Any, call: Callable[[Any], Any], argument: str) -> None:
    """Nothing is sent."""
    with pytest.raises(InvalidArgumentError, match=f"`{argument}`") as caught:
        call(store)
    assert argument == caught.value.argument
    assert [] == list(store.scan())


def test_a_frame_may_be_read_by_a_client_that_decodes(server: servers.Redis, namespace: str) -> None:
    """Pieces are bytes whatever a given client makes of its answers."""
    with redis.Redis(
        server.host, server.port, password=server.password, decode_responses=True
    ) as given_client:
        client = RedisClient(client=given_client, namespace=namespace)
        client.save_frame("k", FRAME, piece_bytes=2000)
        pd.testing.assert_frame_equal(FRAME, client.read_frame("k"))
        assert ["k"] == list(client.scan())
