"""Several Redis processes that form one place: a Cluster, and a primary watched by Sentinels.

Each process has a guard of its own, so none outlives whoever started it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import redis

from tools.servers import _redis
from tools.servers._errors import ServerError
from tools.servers._process import Process, free_port
from tools.servers._redis import Redis
from tools.servers._server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PRIMARIES = 3
_SLOTS = 16384
_SENTINELS = 3
_SERVICE = "primary"
_READY_WITHIN = 60.0  # seconds
_POLL_EVERY = 0.05


class RedisCluster(Server):
    """A Redis Cluster of three primaries, each with a replica; stopped at the end of its `with` block.

    Attributes:
        nodes: The six, primaries first.
        password: Of the default user, or None.
    """

    def __init__(self, nodes: Sequence[Redis], password: str | None, at_end: ExitStack) -> None:
        super().__init__(None)
        self.nodes = list(nodes)
        self.password = password
        self._at_end = at_end

    def __repr__(self) -> str:
        return f"RedisCluster({[node.port for node in self.nodes]})"

    def environment(self) -> dict[str, str]:
        return self.nodes[0].environment()

    def close(self) -> None:
        self._at_end.close()


class RedisSentinel(Server):
    """A primary and a replica that three Sentinels watch; stopped at the end of its `with` block.

    Attributes:
        service: The name by which Sentinels know the primary.
        primary: What was the primary at first.
        replica: What was its replica at first.
        sentinels: Addresses of the Sentinels.
        password: Of primary and replica, or None.
    """

    def __init__(
        self, data: tuple[Redis, Redis], sentinels: Sequence[Redis], password: str | None, at_end: ExitStack
    ) -> None:
        super().__init__(None)
        self.service = _SERVICE
        self.primary, self.replica = data
        self.sentinels = [(sentinel.host, sentinel.port) for sentinel in sentinels]
        self.password = password
        self._at_end = at_end

    def __repr__(self) -> str:
        return f"RedisSentinel({[port for _, port in self.sentinels]})"

    def environment(self) -> dict[str, str]:
        return self.primary.environment()

    def close(self) -> None:
        self._at_end.close()


def redis_cluster(*, password: str | None = None) -> RedisCluster:
    """Start a Cluster of six nodes.

    Args:
        password: That it asks for, of clients and between its nodes.

    Raises:
        ServerError: There is no program to start, or they did not become a Cluster.
    """
    with ExitStack() as at_end:
        options = (
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--repl-diskless-sync-delay",
            "0",
        )
        buses = [free_port() for _ in range(2 * _PRIMARIES)]
        nodes = [
            at_end.enter_context(_redis.start(password, *options, "--cluster-port", str(bus)))
            for bus in buses
        ]
        clients = [at_end.enter_context(_client(node)) for node in nodes]
        primaries, replicas = clients[:_PRIMARIES], clients[_PRIMARIES:]
        for number, primary in enumerate(primaries):
            first, end = (_SLOTS * edge // _PRIMARIES for edge in (number, number + 1))
            primary.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
        for client in clients[1:]:
            client.execute_command("CLUSTER MEET", nodes[0].host, nodes[0].port, buses[0])
        _wait("the nodes to meet", lambda: all(_knows(client, len(nodes)) for client in clients))
        for primary, replica in zip(primaries, replicas, strict=True):
            replica.execute_command("CLUSTER REPLICATE", primary.execute_command("CLUSTER MYID"))
        _wait("the replicas", lambda: all(_is_replica(client) for client in replicas))
        _wait("the Cluster", lambda: all(_is_whole(client, len(nodes)) for client in clients))
        return RedisCluster(nodes, password, at_end.pop_all())
    raise AssertionError


def redis_sentinel(*, password: str | None = None) -> RedisSentinel:
    """Start a primary, its replica, and three Sentinels that agree by two.

    Args:
        password: That primary and replica ask for; the Sentinels ask for none.

    Raises:
        ServerError: There is no program to start, or they did not find each other.
    """
    with ExitStack() as at_end:
        primary, replica = (
            at_end.enter_context(_redis.start(password, "--repl-diskless-sync-delay", "0")) for _ in range(2)
        )
        follower = at_end.enter_context(_client(replica))
        follower.replicaof(primary.host, primary.port)
        _wait("the replica", lambda: _is_replica(follower))
        watch = [
            f"sentinel monitor {_SERVICE} {primary.host} {primary.port} 2",
            f"sentinel down-after-milliseconds {_SERVICE} 1000",
            f"sentinel failover-timeout {_SERVICE} 3000",
            *([f"sentinel auth-pass {_SERVICE} {password}"] if password else []),
        ]
        sentinels = [at_end.enter_context(_sentinel(watch)) for _ in range(_SENTINELS)]
        watchers = [at_end.enter_context(_client(sentinel)) for sentinel in sentinels]
        _wait("the Sentinels", lambda: all(_watches(watcher) for watcher in watchers))
        return RedisSentinel((primary, replica), sentinels, password, at_end.pop_all())
    raise AssertionError


def _sentinel(watch: list[str]) -> Redis:
    port = free_port()
    # A Sentinel writes into its configuration, which has to be a file in its folder.
    lines = "\n".join([f"port {port}", "bind 127.0.0.1", *watch])
    command = ["sh", "-c", 'printf "%s\\n" "$1" > sentinel.conf; exec "$0" sentinel.conf --sentinel']
    process = Process("sentinel", [*command, _redis.program(), lines], answers=lambda: _redis.answers(port))
    return Redis("127.0.0.1", port, None, process)


def _client(node: Redis) -> Any:
    return redis.Redis(node.host, node.port, password=node.password, decode_responses=True)


def _knows(client: Any, nodes: int) -> bool:
    listed = client.execute_command("CLUSTER NODES")
    return len(listed) == nodes and all("handshake" not in node["flags"] for node in listed.values())


def _is_replica(client: Any) -> bool:
    return bool(client.info("replication").get("master_link_status") == "up")


def _is_whole(client: Any, nodes: int) -> bool:
    """Whether a node sees all slots served, and every replica as one."""
    information = client.execute_command("CLUSTER INFO")
    listed = client.execute_command("CLUSTER NODES")
    replicas = sum("slave" in node["flags"] for node in listed.values())
    return bool(information["cluster_state"] == "ok") and replicas == nodes - _PRIMARIES


def _watches(watcher: Any) -> bool:
    [primary] = watcher.sentinel_masters().values()
    return bool(primary["num-slaves"] == 1 and primary["num-other-sentinels"] == _SENTINELS - 1)


def _wait(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"Waited {_READY_WITHIN:g} s for {what}, in vain.")
        time.sleep(_POLL_EVERY)
