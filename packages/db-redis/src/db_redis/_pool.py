"""redis-py's pool of connections, but for those that an interrupt left in the middle of something.

A signal's handler may raise wherever Python runs, Ctrl-C for one: after a command is sent and before its
reply is read, or between connecting and saying the password. redis-py then takes the connection back
as it is, and the next call is answered with that reply, which may be another key's value.
"""

from __future__ import annotations

import sys
from typing import Any

import hiredis
import redis

from db_core.chain import package_of

__all__ = ["Pool", "disconnect_idle"]


class _Packer:
    """Does what redis-py's does, but makes integers bytes, as of `HELLO 3`; see `_steps` for why."""

    def pack(self, name: str | bytes, *arguments: Any) -> list[bytes]:
        words = (name.encode() if isinstance(name, str) else name).split()  # of `CLIENT SETINFO` two
        given: list[Any] = [
            b"%d" % each
            if type(each) is int
            else bytes(each)
            if isinstance(each, bytearray | memoryview)
            else each
            for each in arguments
        ]
        packed: Any = hiredis.pack_command  # its stub says that it takes one word
        return [packed((*words, *given))]


class Pool(redis.ConnectionPool):
    """Closes a connection that comes back while an error is raised, unless Redis itself said it.

    It is taken up again all the same, and connects when it is needed.
    """

    @classmethod
    def like(cls, pool: redis.ConnectionPool) -> Pool:
        """Make one whose connections are those of a pool that has made none."""
        options = pool.connection_kwargs | {"command_packer": _Packer()}
        return cls(pool.connection_class, pool.max_connections, **options)

    def release(self, connection: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, redis.ResponseError) and _is_of_the_call(error):
            connection.disconnect()
        super().release(connection)


def _is_of_the_call(error: BaseException) -> bool:
    """Tell an error that is raised through redis-py or us from one that our caller handles just now."""
    # By the frame that it came to last. To note at the start of a call what is handled would take the
    # fastest 7 to 10 % longer.
    trace = error.__traceback__
    return trace is None or package_of(trace.tb_frame) in ("redis", "db_redis")


def disconnect_idle(client: Any) -> None:
    """Close the connections that wait in the pools of a client, or of a Cluster's."""
    if isinstance(client, redis.RedisCluster):
        clients = [node.redis_connection for node in client.nodes_manager.nodes_cache.values()]
    else:
        clients = [client]
    for each in filter(None, clients):
        each.connection_pool.disconnect(inuse_connections=False)
        if each.connection is not None:  # of a client that has but one
            with each.single_connection_lock:
                each.connection.disconnect()
