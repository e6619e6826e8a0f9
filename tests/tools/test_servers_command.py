"""`python -m tools.servers`: servers for a command, or until it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.tools.conftest import LONG, ROOT, ask

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

VARIABLES = ("INFLUXDB_URL", "INFLUXDB_ORG", "INFLUXDB_TOKEN", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")


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


@pytest.mark.usefixtures("servers")
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
def test_command_runs_until_stopped(servers: ModuleType, number: signal.Signals) -> None:
    """`python -m tools.servers` prints the variables of servers that run until it is stopped."""
    process = command()
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(6)]
    variables = dict(line.removeprefix("export ").strip().split("=") for line in lines[:5])
    server = servers.Redis(variables["REDIS_HOST"], int(variables["REDIS_PORT"]), None)

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
