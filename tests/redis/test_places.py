"""Where Redis runs: a Cluster of six, Sentinels, TLS with ACL users, a URL; and failover under load."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import pytest
import redis
import redis.asyncio
from redis.connection import Connection

from db_core.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DatabaseError,
    InvalidArgumentError,
    QueryError,
)
from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import Awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tools import servers

PASSWORD = "correct-horse-battery"
MANY = {f"k{number}": [number] for number in range(2000)}
FRAME = pd.DataFrame({"v": np.random.default_rng(1).random(5000)})
PATIENCE = 60.0  # seconds for a failover; a limit, not a pause


@pytest.fixture(scope="module")
def cluster(servers: ModuleType) -> Iterator[servers.RedisCluster]:
    """Give a Cluster of six nodes that asks for `PASSWORD`."""
    with servers.redis_cluster(password=PASSWORD) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def tls(servers: ModuleType) -> Iterator[servers.RedisTls]:
    """Give a Redis that speaks TLS and asks for `PASSWORD`."""
    with servers.redis_tls(password=PASSWORD) as server:
        yield server


@pytest.fixture
def on_cluster(cluster: servers.RedisCluster) -> Iterator[redis.RedisCluster]:
    """Give redis-py's client of the Cluster."""
    with redis.RedisCluster("127.0.0.1", cluster.nodes[0].port, password=PASSWORD) as plain:
        yield plain
        plain.flushall(target_nodes=redis.RedisCluster.PRIMARIES)


@pytest.fixture(params=["sync", "asyncio"])
def store(
    request: pytest.FixtureRequest, cluster: servers.RedisCluster, on_cluster: redis.RedisCluster
) -> Iterator[Any]:
    """Give the client under test, on the Cluster."""
    if request.param == "sync":
        yield RedisClient(client=on_cluster, namespace="n")
        return
    with asyncio.Runner() as runner:
        plain = redis.asyncio.RedisCluster("127.0.0.1", cluster.nodes[0].port, password=PASSWORD)
        yield Awaited(AsyncRedisClient(client=plain, namespace="n"), runner)
        runner.run(plain.aclose())


# --- Cluster ------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"expiration_in_seconds": 60}, {"atomic": True}], ids=str)
def test_batches_go_to_the_nodes_that_have_the_slots(
    store: Any, on_cluster: redis.RedisCluster, options: dict[str, Any]
) -> None:
    """Keys of all nodes are saved, read, listed and deleted in one call."""
    store.save_many(MANY, **options)

    assert {"[1999]"} == {(on_cluster.get("n:k1999") or b"").decode()}
    assert MANY == store.read_many(["missing", *MANY])
    assert set(MANY) == set(store.scan(count=100))
    nodes = [on_cluster.get_node_from_key(f"n:{key}").name for key in MANY]
    assert 3 == len(set(nodes))
    assert 2000 == store.delete_many([*MANY, "missing"])
    assert {} == store.read_many(MANY)


def test_keys_with_a_common_tag_are_saved_at_once(store: Any, on_cluster: redis.RedisCluster) -> None:
    """A chunk that is atomic is a transaction on one node; other keys are chunks of their own."""
    store.save_many({"{m}a": 1, "{m}b": 2, "other": 3}, 60, atomic=True)
    transactions = [
        node["cmdstat_exec"]["calls"]
        for node in on_cluster.info("commandstats", target_nodes=redis.RedisCluster.PRIMARIES).values()
        if "cmdstat_exec" in node
    ]

    assert {"{m}a": 1, "{m}b": 2, "other": 3} == store.read_many(["{m}a", "{m}b", "other"])
    assert transactions
    assert 50 < store.ttl("{m}b") <= 60


def test_a_key_of_another_kind_is_an_error_on_a_cluster(store: Any, on_cluster: redis.RedisCluster) -> None:
    """In a batch, too."""
    on_cluster.rpush("n:list", 1)
    with pytest.raises(QueryError, match="WRONGTYPE"):
        store.read_many(["a", "list"])


@pytest.mark.parametrize("key", ["k", "{tag}k", "größe"])
@pytest.mark.parametrize("piece_bytes", [1 << 20, 5000])
def test_a_frame_is_on_one_node(
    store: Any, on_cluster: redis.RedisCluster, key: str, piece_bytes: int
) -> None:
    """Whatever its key, with a tag or without; its draft is gone."""
    store.save_frame(key, FRAME[:7], 60, piece_bytes=piece_bytes)
    store.save_frame(key, FRAME, 60, piece_bytes=piece_bytes)

    pd.testing.assert_frame_equal(FRAME, store.read_frame(key))
    assert 50 < store.ttl(key) <= 60
    assert [f"n:{key}".encode()] == on_cluster.keys("*", target_nodes=redis.RedisCluster.PRIMARIES)


