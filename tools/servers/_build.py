"""InfluxDB, built once from its Go module.

`influxd/go.mod` and `go.sum` pin every module. InfluxDB is Go with a Rust half
(Flux), linked through cgo: hence three toolchains, and the `pkg-config` of
InfluxData, which builds the Rust half when cgo asks for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools.servers import _cache
from tools.servers._errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODULE = Path(__file__).parent / "influxd"
_REPORT_EVERY = 15.0  # seconds
_LOG_TAIL = 30  # lines


def built() -> str | None:
    """Find the program, if it was built before."""
    program = _cache.place("influxd", _version())
    return str(program) if program.is_file() else None


def missing_tools() -> list[str]:
    """Name what a build needs and this machine lacks."""
    compiler = os.environ.get("CC", "cc").split()[0]
    needs = {"go": "Go", "cargo": "Rust (cargo)", compiler: f"a C compiler ({compiler})"}
    return [name for tool, name in needs.items() if shutil.which(tool) is None]


def build() -> str:
    """Build the program, or wait for whoever is building it now.

    Raises:
        ServerError: The build failed; holds the end of its output.
    """
    return _cache.make_once(_cache.place("influxd", _version()), _compile)


def _version() -> str:
    found = re.search(r"influxdb/v2 v(\S+)", (_MODULE / "go.mod").read_text())
    assert found
    return found[1]


def _compile(folder: Path) -> Path:
    started = time.monotonic()
    _cache.say(f"building InfluxDB {_version()}, once; takes about five minutes")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"  # there is our pkg-config
    environment = os.environ | _rust_toolchain() | {"PATH": path, "CGO_ENABLED": "1"}
    _run(
        ["go", "build", "-o", str(folder / "pkg-config"), "github.com/influxdata/pkg-config"],
        environment,
        folder / "log",
    )
    _run(
        [
            *("go", "build", "-v", "-o", str(folder / "influxd")),
            *("-tags", "sqlite_foreign_keys sqlite_json"),
            *("-ldflags", f"-s -w -X main.version=v{_version()}"),
            "github.com/influxdata/influxdb/v2/cmd/influxd",
        ],
        environment,
        folder / "log",
    )
    _cache.say(f"built in {time.monotonic() - started:.0f} s")
    return folder / "influxd"


def _rust_toolchain() -> dict[str, str]:
    """Choose an installed Rust: Flux names one of its own, which rustup would have to fetch."""
    if "RUSTUP_TOOLCHAIN" in os.environ or shutil.which("rustup") is None:
        return {}
    listed = subprocess.run(
        ["rustup", "toolchain", "list"], capture_output=True, text=True, check=False
    ).stdout
    lines = sorted(listed.splitlines(), key=lambda line: ("default" not in line, "stable" not in line))
    return {"RUSTUP_TOOLCHAIN": lines[0].split()[0]} if lines else {}


def _run(command: list[str], environment: Mapping[str, str], log: Path) -> None:
    """Run a step of the build, saying from time to time how far it is."""
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=_MODULE, env=environment, stdout=output, stderr=subprocess.STDOUT
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
        raise ServerError(f"Building InfluxDB failed. The end of the output:\n{tail}")


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()
