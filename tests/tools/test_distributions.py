"""What decides the contents of the distributions, apart from their build."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
