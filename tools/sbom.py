"""The list of what is compiled into the native module, with licences: `python -m tools.sbom [TARGET]`.

It is a CycloneDX document, which wheels of db-core contain in `.dist-info/sboms` (PEP 770). maturin writes
one as well, but with the time, a random number and the folder of the build, so that no two wheels would be
equal.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_BINDING = "db-native-py"

NAME = f"{_BINDING}.cdx.json"

__all__ = ["NAME", "document", "host"]


def host() -> str:
    """Return the target of this machine, such as "x86_64-unknown-linux-gnu"."""
    return _output(_ROOT, "rustc", "-vV").partition("host: ")[2].split()[0]


def document(target: str, source: Path = _ROOT, *, by_zig: bool = False) -> str:
    """Return the document of a module: the crates in it, Rust's own library, and who needs which.

    Args:
        target: The target.
        source: The folder with Cargo.toml and Cargo.lock: this repository, or the sdist of db-core.
        by_zig: Whether Zig links the module, and hence puts in a library for panics.
    """
    tree = ("cargo", "tree", "--locked", "--package", _BINDING, "--edges", "normal,no-proc-macro")
    lines = _output(source, *tree, "--target", target, "--prefix", "none").splitlines()
    linked = {tuple(line.split(" ")[:2]) for line in lines if line}
    metadata = ("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target)
    described = json.loads(_output(source, *metadata))
    packages = {
        package["id"]: package
        for package in described["packages"]
        if (package["name"], f"v{package['version']}") in linked
    }
    sums = {
        (package["name"], package["version"]): package.get("checksum")
        for package in tomllib.loads((source / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    }
    edges = {
        _purl(packages[node["id"]]): sorted(
            {
                _purl(packages[each["pkg"]])
                for each in node["deps"]
                if each["pkg"] in packages and _is_linked(each)
            }
        )
        for node in described["resolve"]["nodes"]
        if node["id"] in packages
    }
    crates = sorted(packages.values(), key=_purl)
    [module] = [crate for crate in crates if crate["name"] == _BINDING]
    sbom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": _component(module, None)},
        "components": [
            *(
                _component(crate, sums[crate["name"], crate["version"]])
                for crate in crates
                if crate != module
            ),
            _standard_library(source),
            *([_unwinder()] if by_zig else []),
        ],
        "dependencies": [{"ref": ref, "dependsOn": edges[ref]} for ref in sorted(edges)],
    }
    return json.dumps(sbom, indent=1) + "\n"


def _component(crate: dict[str, Any], checksum: str | None) -> dict[str, Any]:
    """Describe a crate. One of the workspace has no checksum."""
    component = {
        "type": "library",
        "bom-ref": _purl(crate),
        "name": crate["name"],
        "version": crate["version"],
        "licenses": [{"expression": crate["license"].replace("/", " OR ")}],
        "purl": _purl(crate),
    }
    return component | ({"hashes": [{"alg": "SHA-256", "content": checksum}]} if checksum else {})


def _standard_library(source: Path) -> dict[str, Any]:
    version = _output(source, "rustc", "--version").split()[1]
    return {
        "type": "library",
        "bom-ref": f"rust-std@{version}",
        "name": "rust-std",
        "version": version,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }


def _unwinder() -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": "libunwind",
        "name": "libunwind",
        "description": f"LLVM's, as in ziglang {importlib.metadata.version('ziglang')}",
        "licenses": [{"expression": "Apache-2.0 WITH LLVM-exception"}],
    }


def _is_linked(dependency: dict[str, Any]) -> bool:
    """Return whether a crate needs another one when it runs, not only for its build or its tests."""
    return any(kind["kind"] is None for kind in dependency["dep_kinds"])


def _purl(crate: dict[str, Any]) -> str:
    return f"pkg:cargo/{crate['name']}@{crate['version']}"


def _output(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=True).stdout


if __name__ == "__main__":
    sys.stdout.write(document(sys.argv[1] if sys.argv[1:] else host()))