@pytest.mark.parametrize("key", ["a}b", "a{}b"])
def test_a_frame_that_has_no_slot_for_its_draft_is_refused(store: Any, key: str) -> None:
    """Braces that are no hash tag: the error names the key, and small frames are fine."""
    store.save_frame(key, FRAME[:7])
    with pytest.raises(InvalidArgumentError, match="no hash tag") as caught:
        store.save_frame(key, FRAME, piece_bytes=5000)

    assert "key" == caught.value.argument
    pd.testing.assert_frame_equal(FRAME[:7], store.read_frame(key))


def test_a_value_is_computed_once_on_a_cluster(store: Any, on_cluster: redis.RedisCluster) -> None:
    """Lock and value are on one node; nothing is left of the lock."""
    calls: list[int] = []
    for _ in range(2):
        assert [1] == store.get_or_compute("k", lambda: [calls.append(1) or 1], ttl=60, stale=60)  # type: ignore[func-returns-value]
    assert [1] == calls
    assert [b"n:k"] == on_cluster.keys("*", target_nodes=redis.RedisCluster.PRIMARIES)


@pytest.mark.parametrize("call", ["safe_read_from_redis", "read_many"])
def test_no_later_call_has_the_reply_of_an_interrupted_one_on_a_cluster(
    on_cluster: redis.RedisCluster, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As in test_interrupts.py, where it is told; of a command, and of a pipeline."""
    client = RedisClient(client=on_cluster, namespace="n")
    client.save_many({"{t}1": 1, "{t}2": 2})
    whole = Connection.read_response
    monkeypatch.setattr(Connection, "can_read", lambda *_: False)

    def interrupted(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(Connection, "read_response", whole)
        raise KeyboardInterrupt

    monkeypatch.setattr(Connection, "read_response", interrupted)
    with pytest.raises(KeyboardInterrupt):
        getattr(client, call)("{t}1" if call == "safe_read_from_redis" else ["{t}1"])

    assert [2, 1] == [client.safe_read_from_redis(key) for key in ("{t}2", "{t}1")]


def test_a_cluster_that_is_down_is_an_outage(servers: ModuleType) -> None:
    """Redis refuses all keys while a slot is not served: an error, or computing without the cache."""
    with (
        servers.redis_cluster() as cluster,
        redis.RedisCluster("127.0.0.1", cluster.nodes[0].port) as plain,
        place_of(cluster.nodes[0]) as first,
    ):
        store = RedisClient(client=plain)
        keys = [key for key in MANY if plain.get_node_from_key(key).port == cluster.nodes[0].port]
        slots = {plain.keyslot(key) for key in keys}
        first.execute_command("CLUSTER DELSLOTS", next(slot for slot in range(5000) if slot not in slots))

        with pytest.raises(QueryError, match="CLUSTERDOWN"):
            until_it_fails(lambda: store.save_in_redis(keys[0], 1))
        assert 7 == store.get_or_compute(keys[0], lambda: 7, ttl=60, on_outage="compute")
        with pytest.raises(QueryError, match="CLUSTERDOWN"):
            store.get_or_compute(keys[0], lambda: 7, ttl=60)


def until_it_fails(call: Callable[[], Any]) -> None:
    """Call until it fails; the nodes learn of what is wrong in their own time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        call()
        time.sleep(0.05)


class Load:
    """Saves and reads in a thread, and notes what it saw: every answer is right, or an error of ours."""

    def __init__(self, store: RedisClient, keys: list[str]) -> None:
        self.wrong: list[object] = []
        self.errors = 0
        self.good = 0
        self._store, self._keys = store, keys
        self._stop = threading.Event()
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for key in self._keys:
                self._once(key)

    def _once(self, key: str) -> None:
        try:
            self._store.save_in_redis(key, [key])
            read = self._store.safe_read_from_redis(key, default="missing")
        except DatabaseError:
            self.errors += 1
            return
        except BaseException as error:  # noqa: BLE001 - what must not come out
            self.wrong.append(error)
            return
        # What was just confirmed may be lost with the node that confirmed it; nothing else may be there.
        if read not in ([key], "missing"):
            self.wrong.append(read)
        with self._more:
            self.good += 1
            self._more.notify_all()

    def wait_for(self, more: int) -> None:
        """Wait until so many more calls went well."""
        with self._more:
            target = self.good + more
            assert self._more.wait_for(lambda: self.good >= target, PATIENCE)


def at_last(call: Callable[[], Any]) -> Any:
    """Give what a call gives when it does: the other nodes learn of a new primary each in its own time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except DatabaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_primary_of_a_cluster_is_killed_under_load(servers: ModuleType) -> None:
    """Its replica takes over: calls to its slots fail for a while, or wait, and then go well again."""
    with servers.redis_cluster() as cluster:
        dead = cluster.nodes[0]
        with redis.RedisCluster("127.0.0.1", cluster.nodes[1].port, socket_timeout=1) as plain:
            store = RedisClient(client=plain)
            keys = [key for key in MANY if plain.get_node_from_key(key).port == dead.port][:20]
            assert 20 == len(keys)
            store.save_many(MANY)
            with Load(store, keys) as load:
                load.wait_for(50)
                dead.kill()
                load.wait_for(50)

            assert [] == load.wrong
            assert {cluster.nodes[3].port} == {plain.get_node_from_key(key).port for key in keys}
            assert {key: [key] for key in keys} == at_last(lambda: store.read_many(keys))
            elsewhere = [key for key in MANY if key not in keys]
            assert {key: MANY[key] for key in elsewhere} == at_last(lambda: store.read_many(elsewhere))


# --- Sentinel -----------------------------------------------------------------


def test_a_primary_that_sentinels_watch_is_killed_under_load(servers: ModuleType) -> None:
    """The clients of a Sentinel follow to the new primary, both kinds."""
    with servers.redis_sentinel(password=PASSWORD) as place:
        sentinel = redis.Sentinel(place.sentinels, socket_timeout=1)  # type: ignore[no-untyped-call]
        store = RedisClient(client=sentinel.master_for(place.service, password=PASSWORD, socket_timeout=1))
        store.save_frame("frame", FRAME, piece_bytes=5000)
        assert 1 == place_of(place.primary).wait(1, 10_000)
        with Load(store, [f"k{number}" for number in range(20)]) as load:
            load.wait_for(50)
            place.primary.kill()
            load.wait_for(50)

        assert [] == load.wrong
        assert 0 < load.errors
        assert (place.replica.host, place.replica.port) == sentinel.discover_master(place.service)
        pd.testing.assert_frame_equal(FRAME, store.read_frame("frame"))

        async def main() -> Any:
            watching = redis.asyncio.Sentinel(place.sentinels, socket_timeout=1)  # type: ignore[no-untyped-call]
            client = watching.master_for(place.service, password=PASSWORD)
            async with client:
                read = await AsyncRedisClient(client=client).read_many(["k1", "missing"])
            for watched in watching.sentinels:
                await watched.aclose()
            return read

        assert {"k1": ["k1"]} == asyncio.run(main())


def place_of(server: servers.Redis) -> redis.Redis:
    """Give redis-py's client of a server."""
    return redis.Redis(server.host, server.port, password=server.password)


# --- TLS, ACL users, URLs -----------------------------------------------------


@pytest.mark.parametrize("kind", [RedisClient, AsyncRedisClient])
def test_tls_is_verified(tls: servers.RedisTls, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the right authority values and frames go through; without it nothing does."""
    with asyncio.Runner() as runner:
        url = f"rediss://:{PASSWORD}@localhost:{tls.port}?ssl_ca_certs={tls.ca_cert}"
        trusting = through(kind.from_url(url, namespace="n"), runner)
        trusting.save_frame("frame", FRAME, piece_bytes=50_000)
        pd.testing.assert_frame_equal(FRAME, trusting.read_frame("frame"))
        trusting.close()

        for client in (
            kind.from_url(f"rediss://:{PASSWORD}@localhost:{tls.port}"),
            kind("localhost", tls.port, PASSWORD, ssl=True),
        ):
            distrusting = through(client, runner)
            with pytest.raises(ConnectionFailedError, match=r"(?i)certificate verify failed"):
                distrusting.safe_read_from_redis("k", default="hidden")
            distrusting.close()

        monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_cert))
        by_arguments = through(kind("localhost", tls.port, PASSWORD, ssl=True), runner)
        by_arguments.save_in_redis("k", 1)
        assert 1 == by_arguments.safe_read_from_redis("k")
        by_arguments.close()


def through(client: Any, runner: asyncio.Runner) -> Any:
    """Give a client that is used without `await`."""
    return Awaited(client, runner) if isinstance(client, AsyncRedisClient) else client


@pytest.mark.parametrize("kind", [RedisClient, AsyncRedisClient])
def test_an_acl_user_may_do_what_it_may(tls: servers.RedisTls, kind: Any) -> None:
    """Over TLS, by its password; within its own namespace all works, outside nothing does."""
    with place_of(tls.redis) as admin:
        admin.acl_setuser(
            "plant",
            enabled=True,
            passwords=["+p@ss/word:1"],
            keys=["plant:*"],
            commands=["+@all", "-@dangerous", "-@admin"],
            reset=True,
        )
    url = f"rediss://plant:p%40ss%2Fword%3A1@localhost:{tls.port}/0?ssl_ca_certs={tls.ca_cert}"
    with asyncio.Runner() as runner:
        store = through(kind.from_url(url, namespace="plant"), runner)
        store.save_many({"a": 1, "b": 2}, 60)
        store.save_frame("frame", FRAME, piece_bytes=5000)
        assert 3 == store.get_or_compute("c", lambda: 3, ttl=60, stale=60)
        assert {"a", "b", "c", "frame"} == set(store.scan())
        assert 4 == store.delete_many(["a", "b", "c", "frame"])
        store.close()

        outside = through(kind.from_url(url, namespace="other"), runner)
        for call in (
            lambda: outside.save_many({"a": 1}),
            lambda: outside.read_many(["a"]),
            lambda: outside.save_frame("a", FRAME),
            lambda: outside.get_or_compute("a", lambda: 1, ttl=60, on_outage="compute"),
            lambda: outside.delete_many(["a"]),
            lambda: outside.ttl("a"),
        ):
            with pytest.raises(AuthenticationError) as caught:
                call()
            assert "p@ss" not in str(caught.value)
        outside.close()


def test_a_url_says_all(guarded: servers.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port, password, database; the environment is not asked."""
    monkeypatch.setenv("REDIS_HOST", "wrong.invalid")
    monkeypatch.setenv("REDIS_DB", "7")
    url = f"redis://:{PASSWORD}@{guarded.host}:{guarded.port}/3"
    with RedisClient.from_url(url, namespace="n", default_ttl=60) as client:
        client.save_in_redis("k", "three")
        expected = f"RedisClient(host='{guarded.host}', port={guarded.port}, db=3, namespace='n')"
        assert expected == repr(client)
        assert PASSWORD not in repr(client.__dict__["_settings"])
    with redis.Redis(guarded.host, guarded.port, 3, PASSWORD) as plain:
        assert "three" == json.loads(plain.get("n:k") or b"")
        assert 0 < plain.ttl("n:k") <= 60


def test_a_url_keeps_our_timeouts_unless_it_has_its_own() -> None:
    """And our retries, as redis-py's own would hold a call for a minute."""
    plain = RedisClient.from_url("redis://localhost")._client.get_connection_kwargs()
    own = RedisClient.from_url("redis://localhost?socket_timeout=1.5", socket_timeout=9)
    given = RedisClient.from_url("unix:///run/redis.sock?db=2", socket_connect_timeout=0.5)

    assert (5.0, 5.0) == (plain["socket_timeout"], plain["socket_connect_timeout"])
    assert 3 == plain["retry"].get_retries()
    assert 1.5 == own._client.get_connection_kwargs()["socket_timeout"]
    assert 0.5 == given._client.get_connection_kwargs()["socket_connect_timeout"]
    assert "RedisClient(path='/run/redis.sock', db=2, namespace=None)" == repr(given)


@pytest.mark.parametrize("kind", [RedisClient, AsyncRedisClient])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:6379", "must be redis://"),
        ("http://:hunter2@localhost", "must be redis://"),
        ("redis://:hunter2@localhost:hunter2", "must be redis://"),
        ("redis://localhost?socket_timeout=hunter2", "must be redis://"),
        ("redis://localhost?no_such_option=hunter2", "does not know: 'no_such_option'"),
        *(
            (f"redis://localhost/{path}", "number of a database")
            for path in ("hunter2", "-1", "1/2", "1/", "%31", "1.5")
        ),
        ("redis://localhost:0", "must be redis://"),
        ("redis://local host", "must be redis://"),
        ("rediss://local%20host", "must be redis://"),
        ("redis://localhost/1#hunter2", "Write it as %23"),
        ("redis://:hunter2#@localhost", "Write it as %23"),
        (None, "must be text"),
        (b"redis://localhost", "must be text"),
    ],
)
def test_a_malformed_url_is_an_error(kind: Any, url: Any, reason: str) -> None:
    """At once; nothing of it is quoted but the name of an option."""
    with pytest.raises(ConfigurationError, match=f"`url` .*{reason}") as caught:
        kind.from_url(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), "5", True])
