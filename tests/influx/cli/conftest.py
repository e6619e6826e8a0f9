"""The command line as a process, with the settings of the test's server and a home of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.fixture
def cli(server: servers.InfluxDB, tmp_path: Path) -> Cli:
    """Give a function that runs the program, by default with the server in its environment."""

    def run(
        *arguments: str, code: int = 0, stdin: str | None = None, settings: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [PROGRAM, *arguments],
            input=b"" if stdin is None else stdin.encode(),
            capture_output=True,
            env=environment(tmp_path, server.environment() if settings is None else settings),
            cwd=tmp_path,
            check=False,
        )
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
