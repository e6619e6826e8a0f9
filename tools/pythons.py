"""The CPythons of this machine that the packages are made for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_MINORS = range(11, 15)  # constraints.txt is made for these
_PROBE = """\
import sys, sysconfig
ok = sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
ok = ok and not sysconfig.get_config_var("Py_GIL_DISABLED")  # abi3 wheels are not for those
print("%d.%d" % sys.version_info[:2] if ok else "", sys.executable, sep="\\n")
"""


def found() -> dict[str, str]:
    """Map each version found, such as "3.11", to an interpreter's path; the oldest comes first."""
    pythons = {}
    for minor in _MINORS:
        version = f"3.{minor}"
        for candidate in _candidates(version):
            if (path := _working(candidate, version)) is not None:
                pythons[version] = path
                break
    return pythons


def oldest_and_newest() -> dict[str, str]:
    """Keep of `found` the first and the last; they may be the same."""
    pythons = list(found().items())
    return dict(pythons[:1] + pythons[-1:])


def _candidates(version: str) -> list[Path]:
    """List what may be that Python: on PATH, then pyenv's, then uv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "uv"
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    managed = [*pyenv.glob(f"versions/{version}.*/bin"), *uv.glob(f"python/cpython-{version}.*/bin")]
    return [
        program
        for folder in [*folders, *sorted(managed)]
        if (program := folder / f"python{version}").is_file()
    ]


def _working(candidate: Path, version: str) -> str | None:
    """Return the path of the interpreter behind `candidate`, if it runs and is that version."""
    try:
        answer = subprocess.run(
            [candidate, "-I", "-c", _PROBE], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (subprocess.SubprocessError, OSError):
        return None
    answered, path = answer.splitlines()
    return path if answered == version else None
