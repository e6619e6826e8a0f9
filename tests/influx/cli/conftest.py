"""The command line as a process, with the settings of the test's server and a home of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools import servers

PROGRAM = Path(sys.executable).with_name("db-influx")


class Cli(Protocol):
    """Runs the program with arguments, and gives what it wrote; it must end with `code`."""

    def __call__(
        self, *arguments: str, code: int = 0, stdin: str | None = None, settings: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it."""
        ...


def environment(home: Path, settings: dict[str, str]) -> dict[str, str]:
    """Give the environment of a process: nothing of the machine's own settings."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **settings}


class Started:
    """A process that has imported the program (started.py), and forks one process for each run."""

    def __init__(self) -> None:
        self._line, other = socket.socketpair()
        with other:
            command = [sys.executable, str(Path(__file__).with_name("started.py")), str(other.fileno())]
            self._process = subprocess.Popen(
                command, pass_fds=[other.fileno()], env=environment(Path("/nonexistent"), {})
            )
        self._answers = self._line.makefile("rb")
        assert b"\n" == self._answers.readline(), "the program could not be imported"

    def run(
        self, arguments: tuple[str, ...], home: Path, settings: dict[str, str], stdin: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the program, and return its exit code and what it wrote."""
        run = {"arguments": arguments, "folder": str(home), "environment": environment(home, settings)}
        with ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            files[0].write((stdin or "").encode())
            files[0].seek(0)
            socket.send_fds(self._line, [json.dumps(run).encode()], [file.fileno() for file in files])
            code = int(json.loads(self._answers.readline()))
            for file in files[1:]:
                file.seek(0)
            return subprocess.CompletedProcess(
                ["db-influx", *arguments], code, files[1].read(), files[2].read()
            )

    def close(self) -> None:
        """End the process."""
        self._answers.close()
        self._line.close()
        self._process.wait()


@pytest.fixture(scope="session")
def started() -> Iterator[Started]:
    """Start the process of which each run is a fork."""
    started = Started()
    yield started
    started.close()


@pytest.fixture
def cli(server: servers.InfluxDB, tmp_path: Path, started: Started) -> Cli:
    """Give a function that runs the program, by default with the server in its environment."""

    def run(
        *arguments: str, code: int = 0, stdin: str | None = None, settings: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        used = server.environment() if settings is None else settings
        done = started.run(arguments, tmp_path, used, stdin)
        assert code == done.returncode, done.stderr.decode()
        assert server.token.encode() not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def profiles(tmp_path: Path) -> Callable[[str], Path]:
    """Give a function that writes the file of profiles, which nobody else may read, and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / ".config" / "db-influx" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write
