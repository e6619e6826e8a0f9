"""Guards one server: runs it for a parent, and cleans up when the parent is gone.

A process of its own, in a session of its own, so that neither Ctrl-C nor a
`kill -9` of the parent reaches it. It makes the server's folder, and obeys one
command per line of standard input, each answered by one line:

    folder   the folder: working directory of the server, and its `log`
    start    the process id
    poll     `running`, or the exit code
    wait     the exit code, once the server has ended by itself
    stop     the exit code, after SIGTERM and, should that not do, SIGKILL
    kill     the exit code, after SIGKILL

On `end`, and on the end of input, which is the end of the parent however that
came about, the server is stopped, the clean-up command run and the folder
removed. (`end` is for a parent that forked: its children keep the input open.)

Its one argument is a JSON object: `name`, `command`, `cleanup` (a command or []).
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

_PATIENCE = 10.0  # seconds between SIGTERM and SIGKILL


class _Guarded:
    """The server's program: at most one process at a time."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self._process.pid

    def poll(self) -> int | str:
        code = self._process.poll() if self._process else 0
        return "running" if code is None else code

    def wait(self) -> int:
        return self._process.wait() if self._process else 0

    def stop(self) -> int:
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        if self._process is None:
            return 0
        self._process.kill()
        return self._process.wait()


def _leave(_signal: int, _frame: object) -> NoReturn:
    sys.exit(1)


def main() -> None:
    """Obey the parent until it is gone, then clean up."""
    order = json.loads(sys.argv[1])
    folder = Path(tempfile.mkdtemp(prefix=f"db-core-{order['name']}-"))
    server = _Guarded(order["command"], folder)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    answers = {
        "folder": lambda: folder,
        "start": server.start,
        "poll": server.poll,
        "wait": server.wait,
        "stop": server.stop,
        "kill": server.kill,
    }
    try:
        for line in sys.stdin:
            if line == "end\n":
                break
            sys.stdout.write(f"{answers[line.strip()]()}\n")
            sys.stdout.flush()
    finally:
        server.stop()
        if order["cleanup"]:
            subprocess.run(order["cleanup"], cwd=folder, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