def test_malformed_timeouts_beside_a_url_are_named(timeout: Any) -> None:
    """As they are beside a host."""
    with pytest.raises(ConfigurationError, match="`socket_timeout`"):
        RedisClient.from_url("redis://localhost", socket_timeout=timeout)


# --- What is particular to asyncio --------------------------------------------


def test_a_cancelled_call_leaves_its_reply_to_no_other(server: servers.Redis, namespace: str) -> None:
    """One connection, paused by Redis while calls are cancelled: the next gets its own answer."""

    async def main() -> None:
        plain = redis.asyncio.Redis(
            host=server.host, port=server.port, password=server.password, max_connections=1
        )
        async with plain, AsyncRedisClient(client=plain, namespace=namespace) as client:
            await client.save_many({"a": "A", "b": "B"})
            await client.save_frame("frame", FRAME, piece_bytes=5000)
            for late in (
                lambda: client.safe_read_from_redis("a"),
                lambda: client.read_many(["a", "b"]),
                lambda: client.read_frame("frame"),
                lambda: client.save_many({"a": "A"}, 60),
            ):
                for turns in range(1, 12):
                    task = asyncio.create_task(late())
                    for _ in range(turns):  # so that it is cancelled at each of its waits
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    assert "B" == await client.safe_read_from_redis("b")

    asyncio.run(main())


