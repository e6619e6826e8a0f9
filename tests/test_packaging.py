"""The built distributions: what each brings along, and what importing it costs.

`DISTRIBUTIONS` names the folder of the wheels and sdists; nox sets it.
"""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.distributions import time_of_the_commit

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[1]
FOLDER = Path(os.environ.get("DISTRIBUTIONS") or "/nonexistent")
PACKAGES = ("db-core", "db-influx", "db-redis")
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no DISTRIBUTIONS: `python3 noxfile.py -s tests` builds them"
)

# What must not be in an environment into which only the one package is installed.
UNWANTED = {
    "db-core": {"influxdb-client", "redis", "pandas", "polars", "pyarrow", "numpy", "orjson"},
    "db-influx": {"redis", "orjson", "pyarrow", "polars", "dask", "pyspark", "typer"},
    "db-redis": {"influxdb-client", "pandas", "polars", "pyarrow", "numpy"},
}
# What importing the package must not import.
LAZY = {
    "db-core": {"numpy", "pandas", "polars", "pyarrow", "influxdb_client", "redis"},
    "db-influx": {"numpy", "pandas", "polars", "pyarrow", "dask", "pyspark", "influxdb_client", "redis"},
    "db-redis": {"db_core._native", "numpy", "pandas", "polars", "pyarrow", "influxdb_client"},
}


def distribution(package: str, pattern: str) -> Path:
    """Find the one file of a package."""
    [path] = FOLDER.glob(f"{package.replace('-', '_')}-{pattern}")
    return path


@cache
def metadata(package: str) -> Message:
    """Read the metadata of a wheel."""
    with zipfile.ZipFile(distribution(package, "*.whl")) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(wheel.read(name))


@pytest.fixture(scope="module", params=PACKAGES)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Install one package into an environment of its own; give its name and the environment's Python."""
    package = request.param
    environment = tmp_path_factory.mktemp(package)
    wheels = [str(distribution(name, "*.whl")) for name in {package, "db-core"}]
    python = environment / "bin" / "python"
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    install = ["uv", "pip", "install", "--quiet", "--python", str(python), "--only-binary", ":all:"]
    subprocess.run([*install, "--constraint", str(ROOT / "constraints.txt"), *wheels], check=True)
    return package, python


def run(python: Path, script: str) -> str:
    """Run a script in an environment, apart from this repository; give what it prints."""
    command = [str(python), "-I", "-W", "error", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == result.returncode, result.stderr
    return result.stdout


def test_brings_along(installed: tuple[str, Path]) -> None:
    """A package alone pulls in nothing that only another one needs."""
    package, python = installed
    listed = subprocess.run(
        ["uv", "pip", "list", "--format", "json", "--python", python], capture_output=True, check=True
    ).stdout
    names = {entry["name"] for entry in json.loads(listed)}

    assert package in names
    assert set() == names & UNWANTED[package]


def test_import_is_light(installed: tuple[str, Path]) -> None:
    """Importing a package imports no library that it can do without until it is used."""
    package, python = installed
    modules = set(run(python, f"import {package.replace('-', '_')}, sys; print(*sys.modules)").split())

    assert package.replace("-", "_") in modules
    assert set() == modules & LAZY[package]


def test_native_module_loads(installed: tuple[str, Path]) -> None:
    """The native decoder works wherever db-core is installed, with nothing beside it."""
    _, python = installed

    assert "0\n" == run(python, r"import db_core; print(len(db_core.read_annotated_csv(b'\r\n')))")


def test_native_wheel_is_for_all_pythons() -> None:
    """One wheel of db-core serves CPython 3.11 and all later ones; the others are pure."""
    tags = {package: distribution(package, "*.whl").stem.split("-", 2)[2] for package in PACKAGES}

    assert tags["db-core"].startswith("cp311-abi3-")
    assert "py3-none-any" == tags["db-influx"] == tags["db-redis"]


def test_one_version() -> None:
    """The three packages have the version of Cargo.toml, and ask for that of db-core."""
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]

    assert {version} == {metadata(package)["Version"] for package in PACKAGES}
    for package in ("db-influx", "db-redis"):
        assert f"db-core=={version}" in metadata(package).get_all("Requires-Dist", [])


