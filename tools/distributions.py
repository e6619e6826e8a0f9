"""Build what is published, so that one commit gives the same bytes in any folder.

`python -m tools.distributions [--out FOLDER] [PART ...]`, where a part is "sources" (the sdists, the wheels
of db-influx and db-redis, and the sources of all crates for a build without a network) or a target of Rust,
such as "aarch64-unknown-linux-musl" (the wheels of db-core for it). Without a part both are built, for this
machine.
`--twice` builds them in two clones of the commit, and once more from the sdist without a network, and
compares.

Wheels for Linux are linked by Zig: against glibc 2.17 or musl 1.2, from any machine.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools import sbom

_ROOT = Path(__file__).parents[1]
_PURE = ("db-influx", "db-redis")
_CONSTRAINTS = _ROOT / "constraints.txt"
# CPython 3.11 stands for the stable ABI. Before 3.15 a Python without a GIL needs a wheel of its own.
_PYTHONS = ("3.11", "3.14t")
_LINUX = {"gnu": "manylinux_2_17", "musl": "musllinux_1_2"}
_VENDORED = """\
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"
"""

__all__ = ["environment", "native", "time_of_the_commit", "vendored"]


def main() -> int:
    """Build the parts, or build them twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=_ROOT / "dist", metavar="FOLDER")
    parser.add_argument("--twice", action="store_true", help="build in two folders, and compare")
    parser.add_argument("parts", nargs="*", metavar="PART")
    given = parser.parse_args()
    parts = given.parts or ["sources", sbom.host()]
    if given.twice:
        return _twice(parts)
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    for part in parts:
        if part == "sources":
            _sources(given.out.resolve())
        else:
            native(_ROOT / "packages" / "db-core", part, given.out.resolve())
    for path in sorted(given.out.iterdir()):
        print(f"{_sum(path)}  {path.name}")
    return 0


def environment(source: Path = _ROOT) -> dict[str, str]:
    """Return the variables of a build whose bytes depend neither on the time nor on the folders.

    Args:
        source: The folder with Cargo.toml, and with `vendor` if the crates are there.
    """
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    registries = sorted((cargo / "registry" / "src").glob("*"))
    flags = [f"--remap-path-prefix={source}=."]  # the last flag that fits a path decides
    flags += [f"--remap-path-prefix={folder}=crates" for folder in [*registries, source / "vendor"]]
    if os.name == "nt":
        flags.append("-Clink-arg=/Brepro")  # without the time of the build
    return {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags), "SOURCE_DATE_EPOCH": time_of_the_commit()}


def time_of_the_commit() -> str:
    """Return the time that archives give their members: seconds since the epoch."""
    return os.environ.get("SOURCE_DATE_EPOCH") or _output("git", "log", "-1", "--format=%ct").strip()


def native(package: Path, target: str, out: Path, **variables: str) -> None:
    """Build the wheels of db-core for a target.

    Args:
        package: The folder with the pyproject.toml of db-core, of this repository or of its sdist.
        target: The target.
        out: Where the wheels are written.
        variables: More variables of the build.
    """
    is_sdist = (package / "PKG-INFO").exists()
    source = package if is_sdist else package.parents[1]
    if not is_sdist:
        _run("cargo", "fetch", "--locked", cwd=source)  # so that the folders to be renamed are there
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / sbom.NAME
        is_linux = "linux" in target
        listed.write_text(sbom.document(target, source, by_zig=is_linux), encoding="utf-8", newline="\n")
        if is_linux:  # for which maturin knows all Pythons
            system = ["--compatibility", _LINUX[target.rpartition("-")[2]], "--zig"]
            pythons = [f"python{version}" for version in _PYTHONS]
        else:
            system = []
            pythons = [_output("uv", "python", "find", version).strip() for version in _PYTHONS]
        _run(
            *(sys.executable, "-m", "maturin", "build", "--release", "--locked", "--target", target),
            *(*system, "--sbom-include", str(listed), "--out", str(out)),
            *(argument for python in pythons for argument in ("--interpreter", python)),
            cwd=package,
            **environment(source),
            **variables,
        )


