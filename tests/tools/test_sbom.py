"""The list of what is compiled into the native module, for platforms that this one is not."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tools import sbom

ROOT = Path(__file__).parents[2]


def tree(target: str) -> dict[str, set[str]]:
    """Return what each crate of the module needs, as Cargo draws it."""
    command = ["cargo", "tree", "--locked", "--package", "db-native-py", "--target", target, "--no-dedupe"]
    edges = ["--edges", "normal,no-proc-macro", "--prefix", "depth"]
    drawn = subprocess.run([*command, *edges], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    above: list[str] = []
    needed: dict[str, set[str]] = {}
    for depth, name, version in re.findall(r"(?m)^(\d+)(\S+) v(\S+)", drawn):
        above[int(depth) :] = [f"pkg:cargo/{name}@{version}"]
        needed.setdefault(above[-1], set())
        if above[:-1]:
            needed[above[-2]].add(above[-1])
    return needed


@pytest.mark.parametrize(
    "target", ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"]
)
def test_crates_and_their_needs_are_those_of_the_target(target: str) -> None:
    """A crate that only another platform, a build or a test needs is not there, and is needed by none."""
    listed = json.loads(sbom.document(target))
    expected = tree(target)

    assert expected == {each["ref"]: set(each["dependsOn"]) for each in listed["dependencies"]}
    crates = {crate["bom-ref"] for crate in [listed["metadata"]["component"], *listed["components"]]}
    assert set(expected) == {ref for ref in crates if ref.startswith("pkg:cargo/")}
    assert ["rust-std"] == [ref.partition("@")[0] for ref in crates - set(expected)]


def test_what_zig_links_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wheels for Linux have LLVM's libunwind, whose licence is allowed; others take it from the system."""
    monkeypatch.setattr(importlib.metadata, "version", {"ziglang": "0.17.1"}.__getitem__)
    listed = json.loads(sbom.document("x86_64-unknown-linux-gnu", by_zig=True))

    [unwinder] = [library for library in listed["components"] if library["name"] == "libunwind"]
    assert "LLVM's, as in ziglang 0.17.1" == unwinder["description"]
    allowed = tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"]
    assert unwinder["licenses"][0]["expression"] in allowed
