"""Programs that are made once and kept, outside the repository."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def place(program: str, version: str) -> Path:
    """Say where a program of a version is kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "db-core-servers" / f"{program}-{version}" / program


def make_once(program: Path, make: Callable[[Path], Path]) -> str:
    """Make a program unless it is there, or wait for whoever is making it now.

    Args:
        program: Where it is kept.
        make: Makes it somewhere in the empty folder it is given, and says where.
    """
    program.parent.mkdir(parents=True, exist_ok=True)
    with _lock(program.parent / "lock"):
        if not program.is_file():
            with tempfile.TemporaryDirectory(prefix="making-", dir=program.parent) as folder:
                make(Path(folder)).rename(program)
    return str(program)


def say(text: str) -> None:
    """Tell the user what takes so long."""
    sys.stderr.write(f"tools.servers: {text}\n")
    sys.stderr.flush()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it ends with the process that holds it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that is making the same")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
