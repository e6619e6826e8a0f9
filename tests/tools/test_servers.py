"""`tools.servers`, on real servers: started, used, killed, abandoned."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.tools.conftest import KINDS, LONG, ROOT, ask, folder_of, is_alive, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tools.servers import Server


def test_influxdb_is_set_up(servers: ModuleType) -> None:
    """InfluxDB answers to its token, and only to that, and knows its organization."""
    with servers.influxdb(own=True) as server:
        status, text = request(server, "GET", f"/api/v2/orgs?org={server.org}")
        refused, _ = request(server, "GET", "/api/v2/orgs", token="wrong")

    assert 200 == status
    assert server.org == json.loads(text)["orgs"][0]["name"]
    assert 401 == refused


def test_redis_answers(servers: ModuleType) -> None:
    """Redis answers, and asks for no password unless told to."""
    with servers.redis(own=True) as server:
        assert ask(server, "PING").startswith("+PONG")


def test_redis_with_password(servers: ModuleType) -> None:
    """Redis refuses all who do not know the password it was started with."""
    with servers.redis(password="secret") as server:
        assert ask(server, "PING").startswith("-NOAUTH")
        assert ask(server, "AUTH secret", "PING").startswith("+OK\r\n+PONG")


@pytest.mark.parametrize("kind", ["redis_cluster", "redis_sentinel", "redis_tls"])
def test_several_processes_stop_at_the_end(servers: ModuleType, kind: str) -> None:
    """A Cluster, a primary with Sentinels and a TLS front leave no process behind."""
    before = guards()
    with getattr(servers, kind)():
        assert 2 <= len(guards() - before)

    assert set() == guards() - before


def guards() -> set[int]:
    """Give the guards of servers that this process has started, and not yet stopped."""
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")
    if not children.exists():
        pytest.skip("no /proc here that tells a process's children")
    return {int(child) for child in children.read_text().split()}


def test_a_cluster_serves_all_slots(servers: ModuleType) -> None:
    """Each key is on one of three primaries, of which each has a replica."""
    with servers.redis_cluster(password="secret") as cluster:
        assert 6 == len({node.pid for node in cluster.nodes})
        assert ask(cluster.nodes[0], "CLUSTER INFO").startswith("-NOAUTH")
        information = ask(cluster.nodes[5], "AUTH secret", "CLUSTER INFO")

    for line in ("cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:6", "cluster_size:3"):
        assert line in information


def test_sentinels_know_primary_and_replica(servers: ModuleType) -> None:
    """Each names the primary, and knows the two others."""
    with servers.redis_sentinel() as place:
        for address in place.sentinels:
            with socket.create_connection(address, timeout=LONG) as connection:
                connection.sendall(f"SENTINEL CKQUORUM {place.service}\r\n".encode())
                assert connection.recv(200).startswith(b"+OK 3 usable Sentinels")
                connection.sendall(f"SENTINEL GET-MASTER-ADDR-BY-NAME {place.service}\r\n".encode())
                assert str(place.primary.port).encode() in connection.recv(200)


def test_tls_answers_tls_only(servers: ModuleType) -> None:
    """Plain text gets no answer; with the certificate that is given there is one."""
    with servers.redis_tls() as server:
        plain = servers.Redis("127.0.0.1", server.port, None)
        with contextlib.suppress(ConnectionResetError):
            assert "PONG" not in ask(plain, "PING")
        context = ssl.create_default_context(cafile=server.ca_cert)
        with (
            socket.create_connection((server.host, server.port), timeout=LONG) as connection,
            context.wrap_socket(connection, server_hostname=server.host) as encrypted,
        ):
            encrypted.sendall(b"PING\r\n")
            assert b"+PONG\r\n" == encrypted.recv(64)


def test_servers_do_not_share(servers: ModuleType) -> None:
    """Two servers of our own are two."""
    with servers.redis(own=True) as one, servers.redis(own=True) as other:
        ask(one, "SET key 1")

        assert one.port != other.port
        assert ask(other, "GET key").startswith("$-1")


def test_stops_at_the_end(start: Callable[[], Server]) -> None:
    """The end of the block leaves neither process nor folder."""
    with start() as server:
        folder = folder_of(server)

        assert is_alive(server.pid)
        assert folder.is_dir()

    assert not is_alive(server.pid)
    assert not folder.exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child only waits
def test_stops_although_forked(start: Callable[[], Server]) -> None:
    """A child that the parent forked, and that lives on, does not keep the server."""
    with start() as server:
        hold, release = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(release)
            os.read(hold, 1)
            os._exit(0)

    assert not is_alive(server.pid)

    os.close(release)
    os.close(hold)
    os.waitpid(child, 0)


def test_stops_twice(start: Callable[[], Server]) -> None:
    """Stopping what is stopped does nothing."""
    with start() as server:
        server.close()
        server.close()

    assert not is_alive(server.pid)


def test_stops_after_an_exception(start: Callable[[], Server]) -> None:
    """An exception in the block stops the server, and goes on."""
    with pytest.raises(ZeroDivisionError), start() as server:
        _ = 1 // 0

    assert not is_alive(server.pid)


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stops_when_the_parent_dies(name: str, number: signal.Signals) -> None:
    """A parent that is killed, in whatever way, leaves neither process nor folder."""
    script = (
        f"from tools.servers import {name}; server = {name}(own=True)\n"
        "print(server.pid, server._process.folder, flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    pid, folder = parent.stdout.readline().split()

    assert is_alive(int(pid))

    parent.send_signal(number)
    parent.communicate(timeout=LONG)  # to the end of stderr, which the guard holds until it is done

    assert not is_alive(int(pid))
    assert not Path(folder).exists()


def test_killed_influxdb_keeps_data(servers: ModuleType) -> None:
    """After `kill` nothing answers; after `restart` the same data are at the same place."""
    with servers.influxdb(own=True) as server:
        first = server.pid
        request(
            server, "POST", f"/api/v2/write?org={server.org}&bucket=default&precision=s", "m v=42i 1700000000"
        )
        server.kill()
        with pytest.raises(ConnectionRefusedError):
            request(server, "GET", "/health")
        server.restart()
        query = json.dumps({"query": 'from(bucket: "default") |> range(start: 0)', "type": "flux"})
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=LONG)
        headers = {"Authorization": f"Token {server.token}", "Content-Type": "application/json"}
        connection.request("POST", f"/api/v2/query?org={server.org}", query, headers)
        answer = connection.getresponse().read().decode()
        connection.close()

        assert ",42," in answer
        assert first != server.pid


def test_killed_redis_keeps_data(servers: ModuleType) -> None:
    """After `kill` nothing answers; after `restart` the same data are at the same place."""
    with servers.redis(own=True) as server:
        first = server.pid
        ask(server, "SET key 42")
        assert server.runs
        server.kill()
        assert not server.runs
        with pytest.raises(ConnectionRefusedError):
            ask(server, "PING")
        server.restart()

        assert ask(server, "GET key").startswith("$2\r\n42")
        assert first != server.pid


def test_restart_of_a_running_server(start: Callable[[], Server]) -> None:
    """A server that runs is stopped before it is started again."""
    with start() as server:
        first = server.pid
        server.restart()

        assert first != server.pid
        assert not is_alive(first)


def test_influxdb_keeps_its_points_where_it_is_told(servers: ModuleType, tmp_path: Path) -> None:
    """As on a disk of its own."""
    with servers.influxdb(engine=tmp_path / "engine") as server:
        assert 200 == request(server, "GET", f"/api/v2/orgs?org={server.org}")[0]
        assert "data" in {path.name for path in (tmp_path / "engine").iterdir()}


def test_redis_takes_options(servers: ModuleType) -> None:
    """The options win over ours."""
    with servers.redis(options=["--appendfsync", "always"]) as server:
        assert "\r\nalways\r\n" in ask(server, "CONFIG GET appendfsync")
