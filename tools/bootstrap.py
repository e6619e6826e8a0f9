"""The environment that noxfile.py runs in: nox and uv, pinned, in .nox/bootstrap.

Uses the standard library only, so that any Python 3.11+ can start it, also one
that its distribution manages and where nothing may be installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_HOME = _ROOT / ".nox" / "bootstrap"
_BIN = _HOME / ("Scripts" if os.name == "nt" else "bin")
_CONSTRAINTS = _ROOT / "constraints.txt"


def enter() -> None:
    """Go on in the pinned environment: made if need be, unless this is it."""
    if Path(sys.prefix) == _HOME and _is_current():
        return
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts this may have an older one
        sys.exit(f"This needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")
    if not _is_current():
        try:
            _make()
        except subprocess.CalledProcessError as error:
            sys.exit(f"{_HOME} could not be made: {' '.join(error.cmd[:5])} ... failed, as said above.")
    os.environ["PATH"] = f"{_BIN}{os.pathsep}{os.environ['PATH']}"
    python = str(_BIN / "python")
    if os.name == "nt":  # where a program can't take the place of another one
        sys.exit(subprocess.run([python, *sys.argv], check=False).returncode)
    os.execv(python, [python, *sys.argv])  # noqa: S606 - the same command, in the other environment


def _make() -> None:
    """Install uv by pip, then the rest by uv; both check the hashes."""
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            "This Python can't make virtual environments; on Debian and Ubuntu: apt-get install python3-venv"
        )
    sys.stderr.write(f"Installing nox and uv into {_HOME.relative_to(_ROOT)}, once.\n")
    base = getattr(sys, "_base_executable", sys.executable)  # not a virtual environment's
    subprocess.run([base, "-m", "venv", "--clear", str(_HOME)], check=True)
    uv = re.search(r"^uv==.*(?:\n +--hash=.*)*", _CONSTRAINTS.read_text(), re.MULTILINE)
    if uv is None:
        sys.exit(f"{_CONSTRAINTS.name} pins no uv.")
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "uv.txt"
        requirements.write_text(uv[0])
        pip = [str(_BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "--requirement", requirements], check=True)
    install = [str(_BIN / "uv"), "pip", "install", "--quiet", "--python", str(_HOME)]
    subprocess.run([*install, "--constraint", str(_CONSTRAINTS), "--group", "run"], check=True, cwd=_ROOT)
    _mark().write_text(_pins())


def _is_current() -> bool:
    return _mark().is_file() and _mark().read_text() == _pins()


def _mark() -> Path:
    return _HOME / "constraints.sha256"


def _pins() -> str:
    return hashlib.sha256(_CONSTRAINTS.read_bytes()).hexdigest()
