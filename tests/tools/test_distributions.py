"""What decides the contents of the distributions, apart from their build."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"


def targets(*jobs: str) -> set[str]:
    """Return the targets of Rust of these jobs of wheels.yml."""
    parts = re.split(r"(?m)^  (\w+):\n(?=    name: )", (WORKFLOWS / "wheels.yml").read_text())[1:]
    texts = dict(zip(parts[::2], parts[1::2], strict=True))
    return {part for job in jobs for part in re.findall(r"\bpart: (\w+-[\w-]+)", texts[job])}


def checked_out(folder: Path, line_ends: str) -> dict[str, bytes]:
    """Return the files that git writes from its index, if its setting for line ends is this one."""
    command = ["git", "-c", f"core.autocrlf={line_ends}", "checkout-index", "--all", f"--prefix={folder}/"]
    subprocess.run(command, cwd=ROOT, check=True)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_git_changes_no_line_ends(tmp_path: Path) -> None:
    """A checkout on Windows, where git is set up to write CRLF, has the bytes of the commit."""
    expected = checked_out(tmp_path / "linux", "false")

    assert b"\n" in expected["packages/db-core/README.md"]
    found = checked_out(tmp_path / "windows", "true")
    assert [] == [name for name in expected if expected[name] != found[name]]


def test_what_is_built_is_tested_and_has_allowed_licences() -> None:
    """Wheels that one job builds are installed by another one, and deny.toml looks at their crates."""
    denied = tomllib.loads((ROOT / "deny.toml").read_text())["graph"]["targets"]

    assert 8 == len(targets("build"))
    assert targets("build") == targets("test", "musl") == set(denied)


def test_workflows_use_one_rust() -> None:
    """What is released was checked with the compiler that builds it."""
    texts = [path.read_text() for path in (WORKFLOWS / "ci.yml", WORKFLOWS / "wheels.yml")]

    [one, other] = [re.findall(r"(?m)^  RUSTUP_TOOLCHAIN: (\S+)", text) for text in texts]
    assert 1 == len(one)
    assert one == other
