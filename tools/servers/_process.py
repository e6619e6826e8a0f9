"""A server program under a guard, as its parent sees it."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tools.servers import guard
from tools.servers._errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_READY_WITHIN = 60.0  # seconds
_POLL_EVERY = 0.05  # seconds
_LOG_TAIL = 20  # lines
# Below those that Linux and macOS give to whoever asks for any, or connects: while a server is down its
# port could go to such a one, a client that is trying to reach it among them, and it could not come back.
_PORTS = range(20_000, 32_768)
_BLOCK = 512  # ports of one process that starts servers; one that was used is not free for a minute


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing uses now, and that no other process is given by this function.

    The next calls return other ports, as a server takes its port some time after it was chosen.
    """
    ports = _own_ports()
    for port in itertools.islice(ports, _BLOCK):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"All of {_BLOCK} ports of 127.0.0.1 are in use.")


@cache
def _own_ports() -> Iterator[int]:
    """Return the ports of a block, again and again; a UDP socket marks it as this process's until its end."""
    blocks = range(_PORTS.start, _PORTS.stop - _BLOCK, _BLOCK)
    for first in random.SystemRandom().sample(blocks, len(blocks)):  # not the seeded one, which others share
        mark = socket.socket(type=socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", first))
        except OSError:
            mark.close()
            continue
        atexit.register(mark.close)
        return itertools.cycle(range(first, first + _BLOCK))
    raise ServerError(f"All ports from {_PORTS[0]} to {_PORTS[-1]} are those of other processes.")


class Process:
    """A server that runs until `close`, or until this process ends in any way.

    Attributes:
        pid: The process id of the server.
    """

    pid: int

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        answers: Callable[[], bool],
        variables: Mapping[str, str] | None = None,
        kill_command: Sequence[str] = (),
        cleanup: Sequence[str] = (),
        ready_within: float = _READY_WITHIN,
    ) -> None:
        """Start `command` and wait until it answers.

        Args:
            name: What to call it, in messages and in the name of its folder.
            command: The program and its arguments; runs in a new folder.
            answers: Says whether the server is up.
            variables: What to add to the environment of the commands.
            kill_command: What kills the server, where it is not the program's own process.
            cleanup: A command to run after the end.
            ready_within: Seconds until an answer is due.

        Raises:
            ServerError: It ended, or did not answer in time; holds the end of its log.
        """
        self._name = name
        self._answers = answers
        self._environment = os.environ | (variables or {})
        self._kill_command = kill_command
        self._ready_within = ready_within
        order = {"name": name, "command": list(command), "cleanup": list(cleanup)}
        self._guard = subprocess.Popen(
            [sys.executable, "-I", guard.__file__, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            text=True,
            start_new_session=True,
        )
        try:
            self.folder = Path(self._ask("folder"))
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def runs(self) -> bool:
        """Whether the server's process is there."""
        return self._ask("poll") == "running"

    def log_tail(self) -> str:
        """Return the last lines of what the server wrote to its outputs, with a heading."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()[-_LOG_TAIL:]
        return "\n".join(["The end of its log:", *lines]) if lines else "Its log is empty."

    def kill(self) -> None:
        """End the server at once, as `kill -9` does."""
        if self._kill_command:
            subprocess.run(self._kill_command, env=self._environment, capture_output=True, check=True)
            self._ask("wait")
        else:
            self._ask("kill")

    def restart(self) -> None:
        """Start the server again, stopping it first if it runs: same port, same data."""
        self._ask("stop")
        self._start()

    def close(self) -> None:
        """Stop the server and remove its folder; harmless when already done."""
        if self._guard.returncode is None:
            self._guard.communicate("end\n")

    def _start(self) -> None:
        self.pid = int(self._ask("start"))
        deadline = time.monotonic() + self._ready_within
        while not self._answers():
            if (state := self._ask("poll")) != "running":
                raise ServerError(
                    f"{self._name} ended with exit code {state} before it answered. {self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self._name} did not answer in {self._ready_within:g} s. {self.log_tail()}"
                )
            time.sleep(_POLL_EVERY)

    def _ask(self, word: str) -> str:
        assert self._guard.stdin
        assert self._guard.stdout
        try:
            self._guard.stdin.write(f"{word}\n")
            self._guard.stdin.flush()
            answer = self._guard.stdout.readline()
        except (BrokenPipeError, ValueError):
            answer = ""
        if not answer:
            raise ServerError(f"The guard of {self._name} is gone.")
        return answer.strip()
