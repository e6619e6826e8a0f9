"""Run what reaches `unsafe` under AddressSanitizer: `python -m tools.careful [PYTEST ARGUMENT ...]`.

The `unsafe` code of this repository hands memory to Python and takes Arrow
streams from it, so only Python's own tests reach it. The native module is
built with AddressSanitizer, debug assertions and overflow checks, and put into a
copy of db_core, which stands before the installed one; every allocation of
Python's is watched too. A read or write out of bounds, or after the end, ends
the run with exit code 1. Miri can't run any of this, as it calls into C.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "target" / "careful"
PACKAGE = BUILT / "package"

_TESTS = ("annotated_csv", "frame", "hostile", "influxql", "ipc", "line_protocol", "meter", "pivot")


def main() -> int:
    """Build, then test."""
    runtime = sanitizer_runtime()
    host = output_of("rustc", "-vV").partition("host: ")[2].split()[0]
    if runtime is None:
        print("Not checked: the C compiler comes without AddressSanitizer.")
        return 0
    put_together(build(host))
    environment = os.environ | {
        "ASAN_OPTIONS": "detect_leaks=0",  # what Python keeps to its end is not lost
        "LD_PRELOAD": runtime,
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(PACKAGE),
    }
    probe = "import db_core._native as native; print(native.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).parent == PACKAGE / "db_core", where.stdout
    tests = [f"tests/core/test_{name}.py" for name in _TESTS]
    # What needs a server is left out, as it reaches nothing more, and what measures memory, as what surrounds
    # each allocation here counts too.
    chosen = sys.argv[1:] or ["-q", "-k", "not real_server and not more_memory", *tests]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *chosen], cwd=ROOT, env=environment, check=False
    ).returncode


def build(host: str) -> Path:
    """Build the native module."""
    subprocess.run(
        [
            *("cargo", "build", "--locked", "--package", "db-native-py"),
            *("--target", host, "--target-dir", BUILT),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "CARGO_PROFILE_DEV_OPT_LEVEL": "1",
            "PYO3_PYTHON": sys.executable,
            "RUSTC_BOOTSTRAP": "1",
            "RUSTFLAGS": "-Zsanitizer=address",
        },
        check=True,
    )
    return BUILT / host / "debug" / "lib_native.so"


def put_together(module: Path) -> None:
    """Copy the package, with this module."""
    shutil.rmtree(PACKAGE, ignore_errors=True)
    source = ROOT / "packages" / "db-core" / "src" / "db_core"
    shutil.copytree(source, PACKAGE / "db_core", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(module, PACKAGE / "db_core" / "_native.abi3.so")


def sanitizer_runtime() -> str | None:
    """Find the C compiler's runtime as a shared library: Rust brings only one for programs."""
    path = output_of(os.environ.get("CC", "cc"), "-print-file-name=libasan.so")
    return path if path.startswith("/") and Path(path).exists() else None


def output_of(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
