"""InfluxDB, built once from its Go module.

`influxd/go.mod` and `go.sum` pin every module. InfluxDB is Go with a Rust half
(Flux), linked through cgo: hence three toolchains, and the `pkg-config` of
InfluxData, which builds the Rust half when cgo asks for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tools.servers import _cache, _go

_MODULE = Path(__file__).parent / "influxd"


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
    return _go.version(_MODULE, "influxdb/v2")


def _compile(folder: Path) -> Path:
    started = time.monotonic()
    _cache.say(f"building InfluxDB {_version()}, once; takes about five minutes")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"  # there is our pkg-config
    environment = os.environ | _rust_toolchain() | {"PATH": path, "CGO_ENABLED": "1"}
    _go.run(
        ["go", "build", "-o", str(folder / "pkg-config"), "github.com/influxdata/pkg-config"],
        _MODULE,
        environment,
        folder / "log",
    )
    _go.run(
        [
            *("go", "build", "-v", "-o", str(folder / "influxd")),
            *("-tags", "sqlite_foreign_keys sqlite_json"),
            *("-ldflags", f"-s -w -X main.version=v{_version()}"),
            "github.com/influxdata/influxdb/v2/cmd/influxd",
        ],
        _MODULE,
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