def test_a_call_that_is_cancelled_ends_so(server: servers.Redis) -> None:
    """Though redis-py waits by CPython 3.11's `wait_for`, which gives a reply that comes with it instead."""

    async def main() -> None:
        async with AsyncRedisClient(server.host, server.port, server.password) as client:
            is_waiting = asyncio.Event()

            async def replies(*_: Any, **__: Any) -> Any:
                is_waiting.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    return b"1"

            client._client.execute_command = replies  # type: ignore[method-assign]
            task = asyncio.create_task(client.safe_read_from_redis("k"))
            await is_waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_a_call_that_is_cancelled_while_redis_is_busy(servers: ModuleType, namespace: str) -> None:
    """The reply that comes late is nobody's."""

    async def main() -> list[Any]:
        with servers.redis(own=True) as busy:
            async with AsyncRedisClient(busy.host, busy.port, namespace=namespace) as client:
                await client.save_many({"a": "A", "b": "B"})
                await client._client.client_pause(300)
                task = asyncio.create_task(client.safe_read_from_redis("a"))
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                return [await client.safe_read_from_redis("b"), await client.read_many(["b", "a"])]

    began = time.monotonic()
    assert ["B", {"b": "B", "a": "A"}] == asyncio.run(main())
    assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize("given", ["pipeline", "sync", "cluster", "text"])
def test_what_is_no_asyncio_client_is_refused(plain: redis.Redis, given: str) -> None:
    """A client of the other half would not be awaited."""
    unusable: dict[str, Callable[[], object]] = {
        "pipeline": lambda: redis.asyncio.Redis().pipeline(),
        "sync": lambda: plain,
        "cluster": lambda: redis.Sentinel([]),  # type: ignore[no-untyped-call]
        "text": lambda: "localhost",
    }
    with pytest.raises(ConfigurationError, match=r"`client` must be a redis\.asyncio\.Redis"):
        AsyncRedisClient(client=unusable[given]())


def test_an_asyncio_client_pickles_by_its_settings(server: servers.Redis, namespace: str) -> None:
    """As the other does."""
    import pickle

    client = AsyncRedisClient(server.host, server.port, server.password, namespace=namespace)
    duplicate = pickle.loads(pickle.dumps(client))

    async def main() -> Any:
        async with duplicate:
            await duplicate.save_in_redis("k", 1)
            return await duplicate.safe_read_from_redis("k")

    assert 1 == asyncio.run(main())
    assert repr(client) == repr(duplicate)
