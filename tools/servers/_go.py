"""Steps of building a program from one of our Go modules, which pin it and all it needs."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

from tools.servers import _cache
from tools.servers._errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_REPORT_EVERY = 15.0  # seconds
_LOG_TAIL = 30  # lines


def version(module: Path, path: str) -> str:
    """Say which version of the Go module `path` the folder `module` pins."""
    found = re.search(rf"{re.escape(path)} v(\S+)", (module / "go.mod").read_text())
    assert found
    return found[1]


def run(command: list[str], module: Path, environment: Mapping[str, str], log: Path) -> None:
    """Run a step of a build, saying from time to time how far it is.

    Raises:
        ServerError: It failed; holds the end of its output.
    """
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=module, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while process.poll() is None:
            try:
                process.wait(_REPORT_EVERY)
            except subprocess.TimeoutExpired:
                lines = _lines(log)
                last = lines[-1] if lines else ""
                _cache.say(f"{time.monotonic() - started:.0f} s, {len(lines)} steps: {last}")
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        tail = "\n".join(_lines(log)[-_LOG_TAIL:])
        raise ServerError(f"Building {module.name} failed. The end of the output:\n{tail}")


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()