def test_the_native_wheel_lists_its_crates() -> None:
    """All crates of the module, with the checksums of their sources, have licences of deny.toml."""
    with zipfile.ZipFile(distribution("db-core", "*.whl")) as wheel:
        [name] = [name for name in wheel.namelist() if "/sboms/" in name]
        listed = json.loads(wheel.read(name))
        module = wheel.read("db_core/_native.abi3.so")
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    locked = {
        (package["name"], package["version"]): package.get("checksum")
        for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    }
    crates = {crate["name"]: crate for crate in listed["components"]}

    # What a panic would tell of where it happened names the sources of most crates.
    named = set(re.findall(rb"(?:crates|index\.[^/]+|vendor)/([\w-]+?)-\d+\.\d+[^/]*/src/", module))
    assert {"arrow-array", "pyo3"} <= {name.decode() for name in named} <= set(crates)
    assert "rust-std" in crates
    for crate in crates.values():
        expression = crate["licenses"][0]["expression"]
        parts = [{part.strip(" ()") for part in every.split(" OR ")} for every in expression.split(" AND ")]
        assert [] == [part for part in parts if not part & allowed], crate
        if "hashes" in crate:
            assert locked[crate["name"], crate["version"]] == crate["hashes"][0]["content"]
    assert {"db-native", "rust-std"} == {name for name, crate in crates.items() if "hashes" not in crate}


def test_another_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    """The sdists and the pure wheels do not depend on the folder and the time of their build."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(("packages/", "crates/", "Cargo.", ".gitignore")) and (ROOT / name).is_file():
            (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "tree" / name)
    for package in PACKAGES:
        build = ["uv", "build", "--quiet", "--build-constraints", str(ROOT / "constraints.txt")]
        kinds = ["--sdist"] if package == "db-core" else ["--sdist", "--wheel"]
        folder = tmp_path / "tree" / "packages" / package
        environment = os.environ | {"SOURCE_DATE_EPOCH": time_of_the_commit()}
        subprocess.run([*build, *kinds, "--out-dir", tmp_path / "dist", folder], env=environment, check=True)
    built = sorted(path for path in (tmp_path / "dist").iterdir() if path.suffix in {".gz", ".whl"})

    assert 5 == len(built)
    assert [] == [path.name for path in built if path.read_bytes() != (FOLDER / path.name).read_bytes()]


@pytest.mark.parametrize("package", PACKAGES)
def test_contents(package: str) -> None:
    """A wheel holds its package, marked as typed, with its stubs, and its metadata; nothing else."""
    module = package.replace("-", "_")
    with zipfile.ZipFile(distribution(package, "*.whl")) as wheel:
        names = wheel.namelist()

    source = ROOT / "packages" / package / "src"
    stubs = {path.relative_to(source).as_posix() for path in source.glob("**/*.pyi")}
    assert {f"{module}/py.typed", *stubs} <= set(names)
    assert {module, f"{module}-{metadata(package)['Version']}.dist-info"} == {
        name.split("/")[0] for name in names
    }
    assert [] == [name for name in names if "__pycache__" in name]
    assert "MIT" == metadata(package)["License-Expression"]
    with zipfile.ZipFile(distribution(package, "*.whl")) as wheel:
        [licence] = [name for name in names if name.endswith("/licenses/LICENSE")]
        assert (ROOT / "LICENSE").read_bytes() == wheel.read(licence)


@pytest.mark.parametrize("package", PACKAGES)
def test_sdist_contents(package: str) -> None:
    """An sdist has the licence, the sources and stubs of its package, and nothing that was compiled."""
    [archive] = FOLDER.glob(f"{package.replace('-', '_')}-*[0-9].tar.gz")
    with tarfile.open(archive) as sdist:
        files = {member.name.partition("/")[2]: member for member in sdist.getmembers()}
        licence = sdist.extractfile(files["LICENSE"])
        assert licence is not None
        assert (ROOT / "LICENSE").read_bytes() == licence.read()
    folder = ROOT / "packages" / package
    expected = {
        path.relative_to(folder).as_posix()
        for pattern in ("*.py", "*.pyi", "py.typed")
        for path in (folder / "src").rglob(pattern)
    }

    assert expected <= set(files)
    assert [] == [name for name in files if "__pycache__" in name or name.endswith((".so", ".pyd"))]


def test_sdist_is_whole(tmp_path: Path) -> None:
    """The sdist of db-core holds all crates and the lock that fits them: Cargo accepts it as it is."""
    with tarfile.open(distribution("db-core", "*.tar.gz")) as sdist:
        sdist.extractall(tmp_path, filter="data")
    [manifest] = tmp_path.glob("*/crates/db-native-py/Cargo.toml")
    described = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", manifest],
        capture_output=True,
        check=True,
    ).stdout
    local = {crate["name"] for crate in json.loads(described)["packages"] if crate["source"] is None}

    assert {"db-native", "db-native-py", "db-fuzz"} == local
    assert re.search(r'name = "pyo3"', next(tmp_path.glob("*/Cargo.lock")).read_text())