def vendored(out: Path) -> Path:
    """Write the sources of all crates as an archive, to be unpacked into the folder of db-core's sdist."""
    version = (
        _output("cargo", "pkgid", "--package", "db-native").rpartition("#")[2].rpartition("@")[2].strip()
    )
    archive = out / f"db_core-{version}-crates.tar.gz"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / f"db_core-{version}"
        _run("cargo", "vendor", "--quiet", "--locked", "--versioned-dirs", str(folder / "vendor"), cwd=_ROOT)
        (folder / ".cargo").mkdir()
        (folder / ".cargo" / "config.toml").write_text(_VENDORED)
        _pack(folder, archive)
    return archive


def _sources(out: Path) -> None:
    for package in ("db-core", *_PURE):
        kinds = ("--sdist",) if package == "db-core" else ()
        _run(
            *("uv", "build", f"packages/{package}", "--out-dir", str(out), *kinds, "--no-create-gitignore"),
            *("--build-constraints", str(_CONSTRAINTS)),
            cwd=_ROOT,
            **environment(),
        )
    vendored(out)


def _pack(folder: Path, archive: Path) -> None:
    """Pack a folder, with neither its order on disk nor its owners and times."""
    epoch = int(time_of_the_commit())

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = epoch
        member.mode = 0o755 if member.mode & 0o100 else 0o644
        return member

    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            tar.add(path, path.relative_to(folder.parent).as_posix(), filter=plain)


def _twice(parts: list[str]) -> int:
    """Build the committed state in two folders, and from the sdist without a network; compare the bytes."""
    epoch = time_of_the_commit()
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / name for name in ("one", "the-other-folder")]
        for folder in folders:
            _run("git", "clone", "--quiet", str(_ROOT), str(folder / "clone"), cwd=_ROOT)
            home = folder / "cargo"
            _linked(Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo"), home)
            _run(
                *(sys.executable, "-m", "tools.distributions", "--out", str(folder / "dist"), *parts),
                cwd=folder / "clone",
                CARGO_HOME=str(home),
            )
            shutil.rmtree(folder / "clone" / "target", ignore_errors=True)
        found = [{path.name: _sum(path) for path in (folder / "dist").iterdir()} for folder in folders]
        if "sources" in parts:
            found.append(dict(found[0]))
            for target in (part for part in parts if part != "sources"):
                found[-1] |= _offline(folders[0] / "dist", target, Path(temporary) / "offline", epoch)
    differing = {name for sums in found for name in sums if len({each.get(name) for each in found}) > 1}
    for name, digest in sorted(found[0].items()):
        print(f"{digest}  {name}{'  DIFFERS' if name in differing else ''}")
    return int(bool(differing))


def _offline(dist: Path, target: str, folder: Path, epoch: str) -> dict[str, str]:
    """Build wheels from the sdist and the archive of crates, where there is no network; return their sums."""
    for archive in dist.glob("db_core-*.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    [package] = folder.glob("db_core-*")
    isolated = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*isolated, "true"], check=False).returncode:
        isolated = []
        print("This machine allows no network of our own: only Cargo is told to do without one.", flush=True)
    build = (
        f"from pathlib import Path; from tools.distributions import native; native(Path({str(package)!r}), "
    )
    _run(
        *(*isolated, sys.executable, "-c", f"{build}{target!r}, Path({str(folder / 'dist')!r}))"),
        cwd=_ROOT,
        CARGO_HOME=str(folder / "cargo"),
        CARGO_NET_OFFLINE="true",
        SOURCE_DATE_EPOCH=epoch,
    )
    return {path.name: _sum(path) for path in (folder / "dist").iterdir()}


def _linked(home: Path, other: Path) -> None:
    """Make another home of Cargo with the same downloads, so that paths differ as on another machine."""
    other.mkdir(parents=True)
    for entry in home.iterdir():
        (other / entry.name).symlink_to(entry)


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def _run(*command: str, cwd: Path, **variables: str) -> None:
    subprocess.run(command, cwd=cwd, env=os.environ | variables, check=True)


if __name__ == "__main__":
    sys.exit(main())
