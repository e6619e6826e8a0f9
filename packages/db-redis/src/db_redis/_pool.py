"""redis-py's connection pool, which closes connections that an interrupt left half used.

A signal handler, such as that of Ctrl-C, may raise wherever Python runs: after a command is sent and before
its reply is read, or between connecting and sending the password. redis-py then takes the connection back
as it is, and the next call gets that reply, which may be another key's value.
"""

from __future__ import annotations

import sys
from typing import Any

import hiredis
import redis

from db_core.chain import package_of

__all__ = ["Pool", "disconnect_idle"]


class _Packer:
    """redis-py's packer, but integers, as in `HELLO 3`, are written as bytes; `_steps.Args` says why."""

    def pack(self, name: str | bytes, *arguments: Any) -> list[bytes]:
        name_parts = (name.encode() if isinstance(name, str) else name).split()  # `CLIENT SETINFO` has two
        given: list[Any] = [
            b"%d" % each
            if type(each) is int
            else bytes(each)
            if isinstance(each, bytearray | memoryview)
            else each
            for each in arguments
        ]
        pack: Any = hiredis.pack_command  # its stub allows one argument only
        return [pack((*name_parts, *given))]


class Pool(redis.ConnectionPool):
    """Closes a connection that is released while an error is raised, unless that error is Redis's reply.

    The connection goes back to the pool all the same, and connects again when it is needed.
    """

    @classmethod
    def like(cls, pool: redis.ConnectionPool) -> Pool:
        """Make a pool with the options of another, which has made no connection yet."""
        options = pool.connection_kwargs | {"command_packer": _Packer()}
        return cls(pool.connection_class, pool.max_connections, **options)

    def release(self, connection: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, redis.ResponseError) and _was_raised_by_call(error):
            connection.disconnect()
        super().release(connection)


def _was_raised_by_call(error: BaseException) -> bool:
    """Return whether redis-py or our code raised an error; else it is one that our caller handles."""
    # The last frame of its traceback tells. Noting at the start of each call which error the caller handles
    # would make the fastest calls 7 to 10 % slower.
    trace = error.__traceback__
    return trace is None or package_of(trace.tb_frame) in ("redis", "db_redis")


def disconnect_idle(client: Any) -> None:
    """Close the idle connections of a client, or of all nodes of a Cluster."""
    if isinstance(client, redis.RedisCluster):
        clients = [node.redis_connection for node in client.nodes_manager.nodes_cache.values()]
    else:
        clients = [client]
    for each in filter(None, clients):
        each.connection_pool.disconnect(inuse_connections=False)
        if each.connection is not None:  # a client with a single connection
            with each.single_connection_lock:
                each.connection.disconnect()
