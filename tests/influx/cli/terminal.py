"""The program at a pseudo-terminal, as a person would see it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from typing import TYPE_CHECKING

from tests.influx.cli.conftest import PROGRAM, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tools import servers


def at_terminal(
    home: Path,
    server: servers.InfluxDB,
    *arguments: str,
    answer: str = "",
    interrupt_at: str | None = None,
    stdout: int | None = None,
    terminal: str = "xterm",
) -> tuple[str, int]:
    """Run the program with a terminal as stdin, stderr and, unless it is given, stdout.

    Args:
        home: Its home, and where it runs.
        server: The server of its environment.
        arguments: What it is told.
        answer: What is typed.
        interrupt_at: Text at which Ctrl-C is pressed.
        stdout: File descriptor of its stdout.
        terminal: The kind of terminal.

    Returns:
        All that the terminal was sent, and the exit code.
    """
    ours, theirs = pty.openpty()
    settings = server.environment() | {"TERM": terminal, "COLUMNS": "100"}
    with subprocess.Popen(
        [PROGRAM, *arguments],
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        env=environment(home, settings),
        cwd=home,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        try:
            while part := os.read(ours, 65_536):
                shown += part
                if interrupt_at is not None and interrupt_at.encode() in shown:
                    process.send_signal(signal.SIGINT)
                    while not select.select([ours], [], [], 5)[
                        0
                    ]:  # it came just before the wait for the answer
                        process.send_signal(signal.SIGINT)
                    interrupt_at = None
        except OSError:  # as Linux tells that the other side is closed
            pass
        process.wait()
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), process.returncode
